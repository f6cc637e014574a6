"""``vadose run`` and ``vadose backfill``: make days of the product and publish them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError, VadoseError
from flows import console
from flows.commands.options import Inputs, day_argument, day_option, with_inputs

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

Force = Annotated[
    bool, typer.Option("--force", help="Make the day again even if it is current; changed files become a new revision.")
]
Granule = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="SMAP granule to use; may be given several times.")
]


@with_inputs
def run(
    context: typer.Context,
    inputs: Inputs,
    date: Annotated[dt.date | None, day_argument("DATE", "UTC day, YYYY-MM-DD; unset, the last days.")] = None,
    granule: Granule = None,
    force: Force = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="Without DATE: days to look back; unset, `look_back`.")
    ] = None,
    until: Annotated[dt.date | None, day_option("Without DATE: the last day; unset, today.")] = None,
) -> None:
    """Make and publish one day; without DATE, the missing and stale ones of the last days, newest first.

    SMAP granule + prior + model -> COGs and a STAC item. Running it again with the same inputs changes nothing. Options
    not given come from vadose.toml or VADOSE_*; `look_back` is the number of last days.
    """
    settings = _settings(context, **inputs.settings(), look_back=days)
    if date is None:
        if granule:
            raise ConfigError("--granule needs DATE", remedy="Give DATE, or a folder with --granules DIR.")
        run_last(settings, until, force=force)
        return
    if days or until:
        raise ConfigError("--days and --until cannot be combined with DATE", value=date)
    run_one(settings, date, granule, force=force)


def run_one(settings: Settings, date: dt.date, granule: Sequence[Path] | None = None, *, force: bool = False) -> None:
    """Make one day and print its outcome; raises the typed error when it fails."""
    from flows.day.jobs import job_of
    from flows.day.make import run_day
    from flows.day.period import makeable
    from flows.days.cubes import keep_in_step

    makeable(date)
    job = job_of(settings, granule, force=force)
    outcome = run_day(date, job)
    for each in job.each() if outcome.status == "published" else ():
        keep_in_step(each.catalog, each.domain)
    console.say(f"{outcome.date} {outcome.status}: {outcome.href or settings.catalog} ({outcome.reason})")


def run_last(settings: Settings, last: dt.date | None, *, force: bool) -> list[DayOutcome]:
    """The daily run, one line per day, then its validation; raises BackfillError when a day failed."""
    from flows.day.jobs import job_of
    from flows.day.period import makeable, today
    from flows.days.metrics import write_metrics
    from flows.days.plan import make_last
    from flows.days.run import require_no_failure
    from flows.studies.validation import run_validation
    from flows.studies.validation_job import validation_after

    until, job = makeable(last or today())[0], job_of(settings, force=force)
    outcomes = make_last(job, settings.look_back, last=until, hear=say_day)
    if settings.metrics_file is not None:
        write_metrics(settings.metrics_file, job, outcomes, settings.look_back)
    say_summary(outcomes, f"none of the {settings.look_back} days up to {until} is missing, stale or to be retried")
    _compose(settings, until - dt.timedelta(days=settings.look_back - 1), until)
    validation = validation_after(settings, outcomes)
    if validation is not None:
        try:
            console.say(f"validated: {run_validation(validation).href}")
        except VadoseError as error:  # for want of pairs, say: the days are published all the same
            console.say(f"not validated: {error}")
    require_no_failure(outcomes)
    return outcomes


@with_inputs
def backfill(
    context: typer.Context,
    start: Annotated[dt.date, day_argument("START", "First UTC day, YYYY-MM-DD.")],
    end: Annotated[dt.date, day_argument("END", "Last UTC day, included.")],
    inputs: Inputs,
    granule: Granule = None,
    force: Force = False,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Only published days that are stale: newer model, prior, granule or version."),
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of parallel processes.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler whose workers share the days: tcp://HOST:PORT, or local:N for N processes here.",
        ),
    ] = None,
    deployment: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW/NAME",
            help="Submit the days to a Prefect server as runs of this deployment, such as daily/daily.",
        ),
    ] = None,
) -> None:
    """Make and publish the missing, stale and failed days from START to END, as the catalogue shows them.

    An interrupted backfill resumes with the same command; several at once share the days. One failed day does not stop
    the others. Days without a granule or a recommended retrieval are reported and are not failures; the command fails
    when a day fails, or when no day of the period has a granule and no analysis, which needs none, is asked for.
    """
    from flows.day.jobs import job_of
    from flows.day.period import makeable
    from flows.days.plan import make_period
    from flows.days.run import judge

    days = makeable(start, end)
    if deployment is not None:
        given = {"stale": stale or None, "granule": granule, "workers": workers, "scheduler": scheduler}
        given |= asdict(inputs)
        _submit(days, deployment, force, given)
        return
    settings = _settings(context, workers=workers, **inputs.settings())
    job = job_of(settings, granule, force=force)
    outcomes = make_period(job, start, end, stale=stale, workers=settings.workers, scheduler=scheduler, hear=say_day)
    say_summary(outcomes, f"none of the {len(days)} days from {start} to {end} is stale")
    _compose(settings, start, end)
    judge(outcomes)


def _compose(settings: Settings, start: dt.date, end: dt.date) -> None:
    """Bring what the settings ask for into step with days; raises BackfillError when an item failed."""
    if not (settings.composites or settings.derived or settings.zones or settings.alerts):
        return
    from flows.alerts.run import alerts_after
    from flows.day.period import today
    from flows.days.run import require_no_failure
    from flows.derived.make import keep_in_step

    try:
        made = keep_in_step(settings, start, end, today=today())
    except VadoseError as error:  # no day is published yet, say: the days' own errors are told
        console.say(f"nothing was made from the days: {error}")
        return
    for outcome in made:
        say_day(outcome)
    for told in alerts_after(settings):
        console.say(f"{told.rule}: {len(told.events)} alerts new or changed")
    require_no_failure(made)


def _submit(days: list[dt.date], deployment: str, force: bool, given: Mapping[str, object]) -> None:
    """Submit the days as runs of a deployment; their inputs come from the workers' settings."""
    import os

    from downscaler.errors import ConfigError
    from flows.days.run import judge

    named = [name for name, value in given.items() if value not in (None, [])]
    if named:
        raise ConfigError(
            "--deployment cannot be combined with options that the workers' settings define",
            value=", ".join(f"--{name.replace('_', '-')}" for name in named),
            allowed="--force",
            remedy="Set it in the workers' vadose.toml, or leave out --deployment. For stale days only: "
            "prefect deployment run backfill/backfill -p start=DATE -p end=DATE -p stale=true.",
        )
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("No Prefect server is configured", remedy="Set PREFECT_API_URL=http://127.0.0.1:4200/api.")
    from flows.server.submit import submit

    outcomes = submit(days, deployment, force=force, progress=say_day)
    say_summary(outcomes, "no day was submitted")
    judge(outcomes)


