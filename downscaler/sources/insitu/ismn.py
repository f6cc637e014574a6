"""Reads archives of the International Soil Moisture Network, in CEOP and header + values format.

The network's own package ``ismn`` parses the files; here each line is looked at first, since the package gives up a
whole file, or fills in NaN, where a line is broken.

Source: Dorigo et al. (2011, doi:10.5194/hess-15-1675-2011; 2021, doi:10.5194/hess-25-5749-2021).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from downscaler.errors import BROKEN, MissingExtraError, StationError
from downscaler.ground.grid import Domain
from downscaler.sources.folders import files_below
from downscaler.sources.insitu.ismn_text import (
    CEOP,
    HEADER_VALUES,
    broad_cover,
    decoded,
    format_of,
    in_ascii,
    network_of,
    originals,
    quiet,
    sort_out,
)
from downscaler.sources.insitu.series import COLUMNS, FileReport, Read, Sensor, Series, checked, tidy

__all__ = ["COLUMNS", "claims", "describe", "is_good", "read", "read_archive"]

_FORMATS = {CEOP: "CEOP", HEADER_VALUES: "header+values"}
_VARIABLE = "soil_moisture"
_MISSING = -9.0  # values at and below stand for "no reading": -9.999, -99, -9999


def claims(path: Path) -> bool:
    """Whether a path looks like an ISMN archive: a zip file, or a folder with ``.stm`` files."""
    return path.suffix.lower() == ".zip" if not path.is_dir() else bool(files_below(path, (".stm",)))


def belongs(file: Path) -> bool:
    """Whether a file is part of an unpacked archive: its series, their static variables, metadata and readme."""
    name = file.name.lower()
    return (
        file.suffix.lower() == ".stm"
        or name.endswith("_static_variables.csv")
        or name in ("metadata.xml", "readme.txt", "ismn_qualityflags_description.txt")
        or "python_metadata" in {part.lower() for part in file.parts}
    )


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of an archive one at a time, each with the report on its file; broken files are reported, not raised.

    Args:
        path: zip file or unpacked folder, as ISMN delivers it.
        domain: stations outside are refused.
        deepest: m; sensors that reach deeper are left out, and their files reported as such.

    Raises:
        StationError: nothing is there, no zip file, or no soil moisture in it.
        MissingExtraError: the package ``ismn`` is not installed.
    """
    with _opened(Path(path)) as members, tempfile.TemporaryDirectory(prefix="vadose-ismn-") as scratch:
        for name in members.soil_moisture:
            yield _Reader(members, Path(scratch), domain, deepest).read(name)


def read_archive(path: str | Path) -> pd.DataFrame:
    """All soil moisture readings of an archive, tidy: one row for each reading.

    Args:
        path: zip file or unpacked folder, as ISMN delivers it.

    Returns:
        Columns ``network``, ``station``, ``sensor``, ``depth_from`` and ``depth_to`` (m), ``lat`` and ``lon``
        (degrees), ``time`` (UTC, no zone), ``value`` (m3 m-3), ``flag`` (ISMN's, ``G`` is good).

    Raises:
        StationError: when the archive is missing, broken, or one of its files cannot be read.
    """
    return tidy(_strictly(Path(path)))


def describe(path: str | Path) -> dict[str, Any]:
    """Summary of an archive: kind, stations, readings, sensors, networks, period, format.

    ``readings`` counts soil moisture readings; broken lines are counted and files that cannot be read are named.
    Raises StationError when the archive is missing, broken, or not one of its files can be read.
    """
    reads = list(read(Path(path)))
    unread = [report for series, report in reads if series is None]
    if len(unread) == len(reads):
        raise _nothing_read(Path(path), unread[0])
    readings = tidy(series for series, _ in reads if series is not None)
    stations = readings[["network", "station"]].drop_duplicates()
    sensors = readings[["network", "station", "sensor", "depth_from", "depth_to"]].drop_duplicates()
    with _opened(Path(path)) as members:
        formats = {format_of(members.text(name)) for name in members.soil_moisture}
    return {
        "kind": "station-archive",
        "name": Path(path).name,
        "stations": len(stations),
        "sensors": len(sensors),
        "readings": len(readings),
        "good": int(is_good(readings["flag"]).sum()),
        "networks": sorted(str(name) for name in stations["network"].unique()),
        "period": [readings["time"].min().isoformat(), readings["time"].max().isoformat()],
        "format": ", ".join(sorted(_FORMATS[name] for name in formats)),
        "bad_lines": sum(report.bad_lines for _, report in reads),
        "files_not_read": [f"{report.file}: {report.problem or report.left_out}" for report in unread],
    }


