"""Runs many days independently, in this process or several, and judges the result."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Protocol

from downscaler.errors import BackfillError, GranuleMissingError
from flows.day.jobs import DayJob, DayOutcome
from flows.day.make import try_day
from flows.days.cluster import each_done
from flows.days.crew import Crew

LIVES = 2  # worker processes that one day may cost: a machine short of memory kills the innocent too
Days = Mapping[dt.date, int | None]
"""Days in the order to make them, each with the revision that stood when that was decided (None: whatever)."""


class Attempt(Protocol):
    """Makes one day and never raises; ``flows.day.make.try_day``, or the same as a Prefect task."""

    def __call__(self, date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
        """The outcome; without ``wait`` a day that another run is making is ``claimed``."""


def run_days(
    days: Iterable[dt.date] | Days,
    job: DayJob,
    *,
    hands: Crew | None = None,
    attempt: Attempt = try_day,
    progress: Callable[[DayOutcome], None] | None = None,
) -> list[DayOutcome]:
    """Outcomes of all days in order of date; ``progress`` hears each as it is done.

    ``hands`` share the days: processes, or the workers of a Dask cluster, which read and write the same folders.
    Without any all is done in this process. Days that another run is making are left for the end, and awaited then.
    """
    wanted = dict(days) if isinstance(days, Mapping) else dict.fromkeys(days)
    outcomes: list[DayOutcome] = []
    elsewhere: dict[dt.date, int | None] = {}
    for waiting in (False, True):
        days_now = elsewhere if waiting else wanted
        if hands is not None and hands.client is not None:
            done = _on_cluster(days_now, job, hands.client, waiting=waiting)
        elif hands is not None and hands.idle and len(days_now) > 1:
            done = _in_processes(days_now, job, hands, waiting=waiting)
        else:
            done = (attempt(date, job, planned, wait=waiting) for date, planned in days_now.items())
        for outcome in done:
            if outcome.status == "claimed":
                elsewhere[outcome.date] = wanted[outcome.date]
                continue
            outcomes.append(outcome)
            if progress:
                progress(outcome)
    return sorted(outcomes, key=lambda outcome: outcome.date)


def _on_cluster(days: Days, job: DayJob, client: Any, *, waiting: bool) -> Iterator[DayOutcome]:
    """The days on a Dask cluster; one whose worker dies is made on another, and has failed when that goes on."""
    for (date, _), outcome, error in each_done(client, partial(_one_of, job, wait=waiting), list(days.items())):
        yield outcome if error is None else _lost(date, error)


def _one_of(job: DayJob, day: tuple[dt.date, int | None], *, wait: bool) -> DayOutcome:
    return try_day(day[0], job, day[1], wait=wait)


def _in_processes(days: Days, job: DayJob, hands: Crew, *, waiting: bool) -> Iterator[DayOutcome]:
    """Each worker takes the next day when it is done with one; where it dies its day alone is lost, and tried again."""
    left, lives, idle = deque(days), dict.fromkeys(days, LIVES), hands.idle
    busy: dict[Future[DayOutcome], tuple[dt.date, ProcessPoolExecutor]] = {}
    while left or busy:
        while left and idle:
            worker = idle.pop()
            try:
                future = worker.submit(try_day, left[0], job, days[left[0]], wait=waiting)
            except BrokenProcessPool:  # it died while it had nothing to do
                idle.append(hands.hire())
                continue
            busy[future] = left.popleft(), worker
        for done in wait(busy, return_when=FIRST_COMPLETED).done:
            date, worker = busy.pop(done)
            error = done.exception()
            lives[date] -= 1
            if not isinstance(error, BrokenProcessPool):
                idle.append(worker)
                yield done.result() if error is None else _lost(date, error)
                continue
            idle.append(hands.hire())
            if lives[date]:
                left.appendleft(date)
            else:
                yield _lost(date, error)


def _lost(date: dt.date, error: BaseException) -> DayOutcome:
    """A day whose process died again and again (killed for memory, say)."""
    return DayOutcome(
        date=date, status="failed", reason=f"the process died: {error}", error=type(error).__name__, exit_code=1
    )


def require_no_failure(outcomes: Sequence[DayOutcome]) -> None:
    """Raises BackfillError when a day failed."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        days = [len({outcome.date for outcome in some}) for some in (failed, outcomes)]
        raise BackfillError(
            f"{days[0]} of {days[1]} days failed",
            value=", ".join(f"{outcome.date} ({_told(outcome)})" for outcome in failed),
            remedy="Fix the cause and run the same command again; finished days are left unchanged.",
        )


def _told(outcome: DayOutcome) -> str:
    return f"analysis: {outcome.error}" if outcome.product == "analysis" else str(outcome.error)


def judge(outcomes: Sequence[DayOutcome]) -> None:
    """Raises BackfillError when a day failed, GranuleMissingError when no day had any granule."""
    require_no_failure(outcomes)
    if outcomes and all(outcome.error == GranuleMissingError.__name__ for outcome in outcomes):
        raise GranuleMissingError(
            "No day of the period has a granule",
            value=outcomes[0].reason,
            remedy="Check --granules and the dates.",
        )
