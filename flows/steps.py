"""A day's product as one sentence: locate, read, open, check, predict, publish; and many days, each on its own.

Only dates, paths and small frozen records cross a process boundary; arrays never do.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from downscaler.errors import ConfigError, GranuleMissingError, NoRetrievalError, VadoseError

if TYPE_CHECKING:
    from downscaler.coarse import CoarseDay
    from downscaler.grid import Domain
    from downscaler.hybrid import Model
    from downscaler.records import RunRecord
    from downscaler.sources.prior import Prior

Status = Literal["published", "current", "no-coverage", "failed"]


@dataclass(frozen=True, kw_only=True)
class DayJob:
    """What is the same for all days of a run: where, from what, into which catalogue.

    ``granules`` names files outright; without any they are looked for in ``folder``. ``force`` publishes anew even
    when the catalogue already holds the day from the same inputs.
    """

    domain: str
    prior: Path
    model: Path
    catalog: str
    granules: tuple[Path, ...] = ()
    folder: Path | None = None
    smap_product: str | None = None
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class DayOutcome:
    """What became of one day; ``error`` is the class and ``exit_code`` the code of what stopped it."""

    date: dt.date
    status: Status
    href: str | None = None
    reason: str = ""
    error: str | None = None
    exit_code: int = 0
    seconds: float = 0.0
    statistics: dict[str, Any] = field(default_factory=dict)


def run_day(date: dt.date, job: DayJob) -> DayOutcome:
    """Publish one day, or find that it already is.

    Returns an outcome of status ``published`` or ``current``.

    Raises:
        VadoseError: the typed error of whatever was wrong; nothing of the day is published then.
    """
    from catalog.publish import is_current, publish
    from downscaler import product
    from downscaler.hybrid import Model, predict
    from downscaler.sources.prior import open_prior
    from downscaler.sources.smap import read_day

    started = time.monotonic()
    domain = product.domain(job.domain)
    prior = open_prior(job.prior)
    prior.require(domain)
    model = Model.load(job.model)
    day = read_day(locate(date, job), domain, date=date)
    run = record(day, prior, model, domain)
    if not job.force and is_current(job.catalog, run, domain):
        reason = "already published from the same inputs, model and versions"
        return DayOutcome(date=date, status="current", reason=reason, seconds=time.monotonic() - started)
    done = publish(job.catalog, run, domain, predict(model, prior, day))
    return DayOutcome(
        date=date,
        status="published",
        href=done.item_href,
        reason=f"revision {done.revision}",
        statistics=dict(done.statistics),
        seconds=time.monotonic() - started,
    )


def days_between(start: dt.date, end: dt.date) -> list[dt.date]:
    """All days from start to end, both included; raises ConfigError when end is earlier."""
    if end < start:
        raise ConfigError("The period ends before it starts", value=f"{start} to {end}", allowed="START <= END")
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]


def try_day(date: dt.date, job: DayJob) -> DayOutcome:
    """``run_day`` that never raises: the error becomes the outcome, so one bad day stops no other."""
    started = time.monotonic()
    try:
        return run_day(date, job)
    except (NoRetrievalError, GranuleMissingError) as error:
        status: Status = "no-coverage"
        caught: Exception = error
    except Exception as error:  # noqa: BLE001  (the day's failure is reported, the other days go on)
        status, caught = "failed", error
    return DayOutcome(
        date=date,
        status=status,
        reason=str(caught) or repr(caught),
        error=type(caught).__name__,
        exit_code=caught.exit_code if isinstance(caught, VadoseError) else 1,
        seconds=time.monotonic() - started,
    )


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
    with ProcessPoolExecutor(max_workers=min(workers, len(dates)), mp_context=context) as pool:
        futures = {pool.submit(try_day, date, job): date for date in dates}
        for future in as_completed(futures):
            error = future.exception()
            yield future.result() if error is None else _lost(futures[future], error)


def _lost(date: dt.date, error: BaseException) -> DayOutcome:
    """A day whose process died (killed for memory, say)."""
    return DayOutcome(
        date=date, status="failed", reason=f"the process died: {error}", error=type(error).__name__, exit_code=1
    )


def locate(date: dt.date, job: DayJob) -> list[Path]:
    """The day's granule files: those named, else the newest ones in the folder; raises GranuleMissingError."""
    from downscaler.sources.smap import find_granules

    if job.granules:
        absent = [path for path in job.granules if not path.is_file()]
        if absent:
            raise GranuleMissingError("A granule named on the command line is not there", value=absent[0])
        return list(job.granules)
    if job.folder is None:
        raise GranuleMissingError(
            f"No granule is named for {date}",
            remedy="Give --granule FILE or --granules DIR, or set `granules` in vadose.toml.",
        )
    if not job.folder.is_dir():
        raise GranuleMissingError("The granule folder is not there", value=job.folder)
    found = find_granules(job.folder, date, job.smap_product)
    if not found:
        raise GranuleMissingError(f"No SMAP granule of {date} in the folder", value=job.folder)
    return found


def record(day: CoarseDay, prior: Prior, model: Model, domain: Domain) -> RunRecord:
    """What the catalogue is told of the run: inputs, caveats, observed period, parameters."""
    from downscaler.records import RunRecord

    parameters = {"smap_grid": day.grid.name, **model.parameters}
    return RunRecord(
        date=day.date,
        domain_name=domain.name,
        inputs=(*day.inputs, prior.record(), model.record()),
        observed=observed(day),
        simulated=day.simulated or prior.simulated,
        caveats=caveats(day, prior),
        parameters=parameters,
    )


def caveats(day: CoarseDay, prior: Prior) -> tuple[str, ...]:
    """Sentences that a user of the day has to read."""
    from downscaler.product import SIMULATED_LABEL

    said = []
    if day.simulated:
        said.append(f"{SIMULATED_LABEL}: the SMAP retrievals are simulated")
    if prior.simulated:
        said.append(f"{SIMULATED_LABEL}: the prior is simulated")
    first, last = prior.period
    if not first <= day.date <= last:
        said.append(f"prior is of {first} to {last}, not of {day.date}: its day-of-year climatology stands in")
    return tuple(said)


def observed(day: CoarseDay) -> tuple[dt.datetime, dt.datetime]:
    """First and last SMAP observation used (UTC); the whole day where the granule tells no time."""
    import numpy as np

    times = day.data["observation_time"].values[day.data["recommended"].values]
    times = times[~np.isnat(times)]
    if times.size == 0:
        midnight = dt.datetime.combine(day.date, dt.time(), dt.UTC)
        return midnight, midnight + dt.timedelta(days=1)
    first, last = (value.astype("datetime64[s]").item().replace(tzinfo=dt.UTC) for value in (times.min(), times.max()))
    return first, last
