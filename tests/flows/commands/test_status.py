"""``vadose status`` on a catalogue with gaps, stale and failed days, and how it looks at 80 columns."""

import datetime as dt
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from catalog.naming import collection_id
from catalog.publish.failures import Failure, failures, record_failure
from catalog.publish.withdraw import withdraw
from downscaler import product
from flows.day.jobs import DayJob
from flows.day.make import run_day, try_day
from flows.days.plan import make_last, make_period
from flows.days.state import look_back

DOMAIN = "-94.9,34.3,-94.4,34.6"
DAY = dt.date(2024, 5, 23)
NOW = dt.datetime(2024, 5, 30, 12, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    return dt.date(2024, 5, number)


@pytest.fixture(scope="module")
def job(made: Path, tmp_path_factory: pytest.TempPathFactory) -> DayJob:
    """23 published, 24 published then reprocessed, 25 broken, 26 not made, 27 without coverage, the rest not there."""
    work = tmp_path_factory.mktemp("status")
    granules = work / "granules"
    shutil.copytree(made / "sample" / "granules", granules)
    job = DayJob(
        domain=DOMAIN, prior=made / "prior", model=made / "model", catalog=str(work / "catalog"), folder=granules
    )
    (broken,) = granules.glob("*20240525*.h5")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:5000])
    for number in (23, 24, 25, 27):
        try_day(day(number), job)
    (old,) = granules.glob("*20240524*.h5")
    shutil.copy(old, granules / old.name.replace("_001.h5", "_002.h5"))
    return job


def test_each_day_is_what_it_is(job: DayJob) -> None:
    states = {state.date: state for state in look_back(job, day(30), 14, now=NOW)}
    assert list(states) == [day(30) - dt.timedelta(days=n) for n in range(14)]
    told = {date.day: state.state for date, state in states.items()}
    assert told == {
        30: "waiting", 29: "waiting", 28: "waiting", 27: "no-coverage", 26: "due", 25: "failed", 24: "stale",
        23: "published", 22: "missing", 21: "missing", 20: "missing", 19: "missing", 18: "missing", 17: "missing",
    }  # fmt: skip
    assert (states[day(23)].granule, states[day(23)].revision) == ("R19240.001", 1)
    assert states[day(24)].why == "newer granule R19240.002"
    assert "GranuleUnreadableError" in states[day(25)].why
    assert {date.day for date, state in states.items() if state.work} == {26, 24}


def test_a_withdrawn_day_stays_withdrawn_until_it_is_forced(job: DayJob, tmp_path: Path) -> None:
    """A newer granule is on offer and a run died at the day: neither brings it back."""
    mine = replace(job, catalog=str(tmp_path / "catalog"))
    shutil.copytree(job.catalog, mine.catalog)
    domain, date = product.domain(DOMAIN), day(24)
    withdraw(mine.catalog, domain, date, "the granule was recalled")
    claim = Path(mine.catalog, "claims", collection_id(domain.name), f"{date:%Y%m%d}.json")
    claim.parent.mkdir(parents=True, exist_ok=True)
    claim.write_text("{}")
    (state,) = look_back(mine, date, 1, now=NOW)
    assert (state.state, state.why, state.revision, state.work) == ("withdrawn", "the granule was recalled", 1, False)
    (outcome,) = make_period(mine, date, date)
    assert (outcome.status, outcome.reason[:36]) == ("current", "withdrawn: the granule was recalled;")
    assert make_period(mine, date, date, stale=True) == [outcome]
    assert make_last(mine, 1, last=date) == []
    claim.parent.mkdir(parents=True, exist_ok=True)
    claim.write_text("{}")
    for given in (mine, replace(mine, granules=tuple(mine.folder.glob("*20240524*.h5")) if mine.folder else ())):
        assert run_day(date, given).reason == outcome.reason
    done = run_day(date, replace(mine, force=True))
    assert (done.status, done.reason) == ("published", "revision 2")
    assert look_back(mine, date, 1, now=NOW)[0].state == "published"


