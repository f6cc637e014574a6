"""A day's product as one sentence: locate, read, open, check, predict, publish.

The machinery is imported where it is used, so that the command line starts at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from downscaler.errors import ClaimedError, GranuleMissingError, GranuleNameError, NoRetrievalError, VadoseError
from flows.day.inputs import Means, prepare
from flows.day.jobs import DayJob, DayOutcome, Status
from flows.day.reading import read
from flows.logs import DAYS

if TYPE_CHECKING:
    from downscaler.ground.coarse_day import CoarseDay
    from downscaler.ground.grid import Domain
    from downscaler.records import RunRecord
    from downscaler.sources.smap import Offer
    from flows.day.reading import Reading

_LOG = logging.getLogger(DAYS)


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
    from catalog.publish.claims import PATIENCE, claimed
    from flows.day.attempts import noted

    started = time.monotonic()
    means = prepare(job)
    with claimed(job.catalog, means.domain, date, patience=PATIENCE if wait else 0.0) as inherited:
        if planned is not None and not inherited and (revision := made_since(date, job, means, planned)):
            reason = f"revision {revision}, published meanwhile by another run"
            return DayOutcome(date=date, status="current", reason=reason, seconds=time.monotonic() - started)
        with noted(date, job, means) as heard:
            done = replace(_run(date, job, means, heard, mend=inherited), seconds=time.monotonic() - started)
            _LOG.info("%s: %s, in %.1f s", done.status, done.reason, done.seconds)
    return done


def _run(date: dt.date, job: DayJob, means: Means, heard: list[Offer], *, mend: bool) -> DayOutcome:
    """The sentence; ``mend`` makes the day though it stands, since a run died that was making it."""
    from catalog.items.day import withdrawn
    from catalog.publish.day import consider, publish
    from catalog.reading.days import find_item
    from downscaler.method.hybrid import predict

    item = None if job.force else find_item(job.catalog, means.domain, date)
    if item and (why := withdrawn(item)):
        return DayOutcome(date=date, status="current", reason=f"withdrawn: {why}; --force publishes it anew")
    reading = read(date, job, means, heard)  # locate, fetch, open
    run = record(reading, means, heard)
    settled = None if job.force or mend else already_there(run, means.domain, job.catalog)
    if settled:
        consider(job.catalog, means.domain, date, run.considered)
        return DayOutcome(date=date, status="current", reason=settled)
    tiles = predict(means.model, means.prior, reading.day, matching=means.matching)  # features, predict: by tile
    done = publish(job.catalog, run, means.domain, tiles)  # write, publish
    status: Status = "current" if done.status == "unchanged" else "published"
    return DayOutcome(date=date, status=status, href=done.item_href, reason=f"revision {done.revision}")


def made_since(date: dt.date, job: DayJob, means: Means, planned: int) -> int | None:
    """The revision of a day that another run has made, whole, since ``planned`` stood."""
    from catalog.publish.state import standing

    stood = standing(job.catalog, means.domain, [date], held=True).get(date)
    return stood.revision if stood and stood.whole and stood.revision != planned else None


def already_there(run: RunRecord, domain: Domain, catalog: str) -> str | None:
    """Why the day needs no work: the catalogue holds it from the same inputs, or from a newer release of a granule."""
    from catalog.reading.days import find_item, is_current

    if is_current(catalog, run, domain):
        return "already published from the same inputs, model and versions"
    item = find_item(catalog, domain, run.date)
    published = [entry["name"] for entry in item["properties"]["vadose:inputs"]] if item else []
    offered = [entry.name for entry in run.inputs if entry.kind == "granule"]
    newer = newer_release(published, offered)
    if newer is None and offered and all(map(is_near_real_time, offered)):
        newer = next((file for file in published if is_near_real_time(file) is False), None)
    if newer:
        return f"already published from {newer}, which supersedes the granule given; --force publishes all the same"
    midnight = f"{run.date}T00:00:00Z"
    if item and f"{run.observed[1]:%Y-%m-%dT%H:%M:%SZ}" < midnight <= item["properties"]["vadose:observed"][1]:
        return "already published from retrievals of the day itself, whose granule is gone; --force carries forward"
    return None


def is_near_real_time(file: str) -> bool | None:
    """Whether a file is a granule of the near-real-time stream; None when it is no granule by its name."""
    from downscaler.sources.smap import GranuleName

    try:
        return GranuleName.parse(file).near_real_time
    except GranuleNameError:
        return None


def newer_release(published: list[str], offered: list[str]) -> str | None:
    """A published granule's file name that is a newer release of an offered one's scene, if any."""
    from downscaler.sources.smap import GranuleName

    standing = {}
    for file in published:
        with suppress(GranuleNameError):  # other inputs, and granules under names of their own
            name = GranuleName.parse(file)
            standing[name.scene] = (name.release, file)
    for file in offered:
        with suppress(GranuleNameError):
            name = GranuleName.parse(file)
            release, newer = standing.get(name.scene, (name.release, file))
            if release > name.release:
                return newer
    return None


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


def record(reading: Reading, means: Means, heard: Sequence[Offer] = ()) -> RunRecord:
    """What the catalogue is told of the run: inputs, caveats, observed period, parameters, granules on offer."""
    from downscaler.records import RunRecord
    from downscaler.sources.smap import MERGE_RULE

    day = reading.day
    parameters: dict[str, Any] = {"smap_grid": day.grid.name, "smap_merge_rule": MERGE_RULE}
    if means.carrying:
        parameters["matching"] = means.carrying.parameters
    if reading.filling:
        parameters["gap_fill"] = reading.filling
    if near_real_time(day):
        parameters["smap_stream"] = "near-real-time"
    return RunRecord(
        date=day.date,
        domain_name=means.domain.name,
        inputs=(*day.inputs, *means.records),
        observed=observed(day),
        simulated=any(_simulated(day, means).values()),
        caveats=(*caveats(day, means), *reading.caveats),
        parameters=parameters,
        considered=tuple(offer.file for offer in heard),
    )


def _simulated(day: CoarseDay, means: Means) -> dict[str, bool]:
    return {
        "SMAP retrievals": day.simulated,
        "prior": means.prior.simulated,
        "training record": bool(means.model.card["simulated"]),
        "SMAP climatology": means.carrying is not None and means.carrying.smap.simulated,
    }


def caveats(day: CoarseDay, means: Means) -> tuple[str, ...]:
    """Sentences that a user of the day has to read."""
    import numpy as np

    from downscaler.product import SIMULATED_LABEL

    made_up = [what for what, is_so in _simulated(day, means).items() if is_so]
    hasty = ["Near-real-time SMAP granules: less calibrated than the standard stream, which supersedes them."]
    said = [f"{SIMULATED_LABEL.capitalize()}: {', '.join(made_up)}."] if made_up else []
    if np.datetime64(day.date) not in means.prior.data["time"].values.astype("datetime64[D]"):
        first, last = means.prior.period
        said.append(f"Prior is of {first} to {last}, not of {day.date}: the statistics of its record stand in.")
    return (*said, *(hasty if near_real_time(day) else []))


def near_real_time(day: CoarseDay) -> bool:
    """Whether a day was made from the near-real-time stream."""
    from downscaler.sources.smap import NEAR_REAL_TIME

    return any(entry.attributes.get("short_name") in NEAR_REAL_TIME for entry in day.inputs)


def observed(day: CoarseDay) -> tuple[dt.datetime, dt.datetime]:
    """First and last SMAP observation used (UTC); the whole day where the granule tells no time."""
    import numpy as np

    used = day.data["recommended"].values
    if "filled" in day.data:
        used = used | day.data["filled"].values
    times = day.data["observation_time"].values[used]
    times = times[~np.isnat(times)]
    if times.size == 0:
        midnight = dt.datetime.combine(day.date, dt.time(), dt.UTC)
        return midnight, midnight + dt.timedelta(days=1)
    first, last = (value.astype("datetime64[s]").item().replace(tzinfo=dt.UTC) for value in (times.min(), times.max()))
    return first, last
