"""A day's product as one sentence: locate, read, open, check, predict, publish.

The machinery is imported where it is used, so that the command line starts at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from downscaler.errors import GranuleMissingError, GranuleNameError, NoRetrievalError, VadoseError
from flows.gaps import read
from flows.jobs import DayJob, DayOutcome, Status
from flows.logs import DAYS
from flows.means import Means, prepare

if TYPE_CHECKING:
    from downscaler.coarse import CoarseDay
    from downscaler.grid import Domain
    from downscaler.records import RunRecord
    from downscaler.sources.smap import Offer
    from flows.gaps import Reading

_LOG = logging.getLogger(DAYS)


def run_day(date: dt.date, job: DayJob) -> DayOutcome:
    """Publish one day, or find that it already is.

    Returns an outcome of status ``published`` or ``current``.

    Raises:
        VadoseError: the typed error of whatever was wrong; nothing of the day is published then.
    """
    from flows.attempts import noted

    started = time.monotonic()
    means = prepare(job)
    with noted(date, job, means) as heard:
        outcome = _run(date, job, means, heard, started)
        _LOG.info("%s: %s, in %.1f s", outcome.status, outcome.reason, outcome.seconds)
    return outcome


def _run(date: dt.date, job: DayJob, means: Means, heard: list[Offer], started: float) -> DayOutcome:
    from catalog.publish import consider, publish
    from downscaler.hybrid import predict

    reading = read(date, job, means, heard)
    run = record(reading, means, heard)
    settled = None if job.force else already_there(run, means.domain, job.catalog)
    if settled:
        consider(job.catalog, means.domain, date, run.considered)
        return DayOutcome(date=date, status="current", reason=settled, seconds=time.monotonic() - started)
    tiles = predict(means.model, means.prior, reading.day, matching=means.matching)
    done = publish(job.catalog, run, means.domain, tiles)
    return DayOutcome(
        date=date,
        status="current" if done.status == "unchanged" else "published",
        href=done.item_href,
        reason=f"revision {done.revision}",
        seconds=time.monotonic() - started,
    )


def already_there(run: RunRecord, domain: Domain, catalog: str) -> str | None:
    """Why the day needs no work: the catalogue holds it from the same inputs, or from a newer release of a granule."""
    from catalog.read import find_item, is_current

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


def try_day(date: dt.date, job: DayJob) -> DayOutcome:
    """``run_day`` that never raises: the error becomes the outcome, so one bad day stops no other."""
    return try_outcome(date, lambda: run_day(date, job))


def try_outcome(date: dt.date, work: Callable[[], DayOutcome]) -> DayOutcome:
    """The outcome of a day's work, also where it raises."""
    started = time.monotonic()
    try:
        return work()
    except (NoRetrievalError, GranuleMissingError) as error:
        status: Status = "no-coverage"
        caught: Exception = error
        reason = error.what
    except Exception as error:  # noqa: BLE001  (the day's failure is reported, the other days go on)
        status, caught, reason = "failed", error, str(error) or repr(error)
    return DayOutcome(
        date=date,
        status=status,
        reason=reason,
        error=type(caught).__name__,
        exit_code=caught.exit_code if isinstance(caught, VadoseError) else 1,
        seconds=time.monotonic() - started,
    )


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
