"""Readers of station networks, behind one protocol. A new network is one file here and one line below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu import hydrodata, ismn, table, uscrn
from downscaler.sources.insitu.series import COLUMNS, FileReport, Read, Sensor, Series, tidy

__all__ = ["COLUMNS", "READERS", "FileReport", "Read", "Sensor", "Series", "files_of", "read_stations", "tidy"]


class Reader(Protocol):
    """A module that reads one kind of station file."""

    def claims(self, path: Path) -> bool:
        """Whether the file or folder has this format."""
        ...

    def read(self, path: Path, *, domain: Domain | None = None, deepest: float = ...) -> Iterator[Read]:
        """Its sensors, each with the report on its file; raises StationError when nothing can be read."""
        ...


READERS: tuple[Reader, ...] = (ismn, table, uscrn)


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
        source: an ISMN archive (zip file or folder), a USCRN daily file, a table of readings (Parquet), a folder of
            any of these, or ``scan`` or ``snotel``.
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
    for file in files_of(path):
        reader = next((reader for reader in READERS if reader.claims(file)), None)
        if reader is None:
            yield None, FileReport(file=file.name, problem="no station file of a known format")
            continue
        try:
            yield from reader.read(file, domain=domain, deepest=deepest)
        except StationError as error:
            yield None, FileReport(file=file.name, problem=str(error))


def files_of(path: Path) -> list[Path]:
    """The files of a source: itself, or the files in a folder that is not itself an archive."""
    if not path.is_dir() or any(reader.claims(path) for reader in READERS):
        return [path]
    return sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
