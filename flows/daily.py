"""The same days as Prefect flows, for a schedule and its history; all work is in ``flows.steps``.

One task is one day: only dates, paths and outcomes cross its boundary. What may pass is tried again by the task
(``flows.retries``); what operators look at is told by ``flows.artifacts`` and ``flows.events``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import State, flow, task
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import artifacts, events, logs
from flows.jobs import DayJob, DayOutcome, days_between, job_of
from flows.lookback import DayState, look_back
from flows.many import judge, require_no_failure
from flows.means import prepare
from flows.retries import DAY_LIMIT, PATIENT, WORK_LIMIT
from flows.settings import Settings, load_settings
from flows.steps import run_day, try_outcome
from flows.validation import ValidationJob, run_validation
from flows.validation import job_of as validation_of

VALIDATION_FOLDER = Path("build/validation")
STATE_NAMES = {"published": "Published", "current": "Current", "no-coverage": "NoCoverage"}


@task(task_run_name="{date}", timeout_seconds=DAY_LIMIT, **PATIENT)
def publish_day(date: dt.date, job: DayJob) -> DayOutcome:
    """One day; fails with the typed error of what was wrong."""
    return run_day(date, job)


@task(timeout_seconds=DAY_LIMIT, **PATIENT)
def list_days(job: DayJob, today: dt.date, days: int) -> list[DayState]:
    """How the last days stand, by one search."""
    return look_back(job, today, days)


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def validate_days(job: ValidationJob, settings: Settings) -> str | None:
    """Validate published days against stations; the address of the validation's item."""
    done = run_validation(job)
    artifacts.show_validation(done, job.domain)
    events.tell_validation(done, job.domain, settings)
    return done.href


def _name_of_daily() -> str:
    return str(flow_run.parameters.get("day") or "the last days")


@contextmanager
def _told(config: Path | None) -> Iterator[Settings]:
    """Settings of a flow run, whose lines are logged in their form and with the run's name."""
    settings = load_settings(config)
    logs.in_prefect(settings.log_format)
    with logs.bound(run=flow_run.name or "-"):
        yield settings


def attempt_day(date: dt.date, job: DayJob, settings: Settings) -> DayOutcome:
    """One day's task, its retries behind it, whose failure is an outcome; told to the server as an event."""
    state = publish_day(date, job, return_state=True)
    outcome = try_outcome(date, lambda: state.result())
    events.tell_day(outcome, job, settings.look_back)
    return outcome


@flow(flow_run_name=_name_of_daily, validate_parameters=True)
def daily(
    day: dt.date | None = None, config: Path | None = None, force: bool = False, today: dt.date | None = None
) -> Any:
    """Publish one day, or without ``day`` what is due, stale or worth another try of the last days (``catch_up``).

    By the settings of ``config`` and the environment, as ``vadose run``. Where ``stations`` are set, newly published
    days are followed by a validation of the days up to them. That task may fail, for want of pairs say; the day is
    published all the same.

    Returns:
        The outcome of the day, or without ``day`` those of all days that were worked on.
    """
    with _told(config) as settings:
        job = job_of(settings, force=force)
        if day is None:
            return _last_days(job, settings, today)
        state = publish_day(day, job, return_state=True)
        outcome = try_outcome(day, lambda: state.result())
        events.tell_day(outcome, job, settings.look_back)
        artifacts.show_days([outcome], settings, f"Day {day}")
        if outcome.status == "failed":
            return state
        _validate_after([outcome], settings)
        return _completed(outcome)


def _completed(outcome: DayOutcome) -> State[DayOutcome]:
    """A final state named after what became of the day, which a submitted backfill reads."""
    return Completed(name=STATE_NAMES[outcome.status], message=outcome.href or outcome.reason, data=outcome)


def _last_days(job: DayJob, settings: Settings, today: dt.date | None, days: int | None = None) -> list[DayOutcome]:
    """The newest days first, since they are waited for."""
    until = today or dt.datetime.now(dt.UTC).date()
    states = list_days(job, until, days or settings.look_back)
    work = sorted((state.date for state in states if state.work), reverse=True)
    outcomes = _work_off(work, job, settings, f"The days up to {until}")
    _validate_after(outcomes, settings)
    require_no_failure(outcomes)  # days without granules are what the archive lacks, no failure
    return outcomes


def _work_off(days: Sequence[dt.date], job: DayJob, settings: Settings, title: str) -> list[DayOutcome]:
    """One day after the other; a bad day stops no other."""
    progress, outcomes = artifacts.Progress(settings.domain, len(days)), []
    for day in days:
        outcomes.append(attempt_day(day, job, settings))
        progress.step()
    outcomes.sort(key=lambda outcome: outcome.date)
    artifacts.show_days(outcomes, settings, title)
    return outcomes


def _validate_after(outcomes: Sequence[DayOutcome], settings: Settings) -> None:
    published = [outcome.date for outcome in outcomes if outcome.status == "published"]
    if settings.stations and published:
        validate_days(recent(settings, max(published)), settings, return_state=True)


def recent(settings: Settings, day: dt.date) -> ValidationJob:
    """The validation of ``validation_days`` days up to one."""
    first = day - dt.timedelta(days=settings.validation_days - 1)
    return validation_of(settings, VALIDATION_FOLDER, period=(first, day))


@flow(flow_run_name="validation")
def validate(start: dt.date | None = None, end: dt.date | None = None, config: Path | None = None) -> str | None:
    """Validate the published days from start to end against stations (as ``vadose validate``).

    ``end`` is today and ``start`` so that ``validation_days`` are validated, where they are not given.
    """
    with _told(config) as settings:
        last = end or dt.datetime.now(dt.UTC).date()
        job = recent(settings, last)
        if start is not None:
            days_between(start, last)
            job = validation_of(settings, VALIDATION_FOLDER, period=(start, last))
        return validate_days(job, settings)


@flow(flow_run_name="the last days")
def catch_up(days: int | None = None, config: Path | None = None, today: dt.date | None = None) -> list[DayOutcome]:
    """Make what is due, stale or worth another try of the last days: the list that ``vadose status`` shows.

    ``days`` is the setting ``look_back`` where not given. A failed day stops no other; days that wait for their granule
    are left alone.
    """
    with _told(config) as settings:
        return _last_days(job_of(settings), settings, today, days)


@flow(flow_run_name="{start} to {end}")
def backfill(
    start: dt.date, end: dt.date, config: Path | None = None, force: bool = False, deployment: str | None = None
) -> list[DayOutcome]:
    """Publish all days from start to end (as ``vadose backfill``).

    With ``deployment`` (such as daily/daily) each day is submitted as a run of it, which workers share; without, one
    day follows the other here.
    """
    with _told(config) as settings:
        days, title = days_between(start, end), f"Backfill {start} to {end}"
        if deployment is not None:
            from flows.submit import submit

            progress = artifacts.Progress(settings.domain, len(days))
            outcomes = submit(days, deployment, force=force, progress=lambda _: progress.step())
            artifacts.show_days(outcomes, settings, title)
        else:
            job = job_of(settings, force=force)
            prepare(job)
            outcomes = _work_off(days, job, settings, title)
        judge(outcomes)
        return outcomes
