"""Eight days made by one process on one core and on all, by two workers, and by a Dask cluster that loses a worker.

``python -m tests.benchmarks.conus.backfill WORK [--domain BOX] [--start DATE] [--days N]`` makes sample, prior and
model below ``WORK``, where they are not yet, then the same days in each way, in turn. Prints seconds by the clock and
CPU seconds, how many times faster than one process, and whether all rasters are the same bytes. The clock only tells
on an idle machine.

Each way is a process of its own, as ``vadose backfill`` is, and timed from its start to its end. Workers import this
file anew, so what prepares the inputs is imported by that alone.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from downscaler.parts import cores
from flows.day.jobs import DayJob, DayOutcome
from flows.days.plan import make_period
from flows.days.workers import threads_shared

BOX = "-97.0,34.3,-93.2,35.4"  # two tiles of the product
START, HISTORY = dt.date(2024, 5, 23), 60


def prepare(work: Path, domain: str, start: dt.date, days: int) -> None:
    """A sample with as many days that SMAP sees, its prior and a model of few trees, where they are not yet."""
    from downscaler import product
    from downscaler.ground.grid import M09
    from downscaler.learn.boosting import Options
    from downscaler.learn.training import train
    from downscaler.simulation.sample import write_sample
    from downscaler.sources.parflow import open_source
    from downscaler.stores.model import save_model
    from downscaler.stores.prior import build_prior, open_prior

    sample, prior, model = (work / name for name in ("sample", "prior", "model"))
    if not sample.is_dir():
        write_sample(sample, product.domain(domain), days=days, start=start, history=HISTORY, spin_up=10)
    if not prior.is_dir():
        source = open_source("netcdf", sample / "prior" / "daily.nc", sample / "prior" / "static.nc")
        build_prior(source, product.domain(domain), prior)
        source.close()
    if not model.is_dir():
        save_model(train(open_prior(prior), grids=[M09], options=Options(rows=100_000)), model)


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


WAYS: dict[str, dict[str, Any]] = {
    "one": {},  # on one core, as each of two workers is
    "one, all cores": {},
    "two workers": {"workers": 2},
    "dask": {"scheduler": "local:2"},
    "dask, a worker killed": {"scheduler": "local:2"},
}


def make(name: str, work: Path, domain: str, start: dt.date, days: int) -> None:
    """All days in one of the ``WAYS``, below ``work``."""
    job = replace(inputs(work, domain), catalog=str(catalog(work, name)))
    how = WAYS[name] | ({"hear": kill_one_worker()} if name.endswith("killed") else {})
    with threads_shared(cores()) if name == "one" else nullcontext():
        outcomes = make_period(job, start, start + dt.timedelta(days=days - 1), **how)
    if any(outcome.status != "published" for outcome in outcomes):
        raise SystemExit(f"{name}: {outcomes}")


def catalog(work: Path, name: str) -> Path:
    """Where a way publishes."""
    return work / f"catalog-{name.replace(', ', '-').replace(' ', '-')}"


def inputs(work: Path, domain: str) -> DayJob:
    """What the days are made with."""
    folders = {name: work / name for name in ("prior", "model")}
    return DayJob(domain=domain, catalog="", folder=work / "sample" / "granules", **folders)


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock and CPU seconds of a command and its children, which compile what they import but once."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    spent, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return ended - clock, spent.ru_utime + spent.ru_stime - begun.ru_utime - begun.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--domain", default=BOX)
    parser.add_argument("--start", type=dt.date.fromisoformat, default=START, help="a granule of each day is there")
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--way", choices=WAYS, action="append", help="these alone; unset, all")
    parser.add_argument("--make", choices=WAYS, help="make the days this way in this process, and measure nothing")
    given = parser.parse_args()
    if given.make:
        make(given.make, given.work, given.domain, given.start, given.days)
        return
    given.work.mkdir(parents=True, exist_ok=True)
    prepare(given.work, given.domain, given.start, given.days)
    found: dict[str, Any] = {}
    expected: dict[str, str] = {}
    command = [sys.executable, "-m", "tests.benchmarks.conus.backfill", str(given.work), f"--domain={given.domain}"]
    command += ["--start", given.start.isoformat()]
    timed([*command, "--days", "1", "--make", "dask"])  # keeps the land and leaves what is imported compiled
    for name in given.way or WAYS:
        for old in (catalog(given.work, name), catalog(given.work, "dask")):
            shutil.rmtree(old, ignore_errors=True)
        clock, cpu = timed([*command, "--days", str(given.days), "--make", name])
        made = rasters(str(catalog(given.work, name)))
        expected = expected or made
        found[name] = {"s": round(clock, 2), "cpu": round(cpu, 2), "same rasters": made == expected and bool(made)}
        found[name]["times faster"] = round(next(iter(found.values()))["s"] / found[name]["s"], 2)
    print(json.dumps(found | {"rasters": len(expected)}, indent=1))


if __name__ == "__main__":
    main()
