"""Errors that the analysis makes on fifths of a record it has not seen, and the factors that make its errors hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import EaseGrid
from downscaler.learn.calibration import elsewhere, quantile
from downscaler.learn.lasting import Kept, kept_days, lasting_error
from downscaler.method.coarse.analysis import WINDOW, Memory
from downscaler.method.coarse.following import CENTRES, Response, deviation, settled, wetness
from downscaler.method.coarse.observation import CELL_KM, Observation
from downscaler.method.coarse.response import FOLDS, GAP, SHORTEST, fit, left
from downscaler.method.coarse.sensor import SENSORS, Background, find_scale
from downscaler.method.coarse.space_time import Interpolated, Passes, interpolate
from downscaler.method.conserve import smooth_surface
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import INTERVAL

SPLIT = (
    "contiguous fifths of the record, each with statistics and factors of the others; SMAP on two days of five with an "
    "error of 0.04 m3 m-3, two thirds of it smooth over 60 km; no weather"
)
_EVERY = 7  # of the 1 km cells, one is looked at
_FEWEST = 200  # errors that a class of wetness needs to have factors of its own
_INFLATIONS = (1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One day's errors: made and told of the coarse cells; made, told and carried of 1 km cells, and their wetness.

    ``told`` is the response's own standard error, ``carried`` what the coarse errors add, ``wet`` the departure in
    spreads; m3 m-3. ``fold`` is the fifth of the record that the day is of.
    """

    fold: int
    coarse: Floats
    coarse_told: Floats
    fine: Floats
    told: Floats
    carried: Floats
    wet: Floats


@dataclass
class Misses:
    """Errors gathered over tiles and days.

    The interval is as wide to either side: what errors of a few fifths lean to, others do not, since most of it is
    constant within a fifth. With sides of their own the worst fifths of three records had 0.66, 0.62 and 0.86 inside,
    with one 0.82, 0.71 and 0.88.
    """

    days: list[Judged] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    def add(self, days: Iterator[Judged | Kept]) -> None:
        """Count some days."""
        for day in days:
            if isinstance(day, Kept):
                self.kept.append(day)
            else:
                self.days.append(day)

    def applied(self, memory: Memory) -> Memory:
        """The memory with an inflation and interval factors that would have held here."""
        if not self.days:
            return memory
        made, told = (np.concatenate([getattr(day, name) for day in self.days]) for name in ("coarse", "coarse_told"))
        inflation = float(np.clip(np.sqrt((made**2).mean() / (told**2).mean()), *_INFLATIONS))
        fine, own, carried, wet = (
            np.concatenate([getattr(day, name) for day in self.days]) for name in ("fine", "told", "carried", "wet")
        )
        size = np.abs(fine) / np.hypot(own, inflation * carried)
        nearest = np.abs(wet[:, None] - np.asarray(CENTRES)).argmin(axis=1)
        whole = quantile(size, INTERVAL)
        classes = [size[nearest == number] for number in range(len(CENTRES))]
        factors = np.array([quantile(part, INTERVAL) if len(part) >= _FEWEST else whole for part in classes])
        fold = np.concatenate([np.full(len(day.fine), day.fold) for day in self.days])
        factors *= max(1.0, elsewhere(size / np.interp(wet, CENTRES, factors), fold))
        side = tuple(round(float(factor), 4) for factor in factors)
        return replace(memory, inflation=round(inflation, 4), stretch=(side, side))


