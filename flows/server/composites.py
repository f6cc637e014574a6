"""What is made from days as Prefect flows: like ``vadose composite`` and its neighbours, one task for each item."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Literal, cast

from prefect import State, flow, task

from downscaler.errors import VadoseError
from flows import logs
from flows.alerts.run import alerts_after
from flows.day.jobs import DayOutcome
from flows.day.make import outcome_of
from flows.day.period import makeable, today
from flows.days import cubes
from flows.days.run import require_no_failure
from flows.derived.composites import composite_jobs
from flows.derived.jobs import DerivedJob
from flows.derived.make import job_of_kind, keep_in_step, make_item, make_items
from flows.server import artifacts
from flows.server.retries import DAY_LIMIT, PATIENT
from flows.server.running import clean_errors, running
from flows.settings import Settings


@task(task_run_name="{job.kind.title} {first}", timeout_seconds=DAY_LIMIT, **PATIENT)
def publish_composite(first: dt.date, job: DerivedJob) -> DayOutcome:
    """The composite of the period that begins on a day; fails with the typed error of what was wrong."""
    with clean_errors():
        return make_item(first, job)


def attempt(first: dt.date, job: DerivedJob) -> DayOutcome:
    """One composite's task with its retries, whose failure is an outcome."""
    state = cast("State", publish_composite(first, job, return_state=True))
    try:
        return cast("DayOutcome", state.result())
    except Exception as error:  # noqa: BLE001  (told as the period's failure, the other periods go on)
        return outcome_of(error, first)


def compose_after(settings: Settings, start: dt.date, end: dt.date) -> list[DayOutcome]:
    """Bring what the settings ask for into step with days that a run has made; raises when an item failed."""
    if not (settings.composites or settings.derived or settings.zones or settings.alerts):
        return []
    try:
        made = keep_in_step(settings, start, end, today=today(), attempt=attempt)
    except VadoseError as error:  # no day is published yet, say: the days' own errors are told
        logging.getLogger(logs.DAYS).warning("nothing was made from the days: %s", error)
        return []
    _show(made, settings, start, end)
    if settings.alerts is not None:
        tell_alerts(settings)
    require_no_failure(made)
    return made


@task(**PATIENT)
def tell_alerts(settings: Settings) -> int:
    """The alerts of the settings' rules, after days were made: how many are new or changed."""
    return sum(len(told.events) for told in alerts_after(settings))


@flow(flow_run_name="{start} to {end}")
def composites(
    start: dt.date,
    end: dt.date,
    lengths: tuple[str, ...] = ("3day", "weekly", "monthly"),
    config: Path | None = None,
    force: bool = False,
) -> list[DayOutcome]:
    """Make the composites of a period that are missing or stale (``vadose composite``); with ``force`` all."""
    makeable(start, end)
    with running(config) as settings:
        outcomes: list[DayOutcome] = []
        for job in composite_jobs(settings, lengths, force=force):
            outcomes += make_items(job, start, end, today=today(), attempt=attempt)
        _show(outcomes, settings, start, end)
        require_no_failure(outcomes)
        return outcomes


@flow(flow_run_name="{start} to {end}")
def derived(
    start: dt.date,
    end: dt.date,
    kinds: tuple[Literal["percentile", "rootzone", "outlook"], ...] | None = None,
    config: Path | None = None,
    force: bool = False,
) -> list[DayOutcome]:
    """Make the percentiles, root zones and outlooks of a period that are missing or stale; with ``force`` all.

    Without ``kinds`` those of the setting `derived`. Like ``vadose percentile``, ``rootzone make``, ``outlook make``.
    """
    makeable(start, end)
    with running(config) as settings:
        outcomes: list[DayOutcome] = []
        for job in [job_of_kind(settings, name, force=force) for name in kinds or settings.derived or ()]:
            outcomes += make_items(job, start, end, today=today(), attempt=attempt)
            cubes.keep_in_step(job.catalog, job.target.name)
        _show(outcomes, settings, start, end)
        require_no_failure(outcomes)
        return outcomes


def _show(outcomes: list[DayOutcome], settings: Settings, start: dt.date, end: dt.date) -> None:
    """The composites on pages of their own, beside those of the days."""
    own = settings.model_copy(update={"domain": f"{settings.domain}-composites"})
    artifacts.show_days(outcomes, own, f"Composites of {start} to {end}")
