"""The record of a polygon: mean, uncertainty, spread and cover of published days, read where the polygon lies alone."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from rasterio.windows import Window as RasterWindow

from catalog.reading.rasters import in_parallel, open_raster
from catalog.store.base import Store
from downscaler import product
from downscaler.derived.zones import SpatialErrors, zone_statistics, zone_weights
from downscaler.ground.grid import CRS, M01, M36, Domain, Span, Window

_TO_EASE = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)


@dataclass(frozen=True, kw_only=True)
class ZoneReading:
    """One day over a polygon, m3/m3; None where no cell in it has a value. ``cover`` is a share of its area."""

    date: dt.date
    mean: float | None
    uncertainty: float | None
    lower: float | None
    upper: float | None
    spread: float | None
    cover: float


def ground_of(collection: Mapping[str, Any]) -> Domain:
    """The window of a collection of days."""
    summaries = collection["summaries"]
    transform, (height, width) = summaries["proj:transform"][0], summaries["proj:shape"][0]
    left, top = (round(side) for side in ~M36.transform @ (transform[2], transform[5]))
    rows = Span(start=top, stop=top + height // M01.per_m36)
    columns = Span(start=left, stop=left + width // M01.per_m36)
    return Domain(name="ground", title=str(collection.get("title")), m36=Window(rows=rows, columns=columns))


def part_of(ground: Domain, polygon: shapely.Geometry) -> Domain | None:
    """The whole 36 km cells of a window that hold a polygon in degrees; None where they do not meet."""
    west, south, east, north = polygon.bounds
    (left, right), (bottom, top) = _TO_EASE.transform([west, east], [south, north])
    first, last = ~M36.transform @ (left, top), ~M36.transform @ (right, bottom)
    found = []
    for low, high, span in ((first[1], last[1], ground.m36.rows), (first[0], last[0], ground.m36.columns)):
        start, stop = max(math.floor(low), span.start), min(math.ceil(high), span.stop)
        if start >= stop:
            return None
        found.append(Span(start=start, stop=stop))
    return Domain(name="part", title=ground.title, m36=Window(rows=found[0], columns=found[1]))


def polygon_series(
    store: Store, days: Sequence[tuple[dt.date, Mapping[str, str]]], ground: Domain, polygon: shapely.Geometry
) -> list[ZoneReading]:
    """Readings of days in the order given; each day is its date and the keys of its assets by name.

    Raises CatalogError where a raster is missing or damaged, MissingExtraError where exactextract is not installed.
    """
    part = part_of(ground, polygon)
    if part is None:
        return []
    weights, (common, reach) = zone_weights([polygon], part), product.ERROR_SPACE
    inside = part.window().relative_to(ground.window())
    rows, columns = inside.rows, inside.columns
    window = RasterWindow(columns.start, rows.start, len(columns), len(rows))

    def read(day: tuple[dt.date, Mapping[str, str]]) -> ZoneReading:
        date, keys = day
        fields = []
        for name in (product.SOIL_MOISTURE.name, product.UNCERTAINTY.name):
            with open_raster(store, keys[name]) as file:
                fields.append(file.read(1, window=window))
        found = zone_statistics(weights, fields[0], fields[1], SpatialErrors(common=common, reach=reach))
        return ZoneReading(date=date, **{name: _number(float(values[0])) for name, values in found.items()})

    return list(in_parallel(read, days))


def area_of(polygon: shapely.Geometry) -> float:
    """Area of a polygon in degrees, km2."""
    projected = shapely.transform(polygon, _TO_EASE.transform, interleaved=False)
    return float(projected.area) / 1e6 if np.isfinite(projected.area) else math.inf


def _number(value: float) -> Any:
    return round(value, 5) if math.isfinite(value) else None
