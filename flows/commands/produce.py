"""``vadose run`` and ``vadose backfill``: days of the product, from granules to the catalogue."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import BackfillError, ConfigError, GranuleMissingError
from flows import console

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.steps import DayJob, DayOutcome

_COLOURS = {"published": "green", "current": "cyan", "no-coverage": "yellow", "failed": "red"}

Day = Annotated[dt.datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DATE", help="UTC day, YYYY-MM-DD.")]
Start = Annotated[dt.datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="START", help="First UTC day.")]
End = Annotated[dt.datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="END", help="Last UTC day, included.")]
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
Force = Annotated[bool, typer.Option("--force", help="Publish a new revision even when nothing changed.")]


def run(
    context: typer.Context,
    date: Day,
    domain: DomainName = None,
    granule: Granule = None,
    granules: Folder = None,
    prior: PriorPath = None,
    model: ModelPath = None,
    out: Out = None,
    smap_product: Product = None,
    force: Force = False,
) -> None:
    """Make and publish one day: SMAP granule + prior + model -> COGs and a STAC item.

    Running it again with the same inputs does nothing and says so. Options not given come from vadose.toml or VADOSE_*.
    """
    from flows.steps import run_day

    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    settings = _settings(context, smap_product=smap_product, **options)
    outcome = run_day(date.date(), job_of(settings, granule, force=force))
    console.say(f"{outcome.date} {outcome.status}: {outcome.href or settings.catalog} ({outcome.reason})")


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
    force: Force = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the days.")] = None,
) -> None:
    """Make and publish every day from START to END.

    A bad day stops no other. Days without a granule or a recommended retrieval are reported, not failures; the command
    fails when a day fails, or when not one day of the period has a granule.
    """
    from flows.steps import days_between

    days = days_between(start.date(), end.date())
    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    settings = _settings(context, smap_product=smap_product, workers=workers, **options)
    outcomes = run_with_bar(days, job_of(settings, granule, force=force), settings.workers)
    console.out.print(outcome_table(outcomes))
    judge(outcomes)


def _settings(context: typer.Context, **given: object) -> Settings:
    from flows.settings import load_settings

    return load_settings(context.obj.config, **given)


def job_of(settings: Settings, granules: list[Path] | None = None, *, force: bool = False) -> DayJob:
    """The job that the settings describe; raises ConfigError where a prior or model is missing."""
    from flows.steps import DayJob

    if settings.prior is None:
        raise ConfigError(
            "No prior is given",
            remedy="Make one with `vadose prior build --domain NAME --source netcdf PATH --out PRIOR`, then give "
            "--prior PRIOR or set `prior` in vadose.toml. `vadose demo` shows the whole chain.",
        )
    if settings.model is None:
        raise ConfigError(
            "No model is given",
            remedy="Make one with `vadose train --prior PRIOR --out MODEL`, then give --model MODEL or set `model` in "
            "vadose.toml.",
        )
    return DayJob(
        domain=settings.domain,
        prior=settings.prior,
        model=settings.model,
        catalog=settings.catalog,
        granules=tuple(granules or ()),
        folder=settings.granules,
        smap_product=settings.smap_product,
        force=force,
    )


def run_with_bar(days: list[dt.date], job: DayJob, workers: int) -> list[DayOutcome]:
    """All days, with a progress bar and a line for each failure as it happens."""
    from flows.steps import run_days

    with console.progress_bar("days", total=len(days)) as tell:
        done = 0

        def heard(outcome: DayOutcome) -> None:
            nonlocal done
            done += 1
            tell(done, len(days))
            if outcome.status == "failed":
                console.fail(f"{outcome.date}: {outcome.error}: {outcome.reason}")

        return run_days(days, job, workers=workers, progress=heard)


def outcome_table(outcomes: list[DayOutcome]) -> console.Table:
    """One row a day: what became of it, where it is or why not."""
    made = console.table("Days", "date", "status", "seconds>", "item or reason")
    for outcome in outcomes:
        status = console.Text(outcome.status, style=_COLOURS[outcome.status])
        where = outcome.href or " ".join(filter(None, (outcome.error and f"{outcome.error}:", outcome.reason)))
        made.add_row(str(outcome.date), status, f"{outcome.seconds:.1f}", console.Text(where))
    counts = Counter(outcome.status for outcome in outcomes)
    made.caption = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    return made


def judge(outcomes: list[DayOutcome]) -> None:
    """Raises BackfillError when a day failed, GranuleMissingError when no day had any granule."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise BackfillError(
            f"{len(failed)} of {len(outcomes)} days failed",
            value=", ".join(f"{outcome.date} ({outcome.error})" for outcome in failed),
            remedy="Mend the cause and run the same command again: finished days are left as they are.",
        )
    if all(outcome.error == GranuleMissingError.__name__ for outcome in outcomes):
        raise GranuleMissingError(
            f"None of the {len(outcomes)} days has a granule", value=outcomes[0].reason, remedy="Check --granules."
        )
