"""Readers of daily precipitation and air temperature from public products.

A new source is one file here and one line in ``SOURCES``. Their order is that of preference among sources that are
equally final: the model's own forcing first, then finer and better observed ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from downscaler.errors import ConfigError
from downscaler.sources.weather.daymet import open_daymet_weather
from downscaler.sources.weather.gridded import open_gridded
from downscaler.sources.weather.hydroframe import openers
from downscaler.sources.weather.imerg import open_imerg
from downscaler.sources.weather.nldas2 import open_nldas2
from downscaler.sources.weather.nldas3 import open_nldas3
from downscaler.sources.weather.parflow import open_parflow
from downscaler.sources.weather.source import WeatherDay, WeatherSource
from downscaler.sources.weather.typed import TypedWeather, typed

SOURCES: dict[str, Callable[[Path], WeatherSource]] = {
    "netcdf": open_gridded,
    "parflow": open_parflow,
    **openers(),
    "daymet": open_daymet_weather,
    "nldas3": open_nldas3,
    "nldas2": open_nldas2,
    "imerg": open_imerg,
}

__all__ = ["SOURCES", "WeatherDay", "WeatherSource", "open_weather_source"]


def open_weather_source(kind: str, path: Path) -> WeatherSource:
    """Open files of one source below a folder; raises ConfigError for an unknown kind, WeatherUnreadableError."""
    if kind not in SOURCES:
        raise ConfigError("Unknown source of weather", value=kind, allowed=SOURCES)
    with typed(path):
        return TypedWeather(SOURCES[kind](path), path)
