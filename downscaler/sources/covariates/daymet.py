"""Daymet V4 R1: daily precipitation and temperature of North America on a 1 km grid, as ORNL DAAC delivers it.

A file holds one variable and year, ``daymet_v4_daily_na_<prcp|tmax|tmin>_<year>.nc`` (about 4.5 GB whole; cuts are read
alike). A Daymet year has 365 days: in leap years 31 December is not there.

Source: Thornton et al. (2022), Daymet: Daily Surface Weather Data on a 1-km Grid for North America, Version 4 R1,
doi:10.3334/ORNLDAAC/2129.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import AbsentDataError, PriorSchemaError, PriorUnreadableError
from downscaler.ground.grid import Domain
from downscaler.ground.lattice import IJWindow, Lattice, from_centres
from downscaler.sources.earthdata import Cache, Endpoints, RemoteFile, remote_file
from downscaler.sources.parflow.cf import crs_of, in_metres, open_dataset, utc_days
from downscaler.sources.parflow.source import file_inputs

SHORT_NAME = "Daymet_Daily_V4R1_2129"
TITLE = "Daymet V4 R1"
VARIABLES = {"prcp": ("mm/day", "mmday-1"), "tmax": ("degreesc", "degc"), "tmin": ("degreesc", "degc")}
KELVIN = 273.15
_FILE = re.compile(r"daymet_v4_daily_na_(prcp|tmax|tmin)_(\d{4}).*\.nc")
Array = NDArray[np.float32]


class Daymet:
    """Opened files by variable and year, on one lattice (row 0 in the south)."""

    def __init__(self, files: dict[tuple[str, int], Path]) -> None:
        self._files = files
        self._data = {key: _checked(key, path) for key, path in files.items()}

    @cached_property
    def lattice(self) -> Lattice:
        """Lattice of the files; raises PriorSchemaError when they cover different areas."""
        found = {(d["x"].size, d["y"].size, float(d["x"][0]), float(d["y"].min())): d for d in self._data.values()}
        if len(found) > 1:
            raise PriorSchemaError("The Daymet files cover different areas", value=[key[:2] for key in found])
        data = next(iter(found.values()))
        return from_centres(data["x"].values, np.sort(data["y"].values), crs_of(data, TITLE), where=TITLE)

    @property
    def inputs(self) -> tuple[dict[str, Any], ...]:
        """Name, checksum and size of every file."""
        return file_inputs(list(self._files.values()))

    def precipitation(self, days: Sequence[dt.date], window: IJWindow) -> Array:
        """Daily totals, mm, [day, j, i]; NaN over water and on days that Daymet does not have."""
        return self._read("prcp", days, window)

    def air_temperature(self, days: Sequence[dt.date], window: IJWindow) -> Array:
        """Daily means, K, [day, j, i]: halfway between the day's extremes, as Daymet's own daylight mean rests on."""
        mean = (self._read("tmax", days, window) + self._read("tmin", days, window)) / np.float32(2)
        return np.asarray(mean + np.float32(KELVIN))

    def _read(self, variable: str, days: Sequence[dt.date], window: IJWindow) -> Array:
        result = np.full((len(days), *window.shape), np.nan, dtype=np.float32)
        for year in sorted({day.year for day in days}):
            data = self._data.get((variable, year))
            if data is None:
                raise AbsentDataError(
                    f"Daymet's {variable} of {year} is missing",
                    allowed=_name(variable, year),
                    remedy="Add the file to the folder, or set EARTHDATA_TOKEN to download it from Earthdata.",
                )
            place = {day: n for n, day in enumerate(utc_days(data, TITLE))}
            rows = [(n, place[day]) for n, day in enumerate(days) if day.year == year and day in place]
            if rows:
                north = data["y"].size  # files run from north to south
                j = slice(north - window.j.stop, north - window.j.start)
                at = slice(rows[0][1], rows[-1][1] + 1)
                cut = data[variable].isel(time=at, y=j, x=window.i.slice).values[:, ::-1]
                for n, step in rows:
                    result[n] = cut[step - at.start]
        return result

    def close(self) -> None:
        """Close all open files."""
        for data in self._data.values():
            data.close()


def _checked(key: tuple[str, int], path: Path) -> xr.Dataset:
    variable, year = key
    data = in_metres(open_dataset(path), path.name)
    units = str(data[variable].attrs.get("units", "")) if variable in data else "no such variable"
    if re.sub(r"\s+", "", units).lower() not in VARIABLES[variable]:
        raise PriorSchemaError(
            f"{path.name} is not what Daymet's {variable} is", value=units, allowed=VARIABLES[variable]
        )
    if data[variable].dims != ("time", "y", "x") or not np.all(np.diff(data["y"].values) < 0):
        raise PriorSchemaError(
            f"{path.name} has another layout", value=data[variable].dims, allowed="time, y, x; north up"
        )
    days = utc_days(data, path.name)
    if {day.year for day in days} != {year}:
        raise PriorSchemaError(f"{path.name} contains other years than its name states")
    if days != sorted(set(days)):
        raise PriorSchemaError(
            f"Days of {path.name} are out of order, or there twice", allowed="each day once, ascending"
        )
    return data


def open_daymet(folder: Path, years: Iterable[int]) -> Daymet:
    """Open Daymet's files of some years below a folder.

    Raises PriorUnreadableError when one is missing or damaged, PriorSchemaError for other units, years or cuts.
    """
    found, wanted = daymet_files(folder), _wanted(years)
    lacking = [_name(*key) for key in wanted if key not in found]
    if lacking:
        raise PriorUnreadableError(
            f"Daymet files are not in {folder}",
            value=", ".join(lacking),
            remedy="Download them from ORNL DAAC, or set EARTHDATA_TOKEN so that vadose downloads them.",
        )
    return Daymet({key: found[key] for key in wanted})


def daymet_files(folder: Path) -> dict[tuple[str, int], Path]:
    """Daymet's files below a folder by variable and year."""
    found: dict[tuple[str, int], Path] = {}
    for path in sorted(Path(folder).rglob("*.nc")):
        named = _FILE.fullmatch(path.name)
        if named and not path.parent.name.startswith("."):  # nor a download under way
            found.setdefault((named[1], int(named[2])), path)
    return found


