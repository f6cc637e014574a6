"""How each 1 km cell follows its SMAP cell: at once, and with the wetness of the month before.

Ridges follow the rain of the week, valley cells the water that has gathered over weeks. Two slopes a cell tell so: on
the SMAP cell's departure from its level today, and on the running mean of that departure. They are fitted on the
prior's record by ridge regression towards the mean of all cells, (1, 0), so that block means are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
_AT_ONCE = 1_000_000  # days times cells that are worked on at once


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
    _, now, slow = Moves.of(coarse, days, active, ratio, np.arange(len(theta))).fit(fine)
    return now, slow, left(fine, fifths(coarse, days, active, ratio))


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How SMAP cells depart from their level: what their 1 km cells are regressed on, however many at a time.

    Attributes:
        level: mean of each SMAP cell on the days that may be seen [nyc, nxc], m3 m-3.
        today: departures from it [time, nyc * nxc].
        slow: their running mean, likewise.
        block: SMAP cell of each active 1 km cell [cells].
        use: positions of the days that may be seen.
        squares: sums of squares and products of the two predictors [3, nyc * nxc].
        pull: weights towards (1, 0) of the two slopes.
    """

    level: Floats
    today: NDArray[np.float32]
    slow: NDArray[np.float32]
    block: NDArray[np.intp]
    use: NDArray[np.intp]
    squares: Floats
    pull: tuple[float, float]

    @classmethod
    def of(cls, coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int, use: NDArray[np.intp]) -> Moves:
        """From block means [time, nyc, nxc] on ``days`` [time] of a window with ``active`` cells [ny, nx]."""
        level = coarse[use].mean(axis=0)
        departures = coarse - level
        today, slow = (_by_block(field) for field in (departures, running_mean(departures, days)))
        block = spread_blocks(np.arange(level.size).reshape(level.shape), ratio)[active]
        seen = np.asfortranarray(today[use]), np.asfortranarray(slow[use])
        squares = np.stack([_sum(seen[0] * seen[0]), _sum(seen[0] * seen[1]), _sum(seen[1] * seen[1])])
        weak = 1e-7 * len(use)  # ground whose SMAP cell never moves follows it as all do
        pull = [RIDGE * float(squares[n][block].mean()) + weak for n in (0, 2)]
        return cls(level=level, today=today, slow=slow, block=block, use=use, squares=squares, pull=(pull[0], pull[1]))

    def fit(self, fine: Floats, first: int = 0) -> tuple[Floats, Floats, Floats]:
        """Levels (m3 m-3) and the two slopes of cells, few at a time so that memory is bounded.

        Args:
            fine: active cells [time, cells], the one numbered ``first`` and those after it, m3 m-3.
            first: number of the first of them among all active cells.
        """
        made = [
            self._fit(fine[self.use, part], self.block[first + part.start : first + part.stop])
            for part in _parts(fine.shape)
        ]
        level, now, slow = (np.concatenate(each) for each in zip(*made, strict=True))
        return level, now, slow

    def _fit(self, fine: Floats, block: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        level = fine.mean(axis=0, dtype=np.float64)
        today, slow = (np.take(field[self.use].T, block, axis=0).T for field in (self.today, self.slow))
        rest = fine - level
        rest = rest - today  # towards (1, 0)
        a, b, c = (each[block] for each in self.squares)
        p, q = _sum(today * rest), _sum(slow * rest)
        a, c = a + self.pull[0], c + self.pull[1]
        determinant = a * c - b**2
        return level, 1.0 + (c * p - b * q) / determinant, (a * q - b * p) / determinant

    def miss(self, fine: Floats, held: NDArray[np.intp], first: int = 0) -> Floats:
        """Sums of squared errors [cells] on the days ``held``, predicted from the days that may be seen."""
        level, now, late = self.fit(fine, first)
        squares = []
        for part in _parts(fine.shape):
            block = self.block[first + part.start : first + part.stop]
            today, slow = (np.take(field[held].T, block, axis=0).T for field in (self.today, self.slow))
            told = level[part] + now[part] * today + late[part] * slow
            squares.append(np.square(fine[held, part] - told).sum(axis=0))
        return np.concatenate(squares)


def fifths(
    coarse: Floats, days: NDArray[np.integer], active: Bools, ratio: int
) -> list[tuple[NDArray[np.intp], Moves]]:
    """Contiguous fifths of a record, positions of each, with what the others tell; arguments as ``Moves.of``'s."""
    everything = np.arange(len(days))
    found = []
    for held in np.array_split(everything, FOLDS):
        others = everything[(days < days[held[0]] - GAP) | (days > days[held[-1]] + GAP)]
        found.append((held, Moves.of(coarse, days, active, ratio, others)))
    return found


def left(fine: Floats, pieces: Sequence[tuple[NDArray[np.intp], Moves]], first: int = 0) -> Floats:
    """Root mean square error [cells] of the ``fifths`` of a record, each predicted from the others, m3 m-3.

    ``fine`` and ``first`` are as ``Moves.fit``'s.
    """
    squares = sum(moves.miss(fine, held, first) for held, moves in pieces)
    return np.asarray(np.maximum(np.sqrt(squares / len(fine)), _LEAST_ERROR))


def _by_block(departures: Floats) -> NDArray[np.float32]:
    """Departures [time, nyc, nxc] as [time, nyc * nxc], 0 where none is known."""
    return np.nan_to_num(departures.reshape(len(departures), -1)).astype(np.float32)


def _sum(values: Floats) -> Floats:
    return np.asarray(values.sum(axis=0, dtype=np.float64))


def _parts(shape: tuple[int, ...]) -> list[slice]:
    """Runs of cells of which all days are held at once."""
    days, cells = shape
    size = max(1, _AT_ONCE // max(days, 1))
    return [slice(start, min(start + size, cells)) for start in range(0, cells, size)]
