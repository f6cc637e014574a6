"""``vadose demo``: the whole chain on a simulated sample, from granules to a catalogue and its skill."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import console

if TYPE_CHECKING:
    from flows.steps import DayJob

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
    from flows.commands import build, produce
    from flows.settings import load_settings
    from flows.steps import days_between

    seed = load_settings(context.obj.config).seed
    started = time.monotonic()
    job = demo_job(out)
    stage(
        "simulated sample",
        lambda: build.make_sample(out / "sample", DOMAIN, days=days, seed=seed, start=START, history=HISTORY),
    )
    native = out / "sample" / "prior"
    stage("prior", lambda: build.make_prior("netcdf", native / "daily.nc", DOMAIN, job.prior, native / "static.nc"))
    stage("model", lambda: build.make_model(job.prior, job.model, seed))
    last = START + dt.timedelta(days=days - 1)
    outcomes = stage("days", lambda: produce.run_with_bar(days_between(START, last), job, workers=1))
    console.out.print(produce.outcome_table(outcomes))
    produce.judge(outcomes)
    show_skill(out, job)
    check_catalogue(out / "catalog")
    console.say(f"catalogue  {out / 'catalog' / 'catalog.json'}")
    console.say(f"thumbnail  {first_thumbnail(out / 'catalog')}")
    console.say(f"done in {time.monotonic() - started:.0f} s. `vadose serve {out / 'catalog'}` serves it over HTTP.")
