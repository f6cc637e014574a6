"""Alerts on a server: what an operator set outlives every deploying; living runs have time for lost heartbeats."""

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import emit_event
from prefect.states import Pending, Running
from prefect_server import wait_for

from downscaler.errors import ConfigError
from flows.server.automations import DAYS_FAILED, LOW_GAIN, NAMES, NO_ITEM, Bounds, apply
from flows.server.daily import daily

PREFECT_YAML = Path(__file__).resolve().parents[3] / "deploy" / "prefect.yaml"
BEAT = 2.0  # seconds; in operation 60 (deploy/prefect.yaml), with the same margin
MARGIN = dt.timedelta(seconds=5 * BEAT)


def standing(name):
    with get_client(sync_client=True) as client:
        return client.read_automations_by_name(name)[0]


@pytest.fixture
def client(server: str) -> Iterator[SyncPrefectClient]:
    """A client of a server without automations."""
    with get_client(sync_client=True) as made:
        yield made
        for automation in made.read_automations():
            made.delete_automation(automation.id)


@pytest.mark.integration
@pytest.mark.usefixtures("client")
def test_a_repeated_deploy_keeps_what_an_operator_set():
    Secret(value="where").save("operators", overwrite=True)
    assert apply() == [(name, "created") for name in NAMES]
    apply(Bounds(silent=dt.timedelta(days=9), failed_days=5), "secret/operators", told={"silent", "failed_days"})
    block = standing(NO_ITEM).actions[0].block_document_id
    with get_client(sync_client=True) as client:
        client.pause_automation(standing(LOW_GAIN).id)

    assert apply() == [(name, "updated") for name in NAMES]

    silent, failed, gain = standing(NO_ITEM), standing(DAYS_FAILED), standing(LOW_GAIN)
    assert (silent.trigger.within, silent.enabled) == (dt.timedelta(days=9), True)
    assert "9 days" in silent.description
    assert (failed.trigger.threshold, failed.trigger.within) == (5, dt.timedelta(days=4))
    assert failed.actions[0].subject == "vadose: 5 days failed"
    assert [one.actions[0].block_document_id for one in (silent, failed, gain)] == [block] * 3
    assert not gain.enabled


@pytest.mark.integration
@pytest.mark.usefixtures("client")
def test_an_unknown_block_changes_nothing():
    apply()
    before = [standing(name) for name in NAMES]
    with pytest.raises(ConfigError, match="no notification block"):
        apply(block="secret/nobody")
    assert [standing(name).trigger for name in NAMES] == [one.trigger for one in before]


def test_three_heartbeats_may_be_lost_before_a_run_counts_as_dead():
    deployments = yaml.safe_load(PREFECT_YAML.read_text())
    environments = [one["work_pool"]["job_variables"]["env"] for one in deployments["deployments"]]
    environments += [one["job_variables"]["env"] for one in deployments["definitions"]["work_pools"].values()]
    assert len(environments) > len(deployments["definitions"]["work_pools"]) > 0
    for environment in environments:
        beat = dt.timedelta(seconds=int(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]))
        assert beat * 4 <= Bounds().silent_run


def beat(run_id: object) -> None:
    """A heartbeat as Prefect's engine sends it."""
    emit_event(
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.name": "2024-05-23"},
    )


@pytest.mark.integration
def test_a_living_run_that_loses_a_heartbeat_goes_on_and_a_silent_one_ends(client: SyncPrefectClient) -> None:
    assert Bounds().silent_run / dt.timedelta(seconds=60) == MARGIN.total_seconds() / BEAT
    apply(Bounds(silent_run=MARGIN, silent_start=MARGIN))
    run = client.create_flow_run(daily, state=Pending())
    client.set_flow_run_state(run.id, Running())
    for number in range(12):
        if number % 3:  # every third is lost
            beat(run.id)
        time.sleep(BEAT)
        state = client.read_flow_run(run.id).state
        assert state is not None
        assert state.is_running(), f"given up after {number} beats: {state}"
    ended = wait_for(
        "the end of a silent run", lambda: (s := client.read_flow_run(run.id).state) and s.is_final() and s
    )
    assert (ended.name, ended.message) == ("Crashed", "No heartbeat: the process has died.")
