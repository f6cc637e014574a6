"""``vadose run`` and ``vadose backfill``: days of the product, from granules to the catalogue."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError, VadoseError
from flows import console
from flows.day.period import parse_day

if TYPE_CHECKING:
    from flows.day.jobs import DayOutcome, Status
    from flows.settings import Settings

_COLOURS: dict[Status, str] = {
    "published": "green",
    "current": "cyan",
    "no-coverage": "yellow",
    "claimed": "yellow",
    "failed": "red",
}

Day = Annotated[
    dt.date | None, typer.Argument(parser=parse_day, metavar="DATE", help="UTC day, YYYY-MM-DD; unset, the last days.")
]
Start = Annotated[dt.date, typer.Argument(parser=parse_day, metavar="START", help="First UTC day, YYYY-MM-DD.")]
End = Annotated[dt.date, typer.Argument(parser=parse_day, metavar="END", help="Last UTC day, included.")]
DomainName = Annotated[
    str | None, typer.Option(help="Preset (conus, demo, little-washita, upper-verde) or west,south,east,north.")
]
Granule = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="SMAP granule to use; may be given several times.")
]
Folder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder in which to look for the day's newest granules.")
]
PriorPath = Annotated[Path | None, typer.Option(metavar="PRIOR", help="Prior made by `vadose prior build`.")]
ModelPath = Annotated[Path | None, typer.Option(metavar="MODEL", help="Model made by `vadose train`.")]
Out = Annotated[
    str | None, typer.Option(metavar="CATALOG", help="Catalogue to publish in: folder, file:// or s3://bucket/prefix.")
]
Product = Annotated[str | None, typer.Option(help="Take only this SMAP product from --granules, such as SPL3SMP_E.")]
Climatology = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="SMAP climatology made by `vadose climatology build`, to match SMAP to the prior."
    ),
]
GapFill = Annotated[
    bool | None,
    typer.Option(
        "--gap-fill/--no-gap-fill",
        help="Fill what SMAP did not see from the last 10 days and the prior, flagged and less sure.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Make the day again even when the catalogue holds it; changed files become a new revision."
    ),
]


def run(
    context: typer.Context,
    date: Day = None,
    domain: DomainName = None,
    granule: Granule = None,
    granules: Folder = None,
    prior: PriorPath = None,
    model: ModelPath = None,
    out: Out = None,
    smap_product: Product = None,
    climatology: Climatology = None,
    gap_fill: GapFill = None,
    force: Force = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="Without DATE: days to look back; unset, `look_back`.")
    ] = None,
    until: Annotated[
        dt.date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="Without DATE: the last day; unset, today."),
    ] = None,
) -> None:
    """Make and publish one day, or without DATE what is missing or stale of the last days, the newest first.

    SMAP granule + prior + model -> COGs and a STAC item. Running it again with the same inputs does nothing and says
    so. Options not given come from vadose.toml or VADOSE_*; `look_back` is how many days are the last ones.
    """
    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    more = {"smap_product": smap_product, "climatology": climatology, "gap_fill": gap_fill}
    settings = _settings(context, **options, **more, look_back=days)
    if date is None:
        if granule:
            raise ConfigError("A granule is named and no day", remedy="Give DATE, or a folder with --granules DIR.")
        run_last(settings, until, force=force)
        return
    if days or until:
        raise ConfigError("--days and --until are for runs without DATE", value=date)
    run_one(settings, date, granule, force=force)


def run_one(settings: Settings, date: dt.date, granule: Sequence[Path] | None = None, *, force: bool = False) -> None:
    """Make one day and say what became of it; raises the typed error of what was wrong."""
    from flows.day.jobs import job_of
    from flows.day.make import run_day
    from flows.day.period import makeable

    makeable(date)
    outcome = run_day(date, job_of(settings, granule, force=force))
    console.say(f"{outcome.date} {outcome.status}: {outcome.href or settings.catalog} ({outcome.reason})")


def run_last(settings: Settings, last: dt.date | None, *, force: bool) -> list[DayOutcome]:
    """The daily run, a line a day, then its validation; raises BackfillError where a day failed."""
    from flows.day.jobs import job_of
    from flows.day.period import makeable, today
    from flows.days.plan import make_last
    from flows.days.run import require_no_failure
    from flows.studies.validation import run_validation
    from flows.studies.validation_job import validation_after

    until = makeable(last or today())[0]
    outcomes = make_last(job_of(settings, force=force), settings.look_back, last=until, hear=say_day)
    say_summary(outcomes, f"of the {settings.look_back} days up to {until} none is missing, stale or worth another try")
    validation = validation_after(settings, outcomes)
    if validation is not None:
        try:
            console.say(f"validated: {run_validation(validation).href}")
        except VadoseError as error:  # for want of pairs, say: the days are published all the same
            console.say(f"not validated: {error}")
    require_no_failure(outcomes)
    return outcomes


def backfill(
    context: typer.Context,
    start: Start,
    end: End,
    domain: DomainName = None,
    granule: Granule = None,
    granules: Folder = None,
    prior: PriorPath = None,
    model: ModelPath = None,
    out: Out = None,
    smap_product: Product = None,
    climatology: Climatology = None,
    gap_fill: GapFill = None,
    force: Force = False,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Only published days that a new model, prior, granule or version made stale."),
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the days.")] = None,
    deployment: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW/NAME", help="Submit the days to Prefect as runs of this deployment, such as daily/daily."
        ),
    ] = None,
) -> None:
    """Make and publish what the days from START to END lack, told by the catalogue: missing, stale, failed days.

    Stopped or killed at any time, the same command goes on; two at once, or beside the daily run, share the days. A bad
    day stops no other. Days without a granule or a recommended retrieval are reported, not failures; the command fails
    when a day fails, or when not one day of the period has a granule.
    """
    from flows.day.jobs import job_of
    from flows.day.period import makeable
    from flows.days.plan import make_period
    from flows.days.run import judge

    days = makeable(start, end)
    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    more = {"smap_product": smap_product, "climatology": climatology, "gap_fill": gap_fill}
    if deployment is not None:
        _submit(
            days, deployment, force, {"stale": stale or None, "granule": granule, "workers": workers, **options, **more}
        )
        return
    settings = _settings(context, workers=workers, **options, **more)
    job = job_of(settings, granule, force=force)
    outcomes = make_period(job, start, end, stale=stale, workers=settings.workers, hear=say_day)
    say_summary(outcomes, f"none of the {len(days)} days from {start} to {end} is stale")
    judge(outcomes)


def _submit(days: list[dt.date], deployment: str, force: bool, given: Mapping[str, object]) -> None:
    """The days as runs of a deployment; what they are made from say the settings of the workers, not options here."""
    import os

    from downscaler.errors import ConfigError
    from flows.days.run import judge

    named = [name for name, value in given.items() if value not in (None, [])]
    if named:
        raise ConfigError(
            "With --deployment the days are made by the workers' settings",
            value=", ".join(f"--{name.replace('_', '-')}" for name in named),
            allowed="--force",
            remedy="Set it in the workers' vadose.toml, or leave --deployment away. Stale days alone: "
            "prefect deployment run backfill/backfill -p start=DATE -p end=DATE -p stale=true.",
        )
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("No Prefect server is named", remedy="Set PREFECT_API_URL=http://127.0.0.1:4200/api.")
    from flows.server.submit import submit

    outcomes = submit(days, deployment, force=force, progress=say_day)
    say_summary(outcomes, "no day was submitted")
    judge(outcomes)


def say_day(outcome: DayOutcome) -> None:
    """One line of a day as it is done: what became of it, how long it took, where it is or why not."""
    why = f"{outcome.error}: {outcome.reason}" if outcome.error else outcome.reason
    where = outcome.href.rsplit("/", 1)[-1].removesuffix(".json") if outcome.href else ""
    told = ", ".join(part for part in (where, why) if part)
    status = (f"{outcome.status:<11}", _COLOURS[outcome.status])
    console.out.print(console.Text.assemble(f"{outcome.date} ", status, f" {outcome.seconds:6.1f} s  {told}"))


def say_summary(outcomes: Sequence[DayOutcome], idle: str) -> None:
    """How many days became what, or that none was worked on; ``idle`` says so where no day is told of."""
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    untouched = not any(outcome.seconds for outcome in outcomes)
    console.say(f"nothing to do: {told or idle}" if untouched else told)


def _settings(context: typer.Context, **given: object) -> Settings:
    from flows import logs
    from flows.settings import load_settings

    if given.get("granules") is not None:
        given["smap_source"] = "folder"  # a folder named on the command line is meant, whatever the file says
    settings = load_settings(context.obj.config, **given)
    logs.start(settings.log_format)
    return settings


def outcome_table(outcomes: Sequence[DayOutcome]) -> console.Table:
    """One row a day: what became of it, where it is or why not."""
    made = console.table("Days", "date", "status", "seconds>", "item or reason")
    for outcome in outcomes:
        status = console.Text(outcome.status, style=_COLOURS[outcome.status])
        why = f"{outcome.error}: {outcome.reason}" if outcome.error else outcome.reason
        where = outcome.href.rsplit("/", 1)[-1].removesuffix(".json") if outcome.href else why
        made.add_row(str(outcome.date), status, f"{outcome.seconds:.1f}", console.Text(where))
    counts = Counter(outcome.status for outcome in outcomes)
    made.caption = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    return made
