"""NEON's soil water content (DP1.00094.001), a file for each probe (``...HOR.VER.030.SWS_30_minute...csv``) or stacked.

``VSWCMean`` is a fraction, ``startDateTime`` UTC, ``VSWCFinalQF`` 0 where it passed. Where a probe is stands in NEON's
own file of sensor positions beside it, by site, position and period: probes were moved.

Source: NEON's tutorials and public readers of the product (names of files and columns, horizontal and vertical
positions, ``zOffset`` in m, ``locationReferenceLatitude``); no genuine file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.columns import Probe, reads, spoil
from downscaler.sources.insitu.delimited import degrees_of, header_of, moment_of, number_of, read_table
from downscaler.sources.insitu.series import FileReport, Read, Sensor

_FILE = re.compile(r"NEON\.D\d{2}\.(?P<site>[A-Z]{4})\.DP1\.00094\.001\.(?P<rest>.*)", re.IGNORECASE)
_PLACE = re.compile(r"(\d{3})\.(\d{3})\.")
_ONE, _THIRTY = "SWS_1_minute", "SWS_30_minute"
_PASSED = ("0", "")
_Key = tuple[str, str, str]  # site, horizontal and vertical position


@dataclass(frozen=True)
class _Position:
    """Where a probe was over some time; open where ``first`` or ``last`` is None."""

    lat: float | None
    lon: float | None
    down: float | None
    first: dt.datetime | None
    last: dt.datetime | None

    def holds(self, moment: dt.datetime) -> bool:
        return (self.first is None or self.first <= moment) and (self.last is None or moment < self.last)


def _is_header(names: tuple[str, ...]) -> bool:
    return "vswcmean" in names and "startdatetime" in names


def claims(path: Path) -> bool:
    """Whether a text table has the columns."""
    return bool(header_of(path, _is_header))


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, each with its report; of one-minute and half-hourly means of a probe the latter are read.

    Raises StationError when nothing tells where a probe is, or no line is a reading.
    """
    if _ONE in path.name and any(path.parent.glob(f"{path.name.split(_ONE)[0].rsplit('.', 2)[0]}*{_THIRTY}*")):
        yield None, FileReport(file=path.name, left_out=f"{_THIRTY} of the same probe lies beside it")
        return
    table = read_table(path, _is_header)
    named = _FILE.match(path.name)
    place = _PLACE.match(named["rest"]) if named else None
    known = _positions(path.resolve().parent)
    probes: dict[tuple[_Key, int], Probe] = {}
    for row in table.rows():
        key = (
            row.get("siteid") or (named["site"].upper() if named else ""),
            row.get("horizontalposition") or (place[1] if place else ""),
            row.get("verticalposition") or (place[2] if place else ""),
        )
        moment, value = moment_of(row["startdatetime"]), number_of(row["vswcmean"])
        if moment is None or value is None or not key[0] or not (key[1].isdigit() and key[2].isdigit()):
            spoil(table, dict(row))
            continue
        key = (key[0], f"{int(key[1]):03d}", f"{int(key[2]):03d}")
        number = next((n for n, position in enumerate(known.get(key, ())) if position.holds(moment)), -1)
        if (key, number) not in probes:
            probes[key, number] = Probe(_sensor(key, known[key][number] if number >= 0 else None, path))
        probes[key, number].add(moment, value, good=row.get("vswcfinalqf", "0") in _PASSED)
    yield from reads(table, probes.values(), domain, deepest)


def _sensor(key: _Key, position: _Position | None, path: Path) -> Sensor:
    site, horizontal, vertical = key
    found = (position.lat, position.lon, position.down) if position else (None, None, None)
    if None in found or not np.isfinite([number for number in found if number is not None]).all():
        raise StationError(
            f"{path.name} does not say where its probe is, and no file of sensor positions does",
            value=f"{site} {horizontal}.{vertical}",
            allowed="NEON's own file of sensor_positions beside it, with HOR.VER, zOffset and the reference place",
        )
    lat, lon, down = (float(number) for number in found if number is not None)
    if down > 0:
        raise StationError(
            f"The positions beside {path.name} put a probe above the ground",
            value=f"{site} {horizontal}.{vertical}: zOffset {down:g} m",
            allowed="0 or below",
        )
    depth = -down
    return Sensor(
        network="NEON",
        station=f"{site}-{horizontal}",
        name=f"{horizontal}.{vertical}",
        depth_from=depth,
        depth_to=depth,
        lat=lat,
        lon=lon,
    )


def _positions(folder: Path) -> dict[_Key, list[_Position]]:
    """What the files of sensor positions in a folder tell, by site and position."""
    files = sorted(folder.glob("*sensor_positions*.csv"))
    return _read_positions(tuple((file, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=16)
def _read_positions(files: tuple[tuple[Path, int], ...]) -> dict[_Key, list[_Position]]:
    found: dict[_Key, list[_Position]] = {}
    for file, _ in files:
        named = _FILE.match(file.name)
        for row in read_table(file).rows():
            parts = row.get("hor.ver", "").strip('"').split(".")
            site = row.get("siteid") or (named["site"].upper() if named else "")
            if len(parts) == 2 and all(part.isdigit() for part in parts) and site:
                key = (site, f"{int(parts[0]):03d}", f"{int(parts[1]):03d}")
                position = _position(row)
                if position not in found.setdefault(key, []):
                    found[key].append(position)
    return found


def _position(row: Mapping[str, str]) -> _Position:
    def number(*names: str) -> float | None:
        return next((degrees_of(row[name]) for name in names if row.get(name)), None)

    first, last = (
        moment_of(next((row[name] for name in names if row.get(name)), ""))
        for names in (("positionstartdatetime", "start"), ("positionenddatetime", "end"))
    )
    return _Position(
        lat=number("locationreferencelatitude", "referencelatitude"),
        lon=number("locationreferencelongitude", "referencelongitude"),
        down=number_of(row.get("zoffset", "")),
        first=first,
        last=last,
    )