def test_a_damaged_item_fails_its_own_day_alone(job: DayJob, tmp_path: Path) -> None:
    mine = replace(job, catalog=str(tmp_path / "catalog"))
    shutil.copytree(job.catalog, mine.catalog)
    (item,) = Path(mine.catalog).rglob("*_20240523.json")
    item.write_bytes(item.read_bytes()[:500])
    states = {state.date.day: state for state in look_back(mine, day(24), 2, now=NOW)}
    assert (states[24].state, states[23].state, states[23].work) == ("stale", "failed", False)
    assert "remove it and make the day again" in states[23].why
    assert [outcome.status for outcome in make_last(mine, 2, last=day(24))] == ["current"]  # of the same bytes
    item.unlink()
    assert run_day(day(23), mine).status == "published"


def test_latency_separates_waiting_from_missing(job: DayJob) -> None:
    def of_28(hours: float) -> str:
        end = dt.datetime(2024, 5, 29, tzinfo=dt.UTC)
        return look_back(job, day(28), 1, now=end + dt.timedelta(hours=hours))[0].state

    assert (of_28(49.9), of_28(50.1)) == ("waiting", "missing")


def test_a_failed_day_is_tried_again_when_its_granule_changed(job: DayJob, made: Path, tmp_path: Path) -> None:
    catalog = str(tmp_path / "catalog")
    shutil.copytree(job.catalog, catalog)
    mine = DayJob(**{**vars(job), "catalog": catalog, "folder": tmp_path / "granules"})
    shutil.copytree(job.folder or "", tmp_path / "granules")
    noted = failures(catalog, product.domain(DOMAIN))
    assert {date: (f.kind, f.attempts) for date, f in noted.items()} == {
        day(25): ("failed", 1),
        day(27): ("no-coverage", 1),
    }
    assert noted[day(25)].exit_code == 12
    assert any(value.startswith("sha256:") for value in noted[day(25)].inputs.values())
    assert try_day(day(25), mine).status == "failed"
    (state,) = look_back(mine, day(25), 1, now=NOW)
    assert (state.state, state.work) == ("failed", False)
    assert "(2 times)" in state.why
    (good,) = (made / "sample" / "granules").glob("*20240525*.h5")
    shutil.copy(good, tmp_path / "granules")
    (state,) = look_back(mine, day(25), 1, now=NOW)
    assert (state.state, state.work) == ("failed", True)
    assert "will be retried" in state.why
    assert run_day(day(25), mine).status == "published"
    (state,) = look_back(mine, day(25), 1, now=NOW)
    assert state.state == "published"
    assert day(25) not in failures(catalog, product.domain(DOMAIN))


def test_the_same_bytes_under_a_newer_release_are_looked_at_once(job: DayJob, tmp_path: Path) -> None:
    mine = replace(job, catalog=str(tmp_path / "catalog"))
    shutil.copytree(job.catalog, mine.catalog)
    assert look_back(mine, day(24), 1, now=NOW)[0].state == "stale"
    (outcome,) = make_last(mine, 1, last=day(24))
    assert (outcome.status, outcome.reason[:25]) == ("current", "already published from th")
    (state,) = look_back(mine, day(24), 1, now=NOW)
    assert (state.state, state.granule, state.revision, state.work) == ("published", "R19240.002", 1, False)
    assert make_last(mine, 1, last=day(24)) == []


def test_a_newer_release_of_a_day_before_is_looked_at_once_by_an_analysis(job: DayJob, tmp_path: Path) -> None:
    """Analyses draw on the granules of the days before; these are reprocessed too."""
    mine = replace(job, catalog=str(tmp_path / "catalog"), folder=tmp_path / "granules", products=("analysis",))
    (mine,) = mine.each()
    shutil.copytree(job.folder or "", tmp_path / "granules")
    for file in (tmp_path / "granules").glob("*_002.h5"):
        file.unlink()
    assert run_day(day(24), mine).status == "published"
    (before,) = (tmp_path / "granules").glob("*20240523*.h5")
    shutil.copy(before, before.with_name(before.name.replace("_001.h5", "_002.h5")))
    assert look_back(mine, day(24), 1, now=NOW)[0].why == "newer granule R19240.002"
    assert [outcome.status for outcome in make_last(mine, 1, last=day(24))] == ["current"]
    assert look_back(mine, day(24), 1, now=NOW)[0].state == "published"


