"""Daily production as Prefect flows; the work is in ``flows.days`` and ``flows.day``.

One task is one day: only dates, paths and outcomes cross its boundary. The commands do the same without Prefect. What
may pass is tried again by the task (``retries``); ``artifacts`` and ``events`` tell the operators.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from prefect import State, flow, task
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from downscaler.errors import ClaimedError, GranuleMissingError, NoRetrievalError
from flows import logs
from flows.day.jobs import DayJob, DayOutcome, job_of
from flows.day.make import outcome_of, run_day
from flows.day.period import makeable, today
from flows.days.metrics import write_metrics
from flows.days.plan import make_last, make_period, plan_period
from flows.days.run import judge, require_no_failure
from flows.server import artifacts, events
from flows.server.composites import compose_after
from flows.server.retries import DAY_LIMIT, PATIENT, WORK_LIMIT
from flows.server.running import clean_errors, running
from flows.server.submit import STATE_NAMES, submit
from flows.settings import Settings
from flows.studies.validation import run_validation
from flows.studies.validation_job import VALIDATION_FOLDER, ValidationJob, recent, validation_after
from flows.studies.validation_job import job_of as validation_of


@task(task_run_name="{date}", timeout_seconds=DAY_LIMIT, **PATIENT)
def publish_day(date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
    """One day; fails with the typed error of what was wrong, which a day without coverage or made elsewhere is not."""
    try:
        with clean_errors():
            return run_day(date, job, planned, wait=wait)
    except (NoRetrievalError, GranuleMissingError) as error:
        return outcome_of(error, date)
    except ClaimedError as error:
        if wait:
            raise
        return outcome_of(error, date, wait=False)  # the run comes back to it; no retry may hold up the other days


@task(timeout_seconds=WORK_LIMIT, **PATIENT)
def validate_days(job: ValidationJob, settings: Settings) -> str | None:
    """Validate published days against stations; the address of the validation's item."""
    with clean_errors():
        done = run_validation(job)
        artifacts.show_validation(done, job.domain)
        events.tell_validation(done, job.domain, settings)
        return done.href


class Telling:
    """Runs days as tasks and sends an event for each."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
        """One day's task with its retries, whose failure is an outcome."""
        return self.attempt(date, job, planned, wait=wait)[0]

    def attempt(
        self, date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True
    ) -> tuple[DayOutcome, State]:
        """The same, with the task's final state."""
        with logs.bound(day=date):
            patient = publish_day.with_options(retries=self.settings.retries)
            state = cast("State", patient(date, job, planned, wait=wait, return_state=True))
        try:
            outcome = cast("DayOutcome", state.result())
        except Exception as error:  # noqa: BLE001  (the day's failure is told, the other days go on)
            outcome = outcome_of(error, date, wait=wait)
        events.tell_day(outcome, job, self.settings.look_back)
        return outcome, state


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
) -> Any:
    """Make one day, or without ``day`` what is missing or stale of the last days, the newest first (``vadose run``).

    Where ``stations`` are set, newly published days are followed by a validation of the days up to the newest. That
    task may fail, for want of pairs say; the days are published all the same.

    Args:
        day: the day to make; its run fails with the typed error of what was wrong, and a completed one has a state
            named after what became of the day (``flows.server.submit.STATE_NAMES``).
        config: the config file; without it the usual one, and the environment.
        force: make days again that stand.
        days: how many days to look back on; the setting ``look_back`` where not given.
        last: the last of them, today where not given.

    Returns:
        What became of each day that was worked on; empty when there was nothing to do.
    """
    with running(config) as settings:
        job, telling = job_of(settings, force=force), Telling(settings)
        if day is not None:
            return _one_day(day, job, telling)
        until = last or today()
        hear = artifacts.Progress(settings.domain).hear
        outcomes = make_last(job, days or settings.look_back, last=until, attempt=telling, hear=hear)
        artifacts.show_days(outcomes, settings, f"The days up to {until}")
        compose_after(settings, until - dt.timedelta(days=(days or settings.look_back) - 1), until)
        _measure(job, outcomes, settings)
        _validate_after(outcomes, settings)
        require_no_failure(outcomes)  # days without granules are what the archive lacks, no failure
        return outcomes


def _measure(job: DayJob, outcomes: Sequence[DayOutcome], settings: Settings) -> None:
    if settings.metrics_file is not None:
        write_metrics(settings.metrics_file, job, outcomes, settings.look_back)


def _one_day(day: dt.date, job: DayJob, telling: Telling) -> State:
    makeable(day)
    outcome, state = telling.attempt(day, job)
    artifacts.show_days([outcome], telling.settings, f"Day {day}")
    if outcome.status not in STATE_NAMES:
        return Failed(message=f"{outcome.error}: {outcome.reason}", data=state.result(raise_on_failure=False))
    _validate_after([outcome], telling.settings)
    return Completed(
        name=STATE_NAMES[outcome.status], message=outcome.href or outcome.reason, data=cast("Any", [outcome])
    )


def _validate_after(outcomes: list[DayOutcome], settings: Settings) -> None:
    validation = validation_after(settings, outcomes)
    if validation is not None:
        validate_days(validation, settings, return_state=True)


@flow(flow_run_name="{start} to {end}")
def backfill(
    start: dt.date,
    end: dt.date,
    config: Path | None = None,
    force: bool = False,
    stale: bool = False,
    workers: int = 1,
    deployment: str | None = None,
) -> list[DayOutcome]:
    """Make what the days from start to end lack (``vadose backfill``); with ``stale`` published days alone.

    With ``deployment`` (such as daily/daily) each day that needs work is submitted as a run of it, which the server's
    workers share. Without, each day is a task of this run; with more than one of ``workers`` the days are made by
    processes, which the run tells of at the end.
    """
    dates = makeable(start, end)  # before anything else is read
    with running(config) as settings:
        job = job_of(settings, force=force)
        hear = artifacts.Progress(settings.domain, len(dates)).hear
        if deployment is None:
            attempt = Telling(settings)
            outcomes = make_period(job, start, end, stale=stale, workers=workers, attempt=attempt, hear=hear)
        else:
            plans = [plan_period(each, dates, stale=stale) for each in job.each()]  # a day's run makes all its products
            work = sorted({date for plan in plans for date in plan.work})
            made = submit(work, deployment, force=force, progress=hear)
            settled = [outcome for outcome in plans[0].settled if outcome.date not in work]
            outcomes = sorted([*settled, *made], key=lambda outcome: outcome.date)
        artifacts.show_days(outcomes, settings, f"Backfill {start} to {end}")
        compose_after(settings, start, end)
        judge(outcomes)
        return outcomes


@flow(flow_run_name="validation")
def validate(start: dt.date | None = None, end: dt.date | None = None, config: Path | None = None) -> str | None:
    """Validate the published days from start to end against stations (``vadose validate``).

    ``end`` is today, and ``start`` so that ``validation_days`` are validated, where they are not given.
    """
    with running(config) as settings:
        until = end or today()
        if start is None:
            return validate_days(recent(settings, until), settings)
        makeable(start, until)
        return validate_days(validation_of(settings, VALIDATION_FOLDER, period=(start, until)), settings)
