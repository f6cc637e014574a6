"""The tidy table of readings as a Parquet file: written once, fast to read again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources import parquet
from downscaler.sources.insitu.series import COLUMNS, FileReport, Read, Series, checked, frame_of, series_of

_TEXT = pa.dictionary(pa.int32(), pa.string())
_KINDS = dict.fromkeys(("network", "station", "sensor", "flag"), _TEXT) | {"time": pa.timestamp("s")}
SCHEMA = pa.schema(
    [(name, _KINDS.get(name, pa.float64())) for name in COLUMNS] + [("daily", pa.bool_())],
    metadata={"title": "station readings", "value": "volumetric soil moisture, m3 m-3", "time": "UTC"},
)


def claims(path: Path) -> bool:
    """Whether a path is such a table."""
    if path.suffix != ".parquet" or path.is_dir():
        return False
    try:
        return set(COLUMNS) <= set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return False


def write(path: Path, series: Iterable[Series]) -> Iterator[Series]:
    """Pass series through, writing each as a row group of a table; the file is complete at the end.

    So readings of any number take the memory of one sensor.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for one in series:
            frame = frame_of(one).assign(daily=one.daily)
            writer.write_table(pa.Table.from_pandas(frame, schema=SCHEMA, preserve_index=False))
            yield one
    partial.replace(path)


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """Sensors of a table, row group by row group.

    Args:
        path: as ``write`` left it.
        domain: stations outside are refused.
        deepest: m; deeper sensors are passed over.

    Raises:
        StationError: the file is no such table.
    """
    try:
        with parquet.opened(path) as file:
            for group in range(file.num_row_groups):
                frame = parquet.row_group(file, group).to_pandas()
                unplaced = frame[list(COLUMNS[:8])].isna().any(axis=1)
                if unplaced.any():
                    told = f"{int(unplaced.sum())} rows lack one of {', '.join(COLUMNS[:8])}"
                    yield None, FileReport(file=path.name, lines=int(unplaced.sum()), problem=told)
                    frame = frame[~unplaced]
                kinds = frame["daily"].fillna(value=False).astype(bool) if "daily" in frame else None
                parts = [(False, frame)] if kinds is None else [(bool(k), p) for k, p in frame.groupby(kinds)]
                for daily, part in parts:
                    yield from _sensors(path, part, domain, deepest, daily=daily)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise StationError("A table of readings cannot be read", value=f"{path.name}: {error}") from error


def _sensors(path: Path, frame: pd.DataFrame, domain: Domain | None, deepest: float, *, daily: bool) -> Iterator[Read]:
    for one in series_of(frame):
        if one.sensor.depth_to > deepest:
            continue
        sensor = one.sensor
        name = f"{path.name}: {sensor.network} {sensor.station} {sensor.name} {sensor.depth_to:g} m"
        report = FileReport(file=name, lines=one.time.size, readings=one.time.size)
        yield checked(Series(sensor=sensor, time=one.time, value=one.value, flag=one.flag, daily=daily), report, domain)


@dataclass(frozen=True, kw_only=True)
class Daily:
    """Daily means of a sensor's good readings: ``values`` m3 m-3 and number of each of ``dates``; depths in m."""

    sensor: str
    depth_from: float
    depth_to: float
    dates: tuple[dt.date, ...]
    values: tuple[float, ...]
    readings: tuple[int, ...]


def daily_at(path: Path, network: str, station: str, period: tuple[dt.date, dt.date], most: int = 50) -> list[Daily]:
    """Daily means (UTC days) of a station's sensors, the shallowest first; only the row groups of the station are read.

    Args:
        path: as ``write`` left it.
        network: name of the network.
        station: name of the station.
        period: first and last day.
        most: sensors at most.

    Raises:
        StationError: the file is no such table, or is damaged.
    """
    first, last = np.datetime64(period[0], "s"), np.datetime64(period[1], "s") + np.timedelta64(1, "D")
    found = []
    try:
        with parquet.opened(path) as file:
            for group in _groups(file, network, station)[:most]:
                frame = parquet.row_group(file, group).to_pandas()
                for one in series_of(frame[(frame["network"] == network) & (frame["station"] == station)]):
                    used = one.good & (one.time >= first) & (one.time < last)
                    found.append(_daily(one, used))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise StationError("A table of readings cannot be read", value=f"{path.name}: {error}") from error
    return sorted(found, key=lambda one: (one.depth_to, one.depth_from, one.sensor))[:most]


def _groups(file: pq.ParquetFile, network: str, station: str) -> list[int]:
    """Row groups that may hold a station, by the least and greatest names that they tell."""
    columns = {file.metadata.schema.column(n).path: n for n in range(file.metadata.num_columns)}
    wanted = {columns["network"]: network, columns["station"]: station}

    def may_hold(group: int) -> bool:
        row = file.metadata.row_group(group)
        told = [(row.column(n).statistics, name) for n, name in wanted.items()]
        return all(s is None or not s.has_min_max or s.min <= name <= s.max for s, name in told)

    return [group for group in range(file.num_row_groups) if may_hold(group)]


def _daily(one: Series, used: np.ndarray) -> Daily:
    days, places = np.unique(one.time[used].astype("datetime64[D]"), return_inverse=True)
    count = np.bincount(places, minlength=days.size)
    means = np.bincount(places, weights=one.value[used], minlength=days.size) / np.maximum(count, 1)
    sensor = one.sensor
    return Daily(
        sensor=sensor.name,
        depth_from=sensor.depth_from,
        depth_to=sensor.depth_to,
        dates=tuple(days.tolist()),
        values=tuple(means.tolist()),
        readings=tuple(count.tolist()),
    )
