"""NLDAS-3 daily forcing (beta): 0.01 degree, about 700 MB a day; only the window is read.

``NLDAS_FOR0010_D.A20220704.030.beta.nc``, 6500 x 11700 cells, ``Rainf`` (kg m-2, the day's sum) and ``Tair`` (K). Beta
files have too much rain along coasts and no temperature over water. Reference files of the same data were once a day
late: the date in the file is held against the one in its name.

Layout from public listings; no genuine file was at hand here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path

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
from downscaler.sources.weather.source import WeatherDay, checked

LATTICE = Lattice(name="NLDAS-3", crs="EPSG:4326", lower_left=xy_(-169.0, 7.0), shape=wh_(11700, 6500), cell=0.01)
FILE = re.compile(r"NLDAS_FOR0010_D\.A(\d{8})\.(030[\w.]*?)\.nc4?")
UNITS = ("kg m-2", "kg/m^2", "mm", "mm/day", "mm day-1", "kg m-2 day-1")
NOTE = "NLDAS-3 is a beta release: it has too much rain along coasts and no temperature over water."


class Nldas3:
    """Daily files of NLDAS-3 below a folder."""

    name, title = "nldas3", "NLDAS-3 daily forcing (beta)"

    def __init__(self, paths: Iterable[Path]) -> None:
        found = sorted(named(paths, FILE).items(), key=lambda item: item[1][2])
        self._files = {day: (path, m[2]) for path, m in found if (day := date_in(m[1]))}

    @property
    def lattice(self) -> Lattice:
        """0.01 degree from 169 W, 7 N."""
        return LATTICE

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Days with a file."""
        return tuple(sorted(self._files))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """The day's rain and mean temperature on a window; raises as ``WeatherSource.read``."""
        if day not in self._files:
            raise WeatherGapError(f"NLDAS-3 of {day} is missing")
        path, version = self._files[day]
        with opened(path) as data:
            require_variables(data, ("Rainf", "Tair"), path)
            require_units(data["Rainf"], UNITS, path)
            require_time(data, dt.datetime.combine(day, dt.time(), dt.UTC), path)
            rain, air = (latlon_field(data[name], LATTICE, window, path) for name in ("Rainf", "Tair"))
        made = WeatherDay(
            precipitation=rain,
            air_temperature=air,
            latency="final",
            version=version,
            inputs=(file_input(path),),
            notes=(NOTE,) if "beta" in version else (),
        )
        return checked(made, f"NLDAS-3 of {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""


def open_nldas3(path: Path) -> Nldas3:
    """NLDAS-3's daily files below a folder; raises WeatherUnreadableError where there is none."""
    source = Nldas3(below(path))
    if not source.days:
        raise WeatherUnreadableError(
            "No daily file of NLDAS-3 was found", value=path, allowed="NLDAS_FOR0010_D.AYYYYMMDD.030.beta.nc"
        )
    return source
