"""Exact regridding from a longitude-latitude grid to the product grid: both are rectangles in EASE-Grid's plane.

EASE-Grid 2.0 is cylindrical and of equal area: its x is a function of longitude alone, its y of latitude alone. So the
area that a source cell has in a product cell is the product of two overlaps of edges, and a field is brought over by
two small sparse matrices, one a side.

Source: Brodzik et al. (2012, doi:10.3390/ijgi1010032); Jones (1999, first-order conservative remapping,
doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import sparse

from downscaler.ground.grid import CRS, Domain
from downscaler.ground.lattice import Lattice

MIN_COVER = 0.5  # a product cell needs at least half of its area on known source cells
LAPSE_RATE = 0.0065  # K m-1, of the standard atmosphere and of NLDAS's own vertical adjustment
_GEOGRAPHIC = "EPSG:4326"

Field = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FromLatLon:
    """How a longitude-latitude grid lies under a domain's product cells.

    Source arrays are [j, i], row 0 in the south; product arrays [y, x], row 0 in the north. ``rows`` and ``columns``
    are shares of a product cell's height and width; ``near_rows`` and ``near_columns`` weights of linear interpolation
    between cell centres.
    """

    rows: sparse.csr_matrix
    columns: sparse.csr_matrix
    near_rows: sparse.csr_matrix
    near_columns: sparse.csr_matrix

    def mean(self, values: NDArray[np.floating], *, min_cover: float = MIN_COVER) -> NDArray[np.float32]:
        """Area-weighted mean of known values [j, i]: [y, x], NaN where they cover less than ``min_cover`` of a cell."""
        return _weighted(self.rows, self.columns, values, min_cover)

    def linear(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Linear between the known cell centres around, [j, i] to [y, x]; NaN where none is known."""
        return _weighted(self.near_rows, self.near_columns, values, 1e-9)

    def coarse_mean(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean of a product field [y, x] over each source cell: [j, i], NaN where no product cell is known."""
        return _weighted(self.rows.T.tocsr(), self.columns.T.tocsr(), values, 1e-9)

    def temperature(
        self, values: NDArray[np.floating], elevation: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Air temperature, K: linear between centres and, given elevations, moved to each cell's own height.

        T(x) = T_linear(x) - 6.5 K/km (z(x) - z_linear(x)), where z_linear is what the source's own smooth ground is:
        the mean elevation of each source cell, interpolated as the temperature is.

        Args:
            values: temperature of the source's cells [j, i], K.
            elevation: of the product cells [y, x], m, NaN where unknown (such cells are not moved); None for none.
        """
        field = self.linear(values)
        if elevation is None:
            return field
        smooth = self.linear(self.coarse_mean(elevation))
        rise = np.nan_to_num(np.asarray(elevation, dtype=np.float64) - smooth)
        return np.asarray(field - LAPSE_RATE * rise, dtype=np.float32)


def is_geographic(lattice: Lattice) -> bool:
    """Whether a lattice counts in degrees of longitude and latitude."""
    return lattice.crs == _GEOGRAPHIC


def from_latlon(lattice: Lattice, domain: Domain) -> FromLatLon:
    """The matrices for a geographic lattice (``crs`` EPSG:4326, ``cell`` in degrees) and a domain's product cells."""
    assert is_geographic(lattice), lattice.crs
    affine, shape = domain.geobox().affine, domain.shape()
    x = affine.c + affine.a * np.arange(shape.x + 1)
    y = affine.f + affine.e * np.arange(shape.y + 1)
    west, south = lattice.lower_left.x, lattice.lower_left.y
    lon_edges = west + lattice.cell * np.arange(lattice.shape.x + 1)
    lat_edges = np.clip(south + lattice.cell * np.arange(lattice.shape.y + 1), -89.999, 89.999)
    to_plane = Transformer.from_crs(_GEOGRAPHIC, CRS, always_xy=True)
    source_x = np.asarray(to_plane.transform(lon_edges, np.zeros_like(lon_edges))[0])
    source_y = np.asarray(to_plane.transform(np.zeros_like(lat_edges), lat_edges)[1])
    to_degrees = Transformer.from_crs(CRS, _GEOGRAPHIC, always_xy=True)
    lon = np.asarray(to_degrees.transform((x[:-1] + x[1:]) / 2, np.zeros(shape.x))[0])
    lat = np.asarray(to_degrees.transform(np.zeros(shape.y), (y[:-1] + y[1:]) / 2)[1])
    return FromLatLon(
        rows=_overlaps(np.asarray(y[::-1], dtype=np.float64), source_y)[::-1],
        columns=_overlaps(np.asarray(x, dtype=np.float64), source_x),
        near_rows=_between((lat - south) / lattice.cell - 0.5, lattice.shape.y),
        near_columns=_between((lon - west) / lattice.cell - 0.5, lattice.shape.x),
    )


def _overlaps(target: Field, source: Field) -> sparse.csr_matrix:
    """Share of each target stretch that lies on each source stretch; both by ascending edges."""
    size = target.size - 1
    first = np.clip(np.searchsorted(source, target[:-1], side="right") - 1, 0, source.size - 2)
    last = np.clip(np.searchsorted(source, target[1:], side="left") - 1, 0, source.size - 2)
    row = np.repeat(np.arange(size), last - first + 1)
    column = np.concatenate([np.arange(a, b + 1) for a, b in zip(first, last, strict=True)])
    length = np.minimum(target[1:][row], source[1:][column]) - np.maximum(target[:-1][row], source[:-1][column])
    share = np.maximum(length, 0.0) / (target[1:] - target[:-1])[row]
    return sparse.csr_matrix((share, (row, column)), shape=(size, source.size - 1))


def _between(place: Field, size: int) -> sparse.csr_matrix:
    """Weights of linear interpolation at places counted in cells from the first centre; none beyond the outer edge."""
    row = np.arange(place.size)
    inside = (place >= -0.5) & (place <= size - 0.5)
    low = np.clip(np.floor(place).astype(np.intp), 0, max(size - 2, 0))
    share = np.clip(place - low, 0.0, 1.0)
    high = np.minimum(low + 1, size - 1)
    data = np.concatenate([(1.0 - share) * inside, share * inside])
    return sparse.csr_matrix((data, (np.tile(row, 2), np.concatenate([low, high]))), shape=(place.size, size))


def _weighted(
    rows: sparse.csr_matrix, columns: sparse.csr_matrix, values: NDArray[np.floating], min_cover: float
) -> NDArray[np.float32]:
    known = np.isfinite(values)
    total = rows @ np.where(known, values, 0.0).astype(np.float64) @ columns.T
    cover = rows @ known.astype(np.float64) @ columns.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(cover >= min_cover, total / cover, np.nan), dtype=np.float32)
