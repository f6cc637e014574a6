"""Days of a record analysed with the statistics of the fifths of it that they are not in, and the errors made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.ground.grid import M01, EaseGrid
from downscaler.ground.prior import read_days
from downscaler.method.coarse.analysis import WINDOW, Memory
from downscaler.method.coarse.following import Response, deviation, settled, wetness
from downscaler.method.coarse.observation import CELL_KM, Observation
from downscaler.method.coarse.response import FOLDS, GAP, SHORTEST, Moves, fifths, left, running_mean
from downscaler.method.coarse.sensor import SENSORS, Background, find_scale
from downscaler.method.coarse.space_time import Interpolated, Passes, interpolate
from downscaler.method.conserve import smooth_surface
from downscaler.method.pattern import ratio_to_m01

_EVERY = 7  # of the 1 km cells, one is looked at
_AT_ONCE = 60  # days that are read at once


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One day's errors: made and told of the coarse cells; made, told and carried of 1 km cells, and their wetness.

    ``told`` is the response's own standard error, ``carried`` what the coarse errors add, ``wet`` the departure in
    spreads; m3 m-3. ``kept`` are errors made within SMAP's cells where their means are known and kept. ``fold`` is the
    fifth of the record that the day is of.
    """

    fold: int
    coarse: Floats
    coarse_told: Floats
    fine: Floats
    told: Floats
    carried: Floats
    wet: Floats
    kept: Floats


