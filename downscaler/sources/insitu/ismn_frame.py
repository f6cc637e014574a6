"""Frames of the package ``ismn`` as people save them: CSV or Parquet with its column names, one sensor a file.

The frame itself has no place and no depth: they stand in ``sites.csv`` under the file's name (without its ending).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources import parquet
from downscaler.sources.insitu.delimited import header_of, moment_of, number_of, read_table, times
from downscaler.sources.insitu.places import site_of
from downscaler.sources.insitu.series import MISSING_FLAG, FileReport, Read, Sensor, Series, checked

COLUMNS = ("soil_moisture", "soil_moisture_flag")
_TIMES = ("date_time", "datetime", "time", "date", "timestamp")


def claims(path: Path) -> bool:
    """Whether a file has the frame's columns."""
    if path.suffix.lower() == ".parquet" and path.is_file():
        try:
            return set(COLUMNS) <= set(pq.read_schema(path).names)
        except (OSError, pa.ArrowException):
            return False
    return set(COLUMNS) <= set(header_of(path))


def read(path: Path, *, domain: Domain | None = None, deepest: float = np.inf) -> Iterator[Read]:
    """The sensor of a frame, with the report on the file.

    Raises StationError when sites.csv does not tell its place and depth, or no line is a reading.
    """
    site = site_of(path, path.stem)
    depth = site.depths.get("soil_moisture")
    if depth is None:
        raise StationError(
            f"sites.csv tells no depth of {path.stem}", allowed="a line with variable soil_moisture and depth (m)"
        )
    rows, bad = _rows(path)
    if not rows:
        raise StationError(f"{path.name} holds no reading", value=bad[0] if bad else "no line")
    values = np.array([value for _, value, _ in rows])
    missing = int(np.isnan(values).sum())
    report = FileReport(
        file=path.name,
        lines=len(rows) + len(bad),
        readings=len(rows) - missing,
        missing=missing,
        bad_lines=len(bad),
        first_bad=bad[0] if bad else None,
        left_out=f"reaches deeper than {deepest:g} m" if depth[1] > deepest else None,
    )
    if report.left_out:
        yield None, report
        return
    sensor = Sensor(
        network=site.network or "ISMN",
        station=path.stem,
        name="soil_moisture",
        depth_from=depth[0],
        depth_to=depth[1],
        lat=site.lat,
        lon=site.lon,
    )
    flags = np.array([MISSING_FLAG if np.isnan(value) else flag for _, value, flag in rows], dtype=np.str_)
    series = Series(sensor=sensor, time=times([moment for moment, _, _ in rows]), value=values, flag=flags)
    yield checked(series, report, domain)


def _time_column(names: Sequence[str], path: Path) -> str:
    """The column of times: by its name, else the first, as an index is written; raises StationError without one."""
    found = next((name for name in names if name.lower() in _TIMES), names[0])
    if found.lower() in (*COLUMNS, "soil_moisture_orig_flag"):
        raise StationError(f"{path.name} has no column of times", value=", ".join(names), allowed=", ".join(_TIMES))
    return found


def _rows(path: Path) -> tuple[list[tuple[pd.Timestamp, float, str]], list[str]]:
    """Time (UTC), value and flag of every line, and the lines that are none."""
    if path.suffix.lower() == ".parquet":
        frame = parquet.read(path).to_pandas().reset_index()
        stamps = pd.to_datetime(frame[_time_column([str(name) for name in frame.columns], path)], utc=True)
        values = frame["soil_moisture"].to_numpy(dtype=float)
        return list(zip(stamps, values, frame["soil_moisture_flag"].astype(str), strict=True)), []
    table = read_table(path)
    rows = []
    stamped = _time_column(table.columns, path)
    for row in table.rows():
        moment, value = moment_of(row[stamped]), number_of(row["soil_moisture"])
        if moment is None or value is None:
            table.spoil(int(row[""]), ",".join(list(row.values())[:-1]))
            continue
        rows.append((pd.Timestamp(moment), value, row["soil_moisture_flag"]))
    return rows, table.bad
