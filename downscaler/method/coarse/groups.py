"""What SMAP saw of a block of coarse cells and around it: the block's own cells and the means of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.geometry import REACH, around

MOST_PASSES = 16  # newest passes of a window that a block is estimated from
_LEAST_SHARE = 0.25  # of a neighbouring block that must be seen for its mean to count


@dataclass(frozen=True, kw_only=True)
class Data:
    """One block's groups: ``values`` [n, g] and ``count`` [n, g] of cells behind each, ``spread`` [g]; own first.

    ``spread`` is that of what is seen, ``own`` [block, block] that of the block's cells themselves.
    """

    values: Floats
    count: Floats
    spread: Floats
    own: Floats


class Groups:
    """Blocks' own cells and block means of padded arrays; ``deviation`` is cells' spread, ``seen`` retrievals'."""

    def __init__(self, values: Floats, deviation: Floats, seen: Floats, block: int) -> None:
        self.block, self.values, self._around = block, values, around()
        self.deviation, self._seen = deviation, np.nan_to_num(seen)
        known = np.isfinite(values)
        count = _sums(known.astype(np.float64), block)
        total = _sums(np.where(known, values, 0.0), block)
        enough = count >= _LEAST_SHARE * block**2
        self.count = np.where(enough, count, 0.0)
        self.mean = np.where(enough, total / np.maximum(count, 1.0), np.nan)
        land = np.isfinite(deviation)
        cells = _sums(land.astype(np.float64), block)
        self.spread = _sums(np.where(land, self._seen, 0.0), block) / np.maximum(cells, 1.0)

    def of(self, row: int, column: int) -> Data:
        """The groups around one block, counted in the padded frame."""
        size = self.block
        inside = block_slice(row, size), block_slice(column, size)
        rows, columns = (slice(place - REACH, place + REACH + 1) for place in (row, column))
        own = self.values[(slice(None), *inside)].reshape(len(self.values), size * size)

        def beside(fields: Floats) -> Floats:
            near = fields[..., rows, columns]
            return np.asarray(near.reshape(*near.shape[:-2], near.shape[-1] * near.shape[-2])[..., self._around])

        return Data(
            values=np.concatenate([own, beside(self.mean)], axis=1),
            count=np.concatenate([np.isfinite(own).astype(np.float64), beside(self.count)], axis=1),
            spread=np.concatenate([self._seen[inside].ravel(), beside(self.spread)]),
            own=self.deviation[inside],
        )


def block_slice(number: int, block: int) -> slice:
    """Where a block's cells lie along an axis."""
    return slice(number * block, (number + 1) * block)


def _sums(values: Floats, block: int) -> Floats:
    *lead, ny, nx = values.shape
    return np.asarray(values.reshape(*lead, ny // block, block, nx // block, block).sum(axis=(-3, -1)))


def used(data: Data, ages: NDArray[np.floating]) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Which groups [n, g] of which passes count, and the ages of the passes of which any does."""
    use = np.isfinite(data.values)
    seen = np.flatnonzero(use.any(axis=1))
    if len(seen) > MOST_PASSES:
        use[seen[np.argsort(ages[seen], kind="stable")][MOST_PASSES:]] = False
        seen = np.flatnonzero(use.any(axis=1))
    return use, tuple(ages[seen].tolist())
