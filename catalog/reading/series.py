"""The record of one cell: value, uncertainty, interval and flags of each published day."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyproj import Transformer

from catalog.reading.rasters import Cell, in_parallel, value_at
from catalog.store.base import Store
from downscaler import product
from downscaler.ground.grid import CRS
from downscaler.product import FLAG_MEANINGS

_TO_EASE = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
_TO_DEGREES = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
WITH_A_VALUE = (product.UNCERTAINTY.name, product.LOWER.name, product.UPPER.name)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One day at a cell, m3/m3; None where nothing is published. ``flags`` are names, none for a plain value."""

    date: dt.date
    item: str
    soil_moisture: float | None
    uncertainty: float | None
    lower: float | None
    upper: float | None
    quality_flag: int | None
    flags: tuple[str, ...]


def cell_at(collection: Mapping[str, Any], lon: float, lat: float) -> Cell | None:
    """The cell of a collection that holds a point in degrees, None where its window does not."""
    summaries = collection["summaries"]
    width, _, left, _, height, top = summaries["proj:transform"][0]
    rows, columns = summaries["proj:shape"][0]
    x, y = _TO_EASE.transform(lon, lat)
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    column, row = math.floor((x - left) / width), math.floor((y - top) / height)
    if not (0 <= row < rows and 0 <= column < columns):
        return None
    east, north = _TO_DEGREES.transform(left + (column + 0.5) * width, top + (row + 0.5) * height)
    return Cell(row=row, column=column, lon=round(east, 5), lat=round(north, 5))


def read_series(store: Store, days: Sequence[tuple[dt.date, str, Mapping[str, str]]], cell: Cell) -> list[Reading]:
    """Readings of days in the order given; each day is its date, item and the keys of its assets by name.

    Raises CatalogError where a raster is missing or damaged.
    """

    def read(day: tuple[dt.date, str, Mapping[str, str]]) -> Reading:
        date, item, keys = day
        theta = value_at(store, keys[product.SOIL_MOISTURE.name], cell)
        flag = value_at(store, keys[product.QUALITY_FLAG.name], cell)
        known = math.isfinite(theta)
        others = [value_at(store, keys[name], cell) if known else math.nan for name in WITH_A_VALUE]
        return reading(date, item, theta, flag, others)

    return list(in_parallel(read, days))


def reading(date: dt.date, item: str, theta: float, flag: float, others: Sequence[float]) -> Reading:
    """A day's reading from physical values, NaN where there is none; ``others`` as ``WITH_A_VALUE`` names them."""
    spread, lower, upper = (_number(value) for value in others)
    bits = int(flag) if math.isfinite(flag) else None
    return Reading(
        date=date,
        item=item,
        soil_moisture=_number(theta),
        uncertainty=spread,
        lower=lower,
        upper=upper,
        quality_flag=bits,
        flags=flag_names(bits or 0),
    )


def flag_names(bits: int) -> tuple[str, ...]:
    """Names of the flags that are set, by bit."""
    return tuple(str(flag.name).lower() for flag in FLAG_MEANINGS if bits & flag)


def _number(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
