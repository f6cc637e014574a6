"""Weather of a day from a weather store: recorded, and compared with later versions."""

from __future__ import annotations

import datetime as dt

import numpy as np

from downscaler.ground.grid import M01, Domain, Span, Window
from downscaler.ground.prior import Prior
from downscaler.method.forcing import RAIN, borrowed, index_change, own_days
from downscaler.method.hybrid import Model
from downscaler.records import InputRecord
from downscaler.stores.weather import Weather
from downscaler.stores.weather.layout import slots_of

NO_WEATHER = "The rain of the last days is not known: neither the prior nor the weather store holds it."


def used_days(date: dt.date, weather: Weather, prior: Prior) -> list[dt.date]:
    """Days of the store that a day is made with, none where the prior's own record reaches it or a gap lies before."""
    return borrowed(date, own_days(prior.data), tuple(weather.best))


def weather_record(date: dt.date, weather: Weather, prior: Prior) -> InputRecord | None:
    """The weather store as an input of a day, its version naming each day's slot; None where none of it is used."""
    days = used_days(date, weather, prior)
    return weather.record(days) if days else None


def weather_caveats(date: dt.date, weather: Weather | None, prior: Prior, model: Model) -> tuple[str, ...]:
    """What a user has to know of a day's weather: that there is none, that it is preliminary, what its source lacks."""
    if not any(forcing for _, forcing in model.branches):
        return ()
    days = [] if weather is None else used_days(date, weather, prior)
    if not days:
        return () if np.datetime64(date) in own_days(prior.data) else (NO_WEATHER,)
    assert weather is not None
    used = [weather.best[day] for day in days]
    early = [record for record in used if record.latency != "final"]
    said = [f"Rain of {len(early)} of the last {len(days)} days is preliminary ({early[-1].title})."] if early else []
    return (*said, *sorted({note for record in used for note in record.notes}))


def change_of_weather(told: str, date: dt.date, weather: Weather, prior: Prior, domain: Domain) -> float:
    """How much the weather that is known now moves the antecedent index of a published day, mm.

    Args:
        told: the version of the day's weather input, as ``weather_record`` gave it; empty where there was none.
        date: the day.
        weather: the store as it is now.
        prior: what the day was made with.
        domain: where.

    Returns:
        The largest change over any SMAP cell (``forcing.index_change``); infinite where the day had no weather and has
        one now, or the other way round.
    """
    before, now = slots_of(told), {day: weather.best[day].slot for day in used_days(date, weather, prior)}
    if bool(before) != bool(now):
        return float("inf")
    changed = sorted(day for day in before.keys() | now.keys() if before.get(day) != now.get(day))
    if not changed:
        return 0.0
    shape = domain.shape(M01)
    whole = Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x))
    old, new = (weather.read_slots(RAIN, [slots.get(day) for day in changed], domain, whole) for slots in (before, now))
    return index_change(old, new, [(date - day).days for day in changed], M01.per_m36)
