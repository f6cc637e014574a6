"""Reads hourly files of the U.S. Climate Reference Network (CRNH0203): text as NCEI delivers it.

A line is an hour, stamped in UTC with its end; soil moisture at five depths as in the daily files. Columns as NCEI's
``headers.txt`` of hourly02 lists them (WBANNO, UTC_DATE, UTC_TIME, ... SOIL_MOISTURE_5 the 29th, SOIL_TEMP_5 the 34th
of 38), which public readers agree with; no genuine file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.delimited import degrees_of, moment_of, number_of, times
from downscaler.sources.insitu.ismn_text import decoded
from downscaler.sources.insitu.series import FROZEN, GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked
from downscaler.sources.insitu.uscrn import DEPTHS, NETWORK, SENSOR

_COLUMNS = 38
_DATE, _TIME, _LON, _LAT, _MOISTURE, _TEMPERATURE = 1, 2, 6, 7, 28, 33
_NAME = re.compile(r"CRNH0203-\d{4}-(\w+)(?: ?\(\d+\)| - Copy)?\.txt", re.IGNORECASE)
_FIRST = re.compile(r"^\d{4,5}\s+\d{8}\s+\d{4}\s+\d{8}\s+\d{4}\s")
_SHOWN = 80
_Row = tuple[str, dt.datetime, list[float]]  # station number, UTC, place and ten values


def claims(path: Path) -> bool:
    """Whether a path is a CRNH0203 file by its name or first line."""
    if path.is_dir():
        return False
    if _NAME.fullmatch(path.name):
        return True
    if path.suffix.lower() != ".txt":
        return False
    with path.open("rb") as stream:
        start = decoded(stream.read(4096))
    return bool(_FIRST.match(start.lstrip()))


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, depth by depth; a reading counts as frozen where the soil was not above 0 °C.

    Files of several stations, put together, are told apart by their numbers. Raises StationError when no line is an
    hour of a station.
    """
    rows, bad = [], []
    for number, line in enumerate(decoded(path.read_bytes()).splitlines(), start=1):
        row = _row(line.split())
        if row is not None:
            rows.append(row)
        elif line.strip() and not line.startswith("#"):
            bad.append(f"line {number}: {line.strip()[:_SHOWN]!r}")
    if not rows:
        raise StationError(
            f"{path.name} holds no hour of a USCRN station",
            value=bad[0] if bad else "no line",
            allowed=f"lines of {_COLUMNS} columns as in CRNH0203",
        )
    named = _NAME.fullmatch(path.name)
    stations = list(dict.fromkeys(row[0] for row in rows))
    for wban in stations:
        station = named[1] if named and len(stations) == 1 else f"WBAN-{wban:0>5}"
        own = [row for row in rows if row[0] == wban]
        yield from _station(path.name, station, own, bad, domain, deepest)
        bad = []  # told once


def _station(
    file: str, station: str, rows: list[_Row], bad: list[str], domain: Domain | None, deepest: float
) -> Iterator[Read]:
    moments = times([row[1] for row in rows])
    numbers = np.array([row[2] for row in rows])
    for n, depth in enumerate(DEPTHS):
        value, celsius = numbers[:, 2 + n], numbers[:, 7 + n]
        if depth > deepest or np.isnan(value).all():
            continue
        missing = int(np.isnan(value).sum())
        with np.errstate(invalid="ignore"):
            flag = np.select([np.isnan(value), celsius <= 0.0], [MISSING_FLAG, FROZEN], GOOD).astype(np.str_)
        sensor = Sensor(
            network=NETWORK,
            station=station,
            name=SENSOR,
            depth_from=depth,
            depth_to=depth,
            lat=float(numbers[0, 1]),
            lon=float(numbers[0, 0]),
        )
        report = FileReport(
            file=f"{file}, {station}, {100 * depth:g} cm",
            lines=len(rows) + len(bad),
            readings=len(rows) - missing,
            missing=missing,
            bad_lines=len(bad),
            first_bad=bad[0] if bad else None,
        )
        bad = []  # told once
        yield checked(Series(sensor=sensor, time=moments, value=value, flag=flag), report, domain)
    if np.isnan(numbers[:, 2:7]).all():
        lines = len(rows) + len(bad)
        yield None, FileReport(file=f"{file}, {station}", lines=lines, problem="no soil moisture at any depth")


def _row(words: list[str]) -> _Row | None:
    """A line as station number, UTC and the place with ten values; None when it is broken."""
    if len(words) != _COLUMNS or not all(word.isdigit() for word in words[: _TIME + 1]):
        return None
    moment = moment_of(f"{words[_DATE]}{words[_TIME]:0>4}")
    place = [degrees_of(words[column]) for column in (_LON, _LAT)]
    numbers = [*place, *(number_of(word) for word in words[_MOISTURE:])]
    if moment is None or any(number is None for number in numbers):
        return None
    return words[0], moment, [float(number) for number in numbers if number is not None]
