"""A day's coarse field as it is downscaled: what SMAP saw, and where wanted what earlier days and the prior tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from downscaler.errors import GranuleError, GranuleMissingError, NoRetrievalError, TrainingError
from flows.day.granules import at_hand, earlier, locate
from flows.day.inputs import Means
from flows.day.jobs import DayJob

if TYPE_CHECKING:
    from downscaler.ground.coarse_day import CoarseDay
    from downscaler.ground.grid import EaseGrid
    from downscaler.method.decay import Decay
    from downscaler.sources.smap import Offer


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A day to be downscaled; ``filling`` says how its gaps were filled, empty where none was."""

    day: CoarseDay
    filling: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


def read(date: dt.date, job: DayJob, means: Means, heard: list[Offer] | None = None) -> Reading:
    """The day from its granules, with ``job.gap_fill`` also from those of the days before.

    ``heard`` is told which granules of the day itself were on offer.

    Raises:
        GranuleError: whatever is wrong with the day's own granules, and nothing to carry forward in their stead.
        ClimatologyError: the SMAP climatology is of another grid.
        TrainingError: the prior's record is too short to learn how retrievals age.
    """
    from downscaler.sources.smap import read_day

    if not job.gap_fill:
        day = read_day(locate(date, job, heard), means.domain, date=date)
        means.require(day.grid)
        return Reading(day=day)
    today, missing = _today(date, job, means, heard)
    if today is not None:
        means.require(today.grid)
    filled = _filled(date, today, job, means)
    if filled is not None:
        return filled
    if today is None or missing is not None:
        raise missing or GranuleMissingError(f"No granule holds {date}")
    return Reading(day=today)


def _today(
    date: dt.date, job: DayJob, means: Means, heard: list[Offer] | None
) -> tuple[CoarseDay | None, GranuleError | None]:
    """What SMAP tells of the day, if only that the ground is frozen, and the error where it has no retrieval."""
    from downscaler.sources.smap import read_day

    try:
        paths = locate(date, job, heard)
        return read_day(paths, means.domain, date=date), None
    except GranuleMissingError as error:
        if any(not path.is_file() for path in job.granules):  # a misspelt name is no gap
            raise
        return None, error
    except NoRetrievalError as error:
        return read_day(paths, means.domain, date=date, allow_empty=True), error


def _seen(dates: Sequence[dt.date], job: DayJob, means: Means) -> Iterator[CoarseDay]:
    """Those of some days that can be read and have a retrieval."""
    from downscaler.sources.smap import read_day

    for date in dates:
        with suppress(GranuleError):
            yield read_day(locate(date, job), means.domain, date=date)


def _filled(date: dt.date, today: CoarseDay | None, job: DayJob, means: Means) -> Reading | None:
    """The day with its gaps filled; None where there are none, or nothing to fill them with."""
    from downscaler.method.coarse_prior import coarse_days
    from downscaler.method.gapfill import MAX_AGE, empty_day, fill

    if today is not None and bool(today.data["recommended"].all()):
        return None
    before = list(_seen([date - dt.timedelta(days=age) for age in range(MAX_AGE, 0, -1)], earlier(job), means))
    if not before:
        return None
    if today is None:
        today = empty_day(date, means.domain, means.carrying.smap.grid if means.carrying else before[-1].grid)
    days = [*(day for day in before if day.grid == today.grid), today]
    dates = [day.date for day in days]
    prior, known = coarse_days(means.prior, means.domain, today.grid, dates)
    stale = not known.all()  # one kind of prior for all days, so that their departures can be compared
    if stale:
        prior, _ = coarse_days(means.prior, means.domain, today.grid, dates, climatology=True)
    decay, source = _decay(_Ageing.of(job, means, today.grid, climatology=stale))
    data = fill(days, prior, decay, matching=means.matching)
    if not data["filled"].any():
        return None
    ages = set(data["age_days"].values[data["filled"].values].tolist())
    used = [today, *(day for day in days[:-1] if (date - day.date).days in ages)]
    inputs = {(record.name, record.sha256): record for day in used for record in day.inputs}
    day = replace(today, data=data, inputs=tuple(inputs.values()), simulated=any(day.simulated for day in used))
    filling = {
        "max_age_days": MAX_AGE,
        "prior": "its climatology" if stale else "its own days",
        "decay": {name: round(getattr(decay, name), 6) for name in ("rate", "prior_error", "observation_error")},
        "decay_from": source,
    }
    return Reading(day=day, filling=filling, caveats=(_caveat(day, max(ages)),))


def _caveat(day: CoarseDay, oldest: int) -> str:
    filled, seen = int(day.data["filled"].sum()), int(day.data["recommended"].sum())
    age = f"up to {oldest} days old" if oldest > 1 else "one day old"
    if not seen:
        return f"No SMAP retrieval of this day: all is carried forward from retrievals {age}."
    return f"{100 * filled / (filled + seen):.0f} % of the SMAP cells are carried forward from retrievals {age}."


@dataclass(frozen=True)
class _Ageing:
    """What a decay is learned from, known by checksums, names and settings."""

    inputs: tuple[str, ...]
    job: DayJob
    grid: str
    climatology: bool
    means: Means = field(compare=False, repr=False)

    @classmethod
    def of(cls, job: DayJob, means: Means, grid: EaseGrid, *, climatology: bool) -> _Ageing:
        return cls(tuple(r.sha256 for r in means.records), replace(job, granules=()), grid.name, climatology, means)


@lru_cache(maxsize=4)
def _decay(ageing: _Ageing) -> tuple[Decay, str]:
    """How retrievals age and what tells so: SMAP in its climatology's period, else the prior alone.

    It takes a pass over many days, so a job learns it once in a process.
    """
    from downscaler.learn.ageing import prior_decay, smap_decay
    from downscaler.product import COARSE_GRIDS

    means = ageing.means
    stand = "climatology" if ageing.climatology else "own days"
    with suppress(TrainingError):
        dates = _last_days(means)
        days = (day for day in _seen(dates, at_hand(ageing.job), means) if day.grid.name == ageing.grid)
        decay, number = smap_decay(
            days, means.prior, means.domain, climatology=ageing.climatology, matching=means.matching
        )
        return decay, f"SMAP's departures from the prior's {stand} on {number} days of {dates[0]} to {dates[-1]}"
    decay = prior_decay(means.prior, means.domain, COARSE_GRIDS[ageing.grid])
    bound = "" if ageing.climatology else "; an upper bound where its own days are used"
    return decay, f"the prior's own departures from its level, with SMAP's nominal error{bound}"


def _last_days(means: Means) -> list[dt.date]:
    """The newest days of the SMAP climatology's period; none without one."""
    from downscaler.learn.ageing import MOST_DAYS

    if means.carrying is None or means.carrying.smap.period is None:
        return []
    first, last = means.carrying.smap.period
    days = [last - dt.timedelta(days=back) for back in range(MOST_DAYS - 1, -1, -1)]
    return [day for day in days if day >= first]