def judged(data: xr.Dataset, grid: EaseGrid, memory: Memory, count: int, rng: np.random.Generator) -> Iterator[Judged]:
    """Some days of a tile, each analysed with the statistics of the fifths of the record that it is not in.

    Strips of the tile are read again for every fifth, so that memory hardly grows with the record.

    Args:
        data: the prior on the tile.
        grid: SMAP's.
        memory: of the record, without factors.
        count: days.
        rng: of the retrieval errors.
    """
    tile = _Tile.of(data, ratio_to_m01(grid))
    days = tile.days
    if len(days) < max(2 * WINDOW, FOLDS * SHORTEST // (FOLDS - 1)) + GAP:
        return
    for number, held in enumerate(np.array_split(np.arange(len(days)), FOLDS)):
        others = np.flatnonzero((days < days[held[0]] - GAP) | (days > days[held[-1]] + GAP))
        late = held[days[held] - days[0] >= WINDOW]
        step = max(1, FOLDS * len(late) // max(count, 1))
        chosen = late[step // 2 :: step]
        fold, truths = _Fold.of(tile, others, chosen, memory)
        for position, truth in zip(chosen, truths, strict=True):
            yield fold.judge(number, truth, tile.coarse, days, int(position), rng)


@dataclass(frozen=True, kw_only=True)
class _Tile:
    """The days of a tile that every active cell has: their positions, numbers and block means [days, nyc, nxc]."""

    data: xr.Dataset
    active: Bools
    ratio: int
    positions: NDArray[np.intp]
    days: NDArray[np.int64]
    coarse: Floats

    @classmethod
    def of(cls, data: xr.Dataset, ratio: int) -> _Tile:
        """From the prior on a tile, some days at a time."""
        active, theta = data["active"].values.astype(bool), data["soil_moisture"]
        known, means = [], []
        for first in range(0, theta.sizes["time"], _AT_ONCE):
            part = theta.isel(time=slice(first, first + _AT_ONCE)).values
            known.append(np.isfinite(part[:, active]).all(axis=1))
            means.append(block_mean(part, active, ratio))
        use = np.concatenate(known)
        days = data["time"].values.astype("datetime64[D]").astype(int)[use]
        return cls(
            data=data,
            active=active,
            ratio=ratio,
            positions=np.flatnonzero(use),
            days=days,
            coarse=np.concatenate(means)[use],
        )

    def strips(self) -> Iterator[tuple[int, Floats]]:
        """Active cells [days, cells] strip by strip from the north, and the number of the first."""
        first = 0
        for top in range(0, len(self.active), M01.per_m36):
            here, strip = slice(top, top + M01.per_m36), self.active[top : top + M01.per_m36]
            cells = int(strip.sum())
            if cells:
                field = self.data["soil_moisture"].isel(y=here)
                fine = np.empty((cells, len(self.days)), np.float32)  # a cell's days side by side: sums go along them
                for start in range(0, len(self.days), _AT_ONCE):
                    at = slice(start, start + _AT_ONCE)
                    fine[:, at] = read_days(field, self.positions[at])[:, strip].T
                yield first, fine.T
            first += cells


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """What is known of a tile from the days of a fold."""

    level: Floats
    block_level: Floats
    slow: Floats
    response: Response
    spread: Floats
    active: Bools
    ratio: int
    memory: Memory

    @classmethod
    def of(cls, tile: _Tile, use: NDArray[np.intp], chosen: NDArray[np.intp], memory: Memory) -> tuple[_Fold, Floats]:
        """From the days ``use``; beside it the truth of the ``chosen`` days, of one cell in ``_EVERY``."""
        active, ratio = tile.active, tile.ratio
        moves = Moves.of(tile.coarse, tile.days, active, ratio, use)
        pieces = fifths(tile.coarse[use], tile.days[use], active, ratio)
        found = []
        for first, fine in tile.strips():
            level, now, slow = moves.fit(fine, first)
            seen = fine[use]
            some = slice(-first % _EVERY, None, _EVERY)
            found.append((level, now, slow, left(seen, pieces, first), seen.std(axis=0), fine[chosen, some].T))
        level, now, slow, error, deviation, truths = (np.concatenate(each) for each in zip(*found, strict=True))
        deviations = block_mean(_placed(deviation, active), active, ratio)
        fold = cls(
            level=level,
            block_level=moves.level,
            slow=running_mean(tile.coarse - moves.level, tile.days),
            response=Response(
                now=_placed(now, active),
                slow=_placed(slow, active),
                error=settled(_placed(error, active), active, ratio),
            ),
            spread=memory.amplitude * deviations,
            active=active,
            ratio=ratio,
            memory=memory,
        )
        return fold, truths.T

    def judge(
        self,
        fold: int,
        truth: Floats,
        coarse: Floats,
        days: NDArray[np.integer],
        position: int,
        rng: np.random.Generator,
    ) -> Judged:
        """A day at ``position`` analysed by what is known, against its truth [cells]; ``fold`` is its fifth."""
        found = self._analysed(coarse, days, position, rng)
        today, slow, variance, slow_variance, joint, spread = (
            smooth_surface(part, self.active, self.ratio)[self.active][::_EVERY]
            for part in (found.anomaly, found.slow, found.error**2, found.slow_error**2, found.joint, self.spread)
        )
        own = self._thin()
        value = self.level[::_EVERY] + own.now * today + own.slow * slow
        whole = deviation(own, np.maximum(variance, 0.0), np.maximum(slow_variance, 0.0), joint)
        miss = coarse[position] - self.block_level - found.anomaly
        use = np.isfinite(miss)
        return Judged(
            fold=fold,
            coarse=miss[use],
            coarse_told=found.error[use],
            fine=value - truth,
            told=own.error,
            carried=np.sqrt(np.maximum(whole**2 - own.error**2, 0.0)),
            wet=wetness(today, spread),
            kept=self._within(truth, coarse, position),
        )

    def _within(self, truth: Floats, coarse: Floats, position: int) -> Floats:
        """Errors of cells from the true coarse field, less what their SMAP cell errs by as a whole."""
        here, now, late = (
            spread_blocks(f[position], self.ratio) for f in (coarse, coarse - self.block_level, self.slow)
        )
        made = _placed(self.level, self.active) + self.response.now * now + self.response.slow * late
        made = made - spread_blocks(block_mean(made, self.active, self.ratio), self.ratio) + here
        return np.asarray(made[self.active][::_EVERY] - truth)

    def _analysed(
        self, coarse: Floats, days: NDArray[np.integer], position: int, rng: np.random.Generator
    ) -> Interpolated:
        observation, km = Observation(), self.ratio * CELL_KM
        age = days[position] - days[: position + 1]
        seen = np.array([k for k in range(position + 1) if age[k] < WINDOW and observation.sees(int(days[k]))], int)
        errors = [observation.errors(self.spread.shape, km, rng) for _ in seen]
        values = [coarse[k] + error - self.block_level for k, error in zip(seen, errors, strict=True)]
        passes = Passes(values=np.reshape(values, (len(seen), *self.spread.shape)), ages=age[seen].astype(float))
        usual = np.where(np.isfinite(self.spread), 0.0, np.nan)
        nothing = np.broadcast_to(usual, passes.values.shape)
        background = Background(level=usual, seen=usual, spread=self.spread, day=usual, slow=usual, passes=nothing)
        components = self.memory.components(weather=False)
        scale = find_scale(passes.values, passes.ages, background, components, (SENSORS[0], observation), km)
        return interpolate(passes, scale * self.spread, components, observation, km)

    def _thin(self) -> Response:
        now, slow, error = (getattr(self.response, name)[self.active][::_EVERY] for name in ("now", "slow", "error"))
        return Response(now=now, slow=slow, error=error)


def _placed(values: Sequence[float] | Floats, active: Bools) -> Floats:
    made = np.full(active.shape, np.nan)
    made[active] = values
    return made
