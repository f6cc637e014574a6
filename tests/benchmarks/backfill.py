"""Eight days made by one process on one core and on all, by two workers, and by a Dask cluster that loses a worker.

``python -m tests.benchmarks.backfill WORK [--domain BOX] [--days N]`` makes sample, prior and model below ``WORK``,
where they are not yet, then the same days in each way, in turn. Prints seconds by the clock and CPU seconds, how many
times faster than one process, and whether all rasters are the same bytes. The clock only tells on an idle machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from downscaler import product
from downscaler.ground.grid import M09
from downscaler.learn.boosting import Options
from downscaler.learn.training import train
from downscaler.parts import cores
from downscaler.simulation.sample import write_sample
from downscaler.sources.parflow import open_source
from downscaler.stores.model import save_model
from downscaler.stores.prior import build_prior, open_prior
from flows.day.jobs import DayJob, DayOutcome
from flows.days.plan import make_period
from flows.days.workers import threads_shared
from tests.benchmarks.conus import cpu

BOX = "-97.0,34.3,-93.2,35.4"  # two tiles of the product
START, HISTORY = dt.date(2024, 5, 23), 60


def prepared(work: Path, domain: str, days: int) -> DayJob:
    """The job of a sample with as many days that SMAP sees, its prior and a model of few trees."""
    sample, prior, model = (work / name for name in ("sample", "prior", "model"))
    if not sample.is_dir():
        write_sample(sample, product.domain(domain), days=days, start=START, history=HISTORY)
    if not prior.is_dir():
        source = open_source("netcdf", sample / "prior" / "daily.nc", sample / "prior" / "static.nc")
        build_prior(source, product.domain(domain), prior)
        source.close()
    if not model.is_dir():
        save_model(train(open_prior(prior), grids=[M09], options=Options(rows=100_000)), model)
    return DayJob(domain=domain, prior=prior, model=model, catalog="", folder=sample / "granules")


def rasters(catalog: str) -> dict[str, str]:
    """Digest of every raster by its name in the catalogue."""
    files = sorted(Path(catalog).rglob("*.tif"))
    return {f.relative_to(catalog).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def kill_one_worker() -> Callable[[DayOutcome], None]:
    """Kills a worker of this process when the first day is done."""
    killed: list[int] = []

    def hear(_outcome: DayOutcome) -> None:
        if not killed:
            workers = [c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline())]
            killed.append(workers[0].pid)
            workers[0].kill()

    return hear


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--domain", default=BOX)
    parser.add_argument("--days", type=int, default=8)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    job, last = prepared(given.work, given.domain, given.days), START + dt.timedelta(days=given.days - 1)
    ways: dict[str, dict[str, Any]] = {
        "one": {},  # on one core, as each of two workers is
        "one, all cores": {},
        "two workers": {"workers": 2},
        "dask": {"scheduler": "local:2"},
        "dask, a worker killed": {"scheduler": "local:2", "hear": kill_one_worker()},
    }
    found: dict[str, Any] = {}
    expected: dict[str, str] = {}
    for name, how in ways.items():
        catalog = given.work / f"catalog-{name.replace(', ', '-').replace(' ', '-')}"
        shutil.rmtree(catalog, ignore_errors=True)
        begun, clock = cpu(), time.perf_counter()
        with threads_shared(cores()) if name == "one" else nullcontext():
            outcomes = make_period(replace(job, catalog=str(catalog)), START, last, **how)
        found[name] = {"s": round(time.perf_counter() - clock, 2), "cpu": round(cpu() - begun, 2)}
        found[name]["published"] = sum(outcome.status == "published" for outcome in outcomes)
        found[name]["times faster"] = round(found["one"]["s"] / found[name]["s"], 2)
        made = rasters(str(catalog))
        expected = expected or made
        found[name]["same rasters"] = made == expected and bool(made)
    print(json.dumps(found | {"rasters": len(expected)}, indent=1))


if __name__ == "__main__":
    main()
