"""Runs and workers killed with SIGKILL under a server: the days they were making are made whole by the next run."""

import contextlib
import datetime as dt
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Pending, Running
from prefect_server import wait_for

from catalog.reading.days import validate_catalog
from flows.server.automations import Bounds, apply
from flows.server.daily import daily
from tests.crash.wholeness import Watch, differences

from .conftest import DAILY, VADOSE, Site, working

EACH = 4  # days of each backfill
VICTIMS = ("run", "worker", "worker and runs")
ALIVE = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
MENDED = 900.0  # seconds for all days; runs are given up after SIGN, and SQLite may be locked for a minute at a time
SIGN = dt.timedelta(seconds=45)  # longer than any day here takes


@contextlib.contextmanager
def watched(site: Site) -> Iterator[Watch]:
    """Looks for torn items all the while."""
    watch, over = Watch(site.catalog), threading.Event()
    watcher = threading.Thread(target=watch.run, args=(over,))
    watcher.start()
    try:
        yield watch
    finally:
        over.set()
        watcher.join()


def at_work(site: Site) -> int | None:
    """The process of a run that is making a day."""
    for claim in site.catalog.glob("claims/*/*.json"):
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads(claim.read_bytes())["process"])
    return None


def strike(site: Site, victim: str, first: dt.date, chance: random.Random) -> None:
    """Submit a backfill, and kill the victim while a day is being made."""
    with working(site) as worker:
        line = [VADOSE, "backfill", str(first), str(first + dt.timedelta(days=EACH - 1)), "--deployment", DAILY]
        with (site.folder / "backfill.log").open("ab") as log:
            backfill = subprocess.Popen(line, cwd=site.folder, env=site.environment, stdout=log, stderr=log)
        run = wait_for("a run at work", lambda: at_work(site))
        time.sleep(chance.uniform(0, 0.5))
        if victim == "run":
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it was done before
                assert b"flows.server.engine" in Path(f"/proc/{run}/cmdline").read_bytes()
                os.kill(run, signal.SIGKILL)
            assert backfill.wait(MENDED) == 0, "the day whose run crashed is submitted once more"
            return
        if victim == "worker":
            os.kill(worker.process.pid, signal.SIGKILL)
        else:
            os.killpg(worker.process.pid, signal.SIGKILL)
        backfill.kill()
        backfill.wait()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="knows a run by /proc")
@pytest.mark.usefixtures("no_automation")
def test_days_of_killed_runs_and_workers_are_made_whole(deployed: Site, client: SyncPrefectClient) -> None:
    site = deployed
    apply(Bounds(silent_run=SIGN, silent_start=SIGN))
    site.set_aside()
    reference, first = site.folder / "reference", site.last - dt.timedelta(days=len(VICTIMS) * EACH - 1)
    site.vadose("backfill", first, site.last, "--out", reference)
    chance = random.Random(7)
    with watched(site) as watch:
        for number, victim in enumerate(VICTIMS):
            strike(site, victim, first + dt.timedelta(days=number * EACH), chance)
        with working(site):
            said = site.vadose("backfill", first, site.last, "--deployment", DAILY, patience=MENDED)
    assert "failed" not in said
    assert not watch.faults
    assert watch.looks > 10
    assert differences(site.catalog, reference) == []
    assert validate_catalog(site.catalog)
    assert at_work(site) is None
    assert not client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=ALIVE)))


@pytest.mark.slow
@pytest.mark.usefixtures("no_automation")
@pytest.mark.parametrize("reached", [StateType.PENDING, StateType.RUNNING])
def test_a_run_that_dies_before_its_first_heartbeat_is_given_up(client: SyncPrefectClient, reached: StateType) -> None:
    bound = dt.timedelta(seconds=10)
    apply(Bounds(silent_run=bound, silent_start=bound))
    run = client.create_flow_run(daily, state=Pending())
    if reached is StateType.RUNNING:
        client.set_flow_run_state(run.id, Running())
    ended = wait_for(
        "the end of a silent run", lambda: (s := client.read_flow_run(run.id).state) and s.is_final() and s
    )
    assert (ended.name, ended.message) == ("Crashed", "No heartbeat: the process has died.")
