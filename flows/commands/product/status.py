"""``vadose status``: the state of each of the last days."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console
from flows.commands.options import Inputs, Json, day_option, with_inputs
from flows.day.period import makeable, today

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


@with_inputs
def status(
    context: typer.Context,
    inputs: Inputs,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Days to look back; unset, `look_back`.")] = None,
    until: Annotated[dt.date | None, day_option("Last UTC day of the list; unset, today.")] = None,
    json: Json = False,
    check: Annotated[
        bool, typer.Option("--check", help="For a monitor: exit with 61 without input, 62 after failures, 63 if late.")
    ] = False,
) -> None:
    """Show the state of each of the last days: published, stale, due, waiting, missing, no coverage, failed, withdrawn.

    Makes and downloads nothing. `vadose run` without a date makes the due and stale days, and retries some failed
    ones.

    With `--check` the exit code tells a monitor how the product stands: 0 well, 61 no granule of these days is on
    offer, 62 a day failed, 63 the newest day that should be published by now is not.

    With a weather store the last line tells how late the weather is.
    """
    from flows.day.jobs import job_of
    from flows.days.health import require_health
    from flows.days.state import look_back
    from flows.settings import load_settings

    last = makeable(until or today())[0]
    settings = load_settings(context.obj.config, **inputs.settings(), look_back=days)
    job = job_of(settings)
    states = look_back(job, last, settings.look_back)
    if json:
        console.say_json([asdict(state) for state in states])
    else:
        console.out.print(state_table(states))
        if settings.weather is not None:
            console.say(weather_line(settings.weather, last))
    if check:
        require_health(states, dt.datetime.now(dt.UTC), job.latency)


def weather_line(store: Path, last: dt.date) -> str:
    """How late a weather store is on a day, in a line; raises WeatherUnreadableError."""
    from downscaler.day.weather import weather_lateness
    from downscaler.stores.weather import open_weather

    return f"{store.name}: {weather_lateness(open_weather(store), last)}"


def state_table(states: Sequence[DayState]) -> console.Table:
    """One row per day; fits a terminal of 80 columns."""
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
