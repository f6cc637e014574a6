"""Many days by command: skipped when done, shared between runs, healed one by one, and never lost with a worker."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import pytest

from catalog.failures import failures
from downscaler import product
from flows.jobs import DayJob, DayOutcome
from flows.many import judge, run_days
from flows.plan import make_last, make_period, plan_last, plan_period

DOMAIN = "-94.9,34.3,-94.4,34.6"
START, DAYS = dt.date(2024, 5, 23), 5  # as the fixture ``made``; SMAP misses the 27th
END = START + dt.timedelta(days=DAYS - 1)


def day(number: int) -> dt.date:
    return dt.date(2024, 5, number)


@pytest.fixture
def job(made: Path, tmp_path: Path) -> DayJob:
    granules = tmp_path / "granules"
    shutil.copytree(made / "sample" / "granules", granules)
    return DayJob(
        domain=DOMAIN, prior=made / "prior", model=made / "model", catalog=str(tmp_path / "c"), folder=granules
    )


def revisions(catalog: str) -> dict[int, int]:
    """Day of the month and revision of every item."""
    files = [file for file in Path(catalog).glob("*/*/*/*/*.json") if file.stem == file.parent.name]
    return {int(f.stem[-2:]): int(json.loads(f.read_text())["properties"]["version"]) for f in files}


def statuses(outcomes: list[DayOutcome]) -> dict[int, str]:
    return {outcome.date.day: outcome.status for outcome in outcomes}


def command(job: DayJob, *arguments: object) -> list[str]:
    common = (f"--domain={DOMAIN}", "--prior", job.prior, "--model", job.model, "--out", job.catalog)
    return [sys.executable, "-m", "flows.cli", *map(str, (*arguments, *common, "--granules", job.folder))]


def start(job: DayJob, *arguments: object) -> subprocess.Popen[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path(job.catalog).parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(job, *arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def granule(job: DayJob, number: int) -> Path:
    assert job.folder is not None
    (file,) = job.folder.glob(f"*202405{number}_*.h5")
    return file


def test_a_broken_granule_fails_its_day_alone_and_the_next_run_heals_it_alone(
    vadose: Any, job: DayJob, made: Path
) -> None:
    """Nothing but the healed day is touched: the other items keep their bytes."""

    def backfill(*more: object) -> Any:
        return vadose(*command(job, "backfill", START, END, *more)[3:])

    broken = granule(job, 24)
    whole = broken.read_bytes()
    broken.write_bytes(whole[:5000])
    ended = backfill()
    assert ended.code == 60
    assert "1 of 5 days failed. Got: 2024-05-24 (GranuleUnreadableError)" in ended.err
    assert "3 published, 1 no-coverage, 1 failed" in ended.out
    noted = failures(job.catalog, product.domain(DOMAIN))
    assert noted[day(24)].error == "GranuleUnreadableError"
    before = {file: file.stat().st_mtime_ns for file in Path(job.catalog).rglob("*_2024*.json")}
    assert make_last(job, 14, last=END) == []  # the same bytes fail again: not worth a try
    broken.write_bytes(whole)
    ended = backfill()
    assert ended.code == 0
    assert "1 published, 3 current, 1 no-coverage" in ended.out
    assert all(file.stat().st_mtime_ns == then for file, then in before.items())
    assert day(24) not in failures(job.catalog, product.domain(DOMAIN))
    ended = backfill()
    assert ended.code == 0
    assert "nothing to do: 4 current, 1 no-coverage" in ended.out
    assert "nothing to do: 4 current" in backfill("--stale").out
    ended = vadose(*command(job, "run", "--until", END)[3:])
    assert "nothing to do: of the 14 days up to 2024-05-27 none is missing" in ended.out


def test_what_made_a_day_stale_decides_what_a_stale_backfill_makes(job: DayJob, made: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    make_period(job, day(23), day(24))
    newer = granule(job, 23).with_name(granule(job, 23).name.replace("_001.h5", "_002.h5"))
    shutil.copy(granule(job, 23), newer)
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


def test_two_backfills_and_the_daily_run_at_once_make_each_day_once(job: DayJob) -> None:
    runs = [
        start(job, "backfill", START, END, "--workers", 2),
        start(job, "backfill", START, END),
        start(job, "run", "--until", END),
    ]
    told = []
    for run in runs:
        out, _ = run.communicate(timeout=240)
        assert run.returncode == 0, out
        told.append(out)
    lines = [line for line in "".join(told).splitlines() if line.split()[1:2] == ["published"]]
    assert sorted(line[:10] for line in lines) == [str(day(number)) for number in range(23, 27)]
    assert revisions(job.catalog) == {23: 1, 24: 1, 25: 1, 26: 1}
    assert sorted(path.name for path in Path(job.catalog).iterdir()) == [
        "catalog.json",
        "failures",
        f"vadose-sm-1km_{product.domain(DOMAIN).name}",
    ]
    assert set(plan_period(job, [day(n) for n in range(23, 28)]).work) == set()


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
    granule(job, 23).unlink()  # it would fail if it were opened
    (again,) = run_days(plan.work, job)
    assert (again.status, again.reason) == ("current", "revision 1, published meanwhile by another run")
