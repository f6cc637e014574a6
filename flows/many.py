"""Many days, each on its own: in this process or shared among several, and the verdict on all."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from downscaler.errors import BackfillError, GranuleMissingError
from flows import logs
from flows.jobs import DayJob, DayOutcome
from flows.steps import try_day


def run_days(
    dates: Iterable[dt.date], job: DayJob, *, workers: int = 1, progress: Callable[[DayOutcome], None] | None = None
) -> list[DayOutcome]:
    """Outcomes of all days in order of date; ``progress`` hears each as it is done.

    ``workers`` processes share the days; with one, all is done in this process.
    """
    outcomes = []
    for outcome in _in_turn(list(dates), job, workers):
        outcomes.append(outcome)
        if progress:
            progress(outcome)
    return sorted(outcomes, key=lambda outcome: outcome.date)


def _in_turn(dates: list[dt.date], job: DayJob, workers: int) -> Iterator[DayOutcome]:
    if workers == 1 or len(dates) < 2:
        yield from (try_day(date, job) for date in dates)
        return
    # spawn: forking after GDAL and XGBoost have started their threads deadlocks.
    context = multiprocessing.get_context("spawn")
    lines = (logs.chosen(), logs.run_name())
    with ProcessPoolExecutor(
        max_workers=min(workers, len(dates)), mp_context=context, initializer=logs.start, initargs=lines
    ) as pool:
        futures = {pool.submit(try_day, date, job): date for date in dates}
        for future in as_completed(futures):
            error = future.exception()
            yield future.result() if error is None else _lost(futures[future], error)


def _lost(date: dt.date, error: BaseException) -> DayOutcome:
    """A day whose process died (killed for memory, say)."""
    return DayOutcome(
        date=date, status="failed", reason=f"the process died: {error}", error=type(error).__name__, exit_code=1
    )


def require_no_failure(outcomes: Sequence[DayOutcome]) -> None:
    """Raises BackfillError when a day failed."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise BackfillError(
            f"{len(failed)} of {len(outcomes)} days failed",
            value=", ".join(f"{outcome.date} ({outcome.error})" for outcome in failed),
            remedy="Mend the cause and run the same command again: finished days are left as they are.",
        )


def judge(outcomes: Sequence[DayOutcome]) -> None:
    """Raises BackfillError when a day failed, GranuleMissingError when no day had any granule."""
    require_no_failure(outcomes)
    if all(outcome.error == GranuleMissingError.__name__ for outcome in outcomes):
        raise GranuleMissingError(
            f"None of the {len(outcomes)} days has a granule",
            value=outcomes[0].reason if outcomes else None,
            remedy="Check --granules and the dates.",
        )
