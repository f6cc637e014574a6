"""Many days by command: skipped when done, shared between runs, healed one by one, and never lost with a worker."""

import datetime as dt
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from catalog.check.check import check
from catalog.publish.failures import failures
from downscaler import product
from downscaler.errors import BackfillError
from flows.day.jobs import DayJob, DayOutcome
from flows.days.plan import make_last, make_period, plan_last, plan_period
from flows.days.run import judge, require_no_failure, run_days

pytestmark = pytest.mark.integration

DOMAIN = "-94.9,34.3,-94.4,34.6"
START, DAYS = dt.date(2024, 5, 23), 5  # as the fixture ``made``; SMAP misses the 27th
END = START + dt.timedelta(days=DAYS - 1)
CELL = "-94.7,34.4,-94.6,34.5"
TWELVE = (START, START + dt.timedelta(days=11))
SEEN = (23, 24, 25, 26, 28, 29, 31, 1, 2, 3)  # of these twelve, from May into June


def day(number: int) -> dt.date:
    return dt.date(2024, 5, number)


@pytest.fixture
def job(made: Path, tmp_path: Path) -> DayJob:
    granules = tmp_path / "granules"
    shutil.copytree(made / "sample" / "granules", granules)
    return DayJob(
        domain=DOMAIN, prior=made / "prior", model=made / "model", catalog=str(tmp_path / "c"), folder=granules
    )


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Path:
    """Twelve days of one SMAP cell, of which SMAP sees ten; the prior is of that cell in ``made``."""
    from downscaler.simulation.sample import write_sample
    from downscaler.sources.parflow import open_source
    from downscaler.stores.prior import build_prior

    work, cell = tmp_path_factory.mktemp("fortnight"), product.domain(CELL)
    write_sample(work / "sample", cell, days=12, start=START, history=0)
    native = made / "sample" / "prior"
    source = open_source("netcdf", native / "daily.nc", native / "static.nc")
    build_prior(source, cell, work / "prior")
    source.close()
    return work


@pytest.fixture
def ten(made: Path, fortnight: Path, tmp_path: Path) -> DayJob:
    """A job whose backfill of ``TWELVE`` publishes ten days."""
    granules = tmp_path / "granules"
    shutil.copytree(fortnight / "sample" / "granules", granules)
    return DayJob(
        domain=CELL, prior=fortnight / "prior", model=made / "model", catalog=str(tmp_path / "c"), folder=granules
    )


def revisions(catalog: str) -> dict[int, int]:
    """Day of the month and revision of every item."""
    files = [file for file in Path(catalog).glob("*/*/*/*/*.json") if file.stem == file.parent.name]
    return {int(f.stem[-2:]): int(json.loads(f.read_text())["properties"]["version"]) for f in files}


def statuses(outcomes: list[DayOutcome]) -> dict[int, str]:
    return {outcome.date.day: outcome.status for outcome in outcomes}


def command(job: DayJob, *arguments: object) -> list[str]:
    common = (f"--domain={job.domain}", "--prior", job.prior, "--model", job.model, "--out", job.catalog)
    return [sys.executable, "-m", "flows.cli", *map(str, (*arguments, *common, "--granules", job.folder))]


