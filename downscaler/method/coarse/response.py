"""How each 1 km cell follows its SMAP cell: at once, and with the wetness of the month before.

Ridges follow the rain of the week, valley cells the water that has gathered over weeks. Two slopes a cell tell so: on
the SMAP cell's departure from its level today, and on the running mean of that departure. They are fitted on the
prior's record by ridge regression towards the mean of all cells, (1, 0), so that block means are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.ground.grid import M09, M36, EaseGrid
from downscaler.method.pattern import ratio_to_m01

# Chosen by contiguous fifths of two seasons of the Upper Verde, RMSE of 1 km soil moisture with the true 9 km field:
# today alone 0.0259 and 0.0231 m3 m-3, with 10 days 0.0229 and 0.0198, 30 days 0.0209 and 0.0186, 60 days 0.0230 and
# 0.0192, 20 and 60 days together 0.0211 and 0.0187; trees on what 30 days leave made it worse.
SLOW_DAYS = 30.0  # e-folding time of the running mean, days
RIDGE = 0.1  # weight of (1, 0) beside the record, in units of a cell's mean square predictors
FOLDS, GAP = 5, 7  # pieces of the record, and days between them, that the error is found on
SHORTEST = 60  # days of record below which nothing can be told
_LEAST_ERROR = 0.003  # m3 m-3


def response_names(grid: EaseGrid) -> tuple[str, str, str]:
    """Names of the prior's variables for a coarse grid: slope today, slope on the running mean, error left."""
    end = grid.name.lower()
    return f"response_now_{end}", f"response_slow_{end}", f"response_error_{end}"


def running_mean(departures: Floats, days: NDArray[np.integer]) -> Floats:
    """Exponential running mean [n, ...] of departures [n, ...] on ``days`` [n], ascending; unknown ones are skipped."""
    made = np.empty(departures.shape)
    state, before = np.nan_to_num(departures[0]), days[0]
    for number, (today, day) in enumerate(zip(departures, days, strict=True)):
        keep = np.exp(-float(day - before) / SLOW_DAYS) if number else 0.0
        state = np.where(np.isfinite(today), keep * state + (1.0 - keep) * today, state)
        made[number], before = state, day
    return made


def slow_weights(length: int) -> NDArray[np.float64]:
    """Weights [length] of the last days in the running mean, today first, adding up to 1."""
    weights = np.exp(-np.arange(length) / SLOW_DAYS)
    return np.asarray(weights / weights.sum())


def responses(theta: Floats, days: NDArray[np.integer], active: Bools) -> dict[str, NDArray[np.float32]]:
    """Both slopes and the error left, for each coarse grid.

    The error is that of contiguous fifths of the record predicted from the others, levels included.

    Args:
        theta: [time, ny, nx] on whole M36 cells, m3 m-3.
        days: of the record, ascending [time].
        active: [ny, nx].

    Returns:
        By the names of ``response_names`` [ny, nx]; NaN where nothing is active or the record is too short.
    """
    made: dict[str, NDArray[np.float32]] = {}
    whole = np.isfinite(theta[:, active]).all(axis=1) if active.any() else np.zeros(len(theta), bool)
    for grid in (M09, M36):
        names = response_names(grid)
        for name in names:
            made[name] = np.full(active.shape, np.nan, np.float32)
        if whole.sum() >= SHORTEST:
            fields = _of_grid(theta[whole].astype(np.float32), days[whole], active, ratio_to_m01(grid))
            for name, values in zip(names, fields, strict=True):
                made[name][active] = values
    return made


def _of_grid(theta: Floats, days: NDArray[np.integer], active: Bools, ratio: int) -> tuple[Floats, Floats, Floats]:
    fine, coarse = theta[:, active], block_mean(theta, active, ratio)
    _, (now, slow) = fit(fine, coarse, days, active, ratio, np.arange(len(theta)))
    return now, slow, left(fine, coarse, days, active, ratio)


def left(fine: Floats, coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int) -> Floats:
    """Root mean square error [cells] of contiguous fifths of the record predicted from the others, m3 m-3."""
    everything = np.arange(len(fine))
    squares = np.zeros(fine.shape[1])
    for held in np.array_split(everything, FOLDS):
        others = everything[(days < days[held[0]] - GAP) | (days > days[held[-1]] + GAP)]
        miss = fine[held] - predict(fine, coarse, days, active, ratio, others)[held]
        squares += np.square(miss).sum(axis=0)
    return np.asarray(np.maximum(np.sqrt(squares / len(fine)), _LEAST_ERROR))


def fit(
    fine: Floats, coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int, use: NDArray[np.intp]
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Levels (of cells [cells], of blocks [nyc, nxc]) and the two slopes [cells] on the days ``use``.

    Args:
        fine: active cells [time, cells], m3 m-3.
        coarse: block means [time, nyc, nxc].
        days: of the record [time].
        active: [ny, nx].
        ratio: fine cells along one edge of a coarse cell.
        use: positions of the days that may be seen.
    """
    level, block_level = fine[use].mean(axis=0, dtype=np.float64), coarse[use].mean(axis=0)
    today, slow = _predictors(coarse - block_level, days, active, ratio)
    today, slow, rest = today[use], slow[use], fine[use] - level
    rest = rest - today  # towards (1, 0)
    a, b, c = ((x * y).sum(axis=0, dtype=np.float64) for x, y in ((today, today), (today, slow), (slow, slow)))
    p, q = ((x * rest).sum(axis=0, dtype=np.float64) for x in (today, slow))
    weak = 1e-7 * len(use)  # ground whose SMAP cell never moves follows it as all do
    a, c = a + RIDGE * a.mean() + weak, c + RIDGE * c.mean() + weak
    determinant = a * c - b**2
    return (level, block_level), (1.0 + (c * p - b * q) / determinant, (a * q - b * p) / determinant)


def predict(
    fine: Floats, coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int, use: NDArray[np.intp]
) -> Floats:
    """All days [time, cells] from levels and slopes of the days ``use`` alone; arguments as ``fit``'s."""
    (level, block_level), (now, late) = fit(fine, coarse, days, active, ratio, use)
    today, slow = _predictors(coarse - block_level, days, active, ratio)
    return np.asarray(level + now * today + late * slow)


def _predictors(
    departures: Floats, days: NDArray[np.integer], active: Bools, ratio: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Today's departure and the running mean [time, cells] of each active cell's block."""
    fields: Sequence[Floats] = (departures, running_mean(departures, days))
    today, slow = (np.nan_to_num(spread_blocks(field, ratio)[:, active]).astype(np.float32) for field in fields)
    return today, slow