def expected(misses: Misses, memory: Memory) -> dict[str, Any]:
    """Error at 1 km and coverage to be expected, each fifth with the factors that the other fifths give.

    ``coverage_of_classes`` is that of the dry, usual and wet cells, ``within_90`` what 90 % of the errors within SMAP's
    cells lie below where their means are kept (``lasting_error``). Empty where nothing was judged.
    """
    held: list[tuple[Floats, Bools, Floats]] = []
    for fold in sorted({day.fold for day in misses.days}):
        rest = Misses([day for day in misses.days if day.fold != fold])
        known = rest.applied(memory) if rest.days else memory
        for day in (day for day in misses.days if day.fold == fold):
            told = np.hypot(day.told, known.inflation * day.carried)
            below, above = (told * np.interp(day.wet, CENTRES, side) for side in known.stretch)
            held.append((day.fine, (day.fine <= below) & (-day.fine <= above), day.wet))
    if not held:
        return {}
    miss, inside, wet = (np.concatenate(part) for part in zip(*held, strict=True))
    nearest = np.abs(wet[:, None] - np.asarray(CENTRES)).argmin(axis=1)
    classes = [inside[nearest == number] for number in range(len(CENTRES))]
    return {
        "split": SPLIT,
        "days": len(misses.days),
        "rmse": round(float(np.sqrt((miss**2).mean())), 4),
        "coverage_90": round(float(inside.mean()), 3),
        "coverage_of_classes": [round(float(part.mean()), 3) if part.size else None for part in classes],
        "within_90": round(lasting_error(misses.kept), 5),
    }


def judged(
    data: xr.Dataset, grid: EaseGrid, memory: Memory, count: int, rng: np.random.Generator
) -> Iterator[Judged | Kept]:
    """Some days of a tile, each analysed with the statistics of the fifths of the record that it is not in.

    Then errors within SMAP's cells, of ``lasting.kept_days``.

    Args:
        data: the prior on the tile.
        grid: SMAP's.
        memory: of the record, without factors.
        count: days.
        rng: of the retrieval errors.
    """
    active, ratio = data["active"].values.astype(bool), ratio_to_m01(grid)
    theta = data["soil_moisture"].values
    known = np.isfinite(theta[:, active]).all(axis=1)
    days = data["time"].values.astype("datetime64[D]").astype(int)[known]
    if len(days) < max(2 * WINDOW, FOLDS * SHORTEST // (FOLDS - 1)) + GAP:
        return
    theta = theta[known]
    fine, coarse = theta[:, active], block_mean(theta, active, ratio)
    for number, held in enumerate(np.array_split(np.arange(len(days)), FOLDS)):
        others = np.flatnonzero((days < days[held[0]] - GAP) | (days > days[held[-1]] + GAP))
        fold = _Fold.of(fine, coarse, days, active, ratio, others, memory)
        late = held[days[held] - days[0] >= WINDOW]
        step = max(1, FOLDS * len(late) // max(count, 1))
        for position in late[step // 2 :: step]:
            yield fold.judge(number, fine[position], coarse, days, int(position), rng)
    yield from kept_days(fine, coarse, days, active, ratio, count)


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """What is known of a tile from the days of a fold."""

    level: Floats
    block_level: Floats
    response: Response
    spread: Floats
    active: Bools
    ratio: int
    memory: Memory

    @classmethod
    def of(
        cls,
        fine: Floats,
        coarse: Floats,
        days: NDArray[np.integer],
        active: Bools,
        ratio: int,
        use: NDArray[np.intp],
        memory: Memory,
    ) -> _Fold:
        (level, block_level), slopes = fit(fine, coarse, days, active, ratio, use)
        error = left(fine[use], coarse[use], days[use], active, ratio)
        now, slow, told = (_placed(values, active) for values in (*slopes, error))
        deviations = block_mean(_placed(fine[use].std(axis=0), active), active, ratio)
        return cls(
            level=level,
            block_level=block_level,
            response=Response(now=now, slow=slow, error=settled(told, active, ratio)),
            spread=memory.amplitude * deviations,
            active=active,
            ratio=ratio,
            memory=memory,
        )

    def judge(
        self,
        fold: int,
        truth: Floats,
        coarse: Floats,
        days: NDArray[np.integer],
        position: int,
        rng: np.random.Generator,
    ) -> Judged:
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
            fine=value - truth[::_EVERY],
            told=own.error,
            carried=np.sqrt(np.maximum(whole**2 - own.error**2, 0.0)),
            wet=wetness(today, spread),
        )

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
