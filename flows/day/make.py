"""Makes a day: locate, read, open, check, predict, publish.

The machinery is imported where it is used, so that the command line starts at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from downscaler.errors import ClaimedError, GranuleMissingError, NoRetrievalError, VadoseError
from flows import light
from flows.day.inputs import prepare
from flows.day.jobs import DayJob, DayOutcome, Status
from flows.day.reading import read
from flows.logs import DAYS

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.publish.claims import Claim
    from downscaler.day.inputs import Inputs
    from downscaler.day.reading import Reading
    from downscaler.records import RunRecord
    from downscaler.sources.smap import Offer

_LOG = logging.getLogger(DAYS)


def get_ready(jobs: Sequence[DayJob]) -> None:
    """Load what the days of some jobs are made with, before any is; what is wrong with it is told by a day."""
    light.load()
    _load_machinery()
    with suppress(Exception):
        for job in jobs:
            prepare(job)


def _load_machinery() -> None:
    """Import what days need while they are made; drawing alone takes half a second."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401

    import catalog.publish.day  # noqa: F401
    import downscaler.day.downscale
    import downscaler.day.record
    import downscaler.day.retrievals
    import downscaler.stores.prior.kept  # noqa: F401
    import flows.day.attempts
    import flows.day.reading  # noqa: F401


