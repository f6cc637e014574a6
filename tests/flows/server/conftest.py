"""A Prefect server of its own on loopback with a process worker, and a site whose sample ends yesterday."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prefect_server import PATIENCE, PREFECT, QUIET, end, free_port, serving, wait_for_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

ROOT = Path(__file__).resolve().parents[3]
VADOSE = Path(sys.executable).with_name("vadose")
WHERE = "-94.9,34.3,-94.4,34.6"
DAILY = "daily/daily"
HOUR = dt.timedelta(hours=1)
ADDRESS = "http://127.0.0.1:1/catalog"  # where the catalogue would be served
BRISK = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_PG_NOTIFY_RECONNECT_INTERVAL_SECONDS": "2",
}
AS_MADE = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}  # by `make worker`


@dataclass
class Site:
    """A folder as an operator has it, and how commands are run there."""

    folder: Path
    environment: dict[str, str]
    last: dt.date

    @property
    def api(self) -> str:
        return self.environment["PREFECT_API_URL"]

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog"  # as a package of ours is called: none is shadowed by it

    def run(self, *line: object, code: int = 0, patience: float = PATIENCE, **more: str) -> str:
        """Standard output of a command that ends with ``code``."""
        done = subprocess.run(
            [str(part) for part in line],
            cwd=self.folder,
            env=self.environment | {"PWD": str(self.folder)} | more,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def vadose(self, *arguments: object, code: int = 0, patience: float = PATIENCE) -> str:
        return self.run(VADOSE, *arguments, code=code, patience=patience)

    def deploy(self, *only: str) -> None:
        """``prefect deploy --all`` of the project's own file or some of its deployments, without their schedules."""
        document = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
        document["deployments"] = [one for one in document["deployments"] if not only or one["name"] in only]
        for deployment in document["deployments"]:
            deployment["schedules"] = []
        (self.folder / "prefect.yaml").write_text(yaml.safe_dump(document))
        self.run(PREFECT, "--no-prompt", "deploy", "--all")

    def set_aside(self) -> None:
        """Begin an empty catalogue."""
        if self.catalog.exists():
            self.catalog.rename(self.folder / f"before-{time.monotonic_ns()}")

    def items(self) -> dict[str, dict[str, Any]]:
        """The days' items by date, as they lie there."""
        found = [json.loads(path.read_text()) for path in self.catalog.glob("vadose-sm-*/*/*/*/*.json")]
        return {item["properties"]["datetime"][:10]: item for item in found}


@dataclass
class Worker:
    """A process worker and the file of its lines."""

    process: subprocess.Popen[bytes]
    log: Path
    metrics: int


