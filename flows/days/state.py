"""The last days: published, stale, due, waiting, missing upstream, without coverage, failed or withdrawn.

Granules arrive late and out of order, and are reprocessed; the catalogue and what is on offer tell it all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Any, Literal

from downscaler.errors import GranuleMissingError
from downscaler.sources.smap.level4 import FIELDS_A_DAY
from downscaler.sources.smap.names import is_near_real_time, newer_release
from flows.day.attempts import inputs_of, is_transient
from flows.day.granules import first_and_second, name_of, supply
from flows.day.inputs import basis
from flows.day.jobs import DayJob

if TYPE_CHECKING:
    from catalog.publish.failures import Failure
    from catalog.publish.state import Standing
    from downscaler.day.inputs import Basis
    from downscaler.sources.smap import Offer
    from downscaler.sources.smap.offers import Offers

State = Literal["published", "stale", "due", "waiting", "missing", "no-coverage", "failed", "withdrawn"]
Document = Mapping[str, Any]
WeatherChange = Callable[[dt.date, str], float]
"""From a published day and the version of its weather input to the change of its antecedent index, mm."""


@dataclass(frozen=True, kw_only=True)
class DayState:
    """State of one day.

    ``granule`` is the newest release on offer, ``revision`` the one in the catalogue (0 without); ``work`` says whether
    making the day now could change it.
    """

    date: dt.date
    state: State
    granule: str = ""
    revision: int = 0
    why: str = ""
    work: bool = False


def look_back(job: DayJob, today: dt.date, days: int, now: dt.datetime | None = None) -> list[DayState]:
    """The last ``days`` days up to and including ``today``, the newest first; raises as ``survey``."""
    return survey(job, today - dt.timedelta(days=days - 1), today, now)[::-1]


def survey(job: DayJob, start: dt.date, end: dt.date, now: dt.datetime | None = None) -> list[DayState]:
    """How each day of a period stands; one search tells what is on offer, and neither prior nor model is loaded.

    Raises the typed errors of ``basis``, of the catalogue and of the search.
    """
    from catalog.publish.failures import failures
    from catalog.publish.state import standing
    from downscaler.method.coarse.analysis import WINDOW

    job = job.each()[0]
    reach = WINDOW - 1 if job.is_analysis else 0
    inputs = basis(job)
    place = supply(job)
    if place is None:
        raise GranuleMissingError(
            "No source of granules is configured",
            remedy="Set `granules` in vadose.toml, or give Earthdata credentials (EARTHDATA_TOKEN).",
        )
    dates = [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
    offered, noted = place.offers(start - dt.timedelta(days=reach), end), failures(job.catalog, inputs.domain)
    standby = _standby(job, start, end)
    damaged: dict[dt.date, str] = {}
    stood = standing(job.catalog, inputs.domain, dates, damaged=damaged)
    moment, moved = now or dt.datetime.now(dt.UTC), _weather_change(job, inputs)
    return [
        DayState(date=date, state="failed", why=damaged[date])
        if date in damaged
        else judge_day(
            date,
            offers=offered.get(date, ()),
            nearby=_until(date, offered, reach),
            standby=standby.get(date, ()),
            stood=stood.get(date),
            failure=noted.get(date),
            inputs=inputs,
            overdue=moment > _awaited_until(date, job.latency),
            analysis=job.is_analysis,
            moved=moved,
        )
        for date in dates
    ]


def _standby(job: DayJob, start: dt.date, end: dt.date) -> Offers:
    """What the second source has of a period; nothing without one."""
    other = first_and_second(job)[1]
    place = supply(other) if other is not None else None
    return place.offers(start, end) if place is not None else {}


def _weather_change(job: DayJob, inputs: Basis) -> WeatherChange:
    """How much the weather that came since moves a published day; never at all without a weather store."""
    if job.weather is None:
        return lambda _date, _told: 0.0
    from downscaler.day.weather import change_of_weather
    from downscaler.stores.prior import open_prior
    from downscaler.stores.weather import open_weather

    weather, prior = open_weather(job.weather), open_prior(job.prior)
    return lambda date, told: change_of_weather(told, date, weather, prior, inputs.domain)


def _until(date: dt.date, offered: Mapping[dt.date, Sequence[Offer]], days: int) -> list[Offer]:
    """What is on offer for a day and for those before it that its analysis draws on."""
    return [offer for age in range(days + 1) for offer in offered.get(date - dt.timedelta(days=age), ())]


def _awaited_until(date: dt.date, latency: float) -> dt.datetime:
    midnight = dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), dt.UTC)
    return midnight + dt.timedelta(hours=latency)


def judge_day(
    date: dt.date,
    *,
    offers: Sequence[Offer],
    nearby: Sequence[Offer],
    stood: Standing | None,
    failure: Failure | None,
    inputs: Basis,
    overdue: bool,
    analysis: bool = False,
    moved: WeatherChange = lambda _date, _told: 0.0,
    standby: Sequence[Offer] = (),
) -> DayState:
    """How a day stands, from what is on offer for it and for the days before, its item and its noted failure.

    ``overdue`` says that the granule's latency is over; ``analysis`` that the day rests on the days before as much as
    on itself and needs no granule of its own; ``moved`` how much the weather known now moves the day (mm of the
    antecedent precipitation index); ``standby`` is what the second source has of it.
    """
    from catalog.items.day import withdrawn
    from downscaler.method.forcing import MATTERS

    facts: dict[str, Any] = {"date": date, "granule": _newest(offers), "revision": stood.revision if stood else 0}
    if stood and (why := withdrawn(stood.item)):  # an operator took it back: only --force publishes it again
        return DayState(state="withdrawn", why=why, **facts)
    reasons = list(why_stale(stood.item, nearby if analysis else offers, [*nearby, *standby], inputs)) if stood else []
    if stood is not None and (change := moved(date, _weather_told(stood.item))) > MATTERS:
        reasons.append("weather that came later" if isinf(change) else f"rain that changed by {change:.1f} mm")
    torn = stood is not None and not stood.whole
    if torn:
        reasons.append("its publication was interrupted, or is in progress")
    # Without anything to make the day from, an earlier failure (a search that timed out) says nothing of today.
    if failure is not None and (reasons or (stood is None and (offers or analysis))):
        tried = inputs_of(inputs, [*offers, *standby])
        again = torn or is_transient(failure.error) or not failure.same_inputs(tried)
        told = f"{failure.error}: {failure.reason}" + (f" ({failure.attempts} times)" if failure.attempts > 1 else "")
        if failure.kind == "failed":
            return DayState(state="failed", why=told + ("; will be retried" if again else ""), work=again, **facts)
        if not again:
            return DayState(state="no-coverage", why="no recommended retrieval here", **facts)
    if stood is not None:
        return DayState(state="stale" if reasons else "published", why="; ".join(reasons), work=bool(reasons), **facts)
    if offers or len(standby) >= FIELDS_A_DAY:
        why = "the granule is available" if offers else "SMAP is silent; SMAP L4 is available"
        return DayState(state="due", why=why, work=True, **facts)
    return _without_granule(facts, overdue=overdue, analysis=analysis)


def _without_granule(facts: Mapping[str, Any], *, overdue: bool, analysis: bool) -> DayState:
    if overdue:
        return DayState(state="missing", why="no granule upstream", work=analysis, **facts)
    return DayState(state="waiting", why="no granule yet, within its latency", **facts)


def _weather_told(item: Document) -> str:
    """The version of a published day's weather input; empty where it had none."""
    entries = item["properties"]["vadose:inputs"]
    return next((str(entry["version"]) for entry in entries if entry["kind"] == "weather"), "")