def test_a_folder_without_any_granule_is_an_error_for_every_command(vadose: Any, made: Path, tmp_path: Path) -> None:
    """An unmounted disk must not look like a quiet fortnight: not to a run, a status, a backfill, nor a monitor."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "vadose.toml").write_text(
        f'domain = "{DOMAIN}"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\ngranules = "empty"\n'
    )
    for command in (["run"], ["status"], ["status", "--check"], ["backfill", DAY, DAY]):
        ended = vadose(*command)
        assert ended.code == 11, command
        assert "Is its disk mounted?" in ended.err


@pytest.mark.parametrize(
    ("last", "days", "code", "told"),
    [(24, 2, 63, "newest day 2024-05-24"), (25, 3, 62, "2024-05-25"), (30, 1, 61, "No granule")],
    ids=["late", "failing", "starved"],
)
def test_one_call_tells_a_monitor_what_ails_the_product(
    vadose: Any, job: DayJob, tmp_path: Path, last: int, days: int, code: int, told: str
) -> None:
    (tmp_path / "vadose.toml").write_text(
        f'domain = "{DOMAIN}"\nprior = "{job.prior}"\nmodel = "{job.model}"\n'
        f'granules = "{job.folder}"\ncatalog = "{job.catalog}"\nproducts = "conserving"\n'
    )
    for _ in range(2):  # a failure that is known is told each time, not once
        ended = vadose("status", "--check", "--until", day(last), "--days", days)
        assert (ended.code, told in " ".join(ended.err.split())) == (code, True), ended.err


def test_an_archive_out_of_reach_is_always_tried_again(job: DayJob, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    failure = Failure(
        date=day(26), kind="failed", error="ArchiveTimeoutError", exit_code=84, reason="late", inputs={"a": "b"}
    )
    record_failure(catalog, product.domain(DOMAIN), failure)
    (state,) = look_back(DayJob(**{**vars(job), "catalog": str(catalog)}), day(26), 1, now=NOW)
    assert (state.state, state.work) == ("failed", True)


def test_another_model_or_product_version_makes_days_stale(job: DayJob, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    shutil.copytree(job.catalog, catalog)
    (file,) = catalog.rglob("*_20240523.json")
    item = json.loads(file.read_text())
    item["properties"]["vadose:product_version"] = "0.0.9"
    for entry in item["properties"]["vadose:inputs"]:
        if entry["kind"] == "model":
            entry["sha256"] = "0" * 64
    file.write_text(json.dumps(item))
    (state,) = look_back(DayJob(**{**vars(job), "catalog": str(catalog)}), DAY, 1, now=NOW)
    assert state.state == "stale"
    assert state.why == f"another model; product version {product.PRODUCT_VERSION} instead of 0.0.9"


def test_a_half_orbit_that_came_later_makes_its_day_stale() -> None:
    from downscaler.sources.smap import GranuleName, Offer
    from flows.days.state import why_stale

    def offer(orbit: int, counter: int = 1) -> Offer:
        file = f"SMAP_L2_SM_P_{orbit:05d}_D_20240523T1000{orbit:02d}_R19240_{counter:03d}.h5"
        return Offer(file=file, name=GranuleName.parse(file))

    class Nothing:
        records = ()
        domain = product.LITTLE_WASHITA

    properties = {
        "vadose:inputs": [{"kind": "granule", "name": offer(1).file, "sha256": "a"}],
        "vadose:granules_considered": [offer(1).file, offer(2).file],
        "vadose:product_version": product.PRODUCT_VERSION,
        "vadose:algorithm_version": product.ALGORITHM_VERSION,
    }
    item = {"properties": properties}

    def reasons(*offers: Offer) -> list[str]:
        return list(why_stale(item, offers, offers, Nothing()))  # type: ignore[arg-type]

    assert reasons(offer(1), offer(2)) == []  # the second was looked at, and has nothing here
    assert reasons(offer(1), offer(2), offer(3)) == ["granule R19240.001 that came later"]
    assert reasons(offer(1, 2), offer(2)) == ["newer granule R19240.002"]
    file = "SMAP_L2_SM_P_NRT_00009_D_20240523T100009_N19240_001.h5"
    assert reasons(offer(1), Offer(file=file, name=GranuleName.parse(file))) == []


def test_a_failed_analysis_ails_the_product_too(vadose: Any, job: DayJob, tmp_path: Path) -> None:
    catalog = shutil.copytree(job.catalog, tmp_path / "catalog")
    failure = Failure(date=day(24), kind="failed", error="ModelError", exit_code=30, reason="wrong", inputs={"a": "b"})
    record_failure(catalog, product.analysis_of(product.domain(DOMAIN)), failure)
    (tmp_path / "vadose.toml").write_text(
        f'domain = "{DOMAIN}"\nprior = "{job.prior}"\nmodel = "{job.model}"\ngranules = "{job.folder}"\n'
    )
    asked = ("status", "--until", day(24), "--days", 2, "--out", catalog)
    (told, _) = json.loads(vadose(*asked, "--json", "--products", "conserving,analysis").out)
    assert (told["state"], told["analysis"]["state"]) == ("stale", "failed")
    ended = vadose(*asked, "--check", "--products", "analysis")
    assert (ended.code, f"analysis {day(24)}" in " ".join(ended.err.split())) == (62, True), ended.err


def in_terminal(arguments: list[str], columns: int, cwd: Path) -> str:
    """What a command shows in a terminal of so many columns."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    line = [sys.executable, "-m", "flows.cli", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "TERM": "xterm"}
    process = subprocess.Popen(line, stdin=other, stdout=other, stderr=other, cwd=cwd, env=environment, close_fds=True)
    os.close(other)
    shown = b""
    try:
        while chunk := os.read(main, 65536):
            shown += chunk
    except OSError:  # the other end is closed: the command is done
        pass
    os.close(main)
    assert process.wait(timeout=60) == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


