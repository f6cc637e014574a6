"""A prior's levels on the coarse grid, and what they tell of the error of a day's retrievals."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from downscaler.ground.blocks import Floats
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.ground.prior import Prior
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.observation import CELL_KM
from downscaler.method.coarse.sensor import FOOTPRINT, Background, PassError, pass_error
from downscaler.method.coarse_prior import CoarseLevels, coarse_levels
from downscaler.method.matching import Matching
from downscaler.method.pattern import ratio_to_m01
from downscaler.method.tile.land import Keep


class _Key:
    """Prior, domain and grid, known by the prior's checksum."""

    def __init__(self, prior: Prior, domain: Domain, grid: EaseGrid, keep: Keep) -> None:
        self.prior, self.domain, self.grid, self.keep = prior, domain, grid, keep
        self._of = (prior.record().sha256, domain, grid.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._of == other._of

    def __hash__(self) -> int:
        return hash(self._of)


@lru_cache(maxsize=2)
def _levels_of(key: _Key) -> CoarseLevels:
    def make() -> dict[str, Floats]:
        return coarse_levels(key.prior, key.domain, key.grid, FOOTPRINT).arrays()

    return CoarseLevels(**key.keep(f"{key.grid.name}-levels", make))


def levels_of(prior: Prior, domain: Domain, grid: EaseGrid, keep: Keep) -> CoarseLevels:
    """The prior's levels, read once in a process."""
    return _levels_of(_Key(prior, domain, grid, keep))


def with_error(
    day: CoarseDay, prior: Prior, memory: Memory | None, keep: Keep, matching: Matching | None = None
) -> tuple[CoarseDay, PassError | None]:
    """A day with the error of its retrievals where SMAP states none, as its own pass tells it, and what that told.

    Unchanged, and None, for an analysis, for a day that has all errors already, and for a model that has not learned
    how coarse fields behave.

    Args:
        day: SMAP's retrievals.
        prior: covers the day's domain.
        memory: the model's for the day's grid.
        keep: where the prior's levels are kept.
        matching: carries SMAP into the prior's climatology.
    """
    stated, theta = day.data["soil_moisture_error"].values, day.data["soil_moisture"].values
    seen = np.where(day.data["recommended"].values, theta, np.nan)
    wanted = np.isfinite(seen) & ~(np.isfinite(stated) & (stated > 0))
    if memory is None or "analysed" in day.data or not wanted.any():
        return day, None
    scale = np.ones(seen.shape) if matching is None else matching.scale(day.date)
    levels = levels_of(prior, day.domain, day.grid, keep)
    usual = np.where(np.isfinite(levels.level), 0.0, np.nan)
    background = Background(
        level=levels.level,
        seen=levels.seen,
        spread=memory.amplitude * levels.spread,
        day=usual,
        slow=usual,
        passes=usual[None],
    )
    km = ratio_to_m01(day.grid) * CELL_KM
    found = pass_error(in_prior(seen, day, matching), background, memory.components(weather=False), km)
    error = np.where(wanted, found.error * scale, stated)
    return replace(day, data=day.data.assign(soil_moisture_error=(("y", "x"), error))), found


def in_prior(theta: Floats, day: CoarseDay, matching: Matching | None) -> Floats:
    """Coarse values of a day in the prior's climatology."""
    return theta if matching is None else np.clip(matching.to_prior(theta, day.date), 0.001, 0.95)
