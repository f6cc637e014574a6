"""How derived items stand: one is stale when a day that it was made from changed, and only then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flows.derived.jobs import DerivedJob, PeriodState

if TYPE_CHECKING:
    from catalog.publish.state import Standing
    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain


def survey(job: DerivedJob, start: dt.date, end: dt.date, today: dt.date) -> list[PeriodState]:
    """How each period with a day from start to end stands, in order.

    A period is due when it is over: its last day is published, or lies before ``today``.

    Raises:
        CatalogError: the catalogue holds no days to gather, or cannot be read.
    """
    from catalog.publish.state import standing
    from downscaler.ground.periods import periods

    source, target = job.source(), job.target
    firsts = periods(job.kind.length, start, end)
    stood = standing(job.catalog, target, firsts)
    return [_judge(first, job.gather(source, first), stood.get(first), source, job, today) for first in firsts]


def _judge(
    first: dt.date,
    days: Sequence[StackedDay],
    stood: Standing | None,
    source: Domain,
    job: DerivedJob,
    today: dt.date,
) -> PeriodState:
    from catalog.items.day import withdrawn
    from downscaler.product import last_day

    last, revision = last_day(job.target.name, first), stood.revision if stood else 0
    common: dict[str, Any] = {"first": first, "last": last, "days": len(days), "revision": revision}
    if stood and (why := withdrawn(stood.item)):
        return PeriodState(state="withdrawn", why=why, work=job.force and bool(days), **common)
    if not days:
        why = "its days are gone: withdraw it" if stood else job.lacks
        return PeriodState(state="published" if stood else "empty", why=why, **common)
    to_come = (last - max(day.date for day in days)).days
    if stood is None and last >= today and to_come:
        return PeriodState(state="running", why=f"{to_come} {'day' if to_come == 1 else 'days'} to come", **common)
    if stood is None:
        return PeriodState(state="due", why=f"{counted(days)} published", work=True, **common)
    why = "; ".join(why_stale(stood, days, source, job, first))
    return PeriodState(state="stale" if why else "published", why=why, work=bool(why) or job.force, **common)


def why_stale(
    stood: Standing, days: Sequence[StackedDay], source: Domain, job: DerivedJob, first: dt.date
) -> Iterable[str]:
    """Why a published item is to be made again; nothing where the same run would publish the same numbers."""
    from catalog.items.provenance import fingerprint
    from downscaler.product import DAY

    if not stood.whole:
        yield "its publication was interrupted, or is in progress"
    properties = stood.item["properties"]
    if properties.get("vadose:fingerprint") == fingerprint(job.record(days, source, first), job.target):
        return
    used = {entry["name"]: entry["sha256"] for entry in properties["vadose:inputs"] if entry["kind"] == DAY}
    now = {day.record.name: day.record.sha256 for day in days}
    told = {
        "changed": sorted(name for name in used.keys() & now.keys() if used[name] != now[name]),
        "came": sorted(now.keys() - used.keys()),
        "gone": sorted(used.keys() - now.keys()),
    }
    reasons = [f"{counted(names)} {what} ({_first(names)})" for what, names in told.items() if names]
    yield from reasons or ["another version, prior or model of errors"]


def counted(days: Sequence[object]) -> str:
    """The number of some days, in words for a sentence."""
    return "1 day" if len(days) == 1 else f"{len(days)} days"


def _first(names: Sequence[str]) -> str:
    """The date of the first of some items, which their names end with."""
    date = dt.date.fromisoformat(names[0][-8:])
    return str(date) if len(names) == 1 else f"{date}, ..."
