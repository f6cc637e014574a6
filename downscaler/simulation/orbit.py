"""SMAP's coverage: half orbits of a circular, sun-synchronous orbit that repeats after 8 days.

Source: Entekhabi et al. (2010, doi:10.1109/JPROC.2010.2043918): altitude 685 km, inclination 98.1 degrees, local time
of the ascending node 18:00, 117 orbits in 8 days, swath of 1000 km. The phase is that of the real half orbit 2801, so
that simulated swaths lie where SMAP's own did.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_INCLINATION = np.deg2rad(98.12)
_PERIOD = dt.timedelta(days=8) / 117
_FIRST = dt.datetime(2015, 8, 11, 1, 56, 39, tzinfo=dt.UTC)  # ascending node of the real half orbit 2801
_FIRST_REVOLUTION = 2801
_SWATH = 1000.0  # km
_EARTH = 6371.0  # km
_OVERPASSES = ("AM", "PM")


@dataclass(frozen=True, kw_only=True)
class Overpass:
    """One half of a day's L3 granule on a set of points.

    ``name`` AM (descending) or PM (ascending); ``time`` datetime64[ms] UTC, NaT outside the swaths; ``revolution`` the
    orbit's number, 0 outside; ``revolutions`` all half orbits of the day as (number, start).
    """

    name: str
    time: NDArray[np.datetime64]
    revolution: NDArray[np.int32]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where there is an observation."""
        return ~np.isnat(self.time)


def observe(date: dt.date, latitude: NDArray[np.float64], longitude: NDArray[np.float64], name: str) -> Overpass:
    """The AM or PM overpass of a UTC date at points in degrees; where swaths overlap, the one nearer to its track."""
    if name not in _OVERPASSES:
        raise ValueError(f"unknown overpass {name!r}; expected one of {_OVERPASSES}")
    midnight = dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC)
    first = (midnight - _FIRST) // _PERIOD - 1
    time = np.full(latitude.shape, np.datetime64("NaT"), "datetime64[ms]")
    nearest, revolution = np.full(latitude.shape, _SWATH / 2), np.zeros(latitude.shape, np.int32)
    lower, upper = (np.datetime64(str(date), "ms") + np.timedelta64(days, "D") for days in (0, 1))
    for orbit in range(first, first + 18):
        distance, seconds = _pass(orbit, latitude, longitude, ascending=name == "PM")
        when = np.datetime64((_FIRST + orbit * _PERIOD).replace(tzinfo=None), "ms") + (1e3 * seconds).astype("m8[ms]")
        closer = (distance < nearest) & (when >= lower) & (when < upper)
        time[closer], nearest[closer], revolution[closer] = when[closer], distance[closer], orbit + _FIRST_REVOLUTION
    return Overpass(name=name, time=time, revolution=revolution)


def _pass(
    orbit: int, latitude: NDArray[np.float64], longitude: NDArray[np.float64], *, ascending: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cross-track distance in km and seconds since the ascending node of one orbit's half, for points in degrees.

    The argument of latitude u follows from sin(lat) = sin(i) sin(u), the track's longitude from the node's and the
    Earth's turning (360 degrees a day against a sun-synchronous orbit).
    """
    limit = np.sin(_INCLINATION) * 0.999
    u = np.arcsin(np.clip(np.sin(np.deg2rad(latitude)), -limit, limit) / np.sin(_INCLINATION))
    u = u if ascending else np.pi - u
    period = _PERIOD.total_seconds()
    seconds = u / (2 * np.pi) * period
    start = _FIRST + orbit * _PERIOD
    node = 15.0 * (18.0 - (start.hour + start.minute / 60 + (start.second + start.microsecond * 1e-6) / 3600))
    track = node + np.rad2deg(np.arctan2(np.cos(_INCLINATION) * np.sin(u), np.cos(u))) - seconds / 240.0
    east = np.deg2rad((longitude - track + 180.0) % 360.0 - 180.0) * _EARTH * np.cos(np.deg2rad(latitude))
    lean = np.arcsin(np.clip(np.cos(_INCLINATION) / np.maximum(np.cos(np.deg2rad(latitude)), 0.2), -1.0, 1.0))
    return np.abs(east) * np.cos(lean), seconds
