"""GPM IMERG Late daily (``GPM_3IMERGDL`` 07): 0.1 degree, all the globe, about 14 hours late; rain alone.

``3B-DAY-L.MS.MRG.3IMERG.20260205-S000000-E235959.V07B.nc4``: ``precipitation`` is the day's mean rate in mm/day with
dimensions (time, lon, lat), south to north; ``precipitation_cnt`` counts the half hours with an estimate, so 0 means
that there is none, not that it was dry. Fill -9999.9.

Source: Huffman et al. (2023, doi:10.5067/GPM/IMERGDL/DAY/07).
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
from downscaler.sources.weather.source import WeatherDay, checked

SHORT_NAME, VERSION = "GPM_3IMERGDL", "07"
LATTICE = Lattice(name="IMERG", crs="EPSG:4326", lower_left=xy_(-180.0, -90.0), shape=wh_(3600, 1800), cell=0.1)
FILE = re.compile(r"3B-DAY-L\.MS\.MRG\.3IMERG\.(\d{8})-S000000-E235959\.(V07[A-Z])\.nc4?(?:\.nc4)?")
UNITS = ("mm/day", "mm day-1", "mm d-1", "mm")
NOTE = "IMERG has no air temperature: the prior's mean of the month stands in for it."


class Imerg:
    """Daily files of IMERG Late below a folder; of two releases of a day the later one counts."""

    name, title = "imerg", "GPM IMERG Late daily (GPM_3IMERGDL 07)"

    def __init__(self, paths: Iterable[Path]) -> None:
        found = named(paths, FILE)
        ordered = sorted(found.items(), key=lambda item: item[1][2])
        self._files = {day: (path, m[2]) for path, m in ordered if (day := date_in(m[1]))}

    @property
    def lattice(self) -> Lattice:
        """0.1 degree, the globe."""
        return LATTICE

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Days with a file."""
        return tuple(sorted(self._files))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """The day's rain; raises as ``WeatherSource.read``."""
        if day not in self._files:
            raise WeatherGapError(f"IMERG of {day} is missing", remedy="Download it, or wait until it is published.")
        path, version = self._files[day]
        with opened(path) as data:
            require_variables(data, ("precipitation",), path)
            require_units(data["precipitation"], UNITS, path)
            require_time(data, dt.datetime.combine(day, dt.time(), dt.UTC), path)
            rain = latlon_field(data["precipitation"], LATTICE, window, path)
            if "precipitation_cnt" in data:
                count = latlon_field(data["precipitation_cnt"], LATTICE, window, path)
                rain = np.where(np.nan_to_num(count) > 0, rain, np.float32(np.nan))
        made = WeatherDay(
            precipitation=rain,
            air_temperature=None,
            latency="preliminary",
            version=version,
            inputs=(file_input(path),),
            notes=(NOTE,),
        )
        return checked(made, f"IMERG of {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""


def open_imerg(path: Path) -> Imerg:
    """IMERG's daily files below a folder; raises WeatherUnreadableError where there is none."""
    source = Imerg(below(path))
    if not source.days:
        raise WeatherUnreadableError(
            "No daily file of IMERG Late was found",
            value=path,
            allowed="3B-DAY-L.MS.MRG.3IMERG.YYYYMMDD-S000000-E235959.V07B.nc4",
        )
    return source
