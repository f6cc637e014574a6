"""Mass-preserving surfaces and bounded redistribution: no seams, block means kept, bounds kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, Scalar, block_mean, block_sum, spread_blocks
from downscaler.product import CONSERVATION_TOLERANCE, THETA_MAX, THETA_MIN

ITERATIONS = 3
HALO = ITERATIONS + 2  # coarse cells that a value can draw on; a window grown by it gives the same numbers
_RAMP_WIDTH = 1.0 / 9.0  # of a block's edge length, on either side of the edge
# Of a neighbour at the edge, so that 0.28 of a step is left there: the smoothest that, on inner folds, does not cost
# more than the climatological pattern errs under retrieval noise (tests/benchmarks/skill/bench_choice.py).
RAMP_SHARE = 0.36
_BISECTIONS = 60
_KEPT_GAPS = 4  # of a window's fields; of days that are seen in other places each has its own
Index = tuple[slice, slice]
_WHOLE: Index = (slice(None), slice(None))


@lru_cache(maxsize=64)
def bilinear_weights(coarse_cells: int, ratio: int) -> NDArray[np.float64]:
    """Weights [coarse_cells*ratio, coarse_cells] of linear interpolation between block centres, flat beyond."""
    position = np.clip((np.arange(coarse_cells * ratio) + 0.5) / ratio - 0.5, 0.0, coarse_cells - 1.0)
    left = np.minimum(position.astype(int), max(coarse_cells - 2, 0))
    right = np.minimum(left + 1, coarse_cells - 1)
    weights = np.zeros((position.size, coarse_cells))
    rows = np.arange(position.size)
    np.add.at(weights, (rows, left), 1.0 - (position - left))
    np.add.at(weights, (rows, right), position - left)
    return weights


@lru_cache(maxsize=64)
def ramp_weights(coarse_cells: int, ratio: int, share: float) -> NDArray[np.float64]:
    """Weights of a surface that is flat inside a block and climbs to its neighbours near the edges alone."""
    neighbour = share * np.maximum(0.0, 1.0 - np.arange(ratio) / (ratio * _RAMP_WIDTH))
    weights = np.zeros((coarse_cells * ratio, coarse_cells))
    for cell in range(coarse_cells):
        rows = slice(cell * ratio, (cell + 1) * ratio)
        before = neighbour if cell > 0 else 0.0 * neighbour
        after = neighbour[::-1] if cell < coarse_cells - 1 else 0.0 * neighbour
        weights[rows, cell] = 1.0 - before - after
        if cell > 0:
            weights[rows, cell - 1] += before
        if cell < coarse_cells - 1:
            weights[rows, cell + 1] += after
    return weights


def bilinear(coarse: Floats, ratio: int) -> Floats:
    """Bilinear interpolation between block centres; missing (NaN) coarse cells are left out of the weights.

    Returns [ny*ratio, nx*ratio]; NaN only where no valid centre is within reach.
    """
    down, across = (bilinear_weights(size, ratio) for size in coarse.shape)
    return _Between(np.isfinite(coarse), down, across)(coarse)


class _Between:
    """Interpolation of fields that are missing in the same cells, whose weights are summed up once."""

    def __init__(self, valid: Bools, down: NDArray[np.float64], across: NDArray[np.float64]) -> None:
        self._valid, self._down, self._across = valid, down, across
        self._weight: Floats | None = None
        if not valid.all():
            weight = down @ valid.astype(np.float64) @ across.T
            self._weight = np.where(weight > 1e-9, weight, np.nan)

    def __call__(self, coarse: Floats, part: Index = _WHOLE) -> Floats:
        """The surface, or a part of it."""
        total: Floats = self._down[part[0]] @ np.where(self._valid, coarse, 0.0) @ self._across[part[1]].T
        return total if self._weight is None else np.asarray(total / self._weight[part])

    def means(self, land: Floats, count: Floats) -> Callable[[Floats], Floats]:
        """The same with the result as means over the land of each block, found from the 3 x 3 blocks around it alone.

        ``land`` is 1 there and 0 elsewhere, ``count`` its sum by block.
        """
        share = land if self._weight is None else np.where(np.isfinite(self._weight), land / self._weight, 0.0)
        rows, columns = count.shape
        down, across = near_weights(self._down, rows), near_weights(self._across, columns)
        ratio = down.shape[1]
        strips = (down.transpose(0, 2, 1) @ share.reshape(rows, ratio, -1)).reshape(rows * 3, columns, ratio)
        weights = (strips.transpose(1, 0, 2) @ across).reshape(columns, rows, 3, 3).transpose(2, 3, 1, 0)
        weights = np.ascontiguousarray(weights / np.maximum(count, 1.0))

        return partial(weighted_means, weights, self._valid)


def weighted_means(weights: Floats, valid: Bools, coarse: Floats) -> Floats:
    """Means by block from the coarse values of the 3 x 3 blocks around it, ``weights`` [3, 3, rows, columns]."""
    *fields, rows, columns = coarse.shape
    known = np.zeros((*fields, rows + 2, columns + 2))
    known[..., 1:-1, 1:-1] = np.where(valid, coarse, 0.0)
    total = np.zeros(coarse.shape)
    for i, j in np.ndindex(3, 3):
        total += weights[i, j] * known[..., i : i + rows, j : j + columns]
    return total


def near_weights(weights: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Of each block's rows the weights of the block before it, itself and the one after [cells, ratio, 3]."""
    padded = np.pad(weights, ((0, 0), (1, 1))).reshape(cells, -1, cells + 2)
    return np.stack([padded[cell, :, cell : cell + 3] for cell in range(cells)])


