"""``vadose composite``, ``percentile``, ``rootzone`` and ``outlook``: what is made from published days."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console
from flows.commands.options import DomainName, Json, PriorPath, PublishTo, day_argument, ordered
from flows.commands.product.produce import say_day, say_summary
from flows.day.period import today

if TYPE_CHECKING:
    from flows.derived.jobs import DerivedJob, PeriodState, State
    from flows.settings import Settings

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
    from downscaler.product import COMPOSITES
    from flows.derived.composites import composite_jobs
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=out)
    jobs = composite_jobs(settings, tuple(length or COMPOSITES), of, force=force)
    _derive(jobs, settings, start, end, status=status, json=json)


def percentile(
    context: typer.Context,
    start: Annotated[dt.date | None, day_argument("START", "First UTC day; unset, the first analysis.")] = None,
    end: Annotated[dt.date | None, day_argument("END", "Last UTC day; unset, the last analysis.")] = None,
    prior: PriorPath = None,
    domain: DomainName = None,
    out: PublishTo = None,
    force: Annotated[bool, typer.Option("--force", help="Make current and withdrawn percentiles again.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how each day stands; make nothing.")] = False,
    json: Json = False,
) -> None:
    """Make percentiles, anomalies and drought-class probabilities of the analyses, in a collection of their own.

    A day is compared with the same season of ten earlier years and, while there are fewer, with the prior. Only what is
    missing or stale is made: a day is stale when its analysis, one of the earlier years' or the prior changed.
    """
    from flows.derived.percentiles import percentile_job
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=out, prior=prior)
    _derive([percentile_job(settings, force=force)], settings, start, end, status=status, json=json)


def rootzone_learn(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="State to write, such as rootzone.h5.")],
    prior: PriorPath = None,
) -> None:
    """Learn how the layers down to a metre follow the surface, cell by cell, from the prior's own layers.

    The prior has them where its run's files hold soil_moisture_layer2 (0.1 to 0.4 m) and soil_moisture_layer3 (0.4 to
    1 m).
    """
    from downscaler.derived.learned import learn_root_zone
    from downscaler.errors import ConfigError
    from downscaler.stores.prior import open_prior
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, prior=prior)
    if settings.prior is None:
        raise ConfigError("A prior is needed", remedy="Give --prior PRIOR, or set `prior` in vadose.toml.")
    with console.progress_bar("tiles") as tell:
        learned = learn_root_zone(open_prior(settings.prior), out, progress=tell)
    console.say(f"{out}: {learned.domain.title}, from {learned.attributes['days']} days")


def rootzone_make(
    context: typer.Context,
    start: Annotated[dt.date | None, day_argument("START", "First UTC day; unset, the first analysis.")] = None,
    end: Annotated[dt.date | None, day_argument("END", "Last UTC day; unset, the last analysis.")] = None,
    learned: Annotated[
        Path | None, typer.Option(metavar="FILE", help="State made by `vadose rootzone learn`; unset, `rootzone`.")
    ] = None,
    domain: DomainName = None,
    out: PublishTo = None,
    force: Annotated[bool, typer.Option("--force", help="Make current and withdrawn root zones again.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how each day stands; make nothing.")] = False,
    json: Json = False,
) -> None:
    """Make root-zone soil moisture and plant-available water of the analyses, in a collection of their own.

    A day looks back on the analyses of 120 days, of which 90 have to be published. Only what is missing or stale is
    made: a day is stale when one of these analyses or the state changed.
    """
    from flows.derived.rootzone import root_zone_job
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=out, rootzone=learned)
    _derive([root_zone_job(settings, force=force)], settings, start, end, status=status, json=json)


def outlook_learn(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="State to write, such as outlook.h5.")],
    prior: PriorPath = None,
) -> None:
    """Learn how departures from climatology fade, cell by cell, and which days ahead beat persistence and climatology.

    Both from the prior's record, 200 days or more; leads are judged on stretches of it that the fit had not seen.
    """
    from downscaler.derived.outlook_state import learn_outlook
    from downscaler.errors import ConfigError
    from downscaler.stores.prior import open_prior
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, prior=prior)
    if settings.prior is None:
        raise ConfigError("A prior is needed", remedy="Give --prior PRIOR, or set `prior` in vadose.toml.")
    with console.progress_bar("tiles") as tell:
        learned = learn_outlook(open_prior(settings.prior), out, progress=tell)
    console.say(f"{out}: {learned.domain.title}, from {learned.attributes['days']} days")
    shares = zip(learned.attributes["leads"], learned.attributes["given_share"], strict=True)
    told = ", ".join(f"{lead} d {100 * share:.0f} %" for lead, share in shares)
    console.say(f"cells where a lead beats persistence and climatology: {told}")


def outlook_make(
    context: typer.Context,
    start: Annotated[dt.date | None, day_argument("START", "First UTC day; unset, the first analysis.")] = None,
    end: Annotated[dt.date | None, day_argument("END", "Last UTC day; unset, the last analysis.")] = None,
    learned: Annotated[
        Path | None, typer.Option(metavar="FILE", help="State made by `vadose outlook learn`; unset, `outlook`.")
    ] = None,
    domain: DomainName = None,
    out: PublishTo = None,
    force: Annotated[bool, typer.Option("--force", help="Make current and withdrawn outlooks again.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how each day stands; make nothing.")] = False,
    json: Json = False,
) -> None:
    """Make the outlook of 1 to 10 days after each analysis, in a collection of its own.

    It knows of no weather to come: the analysis' departure from climatology fades, and the interval grows. Only what is
    missing or stale is made: a day is stale when its analysis or the state changed.
    """
    from flows.derived.outlook import outlook_job
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=out, outlook=learned)
    _derive([outlook_job(settings, force=force)], settings, start, end, status=status, json=json)


def _derive(
    jobs: Sequence[DerivedJob],
    settings: Settings,
    start: dt.date | None,
    end: dt.date | None,
    *,
    status: bool,
    json: bool,
) -> None:
    """Make what is missing or stale of each job, or only show it; raises BackfillError when an item failed."""
    from catalog.reading.stack import span_of
    from flows import logs
    from flows.days.cubes import keep_in_step
    from flows.days.run import require_no_failure
    from flows.derived.make import make_items
    from flows.derived.state import survey

    logs.start(settings.log_format)
    outcomes = []
    for job in jobs:
        first, last = span_of(job.catalog, job.source())
        first, last = start or first, end or last
        if status:
            _show(survey(job, first, last, today()), job, json=json)
            continue
        console.say(f"{job.kind.title}, {first} to {last}")
        made = make_items(job, first, last, today=today(), hear=say_day)
        none = f"no day from {first} to {last} can be made: {job.lacks}"
        say_summary(made, none if job.kind.length == "day" else "no period with a published day has ended")
        keep_in_step(job.catalog, job.target.name)
        outcomes += made
    require_no_failure(outcomes)


def _show(states: list[PeriodState], job: DerivedJob, *, json: bool) -> None:
    if json:
        console.say_json([{"kind": job.kind.title, **asdict(state)} for state in states])
        return
    made = console.table(f"Periods, {job.kind.title}", "first day", "last day", "state", "days>", "rev>", "why")
    for state in states:
        told = console.Text(state.state, style=_COLOURS[state.state])
        revision = str(state.revision or "-")
        made.add_row(str(state.first), str(state.last), told, str(state.days), revision, console.Text(state.why))
    counts = Counter(state.state for state in states)
    made.caption = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    console.out.print(made)
