"""The weather store: daily precipitation and air temperature on a domain's product grid, extended day by day.

A Zarr group of two packed variables with one slot along time for every day written, and a small record beside it for
each day and source. The record is written last: a day without one is not there, and what a reader has opened never
changes under it, because a newer version of a day takes a new slot.
"""

from downscaler.stores.weather.build import add_days, build_weather
from downscaler.stores.weather.fitting import fit_matching, is_own_forcing
from downscaler.stores.weather.layout import DayRecord
from downscaler.stores.weather.matching import kept_matching
from downscaler.stores.weather.store import Weather, describe, is_weather, open_weather

__all__ = [
    "DayRecord",
    "Weather",
    "add_days",
    "build_weather",
    "describe",
    "fit_matching",
    "is_own_forcing",
    "is_weather",
    "kept_matching",
    "open_weather",
]
