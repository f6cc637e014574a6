"""``vadose demo``: the whole chain on a simulated sample, from granules to a catalogue and its skill."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import console
from flows.day.jobs import DayJob, DayOutcome

if TYPE_CHECKING:
    from downscaler.playground.findings import Finding
    from downscaler.skill.interval import Interval
    from flows.settings import Settings

DOMAIN = "demo"
START = dt.date(2024, 5, 23)
HISTORY = 365
RANKED = 3  # days, the last ones, whose percentiles are made
PART = "-94.9,34.3,-94.4,34.6"  # of the demo's domain, for its playground


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder to write in.")] = Path("build/demo"),
    days: Annotated[int, typer.Option(min=1, max=60, help="Days to publish.")] = 12,
) -> None:
    """Simulate a sample, build a prior, train a model, publish a catalogue, and compare it with the simulated truth.

    Needs no account and no download; takes a few minutes. Writes DIR/catalog/catalog.json. All of it is simulated: the
    skill shown tests the method on a known truth, not the accuracy of the real product.
    """
    from flows.commands.studies.skill import score, skill_table
    from flows.days.run import judge
    from flows.settings import load_settings

    started = time.monotonic()
    job = demo_job(out)
    outcomes = make_days(out, job, days, load_settings(context.obj.config))
    judge(outcomes)
    with stage("comparing with the simulated truth"):
        figures = score(job, [o.date for o in outcomes if o.status in ("published", "current")], truth_of(out))
    console.out.print(skill_table(figures))
    with stage("running a small playground on station networks"):
        findings = ask_playground(out)
    for finding in findings:
        console.say(f"{finding.title}: {finding.verdict} on this simulated domain")
    write_figures(figures, out / "skill.json")
    with stage("checking the catalogue"):
        check(out / "catalog")
    console.say(f"done in {time.monotonic() - started:.0f} s; all of it is a simulated sample")
    console.say(f"skill:     {out / 'skill.json'}")
    console.say(f"playground: {out / 'playground' / 'playground.html'}")
    console.say(f"catalogue: {out / 'catalog' / 'catalog.json'}")
    console.say(f"serve it:  vadose serve {out / 'catalog'}")


def demo_job(out: Path) -> DayJob:
    """Where everything of a demo lies."""
    return DayJob(
        domain=DOMAIN,
        prior=out / "prior",
        model=out / "model",
        catalog=str(out / "catalog"),
        folder=out / "sample" / "granules",
    )


def ask_playground(out: Path) -> tuple[Finding, ...]:
    """A small playground on a part of the demo's prior."""
    import os

    from downscaler.playground.experiment import Design
    from flows.studies.playground import PlaygroundJob, make_playground

    design = Design(stations=15, replicates=4, curve=(8, 60), days=(40, 20))
    where, workers = out / "playground", min(2, os.cpu_count() or 1)
    return make_playground(PlaygroundJob(prior=out / "prior", out=where, domain=PART, design=design, workers=workers))


def truth_of(out: Path) -> Path:
    """The truth that the sample was observed from."""
    return out / "sample" / "truth" / "truth.nc"


def make_days(out: Path, job: DayJob, days: int, settings: Settings) -> list[DayOutcome]:
    """Sample, prior, model and published days below ``out``, each stage announced; SMAP-conserving days are told."""
    from downscaler.report.trained import in_other_seasons
    from flows.commands.data.build import skill_table as model_table
    from flows.commands.product import produce
    from flows.days.run import judge
    from flows.studies import build

    native = out / "sample" / "prior"
    with stage("simulating landscape, weather, ParFlow-CLM and SMAP"):
        build.make_sample(out / "sample", DOMAIN, days=days, seed=settings.seed, start=START, history=HISTORY)
    with stage("regridding the prior onto the product grid"):
        build.make_prior("netcdf", native / "daily.nc", DOMAIN, job.prior, native / "static.nc")
    with stage("training the hybrid"):
        card = build.make_model(job.prior, job.model, settings, grids=("M09",))  # the sample is SPL3SMP_E
    console.out.print(model_table(card))
    if text := in_other_seasons(card):
        console.say(text)
    outcomes = publish_days(job, days)
    analysed = analyse_days(job, days)
    build_cube(job)
    console.out.print(produce.outcome_table([*outcomes, *analysed]))
    judge(analysed)
    return outcomes


def publish_days(job: DayJob, days: int) -> list[DayOutcome]:
    """As in operation: the run of a schedule on the last day, then a backfill of all days, which leaves its work be."""
    import os

    from flows.days.plan import make_last, make_period

    last = START + dt.timedelta(days=days - 1)
    with stage("a scheduled run: what is due of the last two days"):
        scheduled = make_last(job, min(2, days), last=last)
    with stage(f"a backfill of {days} days"):
        outcomes = make_period(job, START, last, workers=min(2, os.cpu_count() or 1))
    first = {outcome.date: outcome for outcome in scheduled if outcome.status == "published"}
    stood = [outcome.date for outcome in outcomes if outcome.date in first and outcome.status == "current"]
    console.say(f"the backfill left {len(stood)} of the scheduled run's {len(first)} days as they stood")
    return [first.get(outcome.date, outcome) for outcome in outcomes]


def analyse_days(job: DayJob, days: int) -> list[DayOutcome]:
    """Analyses of all days, and percentiles of the last: drought classes, and what is usual for the season."""
    import os

    from flows.days.plan import make_period
    from flows.derived.make import make_items
    from flows.derived.percentiles import PercentileJob

    last = START + dt.timedelta(days=days - 1)
    with stage(f"analyses of {days} days"):
        analyses = replace(job, products=("analysis",))
        outcomes = make_period(analyses, START, last, workers=min(2, os.cpu_count() or 1))
    ranked = PercentileJob(catalog=job.catalog, domain=job.domain, prior=job.prior)
    first = last - dt.timedelta(days=min(RANKED, days) - 1)
    with stage("percentiles of the last days"):
        return outcomes + make_items(ranked, first, last, today=last)


def build_cube(job: DayJob) -> None:
    """The days as one cube, from which the service answers time series; not without its optional packages."""
    from importlib.util import find_spec

    from catalog.cube.update import collections_with_days, update_cube

    if find_spec("icechunk") is None:
        console.say("no cube: it needs pip install 'vadose[cube]'")
        return
    with stage("building the cube for time series"):
        for collection, days in collections_with_days(job.catalog).items():
            update_cube(job.catalog, collection, days, create=True)


def write_figures(figures: Mapping[str, Mapping[str, Interval]], file: Path) -> None:
    """The skill as JSON: method, figure, value and interval."""
    plain = {method: {name: asdict(value) for name, value in row.items()} for method, row in figures.items()}
    file.write_text(console.as_json({"simulated": True, "figures": plain}) + "\n", encoding="utf-8")


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    started = time.monotonic()
    yield
    console.say(f"{time.monotonic() - started:6.1f} s  {what}")


def check(catalog: Path) -> None:
    """Validate every object of the catalogue, offline, and say where the most complete day's picture is."""
    from catalog.reading.days import items, validate_catalog

    keys = validate_catalog(catalog)
    best = max(items(catalog), key=lambda item: float(item["properties"]["vadose:published_percent"]))
    console.say(f"valid: {len(keys)} STAC objects")
    (item,) = catalog.rglob(f"{best['id']}/{best['id']}.json")
    console.say(f"look at: {(item.parent / best['assets']['thumbnail']['href']).resolve()}")
