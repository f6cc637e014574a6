"""``make rehearsal``: the services of deploy/compose.yaml as plain processes, and what an operation has to survive.

PostgreSQL, Prefect's server on it, an S3 store, two workers and the API run on loopback with the compose file's own
settings. The schedule publishes a day; a backfill of 30 days goes through while runs and workers are killed; then all
but the store is thrown away, set up again, and the schedule goes on without making a day anew. Prints what was
seen; the exit code tells whether all of it held. Takes minutes; needs PostgreSQL (Debian: postgresql).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import yaml
from postgres import running_postgres
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import PREFECT, end, free_port, wait_for
from psycopg import sql

from catalog.naming import is_item_key
from catalog.store.base import open_store
from downscaler import product
from downscaler.errors import NoRetrievalError
from downscaler.sources.smap import read_day
from tests.flows.server.conftest import DAILY, ROOT, VADOSE, WHERE, scheduled

BUCKET = "vadose"
KEYS = {"AWS_ACCESS_KEY_ID": "rehearsal", "AWS_SECRET_ACCESS_KEY": "rehearsal-secret", "AWS_ALLOW_HTTP": "true"}
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
BRIEF = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}  # Prefect's least: a dead run is given up sooner than in operation
SIGN = dt.timedelta(seconds=150)  # five beats
PATIENCE = 3600.0
BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:7.0f} s  {text}", flush=True)


def compose_environment(service: str, **ours: str) -> dict[str, str]:
    """The environment that the compose file gives a service, with the values of this machine for its variables."""
    given = {
        name: re.sub(r"\$\{\w+:?[-?]?([^}]*)\}", r"\1", str(v)) for name, v in COMPOSE[service]["environment"].items()
    }
    assert set(ours) <= set(given), set(ours) - set(given)
    return given | ours


class Rehearsal:
    """All processes and the folder in which they work."""

    def __init__(self, folder: Path, days: int, kills: int, inputs: Path | None) -> None:
        self.folder, self.days, self.kills, self.inputs = folder, days, kills, inputs or folder
        self.last = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        self.first = self.last - dt.timedelta(days=days - 1)
        self.late = self.last  # the day whose granule is kept back
        self.chance = random.Random(20)
        self.api = f"http://127.0.0.1:{free_port()}/api"
        self.store = f"http://127.0.0.1:{_s3_port()}"
        self.site = folder / "site"
        self.base = {
            "PATH": f"{PREFECT.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PREFECT_HOME": str(folder / "prefect"),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "OMP_WAIT_POLICY": "PASSIVE",
            "VADOSE_PRODUCTS": "conserving",
        }

    def worker_environment(self) -> dict[str, str]:
        ours = {
            "PREFECT_API_URL": self.api,
            "AWS_ENDPOINT_URL": self.store,
            "VADOSE_CONFIG": f"{self.site}/vadose.toml",
        }
        keys = {name: KEYS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        ours |= {"VADOSE_CATALOG": f"s3://{BUCKET}/published", **keys}
        ours["VADOSE_METRICS_FILE"] = f"{self.folder}/metrics/vadose.prom"
        given = compose_environment("worker", **ours)
        given.pop("EARTHDATA_TOKEN")
        query = {
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
            "AWS_ALLOW_HTTP": "true",
        }  # as the image sets it; plain HTTP here
        return self.base | given | BRIEF | query

    def start(self, name: str, *line: object, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(part) for part in line],
                cwd=self.site if self.site.exists() else self.folder,
                env=self.base | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *line: object, **more: str) -> str:
        done = subprocess.run(
            [str(part) for part in line],
            cwd=self.site,
            env=self.worker_environment() | {"PWD": str(self.site)} | more,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, name: str, *line: object, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        process = self.start(name, *line, **environment)
        try:
            yield process
        finally:
            end(process)

    def make_inputs(self) -> None:
        """Sample, prior and model, as an operator has them outside of the store."""
        self.site.mkdir()
        if not (self.inputs / "model").exists():
            self.simulate()
        shutil.copytree(self.inputs / "sample" / "granules", self.folder / "granules")

    def simulate(self) -> None:
        """The commands of a simulated site; on a small domain, with small training."""
        small = {"VADOSE_TRAINING_ROWS": "20000", "VADOSE_TRAINING_ROUNDS": "20"}
        where = f"--domain={WHERE}"
        sample = ("--days", self.days, "--start", self.first, "--history", 45)
        self.run(VADOSE, "sample", "--out", self.inputs / "sample", where, *sample, VADOSE_CONFIG="")
        native = self.inputs / "sample" / "prior"
        source = ("--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc")
        self.run(VADOSE, "prior", "build", where, *source, "--out", self.inputs / "prior", VADOSE_CONFIG="")
        trained = ("--prior", self.inputs / "prior", "--out", self.inputs / "model")
        self.run(VADOSE, "train", *trained, VADOSE_CONFIG="", **small)

    def settle(self) -> None:
        """The folder of settings, as a new machine gets it."""
        self.site.mkdir(exist_ok=True)
        (self.site / "vadose.toml").write_text(
            f'domain = "{WHERE}"\nprior = "{self.inputs}/prior"\nmodel = "{self.inputs}/model"\n'
            f'granules = "{self.folder}/granules"\nlook_back = 6\nlog_format = "json"\n'
        )

    @contextlib.contextmanager
    def server(self, dsn: str, database: str) -> Iterator[None]:
        """Prefect's server on an empty database of its own."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        address = dsn.replace("postgresql://", "postgresql+asyncpg://").rsplit("/", 1)[0] + f"/{database}"
        ours = compose_environment("prefect", PREFECT_SERVER_DATABASE_CONNECTION_URL=address)
        port = self.api.split(":")[2].split("/")[0]
        line = (PREFECT, "server", "start", "--host", "127.0.0.1", "--port", port)
        with self.running(f"server-{database}", *line, **ours):
            wait_for("the server", lambda: _status(f"{self.api}/health") == 200)
            yield

    def deploy(self) -> None:
        """deploy/setup.sh, then all its schedules are taken off: the rehearsal tells its own time."""
        self.run("sh", ROOT / "deploy" / "setup.sh")
        with self.client() as client:
            for deployment in client.read_deployments():
                for schedule in client.read_deployment_schedules(deployment.id):
                    client.delete_deployment_schedule(deployment.id, schedule.id)

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """This process's own view of the server."""
        with temporary_settings({PREFECT_API_URL: self.api}), get_client(sync_client=True) as made:
            yield made

    def objects(self) -> dict[str, tuple[str, str]]:
        """Revision and file of every day's item in the store."""
        told = json.loads(self.run(VADOSE, "status", "--days", self.days, "--until", self.last, "--json"))
        return {state["date"]: (state["state"], str(state["revision"])) for state in told}

    def published(self) -> int:
        """Items of days in the store."""
        store = open_store(f"s3://{BUCKET}/published")
        return sum(is_item_key(key) for key in store.keys("") if key.startswith("vadose-sm-"))


