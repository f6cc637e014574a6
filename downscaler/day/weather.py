"""Weather of a day from a weather store: recorded, compared with later versions, and how late it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from downscaler.ground.grid import M01, Domain, Span, Window
from downscaler.ground.prior import Prior
from downscaler.method.coarse.analysis import WINDOW
from downscaler.method.coarse.wetting import DECAYS, HISTORY
from downscaler.method.features import API_DECAY
from downscaler.method.forcing import RAIN, borrowed, index_change, own_days
from downscaler.method.hybrid import Model
from downscaler.product import is_analysis
from downscaler.records import InputRecord
from downscaler.stores.weather import Weather
from downscaler.stores.weather.layout import UNMATCHED, slots_of

NO_WEATHER = "The rain of the last days is not known: neither the prior nor the weather store holds it."
ANALYSIS_DAYS = WINDOW + HISTORY  # days up to a day whose weather its analysis reads
KNOWN_SHARE = 0.9  # of the days from the first pass on whose weather must be known for the analysis to use it
_INDICES = {False: (API_DECAY,), True: (API_DECAY, max(DECAYS))}
"""Decays of the indices that are compared, by whether the day is an analysis, which remembers longer."""


def used_days(date: dt.date, weather: Weather, prior: Prior, *, analysis: bool = False) -> list[dt.date]:
    """Days of the store that a day is made with; none where the prior's own record has all that is read.

    Args:
        date: the day.
        weather: the store.
        prior: what the day is made with; its own days are not the store's.
        analysis: whether the day is an analysis, which reads ``ANALYSIS_DAYS``, with gaps; the trees alone read an
            unbroken run of at most ``features.FORCING_DAYS``.
    """
    return _used(date, weather.best.keys(), prior, analysis=analysis)


def _used(date: dt.date, held: Collection[dt.date], prior: Prior, *, analysis: bool) -> list[dt.date]:
    run = borrowed(date, own_days(prior.data), tuple(held))
    if not analysis or not _reads_weather(date, prior):
        return run
    own = set(own_days(prior.data).tolist())
    reach = (date - dt.timedelta(days=age) for age in range(ANALYSIS_DAYS))
    return sorted({*run, *(day for day in reach if day in held and day not in own)})


def _reads_weather(date: dt.date, prior: Prior) -> bool:
    """Whether an analysis asks for weather: not where the prior's own soil moisture stands for its whole window."""
    stored = prior.data["time"].values.astype("datetime64[D]")
    window = np.datetime64(date) - np.arange(WINDOW)
    return "precipitation_level" in prior.data and not np.isin(window, stored).all()


def weather_record(date: dt.date, weather: Weather, prior: Prior, *, analysis: bool = False) -> InputRecord | None:
    """The weather store as an input of a day, its version naming each day's slot; None where none of it is used."""
    days = used_days(date, weather, prior, analysis=analysis)
    return weather.record(days) if days else None


def weather_caveats(
    date: dt.date, weather: Weather | None, prior: Prior, model: Model, *, analysis: bool = False
) -> tuple[str, ...]:
    """What a user has to know of a day's weather: that there is none, that it is preliminary, what its source lacks."""
    if not any(forcing for _, forcing in model.branches):
        return ()
    held = () if weather is None else tuple(weather.best)
    known = np.datetime64(date) in own_days(prior.data) or bool(borrowed(date, own_days(prior.data), held))
    none = () if known else (NO_WEATHER,)
    days = [] if weather is None else used_days(date, weather, prior, analysis=analysis)
    if weather is None or not days:
        return none
    used = [weather.best[day] for day in days]
    early = [record for record in used if record.latency != "final"]
    said = [f"Rain of {len(early)} of the last {len(days)} days is preliminary ({early[-1].title})."] if early else []
    if unlike := sorted({record.title for record in used if record.matching == UNMATCHED}):
        said.append(f"Rain of {', '.join(unlike)} is not matched to the climate of the prior.")
    return (*none, *said, *sorted({note for record in used for note in record.notes}))


def change_of_weather(told: str, date: dt.date, weather: Weather, prior: Prior, domain: Domain) -> float:
    """How much the weather that is known now moves the antecedent index of a published day, mm.

    Args:
        told: the version of the day's weather input, as ``weather_record`` gave it; empty where there was none.
        date: the day.
        weather: the store as it is now.
        prior: what the day was made with.
        domain: where; its name tells an analysis.

    Returns:
        The largest change over any SMAP cell (``forcing.index_change``), of an analysis also of the slowest index that
        it remembers, in usual warmth; infinite where the day was made without weather and has some now, or the other
        way round.
    """
    analysis, before = is_analysis(domain.name), slots_of(told)
    now = {day: weather.best[day].slot for day in used_days(date, weather, prior, analysis=analysis)}
    ways = [_ways(date, days.keys(), prior, analysis=analysis) for days in (before, now)]
    if ways[0] != ways[1]:
        return float("inf")
    changed = sorted(day for day in before.keys() | now.keys() if before.get(day) != now.get(day))
    if not changed:
        return 0.0
    shape = domain.shape(M01)
    whole = Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x))
    old, new = (weather.read_slots(RAIN, [slots.get(day) for day in changed], domain, whole) for slots in (before, now))
    ages = [(date - day).days for day in changed]
    return max(index_change(old, new, ages, M01.per_m36, decay=decay) for decay in _INDICES[analysis])


def _ways(date: dt.date, held: Collection[dt.date], prior: Prior, *, analysis: bool) -> tuple[bool, bool]:
    """Whether the trees use rain from the store, and whether an analysis answers to any."""
    run = bool(borrowed(date, own_days(prior.data), tuple(held)))
    if not analysis or not held:
        return run, False
    there = set(own_days(prior.data).tolist()) | set(held)
    return run, bool(np.mean([date - dt.timedelta(days=age) in there for age in range(WINDOW)]) >= KNOWN_SHARE)


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How late a store's weather is: its last day of any and of final weather, and days without any between."""

    last: dt.date | None
    final: dt.date | None
    days: int | None
    gaps: tuple[dt.date, ...]

    def __str__(self) -> str:
        if self.last is None:
            return "the weather store is empty"
        said = f"weather until {self.last}, {self.days} days ago"
        if self.final != self.last:
            said += f"; final until {self.final}" if self.final else "; all of it preliminary"
        return f"{said}; {len(self.gaps)} days missing, such as {self.gaps[-1]}" if self.gaps else said


def weather_lateness(weather: Weather, today: dt.date, *, days: int = ANALYSIS_DAYS) -> Lateness:
    """How late the weather of a store is on a day; gaps are counted in the last ``days`` up to the store's last one."""
    held = [day for day in weather.best if day <= today]
    if not held:
        return Lateness(last=None, final=None, days=None, gaps=())
    last, first = held[-1], max(held[0], today - dt.timedelta(days=days - 1))
    span = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    return Lateness(
        last=last,
        final=max((day for day in held if weather.best[day].latency == "final"), default=None),
        days=(today - last).days,
        gaps=tuple(day for day in span if day not in weather.best),
    )
