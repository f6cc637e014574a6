"""NLDAS-2 primary forcing (``NLDAS_FORA0125_H`` 2.0): hourly, 1/8 degree, about 3.5 days late.

A file holds one hour: ``NLDAS_FORA0125_H.A20260205.0000.020.nc`` with ``Rainf`` (kg m-2, the hour's sum) and ``Tair``
(K). A UTC day is its files 0000 to 2300, as NASA's own daily and monthly sums have it (from 00Z to 23:59Z); where a
file tells the bounds of its hour, they have to agree with its name.

Source: Xia et al. (2012, doi:10.1029/2011JD016048); grid and names of the GES DISC collection. That the hour of a name
is the start of the sum is NASA's convention for its daily sums and was not checked against a genuine file here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from odc.geo import wh_, xy_

from downscaler.errors import WeatherGapError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.weather.files import (
    below,
    date_in,
    latlon_field,
    named,
    opened,
    require_time,
    require_units,
    require_variables,
)
from downscaler.sources.weather.source import Array, Latency, WeatherDay, checked

SHORT_NAME, VERSION = "NLDAS_FORA0125_H", "2.0"
LATTICE = Lattice(name="NLDAS-2", crs="EPSG:4326", lower_left=xy_(-125.0, 25.0), shape=wh_(464, 224), cell=0.125)
FILE = re.compile(r"NLDAS_FORA0125_H\.A(\d{8})\.(\d{2})00\.0?20\.nc4?")
LATENCY: Latency = "final"
RAIN_UNITS = ("kg m-2", "kg/m^2", "kg/m2", "mm", "kg m-2 h-1", "mm h-1")


class Nldas2:
    """Hourly files of NLDAS-2 below a folder."""

    name, title = "nldas2", "NLDAS-2 forcing (NLDAS_FORA0125_H 2.0)"

    def __init__(self, paths: Iterable[Path]) -> None:
        self._hours: dict[dt.datetime, Path] = {}
        for path, match in sorted(named(paths, FILE).items()):
            day, hour = date_in(match[1]), int(match[2])
            if day is not None and hour < 24:
                self._hours.setdefault(dt.datetime.combine(day, dt.time(hour), dt.UTC), path)

    @property
    def lattice(self) -> Lattice:
        """1/8 degree from 125 W, 25 N."""
        return LATTICE

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Days of which an hour is there."""
        return tuple(sorted({hour.date() for hour in self._hours}))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """Sum and mean of the day's 24 files; raises as ``WeatherSource.read``."""
        start = dt.datetime.combine(day, dt.time(), dt.UTC)
        hours = [start + dt.timedelta(hours=n) for n in range(24)]
        if lacking := [f"{hour:%H}00" for hour in hours if hour not in self._hours]:
            raise WeatherGapError(
                f"Hours of NLDAS-2 are missing on {day}",
                value=f"{', '.join(lacking)} ({len(lacking)} of 24)",
                remedy="Download them, or wait until they are published (about 3.5 days late).",
            )
        rain, warmth = np.zeros(window.shape), np.zeros(window.shape)
        for hour in hours:
            of_hour, air = _read_hour(self._hours[hour], hour, window)
            rain += of_hour
            warmth += air
        paths = [self._hours[hour] for hour in hours]
        made = WeatherDay(
            precipitation=rain.astype(np.float32),
            air_temperature=(warmth / 24.0).astype(np.float32),
            latency=LATENCY,
            version=VERSION,
            inputs=tuple(file_input(path) for path in paths),
        )
        return checked(made, f"NLDAS-2 of {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""


def open_nldas2(path: Path) -> Nldas2:
    """NLDAS-2's hourly files below a folder; raises WeatherUnreadableError where there is none."""
    source = Nldas2(below(path))
    if not source.days:
        raise WeatherUnreadableError(
            "No file of NLDAS-2 was found", value=path, allowed="NLDAS_FORA0125_H.AYYYYMMDD.HH00.020.nc"
        )
    return source


def _read_hour(path: Path, hour: dt.datetime, window: IJWindow) -> tuple[Array, Array]:
    with opened(path) as data:
        require_variables(data, ("Rainf", "Tair"), path)
        require_units(data["Rainf"], RAIN_UNITS, path)
        require_time(data, hour, path, hour=True)
        return latlon_field(data["Rainf"], LATTICE, window, path), latlon_field(data["Tair"], LATTICE, window, path)
