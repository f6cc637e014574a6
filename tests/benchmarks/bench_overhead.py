"""What many days cost beside their own work: Prefect's share of a day, and a year of days that are already published.

The year is one published day under 365 dates (item and granule renamed, links as a publication writes them), so that
only telling that nothing is to be done is timed. Prefect runs against its own in-process server, as without any.
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

from catalog.collection import parent_writes, serialise
from catalog.naming import DayName
from catalog.read import find_item
from catalog.store import Write, open_store
from downscaler import product
from downscaler.grid import M09
from downscaler.sample import write_sample
from downscaler.sources.model import save_model
from downscaler.sources.parflow import open_source
from downscaler.sources.prior import build_prior
from downscaler.training import train
from flows.daily import daily
from flows.jobs import DayJob
from flows.steps import run_day

DOMAIN = "-94.7,34.4,-94.6,34.5"
DAY = dt.date(2024, 5, 23)
YEAR = 365
REPEATS = 5
ALLOWED_OVERHEAD, ALLOWED_SKIP = 1.5, 5.0  # seconds


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> DayJob:
    """One published day on one cell of 36 km."""
    from tests.conftest import SMALL

    folder, domain = tmp_path_factory.mktemp("overhead"), product.domain(DOMAIN)
    write_sample(folder / "sample", domain, days=1, start=DAY, history=90)
    native = folder / "sample" / "prior"
    prior = build_prior(open_source("netcdf", native / "daily.nc", native / "static.nc"), domain, folder / "prior")
    save_model(train(prior, grids=[M09], options=SMALL), folder / "model")
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
            store.apply([*writes, *parent_writes(name, domain, item or {})], staging)


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
