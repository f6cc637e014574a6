"""Prefect's server, its database, deployment and workers, and the database of the service's search."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.doctor.findings import Answer, Finding, examine, failed, in_turn, passed, skipped, warned

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOL, DEPLOYMENT = "vadose", "daily/daily"


def server() -> Iterator[Finding]:
    """Prefect where PREFECT_API_URL names a server, pgstac where VADOSE_PGSTAC_DSN names a database."""
    yield from in_turn(
        ("Prefect server", prefect),
        ("Prefect database", database),
        ("deployment", deployment),
        ("workers", workers),
    )
    yield examine("pgstac", pgstac)


def _client() -> SyncPrefectClient:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def prefect() -> Answer:
    """Whether the server answers, and in the version of this client."""
    if not os.environ.get("PREFECT_API_URL"):
        return skipped("PREFECT_API_URL is not set: `vadose run` works without a server")
    import prefect as installed

    with _client() as client:
        error = client.api_healthcheck()
        if error is not None:
            return failed(
                f"{os.environ['PREFECT_API_URL']}: {type(error).__name__}: {error}",
                "Is it running? `prefect server start`, or the service `prefect` of the compose file.",
            )
        version = client.api_version()
    told = f"{os.environ['PREFECT_API_URL']}: Prefect {version}"
    if version.split(".")[:2] != installed.__version__.split(".")[:2]:
        return warned(f"{told}, this machine has {installed.__version__}", "Use one version for server and workers.")
    return passed(told)


def database() -> Answer:
    """Whether the server reaches its database, and whether that is one for years."""
    with _client() as client:
        ready = client.request("GET", "/ready")
        settings = client.request("GET", "/admin/settings").json()
    if ready.status_code != 200:
        return failed(
            "the server does not reach its database",
            "Is PostgreSQL running? See PREFECT_SERVER_DATABASE_CONNECTION_URL and the server's log.",
        )
    kind = settings.get("server", {}).get("database", {}).get("driver") or _kind_here()
    if kind is None:
        return passed("the server reaches it")
    if "sqlite" in kind:
        return warned(
            "SQLite: good for trying out; under load it is locked for minutes",
            "Use PostgreSQL for years of operation (docs/how-to/operate.md, Database).",
        )
    return passed(f"the server reaches it ({kind})")


def _kind_here() -> str | None:
    """The database's kind by the server's own variable, where this is the server's machine."""
    address = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "")
    return address.split(":")[0] or None


def deployment() -> Answer:
    """Whether the daily deployment is there and its schedule on."""
    from prefect.exceptions import ObjectNotFound

    with _client() as client:
        try:
            found = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return failed(f"the server has no {DEPLOYMENT}", "`make deploy` makes it (deploy/setup.sh).")
    active = [schedule for schedule in found.schedules if schedule.active]
    if found.paused or not active:
        return warned(f"{DEPLOYMENT}: no schedule is on", "Switch it on at the server's page, or `make deploy`.")
    return passed(f"{DEPLOYMENT}: {', '.join(str(getattr(s.schedule, 'cron', s.schedule)) for s in active)}")


def workers() -> Answer:
    """Whether a worker of the pool has been heard of within the last minute or so."""
    with _client() as client:
        found = client.read_workers_for_work_pool(POOL)
    online = [worker.name for worker in found if str(worker.status).endswith("ONLINE")]
    if not online:
        return warned(f"none of {len(found)} is at work", "`make worker` starts one; scheduled runs wait until then.")
    return passed(f"{len(online)} at work: {', '.join(online)}")


def pgstac() -> Answer:
    """Whether the search database answers and holds pgstac."""
    dsn = os.environ.get("VADOSE_PGSTAC_DSN")
    if not dsn:
        return skipped("VADOSE_PGSTAC_DSN is not set: the service searches by itself")
    import psycopg

    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            row = connection.execute("SELECT pgstac.get_version()").fetchone()
    except psycopg.Error as error:
        return failed(f"{type(error).__name__}: {error}", "Is it running, and made by `vadose catalog sync`?")
    return passed(f"pgstac {row[0] if row else 'of unknown version'}")
