"""Weather from any CF NetCDF: daily fields on a projected lattice or on degrees, the run's own ``daily.nc`` among them.

Variables are found by the names of ``parflow.names`` (precipitation, apcp, pr, ...; air_temperature, tair, ...);
precipitation has to state a daily sum or a rate, temperature K or degrees C. Steps shorter than a day are summed and
averaged, and a day has to have as many steps as the others.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import WeatherGapError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice, from_centres
from downscaler.records import file_input
from downscaler.sources.parflow.cf import attributes_of, crs_of, in_metres, open_dataset, require_zero, utc_days
from downscaler.sources.parflow.names import find_name
from downscaler.sources.weather.files import as_weather, below, degrees_lattice, south_first
from downscaler.sources.weather.source import Array, WeatherDay, checked

PER_DAY = {  # what one step's value is worth in mm, as a function of the steps in a day
    "sum": ("mm", "kgm-2", "kg/m2", "kg/m^2", "mmday-1", "mm/day", "mmd-1", "mm/d", "kgm-2day-1", "kgm-2d-1"),
    "second": ("mms-1", "mm/s", "kgm-2s-1", "kg/m2/s", "kg/m^2/s"),
    "hour": ("mmh-1", "mm/h", "mm/hr", "mmhr-1", "kgm-2h-1"),
}
_DAILY_RATES = ("mmday-1", "mm/day", "mmd-1", "mm/d", "kgm-2day-1", "kgm-2d-1")
_KELVIN = 273.15


class GriddedWeather:
    """Opened files of one grid, in order of time."""

    name, title = "netcdf", "CF NetCDF"

    def __init__(self, files: list[Path]) -> None:
        self._files, self._where = files, files[0].parent if len(files) > 1 else files[0]
        with as_weather():
            self._parts = [open_dataset(file) for file in files]
        self._steps = self._index()

    @cached_property
    def lattice(self) -> Lattice:
        """Where the cells lie; raises WeatherUnreadableError for a grid that is not told or not regular."""
        first = self._parts[0]
        if any(_place(part) != _place(first) for part in self._parts[1:]):
            raise WeatherUnreadableError(f"The files of {self._where} lie on different grids")
        lat, lon = _axes(first, self._where)
        if lat == "y":
            with as_weather():
                first = in_metres(first, str(self._where))
                crs = crs_of(first, str(self._where))
                return from_centres(first["x"].values, south_first(first["y"].values), crs, where=str(self._where))
        return degrees_lattice(first[lon].values, first[lat].values, "degrees", self._where)

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with precipitation."""
        return tuple(sorted(self._steps))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """One day; raises as ``WeatherSource.read``."""
        if day not in self._steps:
            raise WeatherGapError(f"{self._where} has no weather for {day}")
        part, steps = self._steps[day]
        usual = max(len(s) for _, s in self._steps.values())
        if len(steps) != usual:
            raise WeatherGapError(f"{day} is incomplete in {self._where}", value=f"{len(steps)} of {usual} steps")
        data = self._parts[part]
        rain = self._values(data, "precipitation", steps, window)
        air = self._values(data, "air_temperature", steps, window)
        assert rain is not None
        made = WeatherDay(
            precipitation=rain.sum(axis=0, dtype=np.float64).astype(np.float32),
            air_temperature=None if air is None else air.mean(axis=0, dtype=np.float64).astype(np.float32),
            latency="final",
            version=str(data.attrs.get("version", data.attrs.get("product_version", "")))[:40],
            inputs=(file_input(self._files[part]),),
        )
        return checked(made, f"{self._files[part].name}, {day}")

    def close(self) -> None:
        """Close all open files."""
        for part in self._parts:
            part.close()

    def _index(self) -> dict[dt.date, tuple[int, list[int]]]:
        steps: dict[dt.date, tuple[int, list[int]]] = {}
        for number, part in enumerate(self._parts):
            rain = find_name("precipitation", attributes_of(part))
            if rain is None:
                raise WeatherUnreadableError(
                    f"{self._files[number].name} has no precipitation", value=", ".join(map(str, part.data_vars))
                )
            with as_weather():
                require_zero(part[rain], self._files[number].name)
                days = utc_days(part, str(self._files[number]))
            _check_once(part["time"].values, self._files[number].name)
            for step, day in enumerate(days):
                kept, found = steps.setdefault(day, (number, []))
                if kept != number:
                    raise WeatherUnreadableError(
                        f"{day} is in two files", value=f"{self._files[kept].name}, {self._files[number].name}"
                    )
                found.append(step)
        _check_daily(sorted(steps), self._where)
        return steps

    def _values(self, data: xr.Dataset, name: str, steps: list[int], window: IJWindow) -> Array | None:
        variable = find_name(name, attributes_of(data))
        if variable is None:
            return None
        lat, lon = _axes(data, self._where)
        values = data[variable]
        if set(values.dims) not in ({"time"}, {"time", lat, lon}):
            raise WeatherUnreadableError(
                f"{variable} of {self._where} has other dimensions than its grid",
                value=", ".join(map(str, values.dims)),
                allowed=f"time, {lat}, {lon}, or time alone",
            )
        rows, columns = window.slices
        turned = data[lat].size > 1 and float(data[lat][0]) > float(data[lat][-1])
        if turned:
            rows = slice(data[lat].size - rows.stop, data[lat].size - rows.start)
        if lat in values.dims:
            cut = values.isel({"time": steps, lat: rows, lon: columns}).transpose("time", lat, lon).values
        else:  # a series that holds for the whole grid
            cut = np.broadcast_to(values.isel(time=steps).values[:, None, None], (len(steps), *window.shape))
        cut = np.where(np.abs(cut) < 9990.0, cut, np.nan)[:, :: -1 if turned else 1].astype(np.float32)
        units = re.sub(r"\s+", "", str(values.attrs.get("units", ""))).lower()
        return cut * self._factor(units, len(steps)) if name == "precipitation" else self._kelvin(cut, units)

    def _factor(self, units: str, steps: int) -> np.float32:
        """What a value of one step is worth, in mm."""
        if units in PER_DAY["sum"]:
            return np.float32(1.0 / steps if units in _DAILY_RATES else 1.0)
        if units in PER_DAY["second"]:
            return np.float32(86_400.0 / steps)
        if units in PER_DAY["hour"]:
            return np.float32(24.0 / steps)
        raise WeatherUnreadableError(
            f"Precipitation of {self._where} has another unit",
            value=units or "no unit",
            allowed="mm, kg m-2, mm day-1, mm h-1, mm s-1, kg m-2 s-1",
            remedy="Convert the file; units are never guessed.",
        )

    def _kelvin(self, values: Array, units: str) -> Array:
        if units in ("k", "kelvin"):
            return values
        if units in ("c", "degc", "degreesc", "celsius", "degreec", "deg_c", "degrees_celsius"):
            return values + np.float32(_KELVIN)
        raise WeatherUnreadableError(
            f"Air temperature of {self._where} has another unit", value=units or "no unit", allowed="K, degC"
        )