def is_good(flags: pd.Series[str]) -> pd.Series[bool]:
    """Readings that ISMN flags good: ``G`` and no other flag."""
    return flags.astype(str).str.strip() == "G"


def _strictly(path: Path) -> Iterator[Series]:
    for series, report in read(path):
        if series is None or report.bad_lines:
            raise _nothing_read(path, report)
        yield series


def _nothing_read(path: Path, report: FileReport) -> StationError:
    return StationError(
        f"Station archive {path.name} has a file that cannot be read",
        value=f"{report.file}: {report.problem or report.first_bad}",
        allowed="ISMN files in CEOP or header+values format",
        remedy="Download the archive again, or remove the file.",
    )


@dataclass(frozen=True, kw_only=True)
class _Members:
    """The files of an archive by name: soil moisture, and each station's static variables by its folder."""

    soil_moisture: tuple[str, ...]
    statics: Mapping[str, str]
    content: Callable[[str], bytes]

    def text(self, name: str) -> str:
        return decoded(self.content(name))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Members]:
    """The archive's files; raises StationError where there are none to be had, MissingExtraError without ``ismn``."""
    if find_spec("ismn") is None:
        raise MissingExtraError(
            "Station archives of ISMN need the package ismn, which is not installed",
            value=path.name,
            remedy="pip install 'vadose[insitu]'",
        )
    if not path.exists():
        raise StationError("Station archive not found", value=path, remedy="Give an ISMN zip file or its folder.")
    if path.is_dir():
        names = [p.relative_to(path).as_posix() for p in files_below(path, (".stm", ".csv"))]
        yield _members(path, names, lambda name: (path / name).read_bytes())
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise StationError(
            "Station archive is not a zip file, or is truncated", value=path.name, remedy="Download it again."
        ) from error
    with archive:
        yield _members(path, archive.namelist(), archive.read)


def _members(path: Path, names: list[str], content: Callable[[str], bytes]) -> _Members:
    names = [name for name in names if not _is_clutter(PurePosixPath(name))]
    found = sorted(n for n in names if n.lower().endswith(".stm") and "_sm_" in PurePosixPath(n).name)
    if not found:
        raise StationError(
            "Station archive holds no soil moisture of ISMN",
            value=f"{path.name}: {len(names)} files" + (f", such as {names[0]}" if names else ""),
            allowed="files NETWORK_NETWORK_STATION_sm_FROM_TO_SENSOR_START_END.stm",
            remedy="Unpack it: other networks' files are read unpacked." if path.suffix.lower() == ".zip" else None,
        )
    statics = {str(PurePosixPath(n).parent): n for n in names if n.endswith("_static_variables.csv")}
    return _Members(soil_moisture=tuple(found), statics=statics, content=content)


def _is_clutter(name: PurePosixPath) -> bool:
    """What a Mac adds to a zip file beside the files themselves."""
    return name.name.startswith(".") or "__MACOSX" in name.parts


