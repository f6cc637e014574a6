"""Writes simulated station readings as an ISMN archive: header + values files in a zip, with static variables.

Source: Dorigo et al. (2011, doi:10.5194/hess-15-1675-2011) for the format, (2013, doi:10.2136/vzj2012.0097) for flags.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_STAMP = (2024, 1, 1, 0, 0, 0)  # of every member, so that the same readings make the same bytes
_CSV_HEAD = "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name;\n"


@dataclass(frozen=True, kw_only=True)
class Station:
    """One site. ``land_cover`` is a word, ``saturation`` m3 m-3, ``clay`` and ``sand`` fractions of the top layer."""

    network: str
    name: str
    latitude: float
    longitude: float
    elevation: float
    land_cover: str
    saturation: float
    clay: float
    sand: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """Readings of one sensor at one depth: ``values`` m3 m-3 and ``flags`` (ISMN's), one for each of ``times``."""

    station: Station
    depth: float
    sensor: str
    times: NDArray[np.datetime64]
    values: NDArray[np.floating]
    flags: Sequence[str]


def write_archive(path: Path, series: Sequence[Series]) -> None:
    """Writes an archive that the ``ismn`` package reads; members are in the order given, stations' statics last."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        stations = {(s.station.network, s.station.name): s.station for s in series}
        for one in series:
            _add(archive, _member(one), _values(one))
        for station in stations.values():
            base = f"{station.network}/{station.name}/{station.network}_{station.network}_{station.name}"
            _add(archive, f"{base}_static_variables.csv", _statics(station))


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    info = zipfile.ZipInfo(name, _STAMP)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, text)


def _member(series: Series) -> str:
    station, first, last = series.station, *(str(t)[:10].replace("-", "") for t in series.times[[0, -1]])
    depth = f"{series.depth:.6f}_{series.depth:.6f}"
    file = f"{station.network}_{station.network}_{station.name}_sm_{depth}_{series.sensor}_{first}_{last}.stm"
    return f"{station.network}/{station.name}/{file}"


def _values(series: Series) -> str:
    s = series.station
    place = f"{s.latitude:.5f} {s.longitude:.5f} {s.elevation:.2f}"
    lines = [f"{s.network} {s.network} {s.name} {place} {series.depth:.4f} {series.depth:.4f} {series.sensor}"]
    stamps = np.datetime_as_string(series.times, unit="m")
    for stamp, value, flag in zip(stamps, series.values, series.flags, strict=True):
        lines.append(f"{str(stamp).replace('-', '/').replace('T', ' ')} {value:9.4f} {flag} M")
    return "\n".join(lines) + "\n"


def _statics(station: Station) -> str:
    rows = [
        ("saturation", "m^3*m^-3", f"{station.saturation:.2f}"),
        ("clay fraction", "% weight", f"{100 * station.clay:.2f}"),
        ("sand fraction", "% weight", f"{100 * station.sand:.2f}"),
        ("organic carbon", "% weight", "nan"),
    ]
    text = "".join(f"{name};{unit};0.00;0.30;{value};;simulated;\n" for name, unit, value in rows)
    return f"{_CSV_HEAD}{text}land cover classification;;;;{station.land_cover};simulated;insitu;\n"
