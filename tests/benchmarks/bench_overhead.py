"""What many days cost beside their own work: Prefect's share of a day, and a year of days that are already published.

The year is one published day under 365 dates (item and granule renamed, links as a publication writes them), so that
only telling that nothing is to be done is timed. Without a server Prefect runs against its own in-process one.

Through a worker a day is a run of daily/daily in a process of its own. Timed is the steady state, from the end of the
first run to the end of the last, less what the plain functions take for the same days in one warm process (two, where
two runs go at once), so that the start of Python and its imports count as overhead. For one at once the share of the
start is told apart by ``vadose run`` for the same day.
"""

import datetime as dt
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness
from prefect_server import PREFECT

from catalog.items.parents import parent_writes
from catalog.naming import DayName
from catalog.reading.days import find_item
from catalog.store.base import Write, open_store
from catalog.store.documents import serialise
from downscaler import product
from downscaler.ground.grid import M09
from downscaler.learn.training import train
from downscaler.simulation.sample import write_sample
from downscaler.sources.parflow import open_source
from downscaler.stores.model import save_model
from downscaler.stores.prior import build_prior
from flows.day.jobs import DayJob, job_of
from flows.day.make import run_day
from flows.days.crew import crew
from flows.days.run import run_days
from flows.server.daily import daily
from flows.server.submit import submit
from flows.settings import load_settings
from tests.flows.server.conftest import VADOSE, Site, client, site, working

__all__ = ["client", "site"]  # fixtures

DOMAIN = "-94.7,34.4,-94.6,34.5"
DAY = dt.date(2024, 5, 23)
YEAR = 365
REPEATS = 5
DAYS = 10
ALLOWED_OVERHEAD, ALLOWED_WORKER, ALLOWED_SKIP = 1.5, 3.0, 5.0  # seconds


@pytest.fixture(scope="session")
def pace() -> dict[str, str]:
    """The server as ``prefect server start`` has it."""
    return {}


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> DayJob:
    """One published day on one cell of 36 km."""
    from tests.conftest import small_options

    folder, domain = tmp_path_factory.mktemp("overhead"), product.domain(DOMAIN)
    write_sample(folder / "sample", domain, days=1, start=DAY, history=90)
    native = folder / "sample" / "prior"
    prior = build_prior(open_source("netcdf", native / "daily.nc", native / "static.nc"), domain, folder / "prior")
    save_model(train(prior, grids=[M09], options=small_options()), folder / "model")
    made = DayJob(
        domain=DOMAIN,
        prior=folder / "prior",
        model=folder / "model",
        catalog=str(folder / "catalog"),
        folder=folder / "sample" / "granules",
    )
    assert run_day(DAY, made).status == "published"
    return made


def settings(job: DayJob) -> dict[str, str]:
    """The job as environment."""
    return {
        "VADOSE_DOMAIN": job.domain,
        "VADOSE_PRIOR": str(job.prior),
        "VADOSE_MODEL": str(job.model),
        "VADOSE_CATALOG": job.catalog,
        "VADOSE_GRANULES": str(job.folder),
    }


def seconds(work) -> float:
    """Median time of some repeats."""
    times = []
    for _ in range(REPEATS):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return statistics.median(times)


def test_a_flow_costs_little_beside_its_day(job: DayJob, monkeypatch, capsys) -> None:
    for name, value in settings(job).items():
        monkeypatch.setenv(name, value)
    plain = seconds(lambda: run_day(DAY, job))
    with prefect_test_harness():
        daily(DAY)  # the first starts Prefect's own machinery
        flow = seconds(lambda: daily(DAY))
    with capsys.disabled():
        print(f"\na day as a flow {flow:.2f} s, plain {plain:.2f} s: overhead {flow - plain:.2f} s without a server")
    assert flow - plain <= ALLOWED_OVERHEAD