def test_the_table_fits_a_terminal_of_80_columns(job: DayJob, tmp_path: Path) -> None:
    (tmp_path / "vadose.toml").write_text(
        f'domain = "{job.domain}"\nprior = "{job.prior}"\nmodel = "{job.model}"\ngranules = "{job.folder}"\n'
        f'catalog = "{job.catalog}"\n'
    )
    shown = in_terminal(["status", "--until", "2024-05-28", "--days", "7"], 80, tmp_path)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80, shown
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│ 2024")]
    kept, analysed = rows[:7], rows[7:]
    assert [row[0] for row in analysed] == [row[0] for row in kept], "each product has a table of its own"
    assert {row[3] for row in analysed} == {"-"}, "no analysis is published"
    assert "The last days, analyses" in shown
    assert [row[:4] for row in kept] == [
        ["2024-05-28", "missing", "-", "-"],
        ["2024-05-27", "no-coverage", "R19240.001", "-"],
        ["2024-05-26", "due", "R19240.001", "-"],
        ["2024-05-25", "failed", "R19240.001", "-"],
        ["2024-05-24", "stale", "R19240.002", "1"],
        ["2024-05-23", "published", "R19240.001", "1"],
        ["2024-05-22", "missing", "-", "-"],
    ]
    assert "1 published, 1 stale, 1 due, 2 missing, 1 no-coverage, 1 failed" in shown


def test_status_of_nothing_and_as_json(vadose: Any, job: DayJob) -> None:
    common = ("--prior", job.prior, "--model", job.model, f"--domain={job.domain}")
    ended = vadose("status", *common)
    assert ended.code == 11
    ended = vadose("status", *common, "--granules", job.folder, "--out", "nowhere", "--days", 4, "--json")
    assert ended.code == 0
    states = [entry["state"] for entry in json.loads(ended.out)]
    assert states == ["waiting", "waiting", "waiting", "missing"] or states[:2] == ["waiting", "waiting"]
    with h5py.File(next((job.folder or Path()).glob("*20240523*")), "r") as file:
        assert file  # the granules are as they were
