"""A day's coarse field, read from the granules that are at hand, and where wanted from those of the days before."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import GranuleError, GranuleMissingError, NoRetrievalError
from flows.day.granules import at_hand, earlier, first_and_second, locate
from flows.day.jobs import DayJob
from flows.logs import DAYS

if TYPE_CHECKING:
    from downscaler.day.gaps import Reading
    from downscaler.day.inputs import Inputs
    from downscaler.ground.coarse_day import CoarseDay
    from downscaler.ground.grid import Domain, EaseGrid
    from downscaler.method.decay import Decay
    from downscaler.sources.smap import Offer

_LOG = logging.getLogger(DAYS)


def read(date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer] | None = None) -> Reading:
    """The day from its granules; without a retrieval from the second source, or from the days before where wanted.

    ``offers`` is filled with the granules of the day itself that were on offer.

    Raises:
        GranuleError: whatever is wrong with the day's own granules, and nothing to carry forward in their stead.
        ClimatologyError: the SMAP climatology is of another grid.
        TrainingError: the prior's record is too short to learn how retrievals age.
    """
    from downscaler.day.gaps import Reading
    from downscaler.sources.smap import read_day

    if job.is_analysis:
        return _analysed(date, job, inputs, offers)
    own, other = first_and_second(job)
    if other is None and not job.gap_fill:
        day = read_day(locate(date, job, offers), inputs.domain, date=date)
        inputs.require(day.grid)
        return Reading(day=day)
    today, missing = _today(date, own, inputs, offers) if own else (None, None)
    if other is not None and (today is None or missing is not None):
        try:
            return Reading(day=_modelled(date, other, inputs, offers))
        except (GranuleMissingError, NoRetrievalError) as error:
            if own is None:
                raise
            _LOG.info("no second source: %s", error)
    return _own_or_filled(date, own or job, inputs, today, missing)


def _own_or_filled(
    date: dt.date, job: DayJob, inputs: Inputs, today: CoarseDay | None, missing: GranuleError | None
) -> Reading:
    """SMAP's day with its gaps filled where that is wanted; raises ``missing`` where there is nothing."""
    from downscaler.day.gaps import Reading

    if today is not None:
        inputs.require(today.grid)
    filled = _filled(date, today, job, inputs) if job.gap_fill else None
    if filled is not None:
        return filled
    if today is None or missing is not None:
        raise missing or GranuleMissingError(f"No granule has the date {date}")
    return Reading(day=today)


def _analysed(date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer] | None) -> Reading:
    """The day's analysis, from its granules, if any, and those of the days before."""
    from downscaler.day.analysis import analyse_day
    from downscaler.method.coarse.analysis import WINDOW

    today, _ = _today(date, job, inputs, offers)
    dates = [date - dt.timedelta(days=age) for age in range(WINDOW - 1, 0, -1)]
    before = list(_seen(dates, earlier(job), inputs))
    for day in (*before, *([today] if today is not None else ())):
        inputs.require(day.grid)
    weather = inputs.weather.upto(date) if inputs.weather is not None else None
    return analyse_day(date, today, before, inputs, weather=weather)


def _today(
    date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer] | None
) -> tuple[CoarseDay | None, GranuleError | None]:
    """What SMAP tells of the day, if only that the ground is frozen, and the error where it has no retrieval."""
    from downscaler.sources.smap import read_day

    try:
        paths = locate(date, job, offers)
        return read_day(paths, inputs.domain, date=date), None
    except GranuleMissingError as error:
        if any(not path.is_file() for path in job.granules):  # a misspelt name is no gap
            raise
        return None, error
    except NoRetrievalError as error:
        return read_day(paths, inputs.domain, date=date, allow_empty=True), error


def _modelled(date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer] | None) -> CoarseDay:
    """The day of the second source; raises GranuleMissingError where it is not complete."""
    from downscaler.sources.smap import read_level4

    found: list[Offer] = []
    try:
        day = read_level4(locate(date, job, found), inputs.domain, date)
        inputs.require(day.grid)
        return day
    finally:
        if offers is not None:
            offers += found


def _seen(dates: Sequence[dt.date], job: DayJob, inputs: Inputs) -> Iterator[CoarseDay]:
    """Those of some days that can be read and have a retrieval."""
    for date in dates:
        with suppress(GranuleError):
            paths = locate(date, job)
            state = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
            yield _read(state, inputs.domain, date)


@lru_cache(maxsize=40)
def _read(state: tuple[tuple[Path, int, int], ...], domain: Domain, date: dt.date) -> CoarseDay:
    """A day's granules, kept for the days after it as long as no file changed."""
    from downscaler.sources.smap import read_day

    return read_day([path for path, _, _ in state], domain, date=date)


def _filled(date: dt.date, today: CoarseDay | None, job: DayJob, inputs: Inputs) -> Reading | None:
    """The day with its gaps filled; None where there are none, or nothing to fill them with."""
    from downscaler.day.gaps import fill_gaps, has_gaps
    from downscaler.method.gapfill import MAX_AGE

    if not has_gaps(today):
        return None
    dates = [date - dt.timedelta(days=age) for age in range(MAX_AGE, 0, -1)]
    before = list(_seen(dates, earlier(job), inputs))

    def ageing(grid: EaseGrid, climatology: bool) -> tuple[Decay, str]:
        return _ageing(_Ageing.of(job, inputs, grid, climatology=climatology))

    return fill_gaps(date, today, before, inputs, ageing)


@dataclass(frozen=True)
class _Ageing:
    """What a decay is learned from, known by checksums, names and settings."""

    records: tuple[str, ...]
    job: DayJob
    grid: str
    climatology: bool
    inputs: Inputs = field(compare=False, repr=False)

    @classmethod
    def of(cls, job: DayJob, inputs: Inputs, grid: EaseGrid, *, climatology: bool) -> _Ageing:
        return cls(tuple(r.sha256 for r in inputs.records), replace(job, granules=()), grid.name, climatology, inputs)


@lru_cache(maxsize=4)
def _ageing(ageing: _Ageing) -> tuple[Decay, str]:
    """How retrievals age; it takes a pass over many days, so a job learns it once in a process."""
    from downscaler.day.gaps import ageing_days, learn_ageing
    from downscaler.product import COARSE_GRIDS

    days = _seen(ageing_days(ageing.inputs), at_hand(ageing.job), ageing.inputs)
    return learn_ageing(days, ageing.inputs, COARSE_GRIDS[ageing.grid], climatology=ageing.climatology)
