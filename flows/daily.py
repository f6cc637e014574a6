"""The same days as Prefect flows, for a schedule and its history; all work is in ``flows.steps``.

One task is one day: only dates, paths and outcomes cross its boundary.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from prefect import flow, task

from flows.jobs import DayJob, DayOutcome, days_between, job_of
from flows.lookback import look_back
from flows.many import judge, require_no_failure
from flows.means import prepare
from flows.settings import Settings, load_settings
from flows.steps import run_day, try_day
from flows.validation import ValidationJob, run_validation
from flows.validation import job_of as validation_of

VALIDATION_FOLDER = Path("build/validation")


@task(task_run_name="{date}")
def publish_day(date: dt.date, job: DayJob) -> DayOutcome:
    """One day; fails with the typed error of what was wrong."""
    return run_day(date, job)


@task(task_run_name="{date}")
def attempt_day(date: dt.date, job: DayJob) -> DayOutcome:
    """One day whose failure is an outcome."""
    return try_day(date, job)


@task
def validate_days(job: ValidationJob) -> str | None:
    """Validate published days against stations; the address of the validation's item."""
    return run_validation(job).href


@flow(flow_run_name="{day}")
def daily(day: dt.date, config: Path | None = None) -> DayOutcome:
    """Publish one day by the settings of ``config`` and the environment (as ``vadose run``).

    Where ``stations`` are set, a newly published day is followed by a validation of the days up to it. That task may
    fail, for want of pairs say; the day is published all the same.
    """
    settings = load_settings(config)
    outcome = publish_day(day, job_of(settings))
    if settings.stations and outcome.status == "published":
        validate_days(recent(settings, day), return_state=True)
    return outcome


@flow(flow_run_name="{start} to {end}")
def validate(start: dt.date, end: dt.date, config: Path | None = None) -> str | None:
    """Validate the published days from start to end against stations (as ``vadose validate``)."""
    days_between(start, end)
    return validate_days(validation_of(load_settings(config), VALIDATION_FOLDER, period=(start, end)))


def recent(settings: Settings, day: dt.date) -> ValidationJob:
    """The validation of ``validation_days`` days up to one."""
    first = day - dt.timedelta(days=settings.validation_days - 1)
    return validation_of(settings, VALIDATION_FOLDER, period=(first, day))


@flow(flow_run_name="the last days")
def catch_up(days: int | None = None, config: Path | None = None, today: dt.date | None = None) -> list[DayOutcome]:
    """Make what is due, stale or worth another try of the last days: the list that ``vadose status`` shows.

    ``days`` is the setting ``look_back`` where not given. A failed day stops no other; days that wait for their granule
    are left alone.
    """
    settings = load_settings(config)
    job = job_of(settings)
    states = look_back(job, today or dt.datetime.now(dt.UTC).date(), days or settings.look_back)
    outcomes = [attempt_day(state.date, job) for state in sorted(states, key=lambda s: s.date) if state.work]
    require_no_failure(outcomes)  # days without granules are what the archive lacks, no failure
    return outcomes


@flow(flow_run_name="{start} to {end}")
def backfill(start: dt.date, end: dt.date, config: Path | None = None) -> list[DayOutcome]:
    """Publish all days from start to end, one after the other (as ``vadose backfill``)."""
    days, job = days_between(start, end), job_of(load_settings(config))
    prepare(job)
    outcomes = [attempt_day(day, job) for day in days]
    judge(outcomes)
    return outcomes
