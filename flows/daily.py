"""The same days as Prefect flows, for a schedule and its history; all work is in ``flows.plan`` and ``flows.steps``.

One task is one day: only dates, paths and outcomes cross its boundary. The commands do the same without Prefect.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.runtime import flow_run

from flows.jobs import DayJob, DayOutcome, job_of
from flows.many import judge, require_no_failure
from flows.period import makeable
from flows.plan import VALIDATION_FOLDER, make_last, make_period, validation_after
from flows.settings import load_settings
from flows.steps import run_day, try_day
from flows.validation import ValidationJob, run_validation
from flows.validation import job_of as validation_of


@task(task_run_name="{date}")
def publish_day(date: dt.date, job: DayJob) -> DayOutcome:
    """One day; fails with the typed error of what was wrong."""
    return run_day(date, job)


@task(task_run_name="{date}")
def attempt_day(date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
    """One day whose failure is an outcome."""
    return try_day(date, job, planned, wait=wait)


@task
def validate_days(job: ValidationJob) -> str | None:
    """Validate published days against stations; the address of the validation's item."""
    return run_validation(job).href


def _day_or_last() -> str:
    """A run's name: its day, or that it looks back."""
    parameters: dict[str, Any] = flow_run.parameters
    return str(parameters.get("day") or "the last days")


@flow(flow_run_name=_day_or_last)
def daily(
    day: dt.date | None = None,
    config: Path | None = None,
    force: bool = False,
    days: int | None = None,
    last: dt.date | None = None,
) -> list[DayOutcome]:
    """Make one day, or without ``day`` what is missing or stale of the last days, the newest first (``vadose run``).

    Where ``stations`` are set, newly published days are followed by a validation of the days up to the newest. That
    task may fail, for want of pairs say; the days are published all the same.

    Args:
        day: the day to make; its run fails with the typed error of what was wrong.
        config: the config file; without it the usual one, and the environment.
        force: make days again that stand.
        days: how many days to look back on; the setting ``look_back`` where not given.
        last: the last of them, today where not given.

    Returns:
        What became of each day that was worked on; empty when there was nothing to do.
    """
    settings = load_settings(config)
    job = job_of(settings, force=force)
    if day is not None:
        makeable(day)
        outcomes = [publish_day(day, job)]
    else:
        outcomes = make_last(job, days or settings.look_back, last=last, attempt=attempt_day)
    validation = validation_after(settings, outcomes)
    if validation is not None:
        validate_days(validation, return_state=True)
    require_no_failure(outcomes)  # days without granules are what the archive lacks, no failure
    return outcomes


@flow(flow_run_name="{start} to {end}")
def backfill(
    start: dt.date,
    end: dt.date,
    config: Path | None = None,
    force: bool = False,
    stale: bool = False,
    workers: int = 1,
) -> list[DayOutcome]:
    """Make what the days from start to end lack (``vadose backfill``); with ``stale`` published days alone.

    With one worker each day is a task of this run; more are processes whose days the run tells of at the end.
    """
    job = job_of(load_settings(config), force=force)
    outcomes = make_period(job, start, end, stale=stale, workers=workers, attempt=attempt_day)
    judge(outcomes)
    return outcomes


@flow(flow_run_name="{start} to {end}")
def validate(start: dt.date, end: dt.date, config: Path | None = None) -> str | None:
    """Validate the published days from start to end against stations (``vadose validate``)."""
    makeable(start, end)
    return validate_days(validation_of(load_settings(config), VALIDATION_FOLDER, period=(start, end)))
