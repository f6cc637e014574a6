"""The coarse field of a day for downscaling: SMAP's retrievals and, on request, filled gaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from downscaler.day.inputs import Inputs
from downscaler.errors import TrainingError
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import EaseGrid
from downscaler.learn.ageing import MOST_DAYS, prior_decay, smap_decay
from downscaler.method.coarse_prior import coarse_days
from downscaler.method.decay import Decay
from downscaler.method.gapfill import MAX_AGE, empty_day, fill

Ageing = Callable[[EaseGrid, bool], tuple[Decay, str]]
"""How retrievals age on a grid, against the prior's climatology or its own days, and in words what tells so."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A day to be downscaled; ``filling`` says how its gaps were filled, empty where none was."""

    day: CoarseDay
    filling: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


def has_gaps(day: CoarseDay | None) -> bool:
    """Whether any SMAP cell of a day lacks a recommended retrieval; a day without granules is all gap."""
    return day is None or not bool(day.data["recommended"].all())


def fill_gaps(
    date: dt.date, today: CoarseDay | None, before: Sequence[CoarseDay], inputs: Inputs, ageing: Ageing
) -> Reading | None:
    """A day with its gaps filled from the days before and the prior; None where there is nothing to fill them with.

    Args:
        date: the day.
        today: what SMAP tells of it, None without a granule.
        before: days of the last ``gapfill.MAX_AGE`` that have a retrieval, oldest first.
        inputs: prior, and matching where SMAP is matched.
        ageing: learns how retrievals lose their worth; asked once gaps are to be filled.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
        TrainingError: the prior's record is too short to learn how retrievals age.
    """
    if not before:
        return None
    if today is None:
        climatologies = inputs.climatologies
        today = empty_day(date, inputs.domain, climatologies.smap.grid if climatologies else before[-1].grid)
    days = [*(day for day in before if day.grid == today.grid), today]
    dates = [day.date for day in days]
    prior, known = coarse_days(inputs.prior, inputs.domain, today.grid, dates)
    stale = not known.all()  # one kind of prior for all days, so that their departures can be compared
    if stale:
        prior, _ = coarse_days(inputs.prior, inputs.domain, today.grid, dates, climatology=True)
    decay, source = ageing(today.grid, stale)
    data = fill(days, prior, decay, matching=inputs.matching)
    if not data["filled"].any():
        return None
    ages = set(data["age_days"].values[data["filled"].values].tolist())
    used = [today, *(day for day in days[:-1] if (date - day.date).days in ages)]
    records = {(record.name, record.sha256): record for day in used for record in day.inputs}
    day = replace(today, data=data, inputs=tuple(records.values()), simulated=any(day.simulated for day in used))
    return Reading(day=day, filling=_told(decay, source, stale=stale), caveats=(_caveat(day, max(ages)),))


def _told(decay: Decay, source: str, *, stale: bool) -> dict[str, Any]:
    return {
        "max_age_days": MAX_AGE,
        "prior": "its climatology" if stale else "its own days",
        "decay": {name: round(getattr(decay, name), 6) for name in ("rate", "prior_error", "observation_error")},
        "decay_from": source,
    }


def _caveat(day: CoarseDay, oldest: int) -> str:
    filled, seen = int(day.data["filled"].sum()), int(day.data["recommended"].sum())
    age = f"up to {oldest} days old" if oldest > 1 else "one day old"
    if not seen:
        return f"No SMAP retrieval of this day: all is carried forward from retrievals {age}."
    return f"{100 * filled / (filled + seen):.0f} % of the SMAP cells are carried forward from retrievals {age}."


def learn_ageing(days: Iterable[CoarseDay], inputs: Inputs, grid: EaseGrid, *, climatology: bool) -> tuple[Decay, str]:
    """How retrievals age and what tells so: SMAP in its climatology's period, else the prior alone.

    Args:
        days: those of ``ageing_days`` that can be read, oldest first; read only as far as they are needed.
        inputs: prior, and matching where SMAP is matched.
        grid: SMAP's; days on another are left out.
        climatology: whether the prior's climatology stands for it, else its own days.

    Raises:
        TrainingError: the prior's record is too short.
    """
    stand = "climatology" if climatology else "own days"
    with suppress(TrainingError):
        dates = ageing_days(inputs)
        of_grid = (day for day in days if day.grid.name == grid.name)
        decay, number = smap_decay(
            of_grid, inputs.prior, inputs.domain, climatology=climatology, matching=inputs.matching
        )
        return decay, f"SMAP's departures from the prior's {stand} on {number} days of {dates[0]} to {dates[-1]}"
    decay = prior_decay(inputs.prior, inputs.domain, grid)
    bound = "" if climatology else "; an upper bound where its own days are used"
    return decay, f"the prior's own departures from its level, with SMAP's nominal error{bound}"


def ageing_days(inputs: Inputs) -> list[dt.date]:
    """The newest days of the SMAP climatology's period; none without one."""
    if inputs.climatologies is None or inputs.climatologies.smap.period is None:
        return []
    first, last = inputs.climatologies.smap.period
    days = [last - dt.timedelta(days=back) for back in range(MOST_DAYS - 1, -1, -1)]
    return [day for day in days if day >= first]
