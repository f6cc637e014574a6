"""Submitting through a server that is away, and runs that somebody deletes."""

import contextvars
import datetime as dt
import threading
import time

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.exceptions import PrefectHTTPStatusError
from prefect_server import deployed_daily

from downscaler.errors import ServerAwayError
from flows.server import submit as submitting
from flows.server.submit import patiently, submit


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def sleep(self, seconds):
        self.now += seconds

    def __call__(self):
        return self.now


def answers_after(failures, error):
    left = [error] * failures

    def call():
        if left:
            raise left.pop()
        return "answer"

    return call


def status(code):
    request = httpx.Request("GET", "http://127.0.0.1/api")
    return PrefectHTTPStatusError("told", request=request, response=httpx.Response(code, request=request))


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), status(503)])
def test_a_server_away_for_two_minutes_is_waited_for(error):
    clock = Clock()
    assert patiently(answers_after(24, error), pause=5, sleep=clock.sleep, clock=clock) == "answer"
    assert clock.now == 120


def test_a_server_away_for_longer_ends_in_a_typed_error():
    clock = Clock()
    with pytest.raises(ServerAwayError, match="15 min") as told:
        patiently(answers_after(10_000, httpx.ConnectError("refused")), sleep=clock.sleep, clock=clock)
    assert (told.value.exit_code, clock.now) == (64, 900)


def test_what_the_server_refuses_is_not_repeated():
    clock = Clock()
    with pytest.raises(PrefectHTTPStatusError):
        patiently(answers_after(1, status(422)), sleep=clock.sleep, clock=clock)
    assert clock.now == 0


@pytest.mark.integration
@pytest.mark.usefixtures("server")
def test_a_deleted_run_is_submitted_once_more_and_then_told_as_failed():
    with deployed_daily() as deployment:  # without a worker: a run waits until it is deleted
        check_deleted_runs(deployment)


def check_deleted_runs(deployment):
    day, ended = dt.date(2024, 5, 23), []
    within = contextvars.copy_context()  # Prefect's settings of the test go with the thread
    work = lambda: ended.extend(submit([day], deployment, poll=0.2))  # noqa: E731
    of_the_day = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"day:{day}"]))
    thread = threading.Thread(target=lambda: within.run(work), daemon=True)
    with get_client(sync_client=True) as client:
        thread.start()
        deleted = set()
        while thread.is_alive() and len(deleted) < submitting.LIVES:
            for run in client.read_flow_runs(flow_run_filter=of_the_day):
                if run.id not in deleted:
                    client.delete_flow_run(run.id)
                    deleted.add(run.id)
            time.sleep(0.1)
        thread.join(60)
    assert not thread.is_alive()
    assert len(deleted) == submitting.LIVES == 2
    assert [(outcome.status, outcome.error) for outcome in ended] == [("failed", "Deleted")]
