"""The daily series of a layer's zones as Parquet: one file a year, sorted by zone, so that one zone is read fast."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from downscaler.errors import ZoneError
from downscaler.product import Variable
from downscaler.sources.zones import Layer

_TOLD = 8  # zones that a message names
_ROWS = 20_000  # of a row group: a zone's year is in one or two
_KEY = b"vadose"
_UNITS = {
    "mean": ("m3 m-3", "Area-weighted mean of soil moisture over the cells with a value"),
    "uncertainty": ("m3 m-3", "Standard deviation of the mean's error"),
    "lower": ("m3 m-3", "Lower end of the 90 % interval of the mean"),
    "upper": ("m3 m-3", "Upper end of the 90 % interval of the mean"),
    "spread": ("m3 m-3", "Area-weighted standard deviation of the cells"),
    "cover": ("1", "Share of the polygon's area with a value"),
}
Columns = Mapping[str, tuple[str, str]]
"""Units and labels of a series' values by name."""


def schema_of(columns: Columns) -> pa.Schema:
    """The schema of a series with some columns of values."""
    return pa.schema(
        [
            pa.field("zone", pa.string(), metadata={"comment": "Identifier of the polygon"}),
            pa.field("name", pa.string(), metadata={"comment": "Name of the polygon"}),
            pa.field("date", pa.date32(), metadata={"comment": "UTC day, or the first day of a composite"}),
            *(
                pa.field(name, pa.float32(), metadata={"units": units, "comment": text})
                for name, (units, text) in columns.items()
            ),
        ]
    )


def columns_of(what: str, units: str, means: Sequence[Variable] = ()) -> Columns:
    """Columns of a mean with its uncertainty, interval, spread and cover, and of plain means of other variables."""
    told = {name: (units if own == "m3 m-3" else own, text) for name, (own, text) in _UNITS.items()}
    told["mean"] = (units, f"Area-weighted mean of {what} over the cells with a value")
    return told | {v.name: (v.units, f"Area-weighted mean of: {v.title}") for v in means}


SCHEMA = schema_of(columns_of("soil moisture", "m3 m-3"))
"""Of series of days and composites."""


@dataclass(frozen=True, kw_only=True)
class YearOfZones:
    """What a year's file was made from: the days by checksum, the layer, and what a user has to know."""

    layer: str = ""
    layer_sha256: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    days: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
    caveats: tuple[str, ...] = ()


def year_file(folder: Path, layer: str, year: int) -> Path:
    """Where a layer's year lies."""
    return folder / layer / f"{year}.parquet"


def describe_year(path: Path) -> YearOfZones:
    """What a year's file was made from; empty where there is none. Raises ZoneError where it is damaged."""
    if not path.is_file():
        return YearOfZones()
    try:
        told = json.loads((pq.read_schema(path).metadata or {})[_KEY])
        return YearOfZones(**{**told, "caveats": tuple(told["caveats"])})
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ZoneError(
            "A file of zones is damaged", value=f"{path}: {error!r}", remedy="Remove it and run the command again."
        ) from error


def rows_of(layer: Layer, date: dt.date, statistics: Mapping[str, Any], schema: pa.Schema = SCHEMA) -> pa.Table:
    """A day's rows, one a zone; ``statistics`` are arrays [zone] by the names of the schema's values."""
    number = len(layer.zones)
    columns = {
        "zone": [zone.id for zone in layer.zones],
        "name": [zone.name for zone in layer.zones],
        "date": [date] * number,
        **{name: np.asarray(statistics[name], np.float32) for name in schema.names[3:]},
    }
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def write_year(path: Path, made: Sequence[pa.Table], about: YearOfZones) -> None:
    """Write a year anew: the rows that stand of ``about.days``, and those newly made; whole or not at all.

    Raises ZoneError where the old file is damaged.
    """
    new = {date for table in made for date in table["date"].to_pylist()[:1]}
    parts = list(made)
    if path.is_file():
        kept = [date for day in about.days if (date := dt.date.fromisoformat(day)) not in new]
        if kept:
            parts.append(pq.read_table(path, filters=[("date", "in", kept)]).replace_schema_metadata())
        elif not parts:
            parts.append(pq.read_schema(path).remove_metadata().empty_table())
    table = pa.concat_tables(parts).sort_by([("zone", "ascending"), ("date", "ascending")])
    told = {**vars(about), "days": dict(sorted(about.days.items())), "caveats": list(about.caveats)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        pq.write_table(
            table.replace_schema_metadata({_KEY: json.dumps(told, default=dict)}),
            partial,
            row_group_size=_ROWS,
            compression="zstd",
        )
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def is_simulated(folder: Path, layer: str, period: tuple[dt.date, dt.date] | None = None) -> bool:
    """Whether any day of a layer's years, those of a period, is simulated; raises ZoneError where one is damaged."""
    return any(describe_year(file).simulated for file in _years(folder, layer, period))


def _years(folder: Path, layer: str, period: tuple[dt.date, dt.date] | None) -> list[Path]:
    """The files of a layer's years, those of a period."""
    files = sorted((folder / layer).glob("[0-9][0-9][0-9][0-9].parquet"))
    return [file for file in files if period is None or period[0].year <= int(file.stem) <= period[1].year]


def read_zone(folder: Path, layer: str, zone: str, period: tuple[dt.date, dt.date] | None = None) -> pa.Table:
    """A zone's series, by date; only the row groups that may hold it are read.

    Raises ZoneError where the layer has no series, or none of that zone.
    """
    wanted = _years(folder, layer, period)
    found = [pq.read_table(file, filters=[("zone", "==", zone)]).replace_schema_metadata() for file in wanted]
    table = pa.concat_tables(found) if found else SCHEMA.empty_table()
    if not table.num_rows:
        some = _some_zones(_years(folder, layer, None))
        raise ZoneError("There is no series of that zone", value=f"{layer}: {zone}", allowed=some)
    if period is not None:
        dates = table["date"].to_numpy()
        table = table.filter(pa.array((dates >= np.datetime64(period[0])) & (dates <= np.datetime64(period[1]))))
    return table.sort_by("date")


def _some_zones(files: Sequence[Path]) -> str:
    """The first zones of a layer, in words."""
    known = sorted(pq.read_table(files[-1], columns=["zone"])["zone"].unique().to_pylist()) if files else []
    return (
        ", ".join(known[:_TOLD]) + (", ..." if len(known) > _TOLD else "") or "none was made; `vadose zones` makes them"
    )
