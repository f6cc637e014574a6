"""A Prefect server on loopback that flows of this process work with, and a deployment on it that no worker runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

PREFECT = Path(sys.executable).with_name("prefect")
PATIENCE = 300.0  # seconds; machines are slow and noisy
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first true answer of ``look``; fails with ``what`` after a generous while."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if found := look():
                return found
        time.sleep(0.5)
    raise AssertionError(f"waited {patience:.0f} s in vain for {what}")


def wait_for_server(api: str) -> None:
    wait_for("the server", lambda: urllib.request.urlopen(f"{api}/health", timeout=5).status == 200)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@contextlib.contextmanager
def serving(folder: Path, api: str, more: Mapping[str, str]) -> Iterator[None]:
    """A server that begins to answer at ``api``; its database and log are in the folder."""
    base = {"PATH": f"{PREFECT.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"], **QUIET}
    environment = {**base, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": api}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", api.split(":")[2].split("/")[0]],
            env=environment | dict(more),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        end(server)


@contextlib.contextmanager
def using(api: str) -> Iterator[str]:
    """Flows and clients of this process, in whichever thread, work with that server; no run waits for a heartbeat."""
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    settings: dict[Any, Any] = {PREFECT_API_URL: api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings), _temporary_global_settings_context(get_settings_context()):
        yield api
        with contextlib.suppress(RuntimeError):  # it was never started
            APILogWorker.instance().drain()
        EventsWorker.drain_all()  # what is still to be sent goes to this server, not to the next one


@contextlib.contextmanager
def deployed_daily(**more: Any) -> Iterator[str]:
    """The deployment daily/daily in a pool without workers: what is submitted stays; nothing of it afterwards."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="vadose", type="process"))
        flow = client.create_flow_from_name("daily")
        made = client.create_deployment(flow, "daily", work_pool_name="vadose", **more)
        try:
            yield "daily/daily"
        finally:
            client.delete_deployment(made)
            client.delete_work_pool("vadose")