def smooth_surface(coarse: Floats, active: Bools, ratio: int, iterations: int = ITERATIONS) -> Floats:
    """Smooth fine surface whose block means approach the coarse values: the coarse part without steps.

    Pycnophylactic interpolation (Tobler 1979, doi:10.1080/01621459.1979.10481647) by iterated back-projection:
    what the block means still lack is interpolated and added, which reaches one coarse cell further per iteration,
    so the result on a window does not depend on the tiling once it is grown by ``HALO`` cells.

    Args:
        coarse: [nyc, nxc], NaN where missing.
        active: [nyc*ratio, nxc*ratio], cells that block means are taken over.
        ratio: fine cells along one edge of a coarse cell.
        iterations: corrections; each takes off the smooth part of the misfit, the rest is left to ``redistribute``.
    """
    return Surfaces(active, ratio, iterations)(coarse)


def noise_surface(
    noise: Floats, active: Bools, ratio: int, iterations: int = ITERATIONS, *, share: float = RAMP_SHARE
) -> Floats:
    """Surface through what is taken for retrieval noise: flat inside blocks, ramps across their edges.

    Block means have to keep the noise, but a smooth surface through it would carry it into the pattern. Through white
    noise of 0.04 m3 m-3, steps of 0.046 between 9 x 9 blocks, it adds 0.022 inside a block and leaves steps of 0.013;
    the ramps add 0.014 and leave 0.015: the share at the edge is what holds both in bounds.

    Args:
        noise: [nyc, nxc], m3 m-3, NaN where missing.
        active: [nyc*ratio, nxc*ratio], cells that block means are taken over.
        ratio: fine cells along one edge of a coarse cell.
        iterations: as in ``smooth_surface``.
        share: of the neighbour's noise in a cell at the edge; 0 leaves steps, 0.5 none.
    """
    return Surfaces(active, ratio, iterations, partial(ramp_weights, share=share))(noise)


class Surfaces:
    """Mass-preserving surfaces on the land of one window; what fields with the same gaps share is made once.

    What the block means still lack is a sum over the 3 x 3 blocks around, so that it is iterated block by block and
    the surface of all corrections is drawn once.

    Args:
        active: [nyc*ratio, nxc*ratio], cells that block means are taken over.
        ratio: fine cells along one edge of a coarse cell.
        iterations: corrections, see ``smooth_surface``.
        weights: of the interpolation along an axis, from its number of blocks and the ratio.
    """

    def __init__(
        self,
        active: Bools,
        ratio: int,
        iterations: int = ITERATIONS,
        weights: Callable[[int, int], NDArray[np.float64]] = bilinear_weights,
    ) -> None:
        self._land = active.astype(np.float64)
        self._count = block_sum(self._land, ratio)
        self._down, self._across = (weights(size, ratio) for size in self._count.shape)
        self._iterations = iterations
        self._made: dict[bytes, tuple[_Between, Callable[[Floats], Floats]]] = {}

    def __call__(self, coarse: Floats, part: Index = _WHOLE) -> Floats:
        """Surface through coarse values [nyc, nxc], NaN where missing; of the whole window or a part of it.

        Several fields [k, nyc, nxc] at once if they miss the same values.
        """
        valid = np.isfinite(coarse if coarse.ndim == 2 else coarse[0])
        known = valid & (self._count > 0)
        first, mean = self._between(valid)
        if not known.any() or not self._iterations:
            return first(coarse, part)
        corrected, mean_of_change = (first, mean) if np.array_equal(known, valid) else self._between(known)
        given, change = mean(coarse), np.zeros(coarse.shape)
        for _ in range(self._iterations):
            change = change + np.where(known, coarse - (given + mean_of_change(change)), 0.0)
        if corrected is first:
            return first(np.where(valid, coarse, 0.0) + change, part)
        surface: Floats = first(coarse, part) + np.nan_to_num(corrected(change, part))
        return surface

    def _between(self, valid: Bools) -> tuple[_Between, Callable[[Floats], Floats]]:
        key = valid.tobytes()
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _KEPT_GAPS:
                self._made.clear()
            between = _Between(valid, self._down, self._across)
            made = self._made[key] = between, between.means(self._land, self._count)
        return made


