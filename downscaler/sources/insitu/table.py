"""The tidy table of readings as a Parquet file: written once, fast to read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
