"""``vadose run`` and ``vadose backfill``: days of the product, from granules to the catalogue."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console

if TYPE_CHECKING:
    from flows.jobs import DayJob, DayOutcome, Status
    from flows.settings import Settings

_COLOURS: dict[Status, str] = {"published": "green", "current": "cyan", "no-coverage": "yellow", "failed": "red"}

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
    date: Day,
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
) -> None:
    """Make and publish one day: SMAP granule + prior + model -> COGs and a STAC item.

    Running it again with the same inputs does nothing and says so. Options not given come from vadose.toml or VADOSE_*.
    """
    from flows.jobs import job_of
    from flows.steps import run_day

    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    more = {"smap_product": smap_product, "climatology": climatology, "gap_fill": gap_fill}
    settings = _settings(context, **options, **more)
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
    climatology: Climatology = None,
    gap_fill: GapFill = None,
    force: Force = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the days.")] = None,
    deployment: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW/NAME", help="Submit the days to Prefect as runs of this deployment, such as daily/daily."
        ),
    ] = None,
) -> None:
    """Make and publish every day from START to END.

    A bad day stops no other. Days without a granule or a recommended retrieval are reported, not failures; the command
    fails when a day fails, or when not one day of the period has a granule.
    """
    from flows.jobs import days_between, job_of
    from flows.many import judge
    from flows.means import prepare

    days = days_between(start.date(), end.date())
    options = {"domain": domain, "granules": granules, "prior": prior, "model": model, "catalog": out}
    more = {"smap_product": smap_product, "climatology": climatology, "gap_fill": gap_fill}
    if deployment is not None:
        _submit(days, deployment, force, {"granule": granule, "workers": workers, **options, **more})
        return
    settings = _settings(context, workers=workers, **options, **more)
    job = job_of(settings, granule, force=force)
    prepare(job)
    outcomes = run_with_bar(days, job, settings.workers)
    console.out.print(outcome_table(outcomes))
    judge(outcomes)


def _submit(days: list[dt.date], deployment: str, force: bool, given: Mapping[str, object]) -> None:
    """The days as runs of a deployment; what they are made from say the settings of the workers, not options here."""
    import os

    from downscaler.errors import ConfigError
    from flows.many import judge

    named = [name for name, value in given.items() if value not in (None, [])]
    if named:
        raise ConfigError(
            "With --deployment the days are made by the workers' settings",
            value=", ".join(f"--{name.replace('_', '-')}" for name in named),
            allowed="--force",
            remedy="Set it in the workers' vadose.toml, or leave --deployment away.",
        )
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("No Prefect server is named", remedy="Set PREFECT_API_URL=http://127.0.0.1:4200/api.")
    from flows.submit import submit

    with _hearing(len(days)) as heard:
        outcomes = submit(days, deployment, force=force, progress=heard)
    console.out.print(outcome_table(outcomes))
    judge(outcomes)


def _settings(context: typer.Context, **given: object) -> Settings:
    from flows import logs
    from flows.settings import load_settings

    if given.get("granules") is not None:
        given["smap_source"] = "folder"  # a folder named on the command line is meant, whatever the file says
    settings = load_settings(context.obj.config, **given)
    logs.start(settings.log_format)
    return settings


def run_with_bar(days: list[dt.date], job: DayJob, workers: int) -> list[DayOutcome]:
    """All days, with a progress bar and a line for each failure as it happens."""
    from flows.many import run_days

    with _hearing(len(days)) as heard:
        return run_days(days, job, workers=workers, progress=heard)


@contextmanager
def _hearing(total: int) -> Iterator[Callable[[DayOutcome], None]]:
    """What hears each day's outcome and shows it on a bar."""
    with console.progress_bar("days", total=total) as tell:
        done = 0

        def heard(outcome: DayOutcome) -> None:
            nonlocal done
            done += 1
            tell(done, total)
            if outcome.status == "failed":
                console.fail(f"{outcome.date}: {outcome.error}: {outcome.reason}")

        yield heard


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
