"""Means over polygons, with exact area weights and an uncertainty that knows that errors are alike in space.

EASE-Grid 2.0 has cells of equal area, so a cell's weight is the share of it that a polygon covers. The error of a cell
has two parts: one common to its 36 km cell, and to others the less the farther they are, and one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.sparse import csr_array

from downscaler import product
from downscaler.errors import MissingExtraError
from downscaler.ground.blocks import Floats
from downscaler.ground.grid import CRS, M01, M36, Domain

_AT_ONCE = 250  # polygons given to exactextract at once
_ENTRIES = 1_000_000  # cells of zones whose statistics are made at once
_STEP = 0.02  # degrees between vertices before a polygon is projected: edges are straight in degrees


@dataclass(frozen=True, kw_only=True)
class SpatialErrors:
    """Correlation of two cells' errors: common x exp(-distance of their 36 km cells / reach); 1 within one cell."""

    common: float
    reach: float  # km

    def __post_init__(self) -> None:
        if not (0.0 <= self.common <= 1.0 and self.reach > 0.0):
            raise ValueError(f"no correlation: common {self.common} (0 to 1), reach {self.reach} km (above 0)")


@dataclass(frozen=True, kw_only=True)
class ZoneWeights:
    """The share of each cell that each polygon covers.

    ``matrix`` is [zone, cell] with cells row by row from the north-west, 0 to 1; ``area`` [zone] is of the whole
    polygons, km2, also of what lies outside the domain.
    """

    matrix: csr_array
    area: Floats
    shape: tuple[int, int]


def zone_weights(polygons: Sequence[shapely.Geometry], domain: Domain) -> ZoneWeights:
    """Exact shares of the domain's cells that polygons in degrees cover.

    Edges are followed in steps of 0.02 degrees, as what is straight in degrees is a little curved on the grid.
    Raises MissingExtraError where exactextract is not installed.

    Source: Baston, D. (2024), exactextract, https://github.com/isciences/exactextract.
    """
    try:
        from exactextract import exact_extract
        from exactextract.feature import JSONFeatureSource
        from exactextract.raster import NumPyRasterSource
    except ImportError as error:
        raise MissingExtraError("Zones need exactextract", remedy="pip install 'vadose[zones]'") from error
    box, shape = domain.geobox().extent.boundingbox, (domain.shape().y, domain.shape().x)
    projected = [_projected(polygon) for polygon in polygons]
    raster = NumPyRasterSource(np.zeros(shape, np.uint8), box.left, box.bottom, box.right, box.top)
    cells: list[NDArray[np.int32]] = []
    shares: list[Floats] = []
    for start in range(0, len(projected), _AT_ONCE):
        some = projected[start : start + _AT_ONCE]
        features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(one)} for one in some]
        source = JSONFeatureSource(features)  # a list: given a collection, exactextract 0.3 crashes
        for answer in exact_extract(raster, source, ["cell_id", "coverage"]):
            cells.append(np.asarray(answer["properties"]["cell_id"]).ravel().astype(np.int32))
            shares.append(np.asarray(answer["properties"]["coverage"], np.float64).ravel())
    ends = np.cumsum([0, *(len(part) for part in cells)])
    content = np.concatenate(shares), np.concatenate(cells), ends
    matrix = csr_array(content, shape=(len(projected), shape[0] * shape[1]))
    return ZoneWeights(matrix=matrix, area=np.array([one.area / 1e6 for one in projected]), shape=shape)


def masked(weights: ZoneWeights, share: Floats) -> ZoneWeights:
    """The same zones where only a share of each cell counts, such as its cropland.

    ``area`` becomes the area of what counts within the domain; that of a zone without any stays, so that its cover is
    0.

    Args:
        weights: of the zones on the domain.
        share: of each cell that counts [y, x], 0 to 1.
    """
    matrix = weights.matrix.copy()
    matrix.data = matrix.data * np.nan_to_num(share).ravel()[matrix.indices]
    counted = np.asarray(matrix.sum(axis=1)).ravel() * (M01.cell / 1000.0) ** 2
    return ZoneWeights(matrix=matrix, area=np.where(counted > 0, counted, weights.area), shape=weights.shape)


def zone_means(weights: ZoneWeights, fields: Mapping[str, Floats]) -> dict[str, Floats]:
    """Area-weighted means of fields [y, x] over the cells of each zone with a value: [zone] each, NaN without any."""
    found = {}
    for name, field in fields.items():
        values = np.asarray(field, np.float64).ravel()
        known = np.isfinite(values)
        total = weights.matrix @ known.astype(np.float64)
        part = weights.matrix @ np.where(known, values, 0.0)
        found[name] = np.where(total > 0, part / np.where(total > 0, total, 1.0), np.nan)
    return found


