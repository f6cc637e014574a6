"""Reads daily files of the U.S. Climate Reference Network (CRND0103): text as NCEI delivers it, or a Parquet table.

A line is a station's day in local standard time. Over CONUS that day holds SMAP's 06:00 overpass of the same UTC date.

Source: Bell et al. (2013, doi:10.1175/JHM-D-12-0146.1) for the probes; NCEI's ``readme.txt`` of CRND0103 for columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources import parquet
from downscaler.sources.insitu.ismn_text import decoded
from downscaler.sources.insitu.series import FROZEN, GOOD, MISSING_FLAG, FileReport, Read, Sensor, Series, checked

NETWORK, SENSOR = "USCRN", "Stevens-Hydraprobe"
DEPTHS = (0.05, 0.10, 0.20, 0.50, 1.00)  # m
_COLUMNS = 28
_WBAN, _DATE, _LON, _LAT, _MOISTURE, _TEMPERATURE = 0, 1, 3, 4, 18, 23
_MISSING = {"soil_moisture": -90.0, "soil_temp": -9000.0}  # -99.000 and -9999.0 stand for "none"
_NAME = re.compile(r"CRND0103-\d{4}-(\w+)(?: ?\(\d+\)| - Copy)?\.txt")  # a second download has a number
_FIRST = re.compile(r"^\d{4,5}[,\s]+\d{8}[,\s]")
_SHOWN = 80


def claims(path: Path) -> bool:
    """Whether a path is a CRND0103 file by its name or first line, or a Parquet table with its columns."""
    if path.is_dir():
        return False
    if _NAME.fullmatch(path.name):
        return True
    if ".parquet" in path.name:
        return is_table(path)
    with path.open("rb") as stream:
        start = decoded(stream.read(4096))
    lines = [line for line in start.splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines and _FIRST.match(lines[0].lstrip()))


def is_table(path: Path) -> bool:
    """Whether a Parquet file holds USCRN's columns."""
    import pyarrow
    import pyarrow.parquet as pq

    try:
        return {"wban", "soil_moisture_5_daily"} <= set(pq.read_schema(path).names)
    except (OSError, pyarrow.ArrowException):
        return False


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a file, station by station and depth by depth.

    A reading counts as frozen (flag D01) where the soil at its depth was not above 0 °C. The report on a station
    counts its days for each depth: a day without a value is one of ``missing``.

    Args:
        path: daily file, or a Parquet table of many stations.
        domain: stations outside are refused.
        deepest: m; deeper sensors are passed over.

    Raises:
        StationError: the file cannot be read or holds no day.
    """
    path = Path(path)
    table, report = _from_parquet(path) if ".parquet" in path.name else _from_text(path)
    if table.empty:
        raise StationError(
            f"{path.name} contains no day of a USCRN station",
            value=report.first_bad,
            allowed=f"lines of {_COLUMNS} columns as in CRND0103",
        )
    several = len(table["station"].unique()) > 1
    for number, (station, days) in enumerate(table.groupby("station", sort=True)):
        own = replace(report, bad_lines=0, first_bad=None) if number else report
        name = f"{path.name}: {station}" if several else path.name
        yield from _station(str(station), days, replace(own, file=name), domain, deepest)


def _station(
    station: str, days: pd.DataFrame, report: FileReport, domain: Domain | None, deepest: float
) -> Iterator[Read]:
    moisture, temperature = (np.stack([days[f"{kind}_{n}"] for n in range(5)]) for kind in ("moisture", "temperature"))
    if not (moisture > _MISSING["soil_moisture"]).any():
        lines = len(days) + report.bad_lines
        yield None, replace(report, lines=lines, missing=len(days), problem="no soil moisture at any depth")
    for number, depth in enumerate(DEPTHS):
        value = np.where(moisture[number] <= _MISSING["soil_moisture"], np.nan, moisture[number])
        if depth > deepest or np.isnan(value).all():
            continue
        celsius = np.where(temperature[number] <= _MISSING["soil_temp"], np.nan, temperature[number])
        series = Series(
            sensor=Sensor(
                network=NETWORK,
                station=station,
                name=SENSOR,
                depth_from=depth,
                depth_to=depth,
                lat=float(days["lat"].iloc[0]),
                lon=float(days["lon"].iloc[0]),
            ),
            time=days["date"].to_numpy(dtype="datetime64[s]"),
            value=value,
            flag=_flags(value, celsius),
            daily=True,
        )
        missing = int(np.isnan(value).sum())
        at_depth = replace(
            report,
            file=f"{report.file}, {100 * depth:g} cm",
            lines=len(days) + report.bad_lines,
            readings=len(days) - missing,
            missing=missing,
        )
        yield checked(series, at_depth, domain)
        report = replace(report, bad_lines=0, first_bad=None)  # told once


def _flags(value: NDArray[np.float64], celsius: NDArray[np.float64]) -> NDArray[np.str_]:
    with np.errstate(invalid="ignore"):
        return np.select([np.isnan(value), celsius <= 0.0], [MISSING_FLAG, FROZEN], GOOD).astype(np.str_)


def _from_text(path: Path) -> tuple[pd.DataFrame, FileReport]:
    """The days of a text file, separated by blanks or commas; lines that are none are counted."""
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise StationError("A station file cannot be read", value=f"{path.name}: {error}") from error
    named = _NAME.fullmatch(path.name)
    rows, bad, numbers = [], [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        row = _row(line.split(",") if "," in line else line.split(), named.group(1) if named else None)
        if row is None:
            bad.append(f"line {number}: {line.strip()[:_SHOWN]!r}")
        else:
            rows.append(row)
            numbers.append(line.replace(",", " ").split()[_WBAN])
    if named and len(set(numbers)) > 1:  # several stations' files put together under one name
        rows = [[f"WBAN-{number:0>5}", *row[1:]] for number, row in zip(numbers, rows, strict=True)]
    names = [f"{kind}_{n}" for kind in ("moisture", "temperature") for n in range(len(DEPTHS))]
    table = pd.DataFrame(rows, columns=["station", "date", "lon", "lat", *names])
    first = bad[0] if bad else None
    return table, FileReport(file=path.name, bad_lines=len(bad), first_bad=first)


def _row(words: Sequence[str], station: str | None) -> list[object] | None:
    """A line as station, date, place and the ten values of moisture and temperature; None when it is broken."""
    if len(words) not in (_COLUMNS, _COLUMNS + 1) or not words[_WBAN].strip().isdigit():
        return None
    last = _NAME.fullmatch(words[-1].strip())
    name = station or (last.group(1) if last else f"WBAN-{words[_WBAN].strip():0>5}")
    try:
        date = pd.Timestamp(f"{words[_DATE].strip():8}")
        numbers = [float(w) for w in (words[_LON], words[_LAT], *words[_MOISTURE:_COLUMNS])]
    except ValueError:
        return None
    plausible = re.fullmatch(r"\d{8}", words[_DATE].strip()) and abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90
    return [name, date, *numbers] if plausible else None


def _from_parquet(path: Path) -> tuple[pd.DataFrame, FileReport]:
    depths = [round(100 * depth) for depth in DEPTHS]
    names = [f"{kind}_{depth}_daily" for kind in ("soil_moisture", "soil_temp") for depth in depths]
    try:
        stored = parquet.read(path, ["wban", "lst_date", "longitude", "latitude", *names]).to_pandas()
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StationError("A station table cannot be read", value=f"{path.name}: {error}") from error
    ours = [f"{kind}_{n}" for kind in ("moisture", "temperature") for n in range(len(DEPTHS))]
    stored.columns = pd.Index(["station", "date", "lon", "lat", *ours])
    stored["station"] = "WBAN-" + stored["station"].astype(str).str.zfill(5)
    return stored, FileReport(file=path.name)