def _s3_port() -> int:
    while (port := free_port()) > 55_000:
        continue
    return port


def _status(address: str) -> int:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return int(answer.status)


@contextlib.contextmanager
def s3_store(r: Rehearsal) -> Iterator[None]:
    """SeaweedFS of the tests' own wheel, with the keys that the compose file would give it."""
    port = r.store.rsplit(":", 1)[1]
    ports = {"master.port": _s3_port(), "volume.port": _s3_port(), "filer.port": _s3_port(), "s3.port": port}
    options = {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": r.folder / "objects", "master.volumeSizeLimitMB": 64}
    more = {"volume.max": 20, "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false"}
    (r.folder / "objects").mkdir()
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    given = [f"-{name}={value}" for name, value in (options | ports | more).items()]
    process = r.start("store", weed, "server", "-filer", "-s3", *given, **KEYS)
    try:
        wait_for("the store", lambda: _bucket(r.store))
        yield
    finally:
        process.kill()
        process.wait()


def _bucket(endpoint: str) -> bool:
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
        s3.delete_object(Bucket=BUCKET, Key="ready")
    except Exception:  # noqa: BLE001  (whatever is said, it is not up yet)
        return False
    return True


class Workers:
    """Two workers; one that is killed is started again, as `restart: unless-stopped` does."""

    def __init__(self, r: Rehearsal) -> None:
        self.r = r
        self.live = [self._start(), self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        return self.r.start("workers", PREFECT, "worker", "start", "--pool", "vadose", **self.r.worker_environment())

    def strike(self) -> str:
        """Kill -9 a run at work, a worker alone, or a worker with its runs."""
        number = self.r.chance.randrange(2)
        worker = self.live[number]
        runs = _children(worker.pid)
        victim = self.r.chance.choice(("run", "worker", "worker and runs"))
        if victim == "run" and not runs:
            return ""
        with contextlib.suppress(ProcessLookupError):
            if victim == "run":
                os.kill(self.r.chance.choice(runs), signal.SIGKILL)
                return victim
            os.kill(worker.pid, signal.SIGKILL) if victim == "worker" else os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.live[number] = self._start()
        return victim

    def close(self) -> None:
        for worker in self.live:
            end(worker)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def scheduled_day(r: Rehearsal, what: str) -> None:
    before = r.published()
    with r.client() as client, scheduled(client) as run:
        wait_for("the end of the run", lambda: (s := client.read_flow_run(run.id).state) and s.is_final(), PATIENCE)
    say(f"the schedule published {r.published() - before} days ({what})")
    assert r.published() > before


def backfill_under_kills(r: Rehearsal, workers: Workers) -> None:
    seconds = f"d.timedelta(seconds={SIGN.total_seconds():.0f})"
    bounds = f"Bounds(silent_run={seconds}, silent_start={seconds})"
    code = f"import datetime as d; from flows.server.automations import Bounds, apply; apply({bounds})"
    r.run(sys.executable, "-c", code)
    line = (VADOSE, "backfill", r.first, r.last, "--deployment", DAILY)
    command, struck = r.start("backfill", *line, **r.worker_environment()), []
    while command.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(r.chance.uniform(8, 25))
        if command.poll() is None and len(struck) < r.kills and (victim := workers.strike()):
            struck.append(victim)
            say(f"killed: {victim}")
    say(f"backfill of {r.days} days ended with {command.returncode} after {len(struck)} kills: {', '.join(struck)}")
    ended = command.returncode
    if ended:  # days whose runs died twice are told as failed; the same command makes them
        ended = subprocess.run(
            [*map(str, line)], cwd=r.site, env=r.worker_environment(), timeout=PATIENCE, check=False
        ).returncode
        say(f"the same command again: {ended}")
    assert ended == 0
    states = r.objects()
    say(f"states: {dict(sorted(_counted(state for state, _ in states.values()).items()))}")
    assert states.pop(str(r.late))[0] in ("waiting", "missing")  # its granule is kept back
    assert {state for state, _ in states.values()} <= {"published", "no-coverage"}
    assert {revision for state, revision in states.values() if state == "published"} == {"1"}
    say("catalog check: " + r.run(VADOSE, "catalog", "check", f"s3://{BUCKET}/published").strip().splitlines()[-1])


def _counted(values: Any) -> dict[str, int]:
    made: dict[str, int] = {}
    for value in values:
        made[value] = made.get(value, 0) + 1
    return made


def service(r: Rehearsal) -> None:
    port = free_port()
    line = (VADOSE, "serve", f"s3://{BUCKET}/published", "--port", port)
    with r.running("api", *line, **r.worker_environment()):
        wait_for("the service", lambda: _status(f"http://127.0.0.1:{port}/healthz") == 200)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            say(f"the service: {json.load(answer)}")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = [line for line in answer.read().decode().splitlines() if line.startswith("vadose_published")]
        say(f"/metrics: {lines}")


def dump_and_restore(r: Rehearsal, dsn: str) -> None:
    """Prefect's database saved, brought into another one and vacuumed, by the commands of docs/operate/install.md."""
    of = {name: dsn.rsplit("/", 1)[0] + f"/{name}" for name in ("prefect", "copy")}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE copy")
    dump = r.folder / "prefect.dump"
    for line in (
        ("pg_dump", "--format=custom", "--file", dump, of["prefect"]),
        ("pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname", of["copy"], dump),
        ("vacuumdb", "--analyze", "--quiet", "--dbname", of["copy"]),
    ):
        subprocess.run([*map(str, line)], check=True, timeout=PATIENCE)
    counts = []
    for address in of.values():
        with psycopg.connect(address) as connection:
            counts.append(connection.execute("SELECT count(*) FROM flow_run").fetchone())
    assert counts[0] == counts[1] != (0,)
    say(f"database of {counts[0][0]} runs saved ({dump.stat().st_size / 1e6:.1f} MB), restored and vacuumed")


def newest_seen(granules: Path) -> Path:
    """The newest granule that saw the domain: only such a one makes a day."""
    for path in sorted(granules.glob("*.h5"), reverse=True):
        with contextlib.suppress(NoRetrievalError):
            read_day([path], product.domain(WHERE))
            return path
    raise AssertionError(f"no granule of {granules} saw {WHERE}")


def no_locks(r: Rehearsal) -> None:
    for log in sorted(r.folder.glob("*.log")):
        text = log.read_text(errors="replace").lower()
        say(f"{log.name}: {len(text.splitlines())} lines, 'database is locked': {text.count('database is locked')}")
        assert "database is locked" not in text


def rehearse(r: Rehearsal, dsn: str) -> None:
    with s3_store(r):
        r.make_inputs()
        r.settle()
        newest = newest_seen(r.folder / "granules")
        r.late = dt.datetime.strptime(re.findall(r"_(\d{8})_", newest.name)[0], "%Y%m%d").replace(tzinfo=dt.UTC).date()
        kept = newest.rename(r.folder / newest.name)  # it comes after the restore
        say(f"inputs are made: {r.days} days of granules up to {r.last}")
        with r.server(dsn, "prefect"):
            r.deploy()
            workers = Workers(r)
            try:
                scheduled_day(r, "the first")
                backfill_under_kills(r, workers)
            finally:
                workers.close()
            service(r)
        dump_and_restore(r, dsn)
        before = r.objects()
        shutil.rmtree(r.site)
        shutil.rmtree(r.folder / "prefect", ignore_errors=True)
        say("all but the store and the inputs is thrown away: settings, Prefect's home and its database")
        kept.rename(newest)
        r.settle()
        with r.server(dsn, "restored"):
            r.deploy()
            workers = Workers(r)
            try:
                scheduled_day(r, "after the restore")
            finally:
                workers.close()
        after = r.objects()
        new = {date for date in after if after[date] != before[date]}
        say(f"days that changed: {sorted(new)}")
        assert len(new) == 1
        assert {revision for state, revision in after.values() if state == "published"} == {"1"}
        no_locks(r)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument(
        "--inputs", type=Path, help="folder of sample, prior and model that end yesterday; made if empty"
    )
    parser.add_argument("--keep", type=Path, help="folder for the logs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vadose-rehearsal-") as name, running_postgres(postgis=False) as dsn:
        folder = Path(name)
        try:
            rehearsal = Rehearsal(folder, given.days, given.kills, given.inputs and given.inputs.resolve())
            os.environ |= KEYS | {"AWS_ENDPOINT_URL": rehearsal.store, "AWS_REGION": "us-west-2"}
            rehearse(rehearsal, dsn)
        finally:
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                for log in folder.glob("*.log"):
                    shutil.copy(log, given.keep)
    say("all held")


if __name__ == "__main__":
    main()
