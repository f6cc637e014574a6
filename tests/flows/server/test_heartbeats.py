"""Heartbeats on a real server: a run that loses one goes on; one that falls silent is given up."""

import datetime as dt
import time

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import emit_event
from prefect.states import Pending, Running

from flows.server.automations import Bounds, apply
from flows.server.daily import daily

from .conftest import wait_for

BEAT = 2.0  # seconds; in operation 60 (deploy/prefect.yaml), with the same margin
MARGIN = dt.timedelta(seconds=5 * BEAT)


def beat(run_id: object) -> None:
    """A heartbeat as Prefect's engine sends it."""
    emit_event(
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.name": "2024-05-23"},
    )


def test_a_living_run_that_loses_a_heartbeat_goes_on_and_a_silent_one_ends(bare: SyncPrefectClient) -> None:
    assert Bounds().silent_run / dt.timedelta(seconds=60) == MARGIN.total_seconds() / BEAT
    apply(Bounds(silent_run=MARGIN, silent_start=MARGIN))
    run = bare.create_flow_run(daily, state=Pending())
    bare.set_flow_run_state(run.id, Running())
    for number in range(12):
        if number % 3:  # every third is lost
            beat(run.id)
        time.sleep(BEAT)
        state = bare.read_flow_run(run.id).state
        assert state is not None
        assert state.is_running(), f"given up after {number} beats: {state}"
    ended = wait_for("the end of a silent run", lambda: (s := bare.read_flow_run(run.id).state) and s.is_final() and s)
    assert (ended.name, ended.message) == ("Crashed", "No heartbeat: the process has died.")