@lru_cache(maxsize=8)
def noise_gain(ratio: int, share: float = RAMP_SHARE) -> NDArray[np.float64]:
    """Standard deviation [ratio, ratio] at each cell of a block of what white noise of unit size becomes in it.

    Below 1 at the edges, where ``noise_surface`` mixes neighbours, above 1 inside, where the block mean makes up for
    it; blocks wholly active, and a halo of ``HALO`` of them around.
    """
    blocks = 2 * HALO + 1
    active = np.ones((blocks * ratio, blocks * ratio), bool)
    centre = slice(HALO * ratio, (HALO + 1) * ratio)
    total = np.zeros((ratio, ratio))
    for row, column in np.ndindex(blocks, blocks):
        noise = np.zeros((blocks, blocks))
        noise[row, column] = 1.0
        part = noise_surface(noise, active, ratio, share=share)[centre, centre]
        total += (part - part.mean() + noise[HALO, HALO]) ** 2
    gain: NDArray[np.float64] = np.sqrt(total)
    return gain


def redistribute(
    field: Floats, target: Floats, active: Bools, lower: Floats, upper: Floats, ratio: int
) -> tuple[Floats, Bools]:
    """Shift each block by one amount and clip to [lower, upper] so that its mean equals the target.

    Where no cell of a block meets a bound, the shift is what its mean lacks. Elsewhere the mean of clip(field + shift)
    grows with the shift, so bisection finds it to machine precision. Where no shift can do it (a retrieval above the
    mean porosity or below the mean residual water content) the retrieval, a measurement, outranks the bound, a model
    parameter: the block then departs from its bound by an equal amount in every cell.

    Args:
        field: first guess [ny, nx], m3 m-3.
        target: coarse values [ny/ratio, nx/ratio], NaN where nothing is to be published.
        active: [ny, nx] cells that count and are published.
        lower: residual water content [ny, nx].
        upper: porosity [ny, nx].
        ratio: fine cells along one edge of a coarse cell.

    Returns:
        The field, NaN outside active cells of blocks with a target; and where a bound holds the value.
    """
    use = active & np.isfinite(spread_blocks(target, ratio))
    guess = np.where(use, field, 0.0)
    low, high = np.where(use, lower, 0.0), np.where(use, np.maximum(upper, lower), 0.0)
    shift = target - block_mean(guess, use, ratio)  # all that a block needs whose cells stay within their bounds
    shifted = guess + spread_blocks(shift, ratio)
    bound = _blocks(use & ((shifted < low) | (shifted > high)), ratio).any(axis=-1)
    if bound.any():
        held, least, most = (_blocks(part, ratio)[bound] for part in (guess, low, high))
        shift[bound] = _bisected(held, least, most, _blocks(use, ratio)[bound].sum(axis=1), target[bound])
        shifted = guess + spread_blocks(shift, ratio)
    result = np.clip(shifted, low, high)
    clipped = use & (result != shifted)
    missing = target - block_mean(result, use, ratio)
    # what is left is rounding; what bounds forbid is the retrieval's due
    result = result + np.nan_to_num(spread_blocks(missing, ratio))
    beyond = spread_blocks(np.abs(missing) > CONSERVATION_TOLERANCE, ratio)
    result = np.clip(result, THETA_MIN, THETA_MAX)
    return np.where(use, result, np.nan), (clipped | (use & beyond)).astype(bool)


def _blocks(fine: NDArray[Scalar], ratio: int) -> NDArray[Scalar]:
    """[ny, nx] as blocks [nyc, nxc, ratio x ratio]."""
    rows, columns = (size // ratio for size in fine.shape)
    return fine.reshape(rows, ratio, columns, ratio).swapaxes(1, 2).reshape(rows, columns, ratio * ratio)


def _bisected(guess: Floats, low: Floats, high: Floats, count: NDArray[np.intp], target: Floats) -> Floats:
    """The shift [n] at which each block [n, cells] has its target once its cells are held within their bounds.

    ``count`` are a block's cells in use; the others are 0 in all three.
    """
    left, right = np.full(target.shape, -2.0), np.full(target.shape, 2.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (left + right)
        held = np.clip(guess + middle[:, None], low, high)
        short = held.sum(axis=1) / count < target
        left, right = np.where(short, middle, left), np.where(short, right, middle)
    found: Floats = 0.5 * (left + right)
    return found