def _wanted(years: Iterable[int]) -> list[tuple[str, int]]:
    return [(variable, year) for year in sorted(set(years)) for variable in VARIABLES]


def _name(variable: str, year: int) -> str:
    return f"daymet_v4_daily_na_{variable}_{year}.nc"


def fetch_daymet(folder: Path, years: Iterable[int], domain: Domain, endpoints: Endpoints) -> list[Path]:
    """Download Daymet's files of some years that ``folder`` lacks from Earthdata, and verify them.

    Nothing is evicted: all years are needed at once. Raises AbsentDataError for a year that Earthdata lacks,
    AcquisitionError and its kin, StorageFullError.
    """
    from downscaler.sources.earthdata.client import log_in
    from downscaler.sources.smap.earthdata import box

    there = daymet_files(folder)
    lacking = [key for key in _wanted(years) if key not in there]
    account, cache, paths = log_in(endpoints), Cache(folder=folder, limit=None), []
    for year in sorted({year for _, year in lacking}):
        period = tuple(dt.datetime(year, month, 15, tzinfo=dt.UTC) for month in (1, 12))
        records = account.search({"short_name": SHORT_NAME, "temporal": period, "bounding_box": box(domain)})
        remotes = {(m[1], int(m[2])): remote for remote in _files(records) if (m := _FILE.fullmatch(remote.name))}
        for variable, _ in [key for key in lacking if key[1] == year]:
            if (variable, year) not in remotes:
                raise AbsentDataError(f"Earthdata does not have Daymet's {variable} of {year}", value=sorted(remotes))
            remote = remotes[variable, year]
            paths.append(cache.fetch(remote, lambda u, d, f: account.download(u, d, force=f), _opens))
    return paths


def _files(records: Iterable[dict[str, Any]]) -> list[RemoteFile]:
    named = [r for r in records if "_na_" in str(r.get("umm", {}).get("GranuleUR", ""))]  # not Hawaii, not Puerto Rico
    return [remote_file(record, ".nc") for record in named]


def _opens(path: Path) -> None:
    from downscaler.errors import GranuleUnreadableError

    try:
        open_dataset(path).close()
    except PriorUnreadableError as error:
        raise GranuleUnreadableError("The file is not NetCDF", value=error.value) from error
