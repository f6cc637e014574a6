"""``vadose status``: the state of each of the last days."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import CatalogError
from flows import console
from flows.commands.options import Inputs, Json, day_option, with_inputs
from flows.day.period import makeable, today

if TYPE_CHECKING:
    from flows.day.jobs import Product
    from flows.days.state import DayState, State
    from flows.settings import Settings

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

_NAMES: dict[Product, tuple[str, str]] = {
    "conserving": ("day", "SMAP-conserving"),
    "analysis": ("analysis", "analyses"),
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
    offer, 62 a day failed, 63 the newest day that should be published by now is not. Each of `products` has a table of
    its own, and has to be well.

    With a weather store a line tells how late the weather is. Further lines tell how what `composites` and `derived`
    keep in step with the days stands.
    """
    from flows.day.jobs import job_of
    from flows.days.health import require_health
    from flows.days.state import look_back
    from flows.settings import load_settings

    last = makeable(until or today())[0]
    settings = load_settings(context.obj.config, **inputs.settings(), look_back=days)
    jobs = job_of(settings).each()
    looked = {job.products[0]: look_back(job, last, settings.look_back) for job in jobs}
    if json:
        console.say_json(state_records(looked))
    else:
        for product, states in looked.items():
            console.out.print(state_table(states, f"The last days, {_NAMES[product][1]}"))
        if settings.weather is not None:
            console.say(weather_line(settings.weather, last))
        for line in derived_lines(settings, last):
            console.say(line)
    if check:
        now = dt.datetime.now(dt.UTC)
        for job in jobs:
            require_health(looked[job.products[0]], now, job.latency, _NAMES[job.products[0]][0])


def weather_line(store: Path, last: dt.date) -> str:
    """How late a weather store is on a day, in a line; raises WeatherUnreadableError."""
    from downscaler.day.weather import weather_lateness
    from downscaler.stores.weather import open_weather

    return f"{store.name}: {weather_lateness(open_weather(store), last)}"


def derived_lines(settings: Settings, last: dt.date) -> list[str]:
    """How what the settings keep in step with the days stands, a line for each kind."""
    from flows.derived.make import derived_jobs
    from flows.derived.state import survey

    lines = []
    for job in derived_jobs(settings):
        try:
            states = survey(job, last - dt.timedelta(days=settings.look_back - 1), last, last)
        except CatalogError as error:  # no day is published yet
            lines.append(f"{job.kind.title}: {error.what}")
            continue
        counts = Counter(state.state for state in states)
        lines.append(f"{job.kind.title}: {', '.join(f'{number} {state}' for state, number in sorted(counts.items()))}")
    return lines


def state_records(looked: Mapping[Product, Sequence[DayState]]) -> list[dict[str, object]]:
    """One record per day: the state of the first product, and of each other one under its name."""
    (_, first), *others = looked.items()
    records = [asdict(state) for state in first]
    for product, states in others:
        for record, state in zip(records, states, strict=True):
            record[product] = {key: value for key, value in asdict(state).items() if key != "date"}
    return records


def state_table(states: Sequence[DayState], title: str) -> console.Table:
    """One row per day; fits a terminal of 80 columns."""
    made = console.table(title, "date", "state", "granule", "rev>", "why")
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
