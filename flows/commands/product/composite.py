"""``vadose composite``: 3-day, weekly and monthly means of published days."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console
from flows.commands.options import DomainName, Json, PublishTo, day_argument, ordered
from flows.commands.product.produce import say_day, say_summary
from flows.day.period import today

if TYPE_CHECKING:
    from flows.derived.jobs import CompositeJob, PeriodState, State

_COLOURS: dict[State, str] = {
    "published": "green",
    "stale": "magenta",
    "due": "blue",
    "running": "cyan",
    "empty": "yellow",
    "withdrawn": "red",
}


def composite(
    context: typer.Context,
    start: Annotated[dt.date | None, day_argument("START", "A UTC day of the first period; unset, the first.")] = None,
    end: Annotated[dt.date | None, day_argument("END", "A UTC day of the last period; unset, the last.")] = None,
    length: Annotated[
        list[str] | None, typer.Option(metavar="LENGTH", help="3day, weekly or monthly; may be repeated; unset, all.")
    ] = None,
    of: Annotated[
        Literal["analysis", "conserving"] | None,
        typer.Option(
            metavar="DAYS",
            help="analysis or conserving; unset, the analyses if there are any, else the conserving days.",
        ),
    ] = None,
    domain: DomainName = None,
    out: PublishTo = None,
    force: Annotated[bool, typer.Option("--force", help="Make current and withdrawn composites again.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how each period stands; make nothing.")] = False,
    json: Json = False,
) -> None:
    """Make 3-day, weekly (ISO) and monthly means of the published days, each in a collection of its own.

    Only what is missing or stale is made: a composite is stale when one of its days was published, replaced or
    withdrawn since. A period that has not ended is left for later. Without START and END all periods with a published
    day are looked at.
    """
    from catalog.reading.stack import source_of, span_of
    from downscaler.product import COMPOSITES
    from flows import logs
    from flows.days.run import require_no_failure
    from flows.derived.jobs import composite_jobs
    from flows.derived.make import make_composites
    from flows.derived.state import survey
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=out)
    logs.start(settings.log_format)
    jobs = composite_jobs(settings, tuple(length or COMPOSITES), of, force=force)
    outcomes = []
    for job in jobs:
        first, last = span_of(job.catalog, source_of(job.catalog, job.ground, job.source))
        first, last = start or first, end or last
        if status:
            _show(survey(job, first, last, today()), job, json=json)
            continue
        console.say(f"{job.kind.title}, {first} to {last}")
        made = make_composites(job, first, last, today=today(), hear=say_day)
        say_summary(made, "no period with a published day has ended")
        outcomes += made
    require_no_failure(outcomes)


def _show(states: list[PeriodState], job: CompositeJob, *, json: bool) -> None:
    if json:
        console.say_json([{"length": job.length, **asdict(state)} for state in states])
        return
    made = console.table(f"Periods, {job.kind.title}", "first day", "last day", "state", "days>", "rev>", "why")
    for state in states:
        told = console.Text(state.state, style=_COLOURS[state.state])
        revision = str(state.revision or "-")
        made.add_row(str(state.first), str(state.last), told, str(state.days), revision, console.Text(state.why))
    counts = Counter(state.state for state in states)
    made.caption = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    console.out.print(made)