@dataclass(frozen=True)
class _Reader:
    """Reads one file after another through a scratch folder that the package ``ismn`` takes for an archive."""

    members: _Members
    scratch: Path
    domain: Domain | None
    deepest: float

    def read(self, name: str) -> Read:
        """The series of one member (None if it has none) and the report on the file."""
        report = FileReport(file=PurePosixPath(name).name)
        try:
            text = self.members.text(name)
        except BROKEN as error:
            return None, replace(report, problem=f"damaged in the archive: {error}")
        header, lines, report = sort_out(text, report)
        if report.problem is None and not lines:
            report = replace(report, problem="no line contains a reading")
        if report.problem is not None:
            return None, report
        try:
            series = self._parse(name, "\n".join([*header, *lines]) + "\n")
        except BROKEN as error:
            return None, replace(report, problem=f"not an ISMN file: {str(error).splitlines()[0][:120]}")
        missing = int(np.isnan(series.value).sum())
        report = replace(report, readings=report.readings - missing, missing=missing)
        if series.sensor.depth_to > self.deepest:
            depths = f"{series.sensor.depth_from:g} to {series.sensor.depth_to:g} m"
            return None, replace(report, left_out=f"reaches deeper than {self.deepest:g} m: {depths}")
        return checked(series, report, self.domain)

    def _parse(self, name: str, text: str) -> Series:
        """A file without its broken lines, as the package reads it."""
        from ismn.base import IsmnRoot
        from ismn.filehandlers import DataFile

        lines = text.splitlines()
        original = originals([lines[0], PurePosixPath(name).stem.replace("_", " ")])
        relative = Path("network", "station", in_ascii(PurePosixPath(name).stem) + ".stm")  # wherever the file lies
        target = self.scratch / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        alone = len(lines) == 1  # in CEOP format; the package wants a second line
        try:
            target.write_text(in_ascii(text * 2 if alone else text), encoding="ascii")
            with quiet():
                file = DataFile(IsmnRoot(self.scratch), relative, temp_root=self.scratch)
                data, meta = file.read_data()[: 1 if alone else None], file.metadata
                told = self._statics(name, target.parent, meta["instrument"].depth)
        finally:
            shutil.rmtree(target.parent)
        depth = meta["instrument"].depth
        sensor = Sensor(
            network=network_of(lines[0]),
            station=original(str(meta["station"].val)),
            name=original(str(meta["instrument"].val)),
            depth_from=float(depth.start),
            depth_to=float(depth.end),
            lat=float(meta["latitude"].val),
            lon=float(meta["longitude"].val),
            **told,
        )
        value = data[_VARIABLE].to_numpy(dtype=float)
        return Series(
            sensor=sensor,
            time=data.index.to_numpy(dtype="datetime64[s]"),
            value=np.where(value <= _MISSING, np.nan, value),
            flag=np.array([str(flag) for flag in data[f"{_VARIABLE}_flag"]]),  # to_numpy(str) cuts them beside a gap
        )

    def _statics(self, name: str, folder: Path, depth: Any) -> dict[str, Any]:
        """Land cover and texture (fractions) that the archive tells of the station, as far as it does."""
        from ismn.base import IsmnRoot
        from ismn.filehandlers import StaticMetaFile

        static = self.members.statics.get(str(PurePosixPath(name).parent))
        if static is None:
            return {}
        try:
            (folder / "static.csv").write_bytes(self.members.content(static))
            file = StaticMetaFile(IsmnRoot(self.scratch), (folder / "static.csv").relative_to(self.scratch))
            meta = file.metadata.best_meta_for_depth(depth)
        except BROKEN:  # of the zip's member too
            return {}
        told: dict[str, Any] = {"land_cover": _cover(meta)}
        for ours, theirs in (("clay", "clay_fraction"), ("sand", "sand_fraction")):
            percent: Any = meta[theirs].val if theirs in meta.keys() else None  # noqa: SIM118  (no mapping)
            number = float(percent) if isinstance(percent, (int, float, np.number)) else np.nan
            told[ours] = number / 100.0 if np.isfinite(number) else None
        return told


def _cover(meta: Any) -> str | None:
    """Land cover as the station's own words have it, else as the map of 2010 (ESA CCI) has it."""
    for name in ("lc_insitu", "lc_2010"):
        value = meta[name].val if name in meta.keys() else None  # noqa: SIM118  (no mapping)
        found = broad_cover(value)
        if found is not None:
            return found
    return None
