"""Half-hourly and hourly BASE files of AmeriFlux: ``AMF_US-ARM_BASE_HH_11-5.csv``.

``TIMESTAMP_START`` is in local standard time, soil water content (``SWC``, ``SWC_1_1_1``, ``SWC_PI_1``, ``SWC_1_1_A``)
in per cent, -9999 missing; two lines ``# Site:`` and ``# Version:`` stand before the header. What was filled in
(``_F``) is read and not taken for good. Place, depth and offset from UTC stand in ``sites.csv``.

Source: AmeriFlux BASE data product README (file name, header, variable qualifiers), a stored copy of 2019; no genuine
data file was at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu.columns import Probe, reads, sensor_of, spoil
from downscaler.sources.insitu.delimited import Table, header_of, moment_of, number_of, read_table
from downscaler.sources.insitu.places import local_offset, site_of
from downscaler.sources.insitu.series import FileReport, Read

_SWC = re.compile(r"swc(?:_pi)?(?P<filled>_f(?:_mds)?)?(?:_\d+){0,2}(?:_(?:\d+|a))?")
_SITE = re.compile(r"#\s*Site:\s*(\S+)", re.IGNORECASE)
_FILE = re.compile(r"(?:AMF|FLX)_([A-Z]{2}-\w{3})_", re.IGNORECASE)
_START = "timestamp_start"


def _is_header(names: tuple[str, ...]) -> bool:
    return _START in names and any(_SWC.fullmatch(name) for name in names)


def claims(path: Path) -> bool:
    """Whether a text table has the columns."""
    return bool(header_of(path, _is_header))


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, each with its report; a column whose depth is not told is reported, and the others are read.

    Raises StationError when nothing tells where the station is, no depth is told, or no line is a reading.
    """
    table = read_table(path, _is_header)
    told = next((m[1] for line in table.comments if (m := _SITE.search(line))), None)
    named = _FILE.match(path.name)
    site = told or (named[1] if named else path.stem)
    place = site_of(path, site)
    columns = [name for name in table.columns if _SWC.fullmatch(name)]
    deep = [name for name in columns if name not in place.depths]
    if len(deep) == len(columns):
        raise StationError(
            f"No depth of {', '.join(deep).upper()} of {site} is told",
            value=path.name,
            allowed="a line in sites.csv with site, lat, lon, utc_offset, variable and depth (m)",
        )
    for name in deep:
        yield (
            None,
            FileReport(file=f"{path.name}: {name.upper()}", problem=f"sites.csv tells no depth of {name.upper()}"),
        )
    probes = {
        name: Probe(sensor_of("AmeriFlux", site, name.upper(), place, place.depths[name]), percent=True)
        for name in columns
        if name not in deep
    }
    _gather(table, probes, local_offset(place, site, path))
    yield from reads(table, probes.values(), domain, deepest)


def _gather(table: Table, probes: dict[str, Probe], offset: float) -> None:
    filled = {name for name in probes if (m := _SWC.fullmatch(name)) and m["filled"]}
    for row in table.rows():
        moment = moment_of(row[_START], offset)
        values = {name: number_of(row[name]) for name in probes}
        if moment is None or None in values.values():
            spoil(table, dict(row))
            continue
        for name, value in values.items():
            assert value is not None
            probes[name].add(moment, value, good=name not in filled or row.get(f"{name}_qc") == "0")