def run_day(date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
    """Publish one day, or find that it already is; no other run makes the day meanwhile.

    Args:
        date: the day.
        job: what it is made with.
        planned: the revision that stood when it was found that the day needs work (0 for none). Where another stands
            now, some other run made the day and nothing is left to do. None asks only the day's inputs.
        wait: whether a run that is making the day right now is waited for.

    Returns:
        An outcome of status ``published`` or ``current``.

    Raises:
        ClaimedError: another run is making the day, and it is not waited for.
        VadoseError: the typed error of whatever was wrong; nothing of the day is published then.
    """
    jobs = job.each()
    if len(jobs) > 1:
        return _run_each(date, jobs, wait=wait)
    return _run_one(date, jobs[0], planned, wait=wait)


def _run_each(date: dt.date, jobs: Sequence[DayJob], *, wait: bool) -> DayOutcome:
    """The day's products one after the other; a day without SMAP has its analysis, and that is no failure.

    Told is the first that was made; raises the first error but for a missing granule or retrieval.
    """
    outcomes, errors = [], []
    for job in jobs:
        try:
            outcomes.append(_run_one(date, job, None, wait=wait))
        except Exception as error:  # noqa: BLE001  (the day's other product is made all the same)
            errors.append(error)
    grave = [error for error in errors if not isinstance(error, (NoRetrievalError, GranuleMissingError))]
    if grave or not outcomes:
        raise (grave or errors)[0]
    made = [outcome for outcome in outcomes if outcome.status == "published"] or outcomes
    told = [*(outcome.reason for outcome in outcomes), *(str(getattr(error, "what", error)) for error in errors)]
    seconds = sum(outcome.seconds for outcome in outcomes)
    return replace(made[0], reason="; ".join(dict.fromkeys(told)), seconds=seconds)


def _run_one(date: dt.date, job: DayJob, planned: int | None, *, wait: bool) -> DayOutcome:
    """One product of a day."""
    light.load()
    from catalog.publish.claims import PATIENCE, claimed
    from catalog.publish.settled import made_since
    from catalog.store.probe import require_conditional_writes
    from flows.day.attempts import noted

    started = time.monotonic()
    inputs = prepare(job)
    require_conditional_writes(job.catalog)
    domain = inputs.domain
    with claimed(job.catalog, domain, date, patience=PATIENCE if wait else 0.0) as claim:
        asked = planned is not None and not claim.inherited
        if asked and (revision := made_since(date, domain, job.catalog, planned or 0)):
            reason = f"revision {revision}, published by another run meanwhile"
            return DayOutcome(date=date, status="current", reason=reason, seconds=time.monotonic() - started)
        with noted(date, job, inputs) as offers:
            done = replace(_run(date, job, inputs, offers, claim), seconds=time.monotonic() - started)
            _LOG.info("%s: %s, in %.1f s", done.status, done.reason, done.seconds)
    return done


def _run(date: dt.date, job: DayJob, inputs: Inputs, offers: list[Offer], claim: Claim) -> DayOutcome:
    """The sentence; a day that was inherited is made though it stands, since a run died that was making it."""
    from catalog.items.day import withdrawn
    from catalog.publish.day import consider
    from catalog.reading.days import find_item
    from downscaler.day.record import run_record
    from downscaler.method.coarse.analysis import WINDOW
    from flows.day.granules import in_window

    item = None if job.force else find_item(job.catalog, inputs.domain, date)
    if item and (why := withdrawn(item)):
        return DayOutcome(date=date, status="current", reason=f"withdrawn: {why}; --force publishes it again")
    looked_at = (
        in_window(date, job, WINDOW) if job.is_analysis else []
    )  # before it is read: what comes meanwhile is late
    began, clock = dt.datetime.now(dt.UTC), time.monotonic()
    broken: set[Path] = set()
    reading = read(date, job, inputs, offers, broken)  # locate, fetch, open, fill
    unread = {path.name for path in broken}
    if item and (lost := sorted(unread & set(_granules_of(item)))):
        reason = f"published with {lost[0]}, which cannot be read any more; --force does without it"
        return DayOutcome(date=date, status="current", reason=reason)
    # What could not be read was not looked at: mended under the same name it makes the day anew.
    run = run_record(reading, inputs, [*(f for f in looked_at if f not in unread), *(offer.file for offer in offers)])
    settled = None if job.force or claim.inherited else _settled(job, inputs, reading, run)
    if settled:  # a newer release of the same bytes, too, is looked at once
        read_now = (entry.name for entry in run.inputs if entry.kind == "granule")
        consider(job.catalog, inputs.domain, date, {*run.considered, *read_now})
        return DayOutcome(date=date, status="current", reason=settled)
    stages = {**_before(run.observed[1], began, offers), "inputs": time.monotonic() - clock}
    return _publish(job, inputs, reading, run, claim, stages)


def _granules_of(item: Mapping[str, Any]) -> list[str]:
    """The names of the granules that a published day was made from."""
    return [entry["name"] for entry in item["properties"]["vadose:inputs"] if entry["kind"] == "granule"]


def _settled(job: DayJob, inputs: Inputs, reading: Reading, run: RunRecord) -> str | None:
    """Why the day needs no work; None where it does."""
    from catalog.publish.settled import already_there, analysis_stands

    settled = already_there(run, inputs.domain, job.catalog)
    if settled is None and job.is_analysis:
        return analysis_stands(run, inputs.domain, job.catalog, reading.day.data["soil_moisture"].values)
    return settled


def _publish(
    job: DayJob, inputs: Inputs, reading: Reading, run: RunRecord, claim: Claim, stages: dict[str, float]
) -> DayOutcome:
    """Predict, write and publish; ``stages`` are the seconds of what came before."""
    from catalog.publish.day import publish
    from downscaler.day.downscale import tiles
    from downscaler.day.retrievals import with_told_error
    from downscaler.parts import cores
    from downscaler.stores.prior.kept import keeping

    clock, keep = time.monotonic(), keeping(inputs.prior, inputs.domain)
    day, findings = with_told_error(reading, inputs, keep)
    made = tiles(  # by tile
        day,
        inputs.prior,
        inputs.model,
        matching=inputs.matching,
        weather=inputs.weather.upto(run.date) if inputs.weather is not None else None,
        keeping=keep,
        threads=cores(),
    )
    done = publish(job.catalog, replace(run, findings=findings), inputs.domain, made, claim=claim)  # write, publish
    status: Status = "current" if done.status == "unchanged" else "published"
    what = "analysis, revision" if job.is_analysis else "revision"
    stages = stages | {"publication": time.monotonic() - clock}
    return DayOutcome(
        date=run.date, status=status, href=done.item_href, reason=f"{what} {done.revision}", stages=stages
    )


def _before(observed: dt.datetime, began: dt.datetime, offers: Sequence[Offer]) -> dict[str, float]:
    """Seconds from the last observation to the granules' arrival, and from there until the run began with the day."""
    arrivals = [moment for offer in offers if (moment := offer.arrived()) is not None]
    if not arrivals:
        return {}
    arrived = max(arrivals)
    return {"archive": (arrived - observed).total_seconds(), "waiting": (began - arrived).total_seconds()}


def try_day(date: dt.date, job: DayJob, planned: int | None = None, *, wait: bool = True) -> DayOutcome:
    """``run_day`` that never raises: the error becomes the outcome, so one bad day stops no other."""
    started = time.monotonic()
    try:
        return run_day(date, job, planned, wait=wait)
    except Exception as error:  # noqa: BLE001  (the day's failure is reported, the other days go on)
        return replace(outcome_of(error, date, wait=wait), seconds=time.monotonic() - started)


def outcome_of(error: Exception, date: dt.date, *, wait: bool = True) -> DayOutcome:
    """What an error makes of its day; a day made elsewhere has failed only where that was waited for."""
    from downscaler.sources.secrets import scrub

    status: Status = "failed"
    reason = scrub(str(error) or repr(error))
    if isinstance(error, (NoRetrievalError, GranuleMissingError)):
        status, reason = "no-coverage", error.what
    elif isinstance(error, ClaimedError) and not wait:
        status = "claimed"
    code = error.exit_code if isinstance(error, VadoseError) else 1
    return DayOutcome(date=date, status=status, reason=reason, error=type(error).__name__, exit_code=code)
