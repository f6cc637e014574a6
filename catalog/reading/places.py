"""Values of a published item's rasters at a point or over a polygon, in physical units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from catalog.reading.rasters import open_raster
from catalog.reading.zones import part_of
from catalog.store.base import Store
from downscaler.derived.zones import zone_weights
from downscaler.errors import DomainError
from downscaler.ground.grid import M01, Domain, LonLat


@dataclass(frozen=True, kw_only=True)
class Place:
    """Cells of a domain and the weight of each, which sum to one where all have a value.

    ``window`` is counted from the domain's corner, ``weights`` are [y, x] of it.
    """

    window: RasterWindow
    weights: NDArray[np.float64]


def place_of(domain: Domain, where: LonLat | shapely.Geometry) -> Place:
    """The cell of a point, or the cells of a polygon by the exact share of each that it covers.

    Raises DomainError where it lies outside, MissingExtraError where a polygon needs exactextract.
    """
    whole = domain.window()
    if isinstance(where, LonLat):
        cell = M01.cell_at(where)
        row, column = cell.y - whole.rows.start, cell.x - whole.columns.start
        if not (0 <= row < len(whole.rows) and 0 <= column < len(whole.columns)):
            at = f"{where.lon}, {where.lat}"
            raise DomainError("The place lies outside the domain", value=at, allowed=domain.title)
        return Place(window=RasterWindow(column, row, 1, 1), weights=np.ones((1, 1)))
    part = part_of(domain, where)
    found = None if part is None else zone_weights([where], part)
    if part is None or found is None or not found.matrix.nnz:
        raise DomainError("The polygon lies outside the domain", value=where.bounds, allowed=domain.title)
    inside = part.window().relative_to(whole)
    rows, columns = inside.rows, inside.columns
    return Place(
        window=RasterWindow(columns.start, rows.start, len(columns), len(rows)),
        weights=np.asarray(found.matrix.toarray()[0].reshape(found.shape)),
    )


def values_at(store: Store, keys: Mapping[str, str], names: Sequence[str], place: Place) -> dict[str, float]:
    """Weighted mean of rasters over a place by name; NaN where less than half of it has a value.

    Raises CatalogError where a raster is missing or damaged.
    """
    found, whole = {}, float(place.weights.sum())
    for name in names:
        with open_raster(store, keys[name]) as file:
            stored = file.read(1, window=place.window, masked=True).astype(np.float64).filled(math.nan)
        share = np.where(np.isfinite(stored), place.weights, 0.0)
        known = float(share.sum())
        enough = known > 0.5 * whole
        found[name] = float((share * np.nan_to_num(stored)).sum() / known) if enough else math.nan
    return found
