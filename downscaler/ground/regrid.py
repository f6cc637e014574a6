"""Regridding from a model lattice to the product grid: area-weighted means for fields, modes for classes.

Each product cell is sampled at the points of a Fibonacci lattice, which fill it evenly in every direction; those that
fall in a model cell are its share of the area, right to about 1 %. Both grids are locally affine over 1 km, so only the
cell corners are projected and the samples lie between them bilinearly (error below 1 m).

Source: Niederreiter (1992, doi:10.1137/1.9781611970081), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import sparse

from downscaler.ground.grid import CRS, Domain, Span, Window
from downscaler.ground.lattice import IJWindow, Lattice

FIBONACCI = (144, 89)  # samples in a cell and the generator of their lattice
MIN_COVER = 0.5  # a product cell needs at least half of its area on active lattice cells

Field = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Area shares of lattice cells in the product cells of one window.

    ``matrix`` is [product cells row by row, lattice cells of ``source`` row by row]; a row sums to the part of the
    product cell that lies on the lattice.
    """

    window: Window
    source: IJWindow
    matrix: sparse.csr_matrix

    def mean(self, values: NDArray[np.floating], *, min_cover: float = MIN_COVER) -> NDArray[np.float32]:
        """Area-weighted mean of finite values: [..., j, i] on ``source`` to [..., y, x], row 0 in the north.

        NaN where finite lattice cells cover less than ``min_cover`` of the product cell.
        """
        lead = values.shape[:-2]
        flat = np.asarray(values, dtype=np.float64).reshape(-1, self.matrix.shape[1]).T
        finite = np.isfinite(flat)
        if finite.all(axis=1).sum() + (~finite).all(axis=1).sum() == finite.shape[0]:
            cover = self.matrix @ finite[:, :1].astype(np.float64)  # one mask serves all days
        else:
            cover = self.matrix @ finite.astype(np.float64)
        total = self.matrix @ np.where(finite, flat, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(cover >= min_cover, total / cover, np.nan)
        shape = self.window.shape
        return np.ascontiguousarray(mean.T, dtype=np.float32).reshape(*lead, shape.y, shape.x)

    def mode(self, classes: NDArray[np.integer], *, missing: int = -1) -> NDArray[np.int16]:
        """Class with the largest area: [j, i] on ``source`` to [y, x]; ``missing`` cells do not vote."""
        flat = np.asarray(classes).ravel()
        best = np.zeros(self.matrix.shape[0])
        result = np.full(self.matrix.shape[0], missing, dtype=np.int16)
        for value in np.unique(flat[flat != missing]):
            share = self.matrix @ (flat == value).astype(np.float64)
            better = share > best
            result[better], best[better] = value, share[better]
        shape = self.window.shape
        return result.reshape(shape.y, shape.x)


def overlap(
    lattice: Lattice, domain: Domain, window: Window, *, fibonacci: tuple[int, int] = FIBONACCI
) -> Overlap | None:
    """Shares of lattice cells in the M01 cells of ``window`` (counted from the domain's corner).

    None when the window and the lattice do not meet.
    """
    i, j = _sample_cells(lattice, domain, window, fibonacci)
    inside = (i >= 0) & (i < lattice.shape.x) & (j >= 0) & (j < lattice.shape.y)
    if not inside.any():
        return None
    source = IJWindow(
        i=Span(start=int(i[inside].min()), stop=int(i[inside].max()) + 1),
        j=Span(start=int(j[inside].min()), stop=int(j[inside].max()) + 1),
    )
    column = (j - source.j.start) * len(source.i) + (i - source.i.start)
    ends = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    weight = np.full(ends[-1], 1.0 / fibonacci[0])
    shape = (i.shape[0], len(source.i) * len(source.j))
    matrix = sparse.csr_matrix((weight, column[inside], ends), shape=shape)
    matrix.sum_duplicates()
    return Overlap(window=window, source=source, matrix=matrix)


def sample_points(fibonacci: tuple[int, int] = FIBONACCI) -> tuple[Field, Field]:
    """Places of the samples within a cell, from 0 to 1 rightward and downward; flat."""
    count, generator = fibonacci
    number = np.arange(count)
    return (number + 0.5) / count, (number * generator % count + 0.5) / count


def _sample_cells(
    lattice: Lattice, domain: Domain, window: Window, fibonacci: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Lattice i and j of every sample: [product cell, sample] each."""
    x, y = _corners(lattice, domain, window)
    right, down = sample_points(fibonacci)
    terms = np.stack([np.ones(len(right)), right, down, right * down])
    parts = []
    for corner, origin in ((x, lattice.lower_left.x), (y, lattice.lower_left.y)):
        place = (corner - origin) / lattice.cell
        nw, ne, sw, se = (p.ravel() for p in (place[:-1, :-1], place[:-1, 1:], place[1:, :-1], place[1:, 1:]))
        position = np.stack([nw, ne - nw, sw - nw, nw - ne - sw + se], axis=1) @ terms
        parts.append(np.floor(position, out=position).astype(np.int32))
    return parts[0], parts[1]


def _corners(lattice: Lattice, domain: Domain, window: Window) -> tuple[Field, Field]:
    """Lattice coordinates of the corners of the window's cells, [y + 1, x + 1] each."""
    affine: Affine = domain.geobox().affine
    columns = np.arange(window.columns.start, window.columns.stop + 1)
    rows = np.arange(window.rows.start, window.rows.stop + 1)
    x, y = np.meshgrid(affine.c + columns * affine.a, affine.f + rows * affine.e)
    east, north = Transformer.from_crs(CRS, lattice.crs, always_xy=True).transform(x, y)
    return np.asarray(east), np.asarray(north)
