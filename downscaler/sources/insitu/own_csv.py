"""A CSV of one's own: one reading a line, under a header of plain words.

Columns, in any order and case: ``site``, ``lat``, ``lon`` (degrees), ``depth`` (m; or ``depth_cm``, or ``depth_from``
and ``depth_to``), ``time`` (ISO 8601, or its digits alone: 20240501, 202405010600; UTC where no zone is told; a date
alone is a daily mean; a sensor's lines are all dates or all with hours), ``value`` (m3 m-3); and where there are:
``network``, ``sensor``, ``flag`` (ISMN's; G without one), ``utc_offset`` or ``timezone`` (hours ahead of UTC, or UTC)
of times that tell no zone, ``units``. Lines that begin with # are remarks.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.delimited import (
    degrees_of,
    header_of,
    is_date,
    moment_of,
    number_of,
    read_table,
    repeated,
    times,
)
from downscaler.sources.insitu.places import check_offset, depth_of
from downscaler.sources.insitu.series import GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked

NEEDED = ("site", "lat", "lon", "time", "value")
_DEPTHS = ("depth", "depth_m", "depth_cm", "depth_from")
_ALIASES = {
    "station": "site",
    "latitude": "lat",
    "longitude": "lon",
    "date": "time",
    "datetime": "time",
    "soil_moisture": "value",
    "timezone": "utc_offset",
    "time_zone": "utc_offset",
    "tz": "utc_offset",
    "unit": "units",
}
_HOURS = re.compile(r"(?:UTC|GMT|Z)?\s*(?:([+-]?)(\d{1,2}(?:\.\d+)?)(?::?(\d{2}))?)?", re.IGNORECASE)
_FRACTIONS = ("", "m3m-3", "m3/m3", "cm3/cm3", "cm3cm-3", "fraction", "1", "-")
_Key = tuple[str, str, str, float, float, float, float]  # network, site, sensor, depths, place
_FARTHEST = 14.0  # hours from UTC
_SUPERSCRIPTS = str.maketrans("³⁻", "3-")
_MOST_LACKING = 2  # columns, beyond which a table is thought to be another thing
_DEEPEST = 4.0  # m; a depth of 5 is of centimetres


@dataclass
class _Gathered:
    moments: list[dt.datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)
    dated: list[bool] = field(default_factory=list)  # whether a line tells a date alone

    @property
    def daily(self) -> bool:
        """Whether readings are means of days, as most lines have it."""
        return 2 * sum(self.dated) > len(self.dated)

    def of_one_kind(self, spoil: Callable[[int, str], None]) -> None:
        """Leave out dates among hours, or hours among dates: nothing tells whether a date is a mean or a midnight."""
        kept = [dated == self.daily for dated in self.dated]
        if all(kept):
            return
        for line, keep in zip(self.lines, kept, strict=True):
            if not keep:
                spoil(*line)
        self.moments = list(compress(self.moments, kept))
        self.values = list(compress(self.values, kept))
        self.flags = list(compress(self.flags, kept))


def claims(path: Path) -> bool:
    """Whether a file has the columns."""
    return not _lacking(path)


def nearly(path: Path) -> str:
    """What keeps a CSV with most of the columns from being one of these; empty for any other file."""
    lacking = _lacking(path)
    if "value" in lacking or not 0 < len(lacking) <= _MOST_LACKING:
        return ""
    return f"a CSV of one's own has columns {', '.join((*NEEDED, 'depth'))}; this lacks {' and '.join(lacking)}"


def _lacking(path: Path) -> list[str]:
    names = {_ALIASES.get(name, name) for name in header_of(path)}
    lacking = [name for name in NEEDED if name not in names]
    return lacking if names & set(_DEPTHS) else [*lacking, "depth"]


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, a sensor for each site, depth and name; broken lines are counted in the first report.

    Raises StationError when no line is a reading, or depths are not in m.
    """
    table = read_table(path)
    table.columns = tuple(_ALIASES.get(name, name) for name in table.columns)
    twice = repeated(table.columns)
    if twice:
        raise StationError(f"Two columns of {path.name} are both {' and '.join(twice)}", value=", ".join(table.columns))
    found: dict[_Key, _Gathered] = {}
    for row in table.rows():
        _check_units(row.get("units", ""), path)
        moment, value, depth = _moment(row, path), number_of(row["value"]), depth_of(row)
        lat, lon = degrees_of(row["lat"]), degrees_of(row["lon"])
        on_earth = lat is not None and lon is not None and abs(lat) <= 90
        if moment is None or value is None or depth is None or not on_earth or not row["site"]:
            table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))
            continue
        assert lat is not None
        assert lon is not None
        key = (row.get("network") or "own", row["site"], row.get("sensor") or "probe", *depth, lat, lon)
        sensor = found.setdefault(key, _Gathered())
        sensor.moments.append(moment)
        sensor.values.append(value)
        sensor.flags.append(MISSING_FLAG if np.isnan(value) else row.get("flag") or GOOD)
        sensor.lines.append((int(row[""]), row["time"]))
        sensor.dated.append(is_date(row["time"]))
    for one in found.values():
        one.of_one_kind(table.spoil)
    _check(found.keys(), table.bad, path)
    bad = len(table.bad)
    for (network, site, name, top, bottom, lat, lon), one in found.items():
        report = FileReport(file=f"{path.name}: {site} {bottom:g} m", lines=len(one.values) + bad, bad_lines=bad)
        first = table.bad[0] if bad else None
        missing = sum(np.isnan(one.values))
        report = replace(report, readings=len(one.values) - missing, missing=missing, first_bad=first)
        bad = 0  # told once
        if bottom > deepest:
            yield None, replace(report, left_out=f"reaches deeper than {deepest:g} m: {bottom:g} m")
            continue
        place = Sensor(network=network, station=site, name=name, depth_from=top, depth_to=bottom, lat=lat, lon=lon)
        series = Series(
            sensor=place, time=times(one.moments), value=np.array(one.values), flag=np.array(one.flags), daily=one.daily
        )
        yield checked(series, report, domain)