_TO_EASE = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)


def _projected(polygon: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shapely.segmentize(polygon, _STEP), _TO_EASE.transform, interleaved=False)


def zone_statistics(weights: ZoneWeights, theta: Floats, sigma: Floats, errors: SpatialErrors) -> dict[str, Floats]:
    """Mean, uncertainty, 90 % interval, spread and cover of each zone, all over the cells with a value.

    Args:
        weights: of the zones on the domain.
        theta: soil moisture [y, x], m3 m-3; NaN where a cell has none.
        sigma: its standard uncertainty [y, x].
        errors: correlation of the cells' errors.

    Returns:
        [zone] each: ``mean``, ``uncertainty``, ``lower``, ``upper``, ``spread`` (standard deviation of the cells) in
        m3 m-3, NaN without any value; ``cover``, the share of the polygon's area with a value.
    """
    values, known = theta.ravel().astype(np.float64), np.isfinite(theta).ravel()
    deviation = np.where(known, np.nan_to_num(sigma.ravel(), nan=product.THETA_MAX), 0.0)
    parts = [
        _statistics(
            weights.matrix[first:last], weights.area[first:last], weights.shape, values, known, deviation, errors
        )
        for first, last in _blocks(weights.matrix.indptr)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _blocks(ends: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """First and last-plus-one zone of blocks with about ``_ENTRIES`` cells, so that memory is bounded."""
    number = len(ends) - 1
    first = 0
    while first < number or number == first == 0:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + _ENTRIES, side="right")) - 1)
        yield first, min(last, number)
        first = max(last, 1)


def _statistics(
    matrix: csr_array,
    area: Floats,
    shape: tuple[int, int],
    values: Floats,
    known: NDArray[np.bool_],
    deviation: Floats,
    errors: SpatialErrors,
) -> dict[str, Floats]:
    """The statistics of some zones, as ``zone_statistics`` gives them; ``values`` and the others are by cell."""
    zone = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    share = matrix.data * known[matrix.indices]
    zones = matrix.shape[0]
    total = np.bincount(zone, share, zones)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(known[matrix.indices], values[matrix.indices], 0.0)
        mean = np.where(total > 0, np.bincount(zone, share * inside, zones) / total, np.nan)
        part = share / np.where(total > 0, total, 1.0)[zone]
        spread = np.sqrt(np.bincount(zone, part * np.where(share > 0, inside - mean[zone], 0.0) ** 2, zones))
    variance = _error_variance(part * deviation[matrix.indices], zone, matrix.indices, shape, zones, errors)
    error = np.where(total > 0, np.sqrt(variance), np.nan)
    reach = NormalDist().inv_cdf(0.5 + product.INTERVAL / 2) * error
    cell = (M01.cell / 1000.0) ** 2
    return {
        "mean": mean,
        "uncertainty": error,
        "lower": np.clip(mean - reach, product.THETA_MIN, product.THETA_MAX),
        "upper": np.clip(mean + reach, product.THETA_MIN, product.THETA_MAX),
        "spread": np.where(total > 0, spread, np.nan),
        "cover": np.minimum(total * cell / area, 1.0),
    }


def _error_variance(
    parts: Floats,
    zone: NDArray[np.integer],
    cell: NDArray[np.integer],
    shape: tuple[int, int],
    zones: int,
    errors: SpatialErrors,
) -> Floats:
    """Variance of each zone's mean: sum_ij u_i u_j rho_ij with u weight times deviation, summed by 36 km cell first."""
    per, width = M01.per_m36, shape[1] // M01.per_m36
    block = (cell // shape[1]) // per * width + (cell % shape[1]) // per
    keys, place = np.unique(zone * (width * (shape[0] // per)) + block, return_inverse=True)
    sums = np.bincount(place, parts, len(keys))
    owner, number = np.divmod(keys, width * (shape[0] // per))
    centres = np.stack(np.divmod(number, width), axis=1) * (M36.cell / 1000.0)
    common = np.zeros(zones)
    for first, last in zip(*_runs(owner), strict=True):
        distance = np.linalg.norm(centres[first:last, None] - centres[None, first:last], axis=2)
        common[owner[first]] = sums[first:last] @ np.exp(-distance / errors.reach) @ sums[first:last]
    own = np.bincount(zone, parts**2, zones)
    return np.asarray(errors.common * common + (1.0 - errors.common) * own)


def _runs(sorted_ids: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """First and last-plus-one index of each run of equal numbers."""
    starts = np.flatnonzero(np.diff(sorted_ids, prepend=-1))
    return starts, np.append(starts[1:], len(sorted_ids))
