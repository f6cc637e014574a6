"""Common interface of weather sources: UTC days of precipitation and air temperature on their own grid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import WeatherValueError
from downscaler.ground.lattice import IJWindow, Lattice

Latency = Literal["preliminary", "final"]
Array = NDArray[np.float32]
RAIN_LIMIT = 1300.0  # mm a day; 1092 mm is the record of the USA (Alvin, Texas, 1979)
TEMPERATURES = (180.0, 335.0)  # K
DRIZZLE = -0.1  # mm a day, rounding of packed rain that may stand below zero


@dataclass(frozen=True, kw_only=True)
class WeatherDay:
    """A UTC day on the source's grid.

    ``precipitation`` is the day's sum, mm, [j, i] with row 0 in the south, NaN where there is no estimate;
    ``air_temperature`` the day's mean, K, or None where the source has none. ``inputs`` name the files (name, sha256,
    size). ``notes`` are sentences for the user.
    """

    precipitation: Array
    air_temperature: Array | None
    latency: Latency
    version: str
    inputs: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


class WeatherSource(Protocol):
    """An opened weather source; ``name`` is its key in ``SOURCES``."""

    name: str
    title: str

    @property
    def lattice(self) -> Lattice:
        """Lattice of the arrays: degrees (EPSG:4326) or projected."""

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with any data, ascending."""

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """One day on a window of the lattice.

        Raises:
            WeatherGapError: a part of the day is missing (hours, a file); it is named.
            WeatherValueError: values are not what they are said to be.
            WeatherUnreadableError: a file is damaged or of another layout, grid, unit or date.
        """

    def close(self) -> None:
        """Close all open files."""


def checked(day: WeatherDay, where: str) -> WeatherDay:
    """The day, after a check that rain and temperature are plausible.

    Raises:
        WeatherValueError: rain below zero or above any record, or temperatures of another unit; shows the range.
    """
    low, high = _range(day.precipitation)
    if low < DRIZZLE or high > RAIN_LIMIT:
        raise WeatherValueError(
            f"Precipitation of {where} is not plausible as a daily sum in mm",
            value=f"{low:g} to {high:g}",
            allowed=f"0 to {RAIN_LIMIT:g} mm a day",
            remedy="Check the unit (mm s-1, mm h-1 and m differ by 86,400, 24 and 1,000) and the fill value.",
        )
    if day.air_temperature is not None:
        low, high = _range(day.air_temperature)
        if not (TEMPERATURES[0] <= low and high <= TEMPERATURES[1]):
            raise WeatherValueError(
                f"Air temperature of {where} is not plausible in kelvin",
                value=f"{low:g} to {high:g}",
                allowed=f"{TEMPERATURES[0]:g} to {TEMPERATURES[1]:g} K",
                remedy="Check the unit and the fill value.",
            )
    return day


def _range(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (TEMPERATURES[0], TEMPERATURES[0])
