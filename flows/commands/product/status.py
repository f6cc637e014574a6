"""``vadose status``: how each of the last days stands."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console
from flows.commands.product.produce import Climatology, DomainName, Folder, GapFill, ModelPath, Out, PriorPath, Product
from flows.day.period import makeable, parse_day, today

if TYPE_CHECKING:
    from flows.days.state import DayState, State

_COLOURS: dict[State, str] = {
    "published": "green",
    "stale": "magenta",
    "due": "blue",
    "waiting": "cyan",
    "missing": "yellow",
    "no-coverage": "yellow",
    "failed": "red",
    "withdrawn": "red",
}


def status(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Days to look back; unset, 14.")] = None,
    until: Annotated[
        dt.date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="Last UTC day of the list; unset, today."),
    ] = None,
    domain: DomainName = None,
    granules: Folder = None,
    prior: PriorPath = None,
    model: ModelPath = None,
    out: Out = None,
    smap_product: Product = None,
    climatology: Climatology = None,
    gap_fill: GapFill = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Tell of the last days which are published, stale, due, waiting, missing, without coverage, failed or withdrawn.

    Nothing is made or downloaded. Due, stale and some failed days are what `vadose run` or the daily flow would make.
    """
    from flows.day.jobs import job_of
    from flows.days.state import look_back
    from flows.settings import load_settings

    last = makeable(until or today())[0]
    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    more = {"smap_product": smap_product, "climatology": climatology, "gap_fill": gap_fill}
    source = "folder" if granules else None
    settings = load_settings(context.obj.config, **options, **more, look_back=days, smap_source=source)
    states = look_back(job_of(settings), last, settings.look_back)
    if json:
        console.say(console.as_json([asdict(state) for state in states]))
    else:
        console.out.print(state_table(states))


def state_table(states: Sequence[DayState]) -> console.Table:
    """One row a day; fits a terminal of 80 columns."""
    made = console.table("The last days", "date", "state", "granule", "rev>", "why")
    for state in states:
        made.add_row(
            str(state.date),
            console.Text(state.state, style=_COLOURS[state.state]),
            state.granule or "-",
            str(state.revision or "-"),
            console.Text(state.why),
        )
    counts = Counter(state.state for state in states)
    made.caption = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    return made
