"""Reports of NRCS on SCAN and SNOTEL as CSV: of the report generator, and of the older historical tables.

``Date,Station Id,Soil Moisture Percent -2in (pct) Mean of Hourly Values`` or ``Site Id,Date,Time,SMS.I-1:-2 (pct)
(loam)``; depths in inches, times in local standard time, -99.9 or nothing where missing, titles before the header. The
station is named in a column, in the names of columns, or in the remarks; its place stands in ``sites.csv`` under that
number.

Source: columns and lines quoted in public readers of both reports; no genuine file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.columns import Probe, reads, sensor_of, spoil
from downscaler.sources.insitu.delimited import US_FORMS, header_of, moment_of, number_of, read_table
from downscaler.sources.insitu.places import local_offset, site_of
from downscaler.sources.insitu.series import Read

_LENGTH = {"in": 0.0254, "cm": 0.01}
_COLUMN = re.compile(
    r"(?:soil moisture percent|sms)\s*-(?P<depth>\d+(?:\.\d+)?)\s*(?P<unit>in|cm)\s*\(pct\)(?P<kind>.*)"
    r"|sms\.[a-z]-(?P<number>\d+):-(?P<inches>\d+(?:\.\d+)?)\s*\(pct\)(?P<soil>.*)"
)
_SITE_COLUMNS = ("station id", "site id")
_IN_NAME = re.compile(r"\((\d{1,4})\)")


def _is_header(names: tuple[str, ...]) -> bool:
    return "date" in names and any(_COLUMN.search(name) for name in names)


def claims(path: Path) -> bool:
    """Whether a text table has the columns of one of the reports."""
    return bool(header_of(path, _is_header))


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a report, station by station and depth by depth; a row with a value that is none is a broken line.

    Raises StationError when nothing tells which or where a station is, or no line is a reading.
    """
    table = read_table(path, _is_header)
    columns = {name: found for name in table.columns if (found := _COLUMN.search(name))}
    by_row = next((name for name in _SITE_COLUMNS if name in table.columns), None)
    remark = next((m[1] for line in table.comments if (m := _IN_NAME.search(line))), None)
    probes: dict[tuple[str, str], Probe] = {}
    for row in table.rows():
        values = {name: number_of(row[name]) for name in columns}
        sites = {name: _site(row, name, found, by_row, remark, path) for name, found in columns.items()}
        stamp = f"{row['date']} {row.get('time', '')}".strip()
        if None in values.values() or moment_of(stamp, forms=US_FORMS) is None or not all(sites.values()):
            spoil(table, dict(row))
            continue
        for name, value in values.items():
            assert value is not None
            key = (sites[name], name)
            if key not in probes:
                probes[key] = _probe(path, sites[name], columns[name])
            probes[key].add(_moment(stamp, probes[key], sites[name], path), value)
    yield from reads(table, probes.values(), domain, deepest)


def _site(
    row: Mapping[str, str], name: str, found: re.Match[str], by_row: str | None, remark: str | None, path: Path
) -> str:
    """The number of a column's station: of its row, in its name, or in the remarks."""
    if by_row is not None:
        return row[by_row].removesuffix(".0")
    before = _IN_NAME.search(name[: found.start()])
    if before is None and remark is None:
        raise StationError(f"{path.name} does not name its station", allowed="(number) in a remark or column")
    return before[1] if before else str(remark)


def _probe(path: Path, site: str, found: re.Match[str]) -> Probe:
    length = f"{found['depth'] or found['inches']}{found['unit'] or 'in'}"
    depth = float(found["depth"] or found["inches"]) * _LENGTH[found["unit"] or "in"]
    name = length if found["number"] in (None, "1") else f"{length} {found['number']}"
    kind = (found["kind"] or "").lower()
    place = site_of(path, site)
    sensor = sensor_of("SCAN", site, name, place, (depth, depth))
    return Probe(sensor, percent=True, daily="mean of" in kind or "average" in kind)


def _moment(stamp: str, probe: Probe, site: str, path: Path) -> dt.datetime:
    """UTC of a row; of a daily mean its local date."""
    offset = 0.0 if probe.daily else local_offset(site_of(path, site), site, path)
    moment = moment_of(stamp, offset, US_FORMS)
    assert moment is not None
    return moment
