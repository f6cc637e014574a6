"""A day's product as one sentence: locate, read, open, check, predict, publish.

The machinery is imported where it is used, so that the command line starts at once.
"""

from __future__ import annotations

import datetime as dt
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import GranuleMissingError, GranuleNameError, NoRetrievalError, VadoseError
from flows.jobs import DayJob, DayOutcome, Status

if TYPE_CHECKING:
    from downscaler.coarse import CoarseDay
    from downscaler.grid import Domain
    from downscaler.hybrid import Model
    from downscaler.records import InputRecord, RunRecord
    from downscaler.sources.prior import Prior


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a job's days are made with, opened and checked against each other."""

    domain: Domain
    prior: Prior
    model: Model
    records: tuple[InputRecord, ...]


def prepare(job: DayJob) -> Means:
    """Domain, prior and model of a job; raises their typed errors before any expensive step."""
    from downscaler import product
    from downscaler.sources.model import load_model, model_record
    from downscaler.sources.prior import open_prior

    domain = product.domain(job.domain)
    prior = open_prior(job.prior)
    prior.require(domain)
    model = load_model(job.model)
    return Means(domain=domain, prior=prior, model=model, records=(prior.record(), model_record(job.model)))


def run_day(date: dt.date, job: DayJob) -> DayOutcome:
    """Publish one day, or find that it already is.

    Returns an outcome of status ``published`` or ``current``.

    Raises:
        VadoseError: the typed error of whatever was wrong; nothing of the day is published then.
    """
    from catalog.publish import publish
    from downscaler.hybrid import predict
    from downscaler.sources.smap import read_day

    started = time.monotonic()
    means = prepare(job)
    day = read_day(locate(date, job), means.domain, date=date)
    run = record(day, means)
    settled = None if job.force else already_there(run, means.domain, job.catalog)
    if settled:
        return DayOutcome(date=date, status="current", reason=settled, seconds=time.monotonic() - started)
    done = publish(job.catalog, run, means.domain, predict(means.model, means.prior, day))
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
    return (
        f"already published from {newer}, which supersedes the granule given; --force publishes all the same"
        if newer
        else None
    )


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
    started = time.monotonic()
    try:
        return run_day(date, job)
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


def locate(date: dt.date, job: DayJob) -> list[Path]:
    """The day's granule files: those named, else the newest ones in the folder; raises GranuleMissingError."""
    from downscaler.sources.smap import find_granules

    if job.granules:
        return _named(date, job.granules)
    if job.folder is None:
        raise GranuleMissingError(
            f"No granule is named for {date}",
            remedy="Give --granule FILE or --granules DIR, or set `granules` in vadose.toml.",
        )
    return find_granules(job.folder, date, job.smap_product)


def _named(date: dt.date, granules: tuple[Path, ...]) -> list[Path]:
    """Those named files that hold the day; a file that does not bear a granule's name may hold any."""
    from downscaler.sources.smap import GranuleName

    absent = [path for path in granules if not path.is_file()]
    if absent:
        raise GranuleMissingError("A granule named by --granule is not there", value=absent[0])

    def may_hold(path: Path) -> bool:
        try:
            return GranuleName.parse(path).covers(date)
        except GranuleNameError:
            return True

    of_day = [path for path in granules if may_hold(path)]
    if not of_day:
        names = ", ".join(path.name for path in granules)
        raise GranuleMissingError(f"None of the granules named is of {date}", value=names)
    return of_day


def record(day: CoarseDay, means: Means) -> RunRecord:
    """What the catalogue is told of the run: inputs, caveats, observed period, parameters."""
    from downscaler.records import RunRecord
    from downscaler.sources.smap import MERGE_RULE

    return RunRecord(
        date=day.date,
        domain_name=means.domain.name,
        inputs=(*day.inputs, *means.records),
        observed=observed(day),
        simulated=any(_simulated(day, means).values()),
        caveats=caveats(day, means),
        parameters={"smap_grid": day.grid.name, "smap_merge_rule": MERGE_RULE},
    )


def _simulated(day: CoarseDay, means: Means) -> dict[str, bool]:
    return {
        "SMAP retrievals": day.simulated,
        "prior": means.prior.simulated,
        "training record": bool(means.model.card["simulated"]),
    }


def caveats(day: CoarseDay, means: Means) -> tuple[str, ...]:
    """Sentences that a user of the day has to read."""
    import numpy as np

    from downscaler.product import SIMULATED_LABEL

    made_up = [what for what, is_so in _simulated(day, means).items() if is_so]
    said = [f"{SIMULATED_LABEL.capitalize()}: {', '.join(made_up)}."] if made_up else []
    if np.datetime64(day.date) not in means.prior.data["time"].values.astype("datetime64[D]"):
        first, last = means.prior.period
        said.append(f"Prior is of {first} to {last}, not of {day.date}: the statistics of its record stand in.")
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
