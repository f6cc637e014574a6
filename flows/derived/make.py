"""Makes composites: each published like a day, with its own claim; one that fails stops no other."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flows.day.jobs import DayOutcome
from flows.day.make import outcome_of
from flows.derived.jobs import CompositeJob, PeriodState, composite_jobs
from flows.derived.state import READ, gathered, run_record, survey

if TYPE_CHECKING:
    from catalog.reading.stack import Read, StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.ground.tiles import Tile
    from flows.settings import Settings

Hear = Callable[[DayOutcome], None]
Attempt = Callable[[dt.date, CompositeJob], DayOutcome]
"""Makes one composite and never raises; ``try_composite``, or the same as a Prefect task."""


def try_composite(first: dt.date, job: CompositeJob) -> DayOutcome:
    """``make_composite`` that never raises: the error becomes the outcome."""
    started = time.monotonic()
    try:
        return make_composite(first, job)
    except Exception as error:  # noqa: BLE001  (told as the period's failure, the other periods go on)
        return replace(outcome_of(error, first), seconds=time.monotonic() - started)


def make_composites(
    job: CompositeJob,
    start: dt.date,
    end: dt.date,
    *,
    today: dt.date,
    attempt: Attempt = try_composite,
    hear: Hear = lambda _: None,
) -> list[DayOutcome]:
    """Make the composites of one length that a period lacks or whose days changed; an outcome for each of them.

    Periods that stand are told as ``current``, running and empty ones not at all. ``hear`` is told of each. Raises as
    ``survey``.
    """
    outcomes = []
    for state in survey(job, start, end, today):
        outcome = attempt(state.first, job) if state.work else _settled(state)
        if outcome is not None:
            hear(outcome)
            outcomes.append(outcome)
    return outcomes


def keep_in_step(
    settings: Settings, start: dt.date, end: dt.date, *, today: dt.date, attempt: Attempt = try_composite
) -> list[DayOutcome]:
    """The composites of the settings, made where the days from start to end need it; only those made are told."""
    made = []
    for job in composite_jobs(settings, settings.composites or ()):
        outcomes = make_composites(job, start, end, today=today, attempt=attempt)
        made += [outcome for outcome in outcomes if outcome.status != "current"]
    return made


def _settled(state: PeriodState) -> DayOutcome | None:
    """What is told of a period that needs no work; None where it has no composite."""
    if not state.revision:
        return None
    withdrawn = f"withdrawn: {state.why}; --force publishes it again"
    why = withdrawn if state.state == "withdrawn" else state.why or "already published from the same days"
    return DayOutcome(date=state.first, status="current", reason=why)


def make_composite(first: dt.date, job: CompositeJob) -> DayOutcome:
    """Publish the composite of the period that begins on a day.

    Raises:
        CatalogError: no day of it is published, or a day's files are missing or damaged.
        ClaimedError: another run is making it.
    """
    from catalog.publish.claims import claimed
    from catalog.publish.day import publish
    from catalog.reading.stack import open_stack, source_of
    from catalog.store.base import open_store
    from downscaler.errors import CatalogError

    started, target = time.monotonic(), job.target
    source = source_of(job.catalog, job.ground, job.source)
    with claimed(job.catalog, target, first) as claim:
        days = gathered(job, source, first)
        if not days:
            raise CatalogError(f"No day of the period from {first} is published", value=source.name)
        with open_stack(open_store(job.catalog), source, days, READ) as read:
            made = tiles(read, days, source)
            done = publish(job.catalog, run_record(days, source, job), target, made, claim=claim)
    return DayOutcome(
        date=first,
        status="current" if done.status == "unchanged" else "published",
        href=done.item_href,
        reason=f"{job.length}, revision {done.revision}, {len(days)} days",
        seconds=time.monotonic() - started,
    )


def tiles(read: Read, days: Sequence[StackedDay], domain: Domain) -> Iterator[Tile]:
    """The composite window by window, so that memory does not grow with the domain."""
    from catalog.reading.stack import windows
    from downscaler.derived.composite import ErrorMemory, composite
    from downscaler.ground.tiles import Tile

    times, memory = [day.date.toordinal() for day in days], ErrorMemory.of(domain.name)
    for window in windows(domain):
        found = read(window)
        theta, sigma, flags = (found[name] for name in READ)
        yield Tile(window=window, fields=composite(theta, sigma, flags, times, memory))
