"""Means over polygons: series of the zones that were made, and of a polygon that a client draws."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import shapely
from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi import Path as Part
from fastapi.responses import JSONResponse, Response

from catalog.api.data.dates import CollectionQuery, chosen_collection, day_of, simulated_in
from catalog.api.requests import absent, bad, checked_day, checked_geometry, checked_period, known_parameters
from catalog.api.stac.holdings import Catalogue
from catalog.naming import domain_name
from catalog.reading.places import Place, place_of, values_at
from catalog.reading.zones import area_of, ground_of, part_of, polygon_series
from catalog.store.base import Store
from downscaler import product
from downscaler.errors import DomainError, MissingExtraError, ZoneError
from downscaler.stores.zones import SCHEMA, is_simulated, read_zone

router = APIRouter()
MOST_DAYS, LARGEST = 366, 300_000.0
"""Days of one answer, and km2 of a polygon that is drawn."""
_POLYGON = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {"type": {"enum": ["Polygon", "MultiPolygon"]}, "coordinates": {"type": "array", "minItems": 1}},
}
_FEATURE = {
    "type": "object",
    "required": ["type", "geometry"],
    "properties": {"type": {"const": "Feature"}, "geometry": _POLYGON},
}
_ASKED: dict[str, Any] = {"anyOf": [_POLYGON, _FEATURE]}
_NAME = re.compile(r"[\w.\- ]{1,100}")
_DRAWN = ("date", "mean", "uncertainty", "lower", "upper", "spread", "cover")
FormatQuery = Annotated[Literal["json", "csv"], Query(alias="f", description="Format")]
StartQuery = Annotated[str | None, Query(description="First day, YYYY-MM-DD; without it a year before the end")]
EndQuery = Annotated[str | None, Query(description="Last day, YYYY-MM-DD; without it the latest")]


@router.get(
    "/zones/{layer}/{zone}/timeseries",
    summary="Time series of a zone",
    response_class=Response,
    dependencies=[Depends(known_parameters)],
)
def timeseries(
    request: Request,
    layer: Annotated[str, Part(description="Name of the layer's file, without its ending")],
    zone: Annotated[str, Part(description="Identifier of the polygon, such as a FIPS code")],
    start: StartQuery = None,
    end: EndQuery = None,
    f: FormatQuery = "json",
) -> Response:
    """Area-weighted mean with uncertainty, interval, spread and cover of each day, as `vadose zones` made them."""
    folder: Path | None = request.app.state.zones
    if folder is None:
        raise absent("This service has no zones.")
    if not _NAME.fullmatch(layer) or layer.startswith("."):
        raise absent(f"No layer {layer[:80]!r}.")
    try:
        period = _day(start, "start"), _day(end, "end", dt.date.max)
        table, simulated = read_zone(folder, layer, zone[:200], period), is_simulated(folder, layer, period)
    except ZoneError as error:
        raise absent(f"{error.what.rstrip('.')}: {layer[:80]}, {zone[:80]}.") from None
    rows = table.to_pylist()
    told = {"layer": layer, "zone": zone, "name": rows[0]["name"] if rows else None, "simulated": simulated}
    described = {name: table.schema.field(name).metadata for name in table.schema.names[3:]}
    about = {name: (d[b"units"].decode(), d[b"comment"].decode()) for name, d in described.items()}
    return _table(told, [_plain(row, ("date", *about)) for row in rows], about, f)


@router.post("/zones", summary="Statistics of a polygon", response_class=Response)
def drawn(
    request: Request,
    body: Annotated[
        dict[str, Any],
        Body(description="A GeoJSON Polygon or MultiPolygon, or a Feature with one", json_schema_extra=_ASKED),
    ],
    collection: CollectionQuery = None,
    start: StartQuery = None,
    end: EndQuery = None,
    f: FormatQuery = "json",
) -> Response:
    """Mean, uncertainty, interval, spread and cover of each published day over a polygon in degrees."""
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now()
    of, polygon = chosen_collection(held, collection), _polygon(body)
    days = held.days(of)[::-1]
    first, last = checked_period(start, end, latest=day_of(days[-1]) if days else dt.date(1970, 1, 1))
    chosen = [day for day in days if first <= day_of(day) <= last]
    wanted = [(day_of(day), day.files) for day in chosen]
    if len(wanted) > MOST_DAYS:
        raise bad(f"One answer holds at most {MOST_DAYS} days; {len(wanted)} were asked for. Ask in parts.")
    ground = ground_of(held.collections[of][1])
    if part_of(ground, polygon) is None:
        raise absent(f"The polygon lies outside {of}.")
    told = {"collection": of, "area_km2": round(area_of(polygon), 3), "simulated": simulated_in(chosen)}
    try:
        if product.SOIL_MOISTURE.name not in held.collections[of][1]["item_assets"]:
            return _shares(catalogue.store, of, wanted, place_of(ground, polygon), told, f)
        found = polygon_series(catalogue.store, wanted, ground, polygon)
    except MissingExtraError:
        raise absent("This service cannot average over polygons.") from None
    except DomainError:
        raise absent(f"The polygon lies outside {of}.") from None
    return _written(told, [_plain(asdict(reading)) for reading in found], f)


def _shares(
    store: Store,
    of: str,
    days: Sequence[tuple[dt.date, Mapping[str, str]]],
    place: Place,
    told: Mapping[str, Any],
    form: str,
) -> Response:
    """Means of all variables of percentiles over a polygon.

    Of a class's probability that is the share of the polygon that is expected in the class.
    """
    known = {v.name: v for v in product.variables_of(domain_name(of)) if v is not product.QUALITY_FLAG}
    names = [name for name in known if all(name in files for _, files in days)]
    rows = []
    for date, files in days:
        means = values_at(store, files, names, place)
        rows.append({"date": str(date)} | {n: round(v, 3) if v == v else None for n, v in means.items()})
    about = {name: (known[name].units, known[name].title) for name in names}
    return _table(told, rows, about, form)


def _day(text: str | None, name: str, default: dt.date = dt.date.min) -> dt.date:
    return checked_day(text, name) if text else default


def _polygon(body: Mapping[str, Any]) -> shapely.Geometry:
    """The polygon of a body; HTTP 400 where it is none, crosses itself or is too large."""
    given = body.get("geometry") if body.get("type") == "Feature" else body
    geometry = checked_geometry(given, "The polygon")
    if geometry is None or geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise bad("The body takes a GeoJSON Polygon or MultiPolygon, or a Feature with one.")
    polygon = shapely.geometry.shape(geometry)
    west, south, east, north = polygon.bounds
    if not (-180 <= west <= east <= 180 and -85 <= south <= north <= 85):
        raise bad("The polygon leaves the grid. Allowed: longitudes -180 to 180, latitudes -85 to 85 degrees.")
    if not polygon.is_valid:
        raise bad(f"The polygon is not valid: {shapely.is_valid_reason(polygon)[:120]}.")
    if area_of(polygon) > LARGEST:
        raise bad(f"The polygon has more than {LARGEST:,.0f} km2. Draw a smaller one, or use `vadose zones`.")
    return polygon


def _plain(row: Mapping[str, Any], names: Sequence[str] = _DRAWN) -> dict[str, Any]:
    kept = {name: row[name] for name in names}
    kept = {name: round(value, 5) if isinstance(value, float) else value for name, value in kept.items()}
    return {name: None if value != value else value for name, value in kept.items()} | {"date": str(row["date"])}


def _written(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], form: str) -> Response:
    described = {name: SCHEMA.field(name).metadata for name in _DRAWN[1:]}
    return _table(told, rows, {n: (d[b"units"].decode(), d[b"comment"].decode()) for n, d in described.items()}, form)


def _table(
    told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]], form: str
) -> Response:
    """Rows with a date and ``columns`` by name, with their units and labels, as CSV or JSON.

    Every line of CSV tells whether the data are simulated, so that a table that is cut keeps it.
    """
    if form == "csv":
        lines = io.StringIO()
        writer = csv.DictWriter(lines, ("date", *columns, "simulated"), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "simulated": str(bool(told["simulated"])).lower()} for row in rows)
        return Response(lines.getvalue(), media_type="text/csv; charset=utf-8")
    units = {name: unit for name, (unit, _) in columns.items()}
    labels = {name: label for name, (_, label) in columns.items()}
    about = {"units": units, "labels": labels, "interval": product.INTERVAL, "numberReturned": len(rows)}
    return JSONResponse({**told, **about, "series": rows})