def why_stale(item: Document, offers: Sequence[Offer], nearby: Sequence[Offer], inputs: Basis) -> Iterator[str]:
    """Reasons to make a published day again: a newer granule, another prior, model or climatology, another version."""
    from downscaler import product

    properties = item["properties"]
    recorded = properties["vadose:inputs"]
    used = [entry["name"] for entry in recorded if entry["kind"] == "granule"]
    considered = properties.get("vadose:granules_considered", ())
    newer = [offer for offer in nearby if newer_release([offer.file], used) and offer.file not in considered]
    if newer:
        yield f"newer granule {_newest(newer)}"
    known = {*used, *considered}
    scenes = {name.scene for name in map(name_of, known) if name is not None}
    late = [
        o
        for o in offers
        if o.name is not None and o.file not in known and o.name.scene not in scenes and not _hastier(o.file, used)
    ]
    if late:
        yield f"{len(late)} granules that came later" if len(late) > 1 else f"granule {_newest(late)} that came later"
    stood = {entry["kind"]: entry["sha256"] for entry in recorded if entry["kind"] not in ("granule", "weather")}
    for record in inputs.records:
        if stood.get(record.kind) != record.sha256:
            yield f"another {record.kind}"
    for name in ("product", "algorithm"):
        now, then = getattr(product, f"{name.upper()}_VERSION"), properties[f"vadose:{name}_version"]
        if now != then:
            yield f"{name} version {now} instead of {then}"


def _hastier(file: str, used: Sequence[str]) -> bool:
    """Whether a granule is near-real-time where the published one is not: never a reason to make a day again."""
    return bool(is_near_real_time(file)) and any(is_near_real_time(other) is False for other in used)


def _newest(offers: Sequence[Offer]) -> str:
    names = sorted((offer.name for offer in offers if offer.name is not None), key=lambda name: name.release)
    return names[-1].version if names else ""
