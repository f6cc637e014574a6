"""Daymet V4 R1 as a weather source: whole years on a 1 km grid, about a year late; see ``covariates.daymet``."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from downscaler.errors import WeatherGapError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.covariates.daymet import TITLE, VARIABLES, daymet_files, open_daymet
from downscaler.sources.weather.files import as_weather
from downscaler.sources.weather.source import WeatherDay, checked

NOTE = "Daymet's days are those of its stations, not UTC days; in leap years it has no 31 December."


class DaymetWeather:
    """Years of Daymet of which all three variables are in a folder, as a WeatherSource."""

    name, title = "daymet", TITLE

    def __init__(self, folder: Path) -> None:
        there = daymet_files(folder)
        years = {year for _, year in there}
        self._years = sorted(year for year in years if all((name, year) in there for name in VARIABLES))
        if not self._years:
            raise WeatherUnreadableError(
                "No year of Daymet was found",
                value=folder,
                allowed="daymet_v4_daily_na_prcp_YEAR.nc, and tmax and tmin of the year",
            )
        self._files = {year: [there[name, year] for name in VARIABLES] for year in self._years}
        with as_weather():
            self._data = open_daymet(folder, self._years)

    @property
    def lattice(self) -> Lattice:
        """Daymet's own grid, or the cut of it that the files hold."""
        with as_weather():
            return self._data.lattice

    @property
    def days(self) -> tuple[dt.date, ...]:
        """365 days of each year."""
        return tuple(dt.date(year, 1, 1) + dt.timedelta(days=n) for year in self._years for n in range(365))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """One day; raises as ``WeatherSource.read``."""
        if day.year not in self._files:
            raise WeatherGapError(f"Daymet of {day.year} is missing")
        with as_weather():
            rain, air = (read([day], window)[0] for read in (self._data.precipitation, self._data.air_temperature))
        if not np.isfinite(rain).any():
            raise WeatherGapError(f"Daymet has no {day}", allowed="365 days of a year, over land")
        made = WeatherDay(
            precipitation=rain,
            air_temperature=air,
            latency="final",
            version="V4 R1",
            inputs=tuple(_input(path, path.stat().st_mtime_ns) for path in self._files[day.year]),
            notes=(NOTE,),
        )
        return checked(made, f"{TITLE} of {day}")

    def close(self) -> None:
        """Close all open files."""
        self._data.close()


def open_daymet_weather(path: Path) -> DaymetWeather:
    """Daymet's files below a folder; raises WeatherUnreadableError where no year is whole."""
    return DaymetWeather(path)


@lru_cache(maxsize=64)  # gigabytes: read once for all days of the year
def _input(path: Path, _changed: int) -> dict[str, Any]:
    return file_input(path)
