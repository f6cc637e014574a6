"""Makes derived items: each published like a day, with its own claim; one that fails stops no other."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from flows.day.jobs import DayOutcome
from flows.day.make import outcome_of
from flows.days import cubes
from flows.derived.composites import composite_jobs
from flows.derived.jobs import DerivedJob, PeriodState
from flows.derived.series import series_in_step
from flows.derived.state import counted, survey

if TYPE_CHECKING:
    from flows.settings import Settings

Hear = Callable[[DayOutcome], None]
Attempt = Callable[[dt.date, DerivedJob], DayOutcome]
"""Makes one item and never raises; ``try_item``, or the same as a Prefect task."""


def try_item(first: dt.date, job: DerivedJob) -> DayOutcome:
    """``make_item`` that never raises: the error becomes the outcome."""
    started = time.monotonic()
    try:
        return make_item(first, job)
    except Exception as error:  # noqa: BLE001  (told as the period's failure, the other periods go on)
        return replace(outcome_of(error, first), seconds=time.monotonic() - started)


def make_items(
    job: DerivedJob,
    start: dt.date,
    end: dt.date,
    *,
    today: dt.date,
    attempt: Attempt = try_item,
    hear: Hear = lambda _: None,
) -> list[DayOutcome]:
    """Make the items that a period lacks or whose days changed; an outcome for each of them.

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


def derived_jobs(settings: Settings) -> list[DerivedJob]:
    """What the settings ask to be kept in step with the days; raises ConfigError where something is not set for it."""
    return [
        *composite_jobs(settings, settings.composites or ()),
        *(job_of_kind(settings, n) for n in settings.derived or ()),
    ]


def job_of_kind(settings: Settings, name: str, *, force: bool = False) -> DerivedJob:
    """The job of percentile, rootzone or outlook; raises ConfigError where something is not set for it."""
    from flows.derived.outlook import outlook_job
    from flows.derived.percentiles import percentile_job
    from flows.derived.rootzone import root_zone_job

    makers: dict[str, Callable[..., DerivedJob]] = {
        "percentile": percentile_job,
        "rootzone": root_zone_job,
        "outlook": outlook_job,
    }
    return makers[name](settings, force=force)


def keep_in_step(
    settings: Settings, start: dt.date, end: dt.date, *, today: dt.date, attempt: Attempt = try_item
) -> list[DayOutcome]:
    """What the settings ask for, made where the days from start to end need it; only what was made is told.

    Later items that look back on these days are looked at too, as far as days are published.
    """
    from catalog.reading.stack import span_of

    made, latest = [], end
    for job in derived_jobs(settings):
        newest = span_of(job.catalog, job.source())[1] if job.reach else end
        until = max(end, min(end + dt.timedelta(days=job.reach), newest))
        outcomes = make_items(job, start, until, today=today, attempt=attempt)
        made += [outcome for outcome in outcomes if outcome.status != "current"]
        cubes.keep_in_step(job.catalog, job.target.name)
        latest = max(latest, until)
    return made + series_in_step(settings, start, latest)


def _settled(state: PeriodState) -> DayOutcome | None:
    """What is told of a period that needs no work; None where it has no item."""
    if not state.revision:
        return None
    withdrawn = f"withdrawn: {state.why}; --force publishes it again"
    why = withdrawn if state.state == "withdrawn" else state.why or "already published from the same days"
    return DayOutcome(date=state.first, status="current", reason=why)


def make_item(first: dt.date, job: DerivedJob) -> DayOutcome:
    """Publish the item that begins on a day.

    Raises:
        CatalogError: no day of it is published, or a day's files are missing or damaged.
        ClaimedError: another run is making it.
    """
    from catalog.publish.claims import claimed
    from catalog.publish.day import publish
    from downscaler.errors import CatalogError

    started, source, target = time.monotonic(), job.source(), job.target
    with claimed(job.catalog, target, first) as claim:
        days = job.gather(source, first)
        if not days:
            raise CatalogError(f"No day of the period from {first} is published", value=source.name)
        run = job.record(days, source, first)
        done = publish(job.catalog, run, target, job.tiles(days, source, first), claim=claim)
    return DayOutcome(
        date=first,
        status="current" if done.status == "unchanged" else "published",
        href=done.item_href,
        reason=f"{job.kind.title}, revision {done.revision}, of {counted(days)}",
        seconds=time.monotonic() - started,
    )
