"""How the composites of a period stand: a composite is stale when a day in it changed, and only then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flows.derived.jobs import CompositeJob, PeriodState

if TYPE_CHECKING:
    from catalog.publish.state import Standing
    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.records import RunRecord

READ = ("soil_moisture", "uncertainty", "quality_flag")
"""The assets of a day that a composite is made from."""


def survey(job: CompositeJob, start: dt.date, end: dt.date, today: dt.date) -> list[PeriodState]:
    """How each period with a day from start to end stands, in order.

    A period is due when it is over: its last day is published, or lies before ``today``.

    Raises:
        CatalogError: the catalogue holds no days to gather, or cannot be read.
    """
    from catalog.publish.state import standing
    from catalog.reading.stack import source_of
    from downscaler.ground.periods import periods

    source, target = source_of(job.catalog, job.ground, job.source), job.target
    firsts = periods(job.kind.length, start, end)
    stood = standing(job.catalog, target, firsts)
    return [_judge(first, gathered(job, source, first), stood.get(first), source, job, today) for first in firsts]


def gathered(job: CompositeJob, source: Domain, first: dt.date) -> list[StackedDay]:
    """The published days of the period that begins on a day."""
    from catalog.reading.stack import stacked_days
    from downscaler.ground.periods import days_of

    return stacked_days(job.catalog, source, days_of(job.kind.length, first), READ)


def _judge(
    first: dt.date,
    days: Sequence[StackedDay],
    stood: Standing | None,
    source: Domain,
    job: CompositeJob,
    today: dt.date,
) -> PeriodState:
    from catalog.items.day import withdrawn
    from downscaler.product import last_day

    last, revision = last_day(job.target.name, first), stood.revision if stood else 0
    common: dict[str, Any] = {"first": first, "last": last, "days": len(days), "revision": revision}
    if stood and (why := withdrawn(stood.item)):
        return PeriodState(state="withdrawn", why=why, work=job.force and bool(days), **common)
    if not days:
        why = "its days are gone: withdraw it" if stood else "no day is published"
        return PeriodState(state="published" if stood else "empty", why=why, **common)
    if stood is None and last >= today and days[-1].date < last:
        return PeriodState(state="running", why=f"{(last - days[-1].date).days} days to come", **common)
    if stood is None:
        return PeriodState(state="due", why=f"{len(days)} days are published", work=True, **common)
    why = "; ".join(why_stale(stood, days, source, job))
    return PeriodState(state="stale" if why else "published", why=why, work=bool(why) or job.force, **common)


def why_stale(stood: Standing, days: Sequence[StackedDay], source: Domain, job: CompositeJob) -> Iterable[str]:
    """Why a published composite is to be made again; nothing where the same run would publish the same numbers."""
    from catalog.items.provenance import fingerprint
    from downscaler.product import DAY

    if not stood.whole:
        yield "its publication was interrupted, or is in progress"
    properties = stood.item["properties"]
    if properties.get("vadose:fingerprint") == fingerprint(run_record(days, source, job), job.target):
        return
    used = {entry["name"]: entry["sha256"] for entry in properties["vadose:inputs"] if entry["kind"] == DAY}
    now = {day.record.name: day.record.sha256 for day in days}
    told = {
        "changed": sorted(name for name in used.keys() & now.keys() if used[name] != now[name]),
        "came": sorted(now.keys() - used.keys()),
        "gone": sorted(used.keys() - now.keys()),
    }
    reasons = [f"{len(names)} days {what} ({names[0][-8:]}, ...)" for what, names in told.items() if names]
    yield from reasons or ["another version or another autocorrelation of errors"]


def run_record(days: Sequence[StackedDay], source: Domain, job: CompositeJob) -> RunRecord:
    """The record of a composite's run: its days as inputs, what is to be said of any of them, and the error model."""
    from downscaler.derived.composite import ErrorMemory
    from downscaler.ground.periods import first_day
    from downscaler.product import kind_of
    from downscaler.records import RunRecord

    memory = ErrorMemory.of(source.name)
    return RunRecord(
        date=first_day(job.kind.length, days[0].date),
        domain_name=job.target.name,
        inputs=tuple(day.record for day in days),
        observed=(min(day.observed[0] for day in days), max(day.observed[1] for day in days)),
        simulated=any(day.simulated for day in days),
        caveats=tuple(dict.fromkeys(caveat for day in days for caveat in day.caveats)),
        parameters={
            "composite": job.length,
            "of": kind_of(source.name).title or "conserving",
            "error_autocorrelation": {"lasting": memory.lasting, "days": memory.days},
        },
    )