def start(job: DayJob, *arguments: object) -> subprocess.Popen[str]:
    base = {"PATH": "/usr/bin:/bin", "HOME": str(Path(job.catalog).parent), "OMP_NUM_THREADS": "1"}
    environment = base | {"VADOSE_PRODUCTS": "conserving"}
    return subprocess.Popen(
        command(job, *arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def granule(job: DayJob, number: int) -> Path:
    assert job.folder is not None
    (file,) = job.folder.glob(f"*20240{number}_*.h5")
    return file


def test_one_broken_granule_among_ten_fails_its_day_alone_and_the_next_run_heals_it_alone(
    vadose: Any, ten: DayJob
) -> None:
    """Nothing but the healed day is touched: the other items keep their bytes."""

    def backfill(*more: object) -> Any:
        return vadose(*command(ten, "backfill", *TWELVE, *more)[3:])

    broken = granule(ten, 524)
    whole = broken.read_bytes()
    broken.write_bytes(whole[:5000])
    ended = backfill()
    assert ended.code == 60
    assert "1 of 12 days failed. Got: 2024-05-24 (GranuleUnreadableError)" in ended.err
    assert "9 published, 2 no-coverage, 1 failed" in ended.out
    noted = failures(ten.catalog, product.domain(CELL))[day(24)]
    assert (noted.error, noted.kind, noted.attempts) == ("GranuleUnreadableError", "failed", 1)
    assert f"sha256:{hashlib.sha256(whole[:5000]).hexdigest()}" in noted.inputs.values()
    told = vadose(*command(ten, "status", "--days", 12, "--until", TWELVE[1])[3:]).out
    assert "9 published" in told
    assert "GranuleUnreadableError" in told
    before = {file: file.stat().st_mtime_ns for file in Path(ten.catalog).rglob("*_2024*.json")}
    assert make_last(ten, 14, last=TWELVE[1]) == []  # the same bytes fail again: not worth a try
    broken.write_bytes(whole)
    (healed,) = make_last(ten, 14, last=TWELVE[1])
    assert (healed.date, healed.status) == (day(24), "published")
    assert all(file.stat().st_mtime_ns == then for file, then in before.items())
    assert day(24) not in failures(ten.catalog, product.domain(CELL))
    assert revisions(ten.catalog) == dict.fromkeys(SEEN, 1)
    ended = backfill()
    assert ended.code == 0
    assert "nothing to do: 10 current, 2 no-coverage" in ended.out
    assert "nothing to do: 10 current" in backfill("--stale").out
    ended = vadose(*command(ten, "run", "--until", TWELVE[1])[3:])
    assert "nothing to do: none of the 14 days up to 2024-06-03 is missing" in ended.out
    assert check(ten.catalog).findings == []


def test_what_made_a_day_stale_decides_what_a_stale_backfill_makes(job: DayJob, made: Path, tmp_path: Path) -> None:
    make_period(job, day(23), day(24))
    newer = granule(job, 523).with_name(granule(job, 523).name.replace("_001.h5", "_002.h5"))
    shutil.copy(granule(job, 523), newer)
    with h5py.File(newer, "r+") as file:
        theta = file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"]
        theta[...] = theta[...] + (theta[...] > 0) * theta.dtype.type(0.01)
    dates = [day(number) for number in range(23, 28)]
    assert dict(plan_period(job, dates, stale=True).work) == {day(23): 1}
    assert dict(plan_period(job, dates).work) == {day(23): 1, day(25): 0, day(26): 0, day(27): 0}
    assert dict(plan_last(job, END, 5).work) == {day(27): 0, day(26): 0, day(25): 0, day(23): 1}
    assert list(plan_last(job, END, 5).work) == [day(27), day(26), day(25), day(23)]  # the newest first
    assert statuses(make_period(job, START, END, stale=True)) == {23: "published", 24: "current"}
    assert revisions(job.catalog) == {23: 2, 24: 1}
    model = tmp_path / "model"
    shutil.copytree(made / "model", model)
    manifest = json.loads((model / "model.json").read_text())
    manifest["branches"] = manifest["branches"][::-1]  # another checksum, the same numbers
    (model / "model.json").write_text(json.dumps(manifest))
    newer_model = replace(job, model=model)
    assert dict(plan_period(newer_model, dates, stale=True).work) == {day(23): 2, day(24): 1}
    assert statuses(make_period(newer_model, START, END, stale=True)) == {23: "published", 24: "published"}
    assert revisions(job.catalog) == {23: 3, 24: 2}
    assert plan_period(newer_model, dates, stale=True).work == {}


@pytest.mark.integration
def test_two_backfills_of_ten_days_and_the_daily_run_at_once_make_each_day_once(ten: DayJob) -> None:
    from tests.crash.wholeness import Watch

    watch, over = Watch(Path(ten.catalog)), threading.Event()
    watcher = threading.Thread(target=watch.run, args=(over,))
    watcher.start()
    told = []
    try:
        runs = [
            start(ten, "backfill", *TWELVE, "--workers", 2),
            start(ten, "backfill", *TWELVE),
            start(ten, "run", "--until", TWELVE[1]),
        ]
        for run in runs:
            out, _ = run.communicate(timeout=240)
            assert run.returncode == 0, out
            told.append(out)
    finally:
        over.set()
        watcher.join()
    assert [*watch.faults, *watch.look()] == []
    lines = [line for line in "".join(told).splitlines() if line.split()[1:2] == ["published"]]
    assert sorted(int(line[8:10]) for line in lines) == sorted(SEEN)
    assert revisions(ten.catalog) == dict.fromkeys(SEEN, 1)
    assert check(ten.catalog).findings == []
    assert not (Path(ten.catalog) / "claims").exists()
    assert set(plan_period(ten, [TWELVE[0] + dt.timedelta(days=n) for n in range(12)]).work) == set()


KILLED = """
import datetime as dt, os, signal, sys
from pathlib import Path
from flows.day.jobs import DayJob
from flows.day.make import run_day

def hook(event, given):
    if event == "os.rename" and str(given[1]).endswith(".parquet"):
        os.kill(os.getpid(), signal.SIGKILL)

catalog, domain, prior, model, folder = sys.argv[1:]
job = DayJob(domain=domain, prior=Path(prior), model=Path(model), catalog=catalog, folder=Path(folder))
sys.addaudithook(hook)
run_day(dt.date(2024, 5, 23), job)
"""


@pytest.mark.integration
def test_a_day_killed_between_item_and_index_is_mended_however_long_after(ten: DayJob, tmp_path: Path) -> None:
    """The second revision's links are all there: its claim alone tells, and outlives runs over other days."""
    make_period(ten, day(23), day(25))
    model = tmp_path / "model"
    shutil.copytree(ten.model, model)
    manifest = json.loads((model / "model.json").read_text())
    manifest["branches"] = manifest["branches"][::-1]
    (model / "model.json").write_text(json.dumps(manifest))
    newer = replace(ten, model=model)
    given = [newer.catalog, CELL, newer.prior, newer.model, newer.folder]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, given)], check=False, timeout=240)
    assert done.returncode == -signal.SIGKILL
    assert revisions(ten.catalog) == {23: 2, 24: 1, 25: 1}
    assert {finding.kind for finding in check(ten.catalog).findings} == {"index", "claim", "staging"}
    make_last(newer, 2, last=day(25))  # the daily run does not look so far back
    assert "claim" in {finding.kind for finding in check(ten.catalog).findings}
    assert statuses(make_period(newer, day(23), day(25))) == {23: "current", 24: "current", 25: "current"}
    assert revisions(ten.catalog) == {23: 2, 24: 2, 25: 2}
    assert check(ten.catalog).findings == []