@pytest.fixture(scope="session")
def pace() -> dict[str, str]:
    """What makes the server look for schedules more often than by itself; a test would wait a minute else."""
    return BRISK


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, pace: dict[str, str]) -> Iterator[Site]:
    """Sample of twelve days up to yesterday, prior, model and settings; server, work pool and queues beside them."""
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    small = {"VADOSE_TRAINING_ROWS": "20000", "VADOSE_TRAINING_ROUNDS": "20"}
    base = {"PATH": f"{PREFECT.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
    environment = {**base, **QUIET, "PREFECT_HOME": str(folder / "prefect"), "VADOSE_PRODUCTS": "conserving"}
    last = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    made = Site(folder, {**environment, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}, last)
    elsewhere = os.environ.get("VADOSE_PREFECT_DATABASE")  # an empty PostgreSQL, to see the same there
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": elsewhere} if elsewhere else {}
    with serving(folder, made.api, pace | database):
        make_site(made, small)
        wait_for_server(made.api)
        make_queues(made)
        yield made


def make_queues(site: Site) -> None:
    """The pool and the queues of deploy/setup.sh."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: site.api}), get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="vadose", type="process"))
        client.create_work_queue("schedule", work_pool_name="vadose", concurrency_limit=1, priority=1)
        client.create_work_queue("backfill", work_pool_name="vadose", concurrency_limit=2, priority=10)


def make_site(site: Site, small: Mapping[str, str]) -> None:
    def vadose(*arguments: object) -> None:
        site.run(VADOSE, *arguments, **small)

    start = site.last - dt.timedelta(days=11)
    where = f"--domain={WHERE}"
    vadose("sample", "--out", "sample", "--days", 12, "--start", start, where, "--history", 45)
    native = site.folder / "sample" / "prior"
    vadose("prior", "build", where, "--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc",
           "--out", "prior")  # fmt: skip
    vadose("train", "--prior", "prior", "--out", "model")
    (site.folder / "vadose.toml").write_text(
        f'domain = "{WHERE}"\nprior = "prior"\nmodel = "model"\ngranules = "sample/granules"\ncatalog = "catalog"\n'
        f'log_format = "json"\ncatalog_url = "{ADDRESS}"\n'
    )


@pytest.fixture(scope="session")
def deployed(site: Site) -> Site:
    """The site with all deployments of the project's own file; nothing is scheduled."""
    site.deploy()
    return site


@pytest.fixture
def client(site: Site) -> Iterator[SyncPrefectClient]:
    """This process's own view of the server."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    settings: dict[Any, Any] = {PREFECT_API_URL: site.api, PREFECT_HOME: site.folder / "prefect"}
    with temporary_settings(settings), get_client(sync_client=True) as made:
        yield made


@contextlib.contextmanager
def scheduled(client: SyncPrefectClient) -> Iterator[FlowRun]:
    """A run of the daily deployment that the server's scheduler makes, due in some seconds; the next is an hour later.

    The time is told to the server in one call, and told anew with a longer lead where it had passed before the
    scheduler looked: a machine may be busy for long.
    """
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterExpectedStartTime,
    )
    from prefect.client.schemas.schedules import IntervalSchedule

    daily_id = client.read_deployment_by_name(DAILY).id
    for lead in (5, 10, 20, 40, 80, 160):
        due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=lead)
        (schedule,) = client.create_deployment_schedules(
            daily_id, [(IntervalSchedule(interval=HOUR, anchor_date=due), True)]
        )
        around = FlowRunFilterExpectedStartTime(after_=due - HOUR / 4, before_=due + HOUR / 4)
        made = FlowRunFilter(expected_start_time=around, deployment_id=FlowRunFilterDeploymentId(any_=[daily_id]))
        try:
            while dt.datetime.now(dt.UTC) < due + dt.timedelta(seconds=5):
                if runs := [run for run in client.read_flow_runs(flow_run_filter=made) if run.auto_scheduled]:
                    yield runs[0]
                    return
                time.sleep(0.5)
        finally:
            client.delete_deployment_schedule(daily_id, schedule.id)  # and its runs to come
    raise AssertionError("the scheduler made no run")


@pytest.fixture
def no_automation(client: SyncPrefectClient) -> Iterator[None]:
    """Whatever becomes of the test, the next one meets no automation of it: a run may be silent for longer there."""
    yield
    for automation in client.read_automations():
        client.delete_automation(automation.id)


@pytest.fixture
def in_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Flows of this process run in the site's folder, and end without waiting for a heartbeat."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    monkeypatch.chdir(site.folder)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@contextlib.contextmanager
def working(site: Site) -> Iterator[Worker]:
    """A process worker with Prefect's metrics, in a session of its own."""
    port, log = free_port(), site.folder / f"worker-{time.monotonic_ns()}.log"
    metrics = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": str(port)}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [PREFECT, "worker", "start", "--pool", "vadose"],
            cwd=site.folder,
            env=site.environment | AS_MADE | metrics,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Worker(process, log, port)
    finally:
        end(process)


@pytest.fixture(scope="session")
def worker(site: Site) -> Iterator[Worker]:
    with working(site) as started:
        yield started


@dataclass
class Inbox:
    """What a notification's receiver was sent."""

    url: str
    messages: list[str] = field(default_factory=list)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """An HTTP server on loopback that keeps every body posted to it."""
    messages: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Inbox(f"http://127.0.0.1:{server.server_address[1]}/", messages)
        server.shutdown()
        thread.join()
