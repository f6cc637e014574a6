"""Readers of station networks, behind one protocol. A new network is one file here and one line below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from downscaler.errors import BROKEN, StationError
from downscaler.ground.grid import Domain
from downscaler.sources import hdf5
from downscaler.sources.folders import files_below
from downscaler.sources.insitu import (
    ameriflux,
    hydrodata,
    ismn,
    ismn_frame,
    neon,
    nrcs,
    own_csv,
    table,
    uscrn,
    uscrn_hourly,
)
from downscaler.sources.insitu.places import SITES
from downscaler.sources.insitu.series import COLUMNS, FileReport, Read, Sensor, Series, tidy

__all__ = [
    "COLUMNS",
    "READERS",
    "FileReport",
    "Read",
    "Sensor",
    "Series",
    "files_of",
    "is_known",
    "places_in",
    "read_stations",
    "tidy",
]


class Reader(Protocol):
    """A module that reads one kind of station file."""

    def claims(self, path: Path) -> bool:
        """Whether the file or folder has this format."""
        ...

    def read(self, path: Path, *, domain: Domain | None = None, deepest: float = ...) -> Iterator[Read]:
        """Its sensors, each with the report on its file; raises StationError when nothing can be read."""
        ...


READERS: tuple[Reader, ...] = (ismn, table, uscrn_hourly, uscrn, own_csv, ameriflux, neon, nrcs, ismn_frame)


def read_stations(
    source: str | Path,
    *,
    domain: Domain,
    period: tuple[dt.date, dt.date],
    deepest: float,
) -> Iterator[Read]:
    """All sensors of a source, one at a time, each with the report on its file.

    A source that cannot be read at all is reported like a file that cannot, so that the rest is validated.

    Args:
        source: an ISMN archive (zip file or folder), a USCRN daily or hourly file, a table of readings (Parquet), a CSV
            of one's own, AmeriFlux, NEON, an NRCS report, a frame of the package ismn, a folder of any of these, or
            ``scan`` or ``snotel``.
        domain: stations outside are refused.
        period: first and last day, asked of services.
        deepest: m; sensors that reach deeper are left out.

    Raises:
        StationError: nothing is there.
        HydroDataError: SCAN or SNOTEL is asked for and cannot be had.
    """
    if str(source) in hydrodata.NETWORKS:
        yield from hydrodata.read(str(source), *period, domain=domain, deepest=deepest)
        return
    path = Path(source)
    if not path.exists():
        raise StationError(
            "Station data not found",
            value=path,
            allowed=["an ISMN archive", "a USCRN daily file", "a folder", *hydrodata.NETWORKS],
        )
    files = files_of(path)
    if not files:
        raise StationError("The folder holds no file", value=path, allowed=["an ISMN archive", "a USCRN daily file"])
    for file in files:
        yield from _read(file, domain=domain, deepest=deepest)


def _read(file: Path, *, domain: Domain | None, deepest: float) -> Iterator[Read]:
    """The sensors of one file; what cannot be read is reported, so that the rest goes on."""
    try:
        if not file.is_dir():
            hdf5.require_regular(file)
        reader = next((reader for reader in READERS if reader.claims(file)), None)
        if reader is None:
            problem = own_csv.nearly(file) or "no station file of a known format"
            yield None, FileReport(file=file.name, problem=problem)
            return
        yield from reader.read(file, domain=domain, deepest=deepest)
    except StationError as error:
        yield None, FileReport(file=file.name, problem=str(error))
    except BROKEN as error:
        yield None, FileReport(file=file.name, problem=f"damaged ({type(error).__name__}: {str(error)[:200]})")


def is_known(path: Path) -> bool:
    """Whether one of the readers takes a file, or an unpacked archive, for its own."""
    return any(reader.claims(path) for reader in READERS)


def describe(path: Path) -> dict[str, Any]:
    """What station files or a folder of them hold, wherever the stations are; files not read are named.

    Raises StationError when not one can be read.
    """
    reads = [one for file in files_of(Path(path)) for one in _read(file, domain=None, deepest=float("inf"))]
    series = [one for one, _ in reads if one is not None]
    unread = [f"{report.file}: {report.problem or report.left_out}" for one, report in reads if one is None]
    if not series:
        raise StationError("No station file can be read", value="; ".join(unread[:3]) or path)
    table = tidy(series)
    stations = table[["network", "station"]].drop_duplicates()
    return {
        "kind": "station-archive",
        "name": Path(path).name,
        "stations": len(stations),
        "sensors": len(series),
        "readings": len(table),
        "networks": sorted(str(name) for name in stations["network"].unique()),
        "period": [table["time"].min().isoformat(), table["time"].max().isoformat()],
        "bad_lines": sum(report.bad_lines for _, report in reads),
        "files_not_read": unread,
    }


def places_in(path: Path, *, deepest: float) -> list[tuple[float, float]]:
    """Latitude and longitude, degrees, of the stations in a file or folder with a sensor above ``deepest`` (m).

    Raises StationError when not one can be read.
    """
    reads = [one for file in files_of(path) for one in _read(file, domain=None, deepest=deepest)]
    found = {(one.sensor.lat, one.sensor.lon): None for one, _ in reads if one is not None}
    if not found:
        told = "; ".join(f"{report.file}: {report.problem or report.left_out}" for _, report in reads[:3])
        raise StationError("No station file can be read", value=told or path)
    return list(found)


def files_of(path: Path) -> list[Path]:
    """What a source consists of: itself; of a folder its unpacked ISMN files as one archive, and every other file.

    Files that come with an unpacked archive (metadata, readme) belong to it.
    """
    if not path.is_dir():
        return [path]
    files = files_below(path)
    unpacked = any(file.suffix.lower() == ".stm" for file in files)
    if not unpacked:
        return [file for file in files if not _is_companion(file)]
    return [path, *(file for file in files if not ismn.belongs(file) and not _is_companion(file))]


def _is_companion(file: Path) -> bool:
    """Whether a file only tells of others: places of stations, positions of probes."""
    return file.name.lower() == SITES or "sensor_positions" in file.name
