"""A day's coarse field, read from its granules; of an analysis, from those of the days before too."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import GranuleError, GranuleMissingError, NoRetrievalError
from flows.day.granules import earlier, first_and_second, locate
from flows.day.jobs import DayJob
from flows.logs import DAYS

if TYPE_CHECKING:
    from downscaler.day.inputs import Inputs
    from downscaler.day.reading import Reading
    from downscaler.ground.coarse_day import CoarseDay
    from downscaler.ground.grid import Domain
    from downscaler.method.weather.coarse import Shelf
    from downscaler.sources.smap import Offer

_LOG = logging.getLogger(DAYS)


def read(
    date: dt.date,
    job: DayJob,
    inputs: Inputs,
    offers: list[Offer] | None = None,
    broken: set[Path] | None = None,
) -> Reading:
    """The day from its granules; without a retrieval from the second source, where one is set.

    ``offers`` is filled with the granules of the day itself that were on offer, ``broken`` with files of the days
    before that an analysis would draw on and that cannot be read.

    Raises:
        GranuleError: whatever is wrong with the day's own granules, and no second source in their stead.
        ClimatologyError: the SMAP climatology is of another grid.
    """
    from downscaler.day.reading import Reading
    from downscaler.sources.smap import read_day

    if job.is_analysis:
        return _analysed(date, job, inputs, offers, set() if broken is None else broken)
    own, other = first_and_second(job)
    if other is None:
        day = read_day(locate(date, job, offers), inputs.domain, date=date)
        inputs.require(day.grid)
        return Reading(day=day)
    today, missing = _today(date, own, inputs, offers) if own else (None, None)
    if today is None or missing is not None:
        try:
            return Reading(day=_modelled(date, other, inputs, offers))
        except (GranuleMissingError, NoRetrievalError) as error:
            if own is None:
                raise
            _LOG.info("no second source: %s", error)
    if today is None or missing is not None:
        raise missing or GranuleMissingError(f"No granule has the date {date}")
    inputs.require(today.grid)
    return Reading(day=today)


def _analysed(date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer] | None, broken: set[Path]) -> Reading:
    """The day's analysis, from its granules, if any, and those of the days before."""
    from downscaler.day.analysis import analyse_day
    from downscaler.method.coarse.analysis import WINDOW
    from downscaler.stores.prior.kept import keeping

    today, _ = _today(date, job, inputs, offers)
    keep = keeping(inputs.prior, inputs.domain)
    dates = [date - dt.timedelta(days=age) for age in range(WINDOW - 1, 0, -1)]
    before = list(_seen(dates, earlier(job), inputs, keep.passes, broken))
    for day in (*before, *([today] if today is not None else ())):
        inputs.require(day.grid)
    weather = inputs.weather.upto(date) if inputs.weather is not None else None
    return analyse_day(date, today, before, inputs, weather=weather, keeping=keep)


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


def _seen(
    dates: Sequence[dt.date], job: DayJob, inputs: Inputs, shelf: Shelf | None, broken: set[Path]
) -> Iterator[CoarseDay]:
    """Those of some days that can be read and have a retrieval; files that cannot be read go into ``broken``."""
    for date in dates:
        day = _readable(date, job, inputs, shelf, broken)
        if day is not None:
            yield day


def _readable(date: dt.date, job: DayJob, inputs: Inputs, shelf: Shelf | None, broken: set[Path]) -> CoarseDay | None:
    """A day by the newest of its files that can be read; None without a retrieval."""
    paths: list[Path] = []
    while True:
        try:
            paths = locate(date, job, without=broken)
            state = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
            return _read(state, inputs.domain, date, shelf)
        except (GranuleMissingError, NoRetrievalError):
            return None
        except GranuleError as error:
            _LOG.warning("left out of the analysis: %s", error)
            if not set(paths) - broken:  # the search itself failed
                return None
            broken |= _at_fault(paths, inputs.domain, date)


def _at_fault(paths: Sequence[Path], domain: Domain, date: dt.date) -> set[Path]:
    """Those files of a day that cannot be read on their own; all where only together they are at fault."""
    from downscaler.sources.smap import read_day

    found = set()
    for path in paths:
        try:
            read_day([path], domain, date=date, allow_empty=True)
        except (GranuleMissingError, NoRetrievalError):
            continue
        except GranuleError:
            found.add(path)
    return found or set(paths)


@lru_cache(maxsize=40)
def _read(
    state: tuple[tuple[Path, int, int], ...], domain: Domain, date: dt.date, shelf: Shelf | None = None
) -> CoarseDay:
    """A day's granules, kept for the days after it, also on ``shelf``, as long as no file changed."""
    from downscaler.sources.smap import read_day
    from downscaler.stores.coarse_days import packed, unpacked

    files = [f"{path.name} {changed} {size}" for path, changed, size in state]
    name = f"{date}-{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"
    kept = shelf.find(name) if shelf is not None else None
    day = unpacked(kept, date, domain) if kept is not None else None
    if day is None:
        day = read_day([path for path, _, _ in state], domain, date=date)
        if shelf is not None:
            shelf.put(name, packed(day))
    return day
