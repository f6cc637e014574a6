"""Block means over SMAP cells and back: coarse cell (i, j) is the fine cells [i*ratio:(i+1)*ratio, j*...]."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def block_sum(fine: Floats, ratio: int) -> Floats:
    """Sum of each ratio x ratio block; [..., ny, nx] -> [..., ny/ratio, nx/ratio], in float64."""
    *lead, ny, nx = fine.shape
    if ny % ratio or nx % ratio:
        raise ValueError(f"shape {ny} x {nx} is not made of whole {ratio} x {ratio} blocks")
    rows = np.add.reduceat(fine, np.arange(0, ny, ratio), axis=-2, dtype=np.float64)
    sums: Floats = rows.reshape(*lead, ny // ratio, nx // ratio, ratio).sum(axis=-1)
    return sums


def block_mean(fine: Floats, active: Bools, ratio: int) -> Floats:
    """C of design: mean over the active cells of each block, NaN where it has none.

    Args:
        fine: [..., ny, nx]; values outside ``active`` are ignored and may be NaN.
        active: [ny, nx], true on land with a prior.
        ratio: fine cells along one edge of a coarse cell.
    """
    count = block_sum(active.astype(np.float64), ratio)
    total = block_sum(np.where(active, fine, 0.0), ratio)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return mean


def spread_blocks(coarse: NDArray[Scalar], ratio: int) -> NDArray[Scalar]:
    """Each coarse value on all fine cells of its block; [..., nyc, nxc] -> [..., nyc*ratio, nxc*ratio]."""
    return np.repeat(np.repeat(coarse, ratio, axis=-2), ratio, axis=-1)
