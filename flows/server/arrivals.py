"""Runs when a granule arrives: a cheap look at what the archive changed lately, and the run that it begins.

Nothing is remembered between looks. Each looks back a little further than the time between two, and what two looks see
begins one run: the run's key is the newest change. What every look missed, the schedule makes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, task
from prefect.deployments import run_deployment

from flows.day.granules import supply
from flows.day.jobs import job_of
from flows.server.retries import PATIENT
from flows.server.running import clean_errors, running
from flows.settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from downscaler.sources.smap.names import GranuleName

DAILY = "daily/daily"
WINDOW = 90  # minutes that a look reaches back; the deployment looks every 30


@task(timeout_seconds=900, **PATIENT)
def arrived(settings: Settings, since: dt.datetime) -> list[tuple[str, str]]:
    """Granules of the last days that came or changed since a moment, with that change's time, the newest last."""
    with clean_errors():
        place = supply(job_of(settings))
        if place is None:
            return []
        today = dt.datetime.now(dt.UTC).date()
        offers = place.arrived(since, today - dt.timedelta(days=settings.look_back), today)
    changes = [(offer.file, moment.isoformat()) for offer in offers if (moment := offer.arrived()) is not None]
    return sorted(changes, key=lambda change: (change[1], change[0]))


@flow(flow_run_name="arrivals")
def arrivals(minutes: int = WINDOW, deployment: str = DAILY, config: Path | None = None) -> list[str]:
    """Begin a run of the daily deployment where a granule came in the last minutes; the files that did."""
    with running(config) as settings:
        found = arrived(settings, dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes))
        if found:
            begin_run({}, key="arrived:" + ":".join(found[-1]), deployment=deployment)
        return [file for file, _ in found]


def begin_run(parameters: dict[str, Any], *, key: str, deployment: str = DAILY) -> uuid.UUID:
    """Submit a run of the daily deployment; the same key gives the same run, however often it is asked for."""
    run = run_deployment(
        deployment, parameters=parameters, timeout=0, as_subflow=False, tags=["arrival"], idempotency_key=key
    )
    return cast("FlowRun", run).id  # no coroutine, since nothing is async here


def begin_for(name: GranuleName, file: str, look_back: int) -> uuid.UUID:
    """The run for one granule of which somebody told: the last days, or for an older day (reprocessed) that day."""
    age = (dt.datetime.now(dt.UTC).date() - name.date).days
    parameters = {} if age < look_back else {"day": name.date.isoformat()}
    return begin_run(parameters, key=f"told:{file}")
