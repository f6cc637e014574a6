"""``vadose demo``: the whole chain on a simulated sample, from granules to a catalogue and its skill."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.jobs import DayJob, DayOutcome, days_between

DOMAIN = "demo"
START = dt.date(2024, 5, 20)
HISTORY = 365


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write in.")] = Path("build/demo"),
    days: Annotated[int, typer.Option(min=1, max=60, help="Days to publish.")] = 12,
) -> None:
    """Simulated sample -> prior -> model -> catalogue, then its skill against the simulated truth.

    Needs no account and no download; takes a few minutes. Leaves DIR/catalog/catalog.json. All of it is simulated, and
    says so: the skill shown proves the method on a known truth, not the accuracy of the real product.
    """
    from flows.many import judge
    from flows.settings import load_settings

    started = time.monotonic()
    outcomes = make_days(out, days, load_settings(context.obj.config).seed)
    judge(outcomes)
    with stage("checking the catalogue"):
        check(out / "catalog")
    console.say(f"done in {time.monotonic() - started:.0f} s; all of it is a simulated sample")
    console.say(f"catalogue: {out / 'catalog' / 'catalog.json'}")
    console.say(f"serve it:  vadose serve {out / 'catalog'}")


def make_days(out: Path, days: int, seed: int) -> list[DayOutcome]:
    """Sample, prior, model and published days below ``out``, each stage announced."""
    from flows.commands import build, produce

    native = out / "sample" / "prior"
    job = DayJob(
        domain=DOMAIN,
        prior=out / "prior",
        model=out / "model",
        catalog=str(out / "catalog"),
        folder=out / "sample" / "granules",
    )
    with stage("simulating landscape, weather, ParFlow-CLM and SMAP"):
        build.make_sample(out / "sample", DOMAIN, days=days, seed=seed, start=START, history=HISTORY)
    with stage("bringing the prior onto the product grid"):
        build.make_prior("netcdf", native / "daily.nc", DOMAIN, job.prior, native / "static.nc")
    with stage("training the hybrid"):
        card = build.make_model(job.prior, job.model, seed)
    console.out.print(build.skill_table(card))
    with stage("publishing days"):
        outcomes = produce.run_with_bar(days_between(START, START + dt.timedelta(days=days - 1)), job, workers=1)
    console.out.print(produce.outcome_table(outcomes))
    return outcomes


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    started = time.monotonic()
    yield
    console.say(f"{time.monotonic() - started:6.1f} s  {what}")


def check(catalog: Path) -> None:
    """Validate every object of the catalogue, offline, and say where the most complete day's picture is."""
    from catalog.read import items, validate_catalog

    keys = validate_catalog(catalog)
    best = max(items(catalog), key=lambda item: float(item["properties"]["vadose:published_percent"]))
    console.say(f"valid: {len(keys)} STAC objects")
    (item,) = catalog.rglob(f"{best['id']}/{best['id']}.json")
    console.say(f"look at: {(item.parent / best['assets']['thumbnail']['href']).resolve()}")