@pytest.mark.slow  # tests/crash kills one by default
def test_a_killed_worker_costs_no_day(job: DayJob) -> None:
    from tests.crash.killing import workers_of

    run = start(job, "backfill", START, END, "--workers", 2)
    deadline = time.monotonic() + 120
    while not (victims := workers_of(run.pid)) or not list(Path(job.catalog).glob("claims/*/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(victims[0], signal.SIGKILL)
    out, _ = run.communicate(timeout=240)
    assert run.returncode == 0, out
    assert revisions(job.catalog) == {23: 1, 24: 1, 25: 1, 26: 1}


def test_a_day_that_another_run_makes_is_left_for_the_end_and_then_found_made(job: DayJob) -> None:
    heard: list[tuple[int, bool]] = []

    def attempt(date: dt.date, _: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
        heard.append((date.day, wait))
        return DayOutcome(date=date, status="claimed" if date.day == 24 and not wait else "current")

    outcomes = run_days({day(24): 0, day(25): 0}, job, attempt=attempt)
    assert heard == [(24, False), (25, False), (24, True)]
    assert statuses(outcomes) == {24: "current", 25: "current"}
    judge([])


def test_a_plan_that_is_out_of_date_makes_nothing_twice(job: DayJob) -> None:
    plan = plan_period(job, [day(23)])
    assert statuses(run_days(plan.work, job)) == {23: "published"}
    granule(job, 523).unlink()  # it would fail if it were opened
    (again,) = run_days(plan.work, job)
    assert (again.status, again.reason) == ("current", "revision 1, published by another run meanwhile")


def rasters(catalog: str) -> dict[str, str]:
    """Digest of every raster by its name in the catalogue."""
    return {
        file.relative_to(catalog).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in Path(catalog).rglob("*.tif")
    }


@pytest.mark.integration
def test_on_a_cluster_a_worker_is_killed_and_every_pixel_is_the_same(ten: DayJob, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("distributed")
    here = replace(ten, catalog=str(tmp_path / "here"))
    alone = make_period(here, *TWELVE)
    killed: list[int] = []

    def kill_one(_outcome: DayOutcome) -> None:
        if not killed:
            workers = [c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline())]
            killed.append(workers[0].pid)
            workers[0].kill()

    together = make_period(ten, *TWELVE, scheduler="local:2", hear=kill_one)
    assert killed
    assert statuses(together) == statuses(alone)
    assert rasters(ten.catalog) == rasters(here.catalog)
    assert check(ten.catalog).findings == []


def test_two_products_of_a_day_are_one_day_that_failed() -> None:
    days = [dt.date(2024, 5, 23), dt.date(2024, 5, 24)]
    fine = [DayOutcome(date=day, status="published") for day in days]
    wrong = DayOutcome(date=days[1], status="failed", error="StorageFullError", exit_code=41, product="analysis")
    with pytest.raises(BackfillError) as raised:
        require_no_failure([*fine, wrong])
    assert "1 of 2 days failed. Got: 2024-05-24 (analysis: StorageFullError)" in str(raised.value)