def fill_year(job: DayJob, catalog: Path, granules: Path) -> None:
    """A catalogue in which the published day stands on every date of a year, with a granule for each."""
    domain, store = product.domain(DOMAIN), open_store(catalog)
    (granule,) = (job.folder or Path()).glob("*.h5")
    item = find_item(job.catalog, domain, DAY)
    text = serialise(item or {}).decode()
    granules.mkdir()
    with store.staging() as staging:
        for number in range(YEAR):
            date = DAY - dt.timedelta(days=number)
            name = DayName.of(domain, date)
            dated = text.replace(f"{DAY:%Y%m%d}", f"{date:%Y%m%d}").replace(f"{DAY}", f"{date}").encode()
            (granules / granule.name.replace(f"{DAY:%Y%m%d}", f"{date:%Y%m%d}")).symlink_to(granule)
            writes = [Write(key=name.item_key, content=dated)]
            store.apply([*writes, *parent_writes(store, name, domain, item or {})], staging)


def test_a_year_of_published_days_is_skipped_at_once(job: DayJob, tmp_path: Path, capsys) -> None:
    fill_year(job, tmp_path / "year", tmp_path / "granules")
    environment = {**os.environ, **settings(job), "VADOSE_CATALOG": str(tmp_path / "year")}
    environment["VADOSE_GRANULES"] = str(tmp_path / "granules")
    first = DAY - dt.timedelta(days=YEAR - 1)
    line = [sys.executable, "-m", "flows.cli", "backfill", str(first), str(DAY)]

    def skip() -> None:
        done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert f"nothing to do: {YEAR} current" in done.stdout, done.stdout[-500:] + done.stderr[-2000:]

    skip()  # the first reads the files of the libraries from disk
    took = seconds(skip)
    with capsys.disabled():
        print(f"\n{YEAR} published days skipped in {took:.2f} s, starting the command included")
    assert took <= ALLOWED_SKIP
    shutil.rmtree(tmp_path / "year")


def days_of(site: Site) -> list[dt.date]:
    return [site.last - dt.timedelta(days=number) for number in range(DAYS)]


def worker_seconds(site: Site, client, at_once: int) -> float:
    """Seconds a day through a worker, so many at once, from the end of the first run to that of the last."""
    site.run(PREFECT, "work-queue", "set-concurrency-limit", "backfill", at_once, "--pool", "vadose")
    outcomes = submit(days_of(site), "daily/daily", force=True, poll=0.5)
    assert {outcome.status for outcome in outcomes} <= {"published", "current", "no-coverage"}
    ends = sorted(run.end_time for run in client.read_flow_runs(limit=200) if run.end_time)[-DAYS:]
    return (ends[-1] - ends[0]).total_seconds() / (DAYS - 1)


def plain_seconds(site: Site, workers: int) -> float:
    """Seconds a day where the plain functions make the same days in warm processes, so many at once."""
    job = job_of(load_settings(site.folder / "vadose.toml"), force=True)
    with crew([job], DAYS, workers, None) as hands:
        run_days(days_of(site), job, hands=hands)  # starts and imports
        started, ends = time.monotonic(), list[float]()
        run_days(days_of(site), job, hands=hands, progress=lambda _: ends.append(time.monotonic()))
    if workers == 1:
        return (ends[-1] - started) / DAYS
    return (ends[-1] - ends[0]) / (DAYS - 1)


def test_a_day_through_a_worker_costs_little_beside_its_work(site: Site, client, monkeypatch, capsys) -> None:
    monkeypatch.chdir(site.folder)
    site.deploy()
    told, busy = [], os.getloadavg()[0]
    with working(site):
        submit(days_of(site)[:1], "daily/daily")  # the first reads the files of the libraries from disk
        for at_once in (1, 2):
            whole, plain = worker_seconds(site, client, at_once), plain_seconds(site, at_once)
            told.append(whole - plain)
            with capsys.disabled():
                print(f"\n{at_once} at once through a worker {whole:.2f} s a day, plain {plain:.2f} s: "
                      f"overhead {whole - plain:.2f} s")  # fmt: skip
    alone = seconds(lambda: site.run(VADOSE, "run", site.last, "--force"))
    with capsys.disabled():
        print(f"a day as a command of its own {alone:.2f} s; load average {busy:.1f} before, {os.cpu_count()} cores")
    assert max(told) <= ALLOWED_WORKER
