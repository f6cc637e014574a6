"""The completeness page as a Prefect flow, for a schedule; the work is in ``flows.studies.completeness``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from prefect import flow, task

from flows.day.jobs import job_of
from flows.day.period import makeable, today
from flows.server.retries import PATIENT
from flows.server.running import clean_errors, running
from flows.settings import Settings
from flows.studies.completeness import make_completeness

DAYS = 730  # that the page reaches back where no period is given


@task(timeout_seconds=3600, **PATIENT)
def report(settings: Settings, start: dt.date, end: dt.date) -> dict[str, Any]:
    """Publish the page of a period; its figures."""
    with clean_errors():
        return make_completeness(job_of(settings), start, end)[0]


@flow(flow_run_name="completeness")
def completeness(
    start: dt.date | None = None, end: dt.date | None = None, config: Path | None = None
) -> dict[str, Any]:
    """Every granule of a period against what was made of it (``vadose catalog completeness``); the last two years."""
    with running(config) as settings:
        until = end or today()
        since = start or until - dt.timedelta(days=DAYS - 1)
        makeable(since, until)
        return report(settings, since, until)
