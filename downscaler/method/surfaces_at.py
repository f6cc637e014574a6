"""The surfaces of ``conserve`` at listed cells: of a land of any size, without its fields on the 1 km grid.

What block means still lack is a sum over the 3 x 3 blocks around, so the corrections are found on the coarse grid, and
the surface of all of them is drawn at the listed cells alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_sum
from downscaler.method.conserve import ITERATIONS, bilinear_weights, near_weights, weighted_means

_WEIGHTLESS = 1e-9  # as in ``conserve``: no valid centre within reach
_BLOCKS_AT_ONCE = 20_000
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Listed cells and what weighs the 3 x 3 blocks around each: block's ``row`` and ``column``, weights [n, 3]."""

    row: Places
    column: Places
    down: Floats
    across: Floats

    def part(self, chosen: Places) -> Spots:
        """Some of them."""
        return Spots(
            row=self.row[chosen], column=self.column[chosen], down=self.down[chosen], across=self.across[chosen]
        )


class SurfacesAt:
    """``conserve.Surfaces`` at listed cells; the same numbers to rounding.

    Args:
        land: [nyc*ratio, nxc*ratio], cells that block means are taken over; kept as it is, one byte each.
        ratio: fine cells along one edge of a coarse cell.
        weights: of the interpolation along an axis, see ``Surfaces``.
    """

    def __init__(
        self, land: Bools, ratio: int, weights: Callable[[int, int], NDArray[np.float64]] = bilinear_weights
    ) -> None:
        rows, columns = (size // ratio for size in land.shape)
        bands = (land[at * ratio : (at + 1) * ratio] for at in range(rows))
        self.count = np.concatenate([block_sum(band.astype(np.float64), ratio) for band in bands])
        self._land, self._ratio = land, ratio
        self._down, self._across = (near_weights(weights(size, ratio), size) for size in (rows, columns))
        self._all = self._weights_of_all()

    def spots(self, row: Places, column: Places) -> Spots:
        """Cells of the fine grid by row and column [n]."""
        y, x = row // self._ratio, column // self._ratio
        return Spots(
            row=y, column=x, down=self._down[y, row % self._ratio], across=self._across[x, column % self._ratio]
        )

    def corrected(self, coarse: Floats) -> Floats:
        """Coarse values with all corrections, NaN where missing; what ``at`` draws the surface through.

        Args:
            coarse: [..., nyc, nxc], NaN where missing, and where there is no land; fields miss the same values.
        """
        valid = np.isfinite(coarse if coarse.ndim == 2 else coarse[0])
        weights = self._weights(valid)
        given, change = weighted_means(weights, valid, coarse), np.zeros(coarse.shape)
        for _ in range(ITERATIONS):
            change = change + np.where(valid, coarse - (given + weighted_means(weights, valid, change)), 0.0)
        found: Floats = np.where(valid, coarse + change, np.nan)
        return found

    @staticmethod
    def at(coarse: Floats, spots: Spots) -> Floats:
        """The surface through coarse values [..., nyc, nxc] at cells [..., n]; NaN where none is within reach."""
        valid = np.isfinite(coarse if coarse.ndim == 2 else coarse[0])
        total = np.zeros((*coarse.shape[:-2], len(spots.row)))
        weight = np.zeros(len(spots.row))
        padded = np.zeros((*coarse.shape[:-2], coarse.shape[-2] + 2, coarse.shape[-1] + 2))
        padded[..., 1:-1, 1:-1] = np.where(valid, coarse, 0.0)
        known = np.pad(valid, 1)
        for i, j in np.ndindex(3, 3):
            share = spots.down[:, i] * spots.across[:, j]
            total += share * padded[..., spots.row + i, spots.column + j]
            weight += share * known[spots.row + i, spots.column + j]
        if valid.all():
            return total
        surface: Floats = total / np.where(weight > _WEIGHTLESS, weight, np.nan)
        return surface

    def __call__(self, coarse: Floats, spots: Spots) -> Floats:
        """The mass-preserving surface through coarse values [..., nyc, nxc] at cells [..., n]."""
        return self.at(self.corrected(coarse), spots)

    def _weights_of_all(self) -> Floats:
        """Weights [3, 3, nyc, nxc] of block means where no coarse value is missing."""
        rows, columns = self.count.shape
        made = np.empty((3, 3, rows, columns))
        for y in range(rows):
            band = self._land[y * self._ratio : (y + 1) * self._ratio].reshape(self._ratio, columns, self._ratio)
            strips = np.einsum("rjc,ra->ajc", band.astype(np.float64), self._down[y])
            made[:, :, y] = np.einsum("ajc,jcb->abj", strips, self._across)
        made /= np.maximum(self.count, 1.0)
        return made

    def _weights(self, valid: Bools) -> Floats:
        """The same with missing values: new where some of the 3 x 3 blocks around a block are missing, not all."""
        if valid.all():
            return self._all
        made, padded = self._all.copy(), np.pad(valid, 1)
        near = np.stack([padded[i : i + valid.shape[0], j : j + valid.shape[1]] for i, j in np.ndindex(3, 3)])
        row, column = np.nonzero(valid & ~near.all(axis=0))  # means are asked for where there is a value
        for first in range(0, len(row), _BLOCKS_AT_ONCE):
            y, x = row[first : first + _BLOCKS_AT_ONCE], column[first : first + _BLOCKS_AT_ONCE]
            made[:, :, y, x] = self._weights_at(y, x, near[:, y, x].T.reshape(-1, 3, 3).astype(np.float64))
        return made

    def _weights_at(self, row: Places, column: Places, valid: Floats) -> Floats:
        """Weights [3, 3, m] of blocks with ``valid`` [m, 3, 3] around them, 1 or 0."""
        down, across, steps = self._down[row], self._across[column], np.arange(self._ratio)
        weight = down @ valid @ across.transpose(0, 2, 1)
        fine = (row[:, None] * self._ratio + steps)[:, :, None], (column[:, None] * self._ratio + steps)[:, None, :]
        with np.errstate(divide="ignore"):
            share = np.where(weight > _WEIGHTLESS, self._land[fine] / weight, 0.0)
        sums = down.transpose(0, 2, 1) @ share @ across
        found: Floats = sums.transpose(1, 2, 0) / np.maximum(self.count[row, column], 1.0)
        return found
