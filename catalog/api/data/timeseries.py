"""Time series at a point: CSV, JSON and CoverageJSON, also by the names of OGC API - EDR."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from catalog.api.data.cube_point import cube_readings
from catalog.api.data.dates import CollectionQuery, chosen_collection, day_collections, day_of, meant_by, simulated_in
from catalog.api.requests import LatQuery, LonQuery, absent, bad, checked_period, checked_point, known_parameters
from catalog.api.stac.holdings import Catalogue, Holdings
from catalog.api.stac.shelves import Entry
from catalog.naming import domain_name
from catalog.reading.coveragejson import coverage
from catalog.reading.rasters import Cell
from catalog.reading.series import Reading, cell_at, read_series
from catalog.store.documents import Document
from downscaler import product

router = APIRouter()
Format = Literal["json", "csv", "CoverageJSON"]
_MEDIA: dict[str, Format] = {
    "text/csv": "csv",
    "application/prs.coverage+json": "CoverageJSON",
    "application/json": "json",
}
_COLUMNS = ("date", "soil_moisture", "uncertainty", "lower", "upper", "quality_flag", "flags", "item")
_NOTES = ("units", "simulated")  # of every line, so that a table that is cut or joined keeps them
_POINT = re.compile(r"\s*POINT\s*\(\s*(-?[\d.]{1,20})\s+(-?[\d.]{1,20})\s*\)\s*", re.IGNORECASE)
_TOLD = r"^POINT ?\(-?[0-9]{1,2}(\.[0-9]{1,9})? -?[0-8]?[0-9](\.[0-9]{1,9})?\)$"  # told to clients: all on the globe
FormatQuery = Annotated[Format | None, Query(alias="f", description="Format; without it the Accept header decides")]


@router.get(
    "/timeseries",
    summary="Time series at a point",
    response_class=Response,
    dependencies=[Depends(known_parameters)],
)
def timeseries(
    request: Request,
    lon: LonQuery,
    lat: LatQuery,
    start: Annotated[str | None, Query(description="First day, YYYY-MM-DD; without it a year before the end")] = None,
    end: Annotated[str | None, Query(description="Last day, YYYY-MM-DD; without it the latest published")] = None,
    collection: CollectionQuery = None,
    f: FormatQuery = None,
) -> Response:
    """Soil moisture with its uncertainty, 90 % interval and flags of each published day, at one cell of 1 km²."""
    held = request.app.state.catalogue.now()
    lon, lat = checked_point(lon, lat)
    return _answer(request, held, _covering(held, collection, lon, lat), (lon, lat), (start, end), f)


@router.get("/edr/collections/{collection}/position", summary="Time series at a point (EDR)", response_class=Response)
def position(
    request: Request,
    collection: Annotated[str, Path(description="A collection")],
    coords: Annotated[str, Query(description="POINT(lon lat) in degrees", json_schema_extra={"pattern": _TOLD})],
    datetime: Annotated[str | None, Query(description="A day, or first/last with .. for an open end")] = None,
    f: FormatQuery = None,
) -> Response:
    """The same by the names of OGC API - Environmental Data Retrieval; CoverageJSON unless another is asked for."""
    held = request.app.state.catalogue.now()
    match = _POINT.fullmatch(coords)
    if match is None:
        raise bad(f"coords takes one POINT(lon lat) in degrees; got {coords[:60]!r}.")
    try:
        at = checked_point(*(float(part) for part in match.groups()))
    except ValueError:
        raise bad(f"coords contains a value that is not a number: {coords[:60]!r}.") from None
    first, slash, last = (datetime or "").partition("/")
    span = (None if first in ("", "..") else first, None if last in ("", "..") else last)
    span = span if slash else (span[0], span[0])
    form = f or _accepted(request) or "CoverageJSON"
    return _answer(request, held, chosen_collection(held, collection), at, span, form)


def _covering(held: Holdings, wanted: str | None, lon: float, lat: float) -> str:
    """The collection that is named, or the one that is meant of those with the point."""
    present = day_collections(held)
    if wanted is None and len(present) > 1:
        covering = [name for name in present if cell_at(held.collections[name][1], lon, lat) is not None]
        meant = meant_by(covering)
        if meant is not None:
            return meant
    return chosen_collection(held, wanted)


def _answer(
    request: Request,
    held: Holdings,
    of: str,
    at: tuple[float, float],
    span: tuple[str | None, str | None],
    form: Format | None,
) -> Response:
    catalogue: Catalogue = request.app.state.catalogue
    document = held.collections[of][1]
    if product.SOIL_MOISTURE.name not in document["item_assets"]:
        raise bad(f"{of} has no soil moisture. Choose another collection.")
    cell = cell_at(document, *at)
    if cell is None:
        west, south, east, north = document["extent"]["spatial"]["bbox"][0]
        raise absent(f"{of} has no cell at {at[0]:g}, {at[1]:g}; it covers {west}, {south} to {east}, {north}.")
    days = held.days(of)[::-1]
    latest = day_of(days[-1]) if days else dt.date(1970, 1, 1)
    first, last = checked_period(*span, latest=latest)
    wanted = [day for day in days if first <= day_of(day) <= last]
    readings = _readings(catalogue, document, wanted, cell)
    return _written(form or _accepted(request) or "json", of, cell, readings, simulated=simulated_in(wanted))


def _readings(catalogue: Catalogue, collection: Document, days: list[Entry], cell: Cell) -> list[Reading]:
    """A day each, from the cube where it holds the day as it is published, else from the day's own files."""
    found = cube_readings(catalogue.store.uri, collection, days, cell)
    others = [day for day in days if day.key not in found]
    listed = [(day_of(day), str(day.record["id"]), day.files) for day in others]
    found |= zip((day.key for day in others), read_series(catalogue.store, listed, cell), strict=True)
    return [found[day.key] for day in days]


def _accepted(request: Request) -> Format | None:
    """The format of the first known media type that the client accepts."""
    for part in request.headers.get("accept", "").split(","):
        if (form := _MEDIA.get(part.split(";")[0].strip())) is not None:
            return form
    return None


def _written(form: Format, of: str, cell: Cell, readings: list[Reading], *, simulated: bool | None) -> Response:
    if form == "csv":
        name = f"{of}_{cell.lat:.3f}_{cell.lon:.3f}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(as_csv(readings, simulated=simulated), media_type="text/csv; charset=utf-8", headers=headers)
    if form == "CoverageJSON":
        content = coverage(domain_name(of), cell, readings, simulated=simulated)
        return JSONResponse(content, media_type="application/prs.coverage+json")
    rows = [asdict(r) | {"date": r.date.isoformat(), "flags": list(r.flags)} for r in readings]
    units = product.SOIL_MOISTURE.units
    return JSONResponse(
        {
            "collection": of,
            "cell": asdict(cell),
            "units": units,
            "interval": product.INTERVAL,
            "simulated": simulated,
            "numberReturned": len(rows),
            "series": rows,
        }
    )


def as_csv(readings: list[Reading], *, simulated: bool | None) -> str:
    """A header and one line a day; several flags are parted by a space, what is missing is empty.

    Every line tells the unit of soil moisture, its uncertainty and interval, and whether the data are simulated.
    """
    notes = [product.SOIL_MOISTURE.units, str(bool(simulated)).lower()]
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_NOTES])
    for reading in readings:
        row = asdict(reading) | {"flags": " ".join(reading.flags)}
        writer.writerow([*(row[name] for name in _COLUMNS), *notes])
    return lines.getvalue()
