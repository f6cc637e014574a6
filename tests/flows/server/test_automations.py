"""Alerts on a server: what an operator set outlives every deploying; living runs have time for lost heartbeats."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from downscaler.errors import ConfigError
from flows.server.automations import DAYS_FAILED, LOW_GAIN, NAMES, NO_ITEM, Bounds, apply

PREFECT_YAML = Path(__file__).resolve().parents[3] / "deploy" / "prefect.yaml"


def standing(name):
    with get_client(sync_client=True) as client:
        return client.read_automations_by_name(name)[0]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=180):
        Secret(value="where").save("operators")
        yield


@pytest.mark.integration
@pytest.mark.usefixtures("server")
def test_a_repeated_deploy_keeps_what_an_operator_set():
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
@pytest.mark.usefixtures("server")
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