def open_gridded(path: Path) -> GriddedWeather:
    """CF NetCDF files with daily or shorter steps; raises WeatherUnreadableError."""
    return GriddedWeather(below(path))


def _axes(data: xr.Dataset, where: object) -> tuple[str, str]:
    for pair in (("y", "x"), ("lat", "lon"), ("latitude", "longitude")):
        if all(axis in data.coords and data[axis].ndim == 1 for axis in pair):
            return pair
    raise WeatherUnreadableError(
        f"{where} has no coordinates of its grid",
        value=", ".join(map(str, data.coords)) or "no coordinate",
        allowed="one-dimensional y and x (projected, m), or lat and lon (degrees)",
    )


def _check_once(times: NDArray[np.datetime64], name: str) -> None:
    """Refuse the same time twice: rain of both steps would be summed."""
    found, counts = np.unique(times, return_counts=True)
    if found.size < times.size:
        raise WeatherUnreadableError(
            f"{name} has steps of one time",
            value=f"{found[counts.argmax()].astype('datetime64[s]')}, {int(counts.max())} times",
            allowed="each time once",
        )


def _check_daily(days: list[dt.date], where: object) -> None:
    """Refuse steps of weeks or months, whose rain would fall on one day; single days that are far apart are none."""
    apart = {(later - day).days for day, later in pairwise(days)}
    weeks = len(days) > 2 and len(apart) == 1 and min(apart) > 1
    if weeks or (apart and apart <= {28, 29, 30, 31}):
        raise WeatherUnreadableError(
            f"Steps of {where} are longer than a day",
            value=f"{days[0]}, {days[1]}, ...",
            allowed="steps of a day or shorter",
        )


def _place(data: xr.Dataset) -> tuple[object, ...]:
    axes = _axes(data, "a weather file")
    return tuple((np.round(data[axis].values.astype(np.float64), 3) + 0.0).tobytes() for axis in axes)