def say_day(outcome: DayOutcome) -> None:
    """One line per finished day: status, duration, and the item or the reason there is none."""
    why = f"{outcome.error}: {outcome.reason}" if outcome.error else outcome.reason
    product = outcome.product if outcome.product == "analysis" else ""
    where = outcome.href.rsplit("/", 1)[-1].removesuffix(".json") if outcome.href else product
    told = ", ".join(part for part in (where, why) if part)
    status = (f"{outcome.status:<11}", _COLOURS[outcome.status])
    console.out.print(console.Text.assemble(f"{outcome.date} ", status, f" {outcome.seconds:6.1f} s  {told}"))


def say_summary(outcomes: Sequence[DayOutcome], idle: str) -> None:
    """Counts by status; ``idle`` is the text when there was nothing to do and no day to report."""
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    untouched = not any(outcome.seconds for outcome in outcomes)
    console.say(f"nothing to do: {told or idle}" if untouched else told)


def _settings(context: typer.Context, **given: object) -> Settings:
    from flows import logs
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, **given)
    logs.start(settings.log_format)
    return settings


def outcome_table(outcomes: Sequence[DayOutcome]) -> console.Table:
    """One row per day: status, duration, and the item or the reason there is none."""
    made = console.table("Days", "date", "status", "seconds>", "item or reason")
    for outcome in outcomes:
        status = console.Text(outcome.status, style=_COLOURS[outcome.status])
        why = f"{outcome.error}: {outcome.reason}" if outcome.error else outcome.reason
        where = outcome.href.rsplit("/", 1)[-1].removesuffix(".json") if outcome.href else why
        made.add_row(str(outcome.date), status, f"{outcome.seconds:.1f}", console.Text(where))
    counts = Counter(outcome.status for outcome in outcomes)
    made.caption = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    return made