def _moment(row: Mapping[str, str], path: Path) -> dt.datetime | None:
    """UTC of a line; a day without an hour stays that day wherever the station is."""
    moment = moment_of(row["time"])
    if is_date(row["time"]) or moment == moment_of(row["time"], 1.0):  # the time tells its own zone, or is none
        return moment
    told = row.get("utc_offset", "")
    zone = _HOURS.fullmatch(told)
    hours = float(zone[2] or 0) + float(zone[3] or 0) / 60 if zone else np.inf
    if zone is None or hours > _FARTHEST:
        raise StationError(
            f"The time zone of {path.name} is not told in hours", value=repr(told), allowed="UTC, or hours such as -6"
        )
    hours = -hours if zone[1] == "-" else hours
    lon = degrees_of(row["lon"])
    if told and lon is not None:
        check_offset(hours, lon, path)
    return moment_of(row["time"], hours)


def _check_units(told: str, path: Path) -> None:
    if re.sub(r"[\s^*]", "", told.translate(_SUPERSCRIPTS)).lower() not in _FRACTIONS:
        raise StationError(f"Values of {path.name} are not in m3 m-3", value=repr(told), allowed="m3 m-3")


def _check(keys: Iterable[_Key], bad: list[str], path: Path) -> None:
    depths = [key[4] for key in keys]
    if not depths:
        raise StationError(
            f"{path.name} holds no reading",
            value=bad[0] if bad else "no line",
            allowed="site; lat from -90 to 90 and lon from -180 to 180, decimal degrees; depth; time; value",
        )
    if max(depths) > _DEEPEST:
        raise StationError(
            f"Depths of {path.name} are not in m",
            value=max(depths),
            allowed=f"0 to {_DEEPEST:g}; else name it depth_cm",
        )
