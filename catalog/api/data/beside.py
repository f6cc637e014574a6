"""What stands beside a series of soil moisture: rain, the stations it was validated at, and their readings."""

from __future__ import annotations

import datetime as dt
import functools
import io
import math
import time
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
from fastapi import APIRouter, Depends, Query, Request

from catalog.api.data.dates import CollectionQuery, chosen_collection
from catalog.api.requests import absent, checked_period, checked_point, known_parameters
from catalog.api.stac.holdings import Catalogue
from catalog.naming import VALIDATIONS, ValidationName, domain_name
from downscaler import product
from downscaler.errors import CatalogError, DomainError, StationError, broken_as
from downscaler.ground.grid import M01, LonLat, Span, Window
from downscaler.sources.insitu import table
from downscaler.stores.weather import Weather, open_weather

router = APIRouter()
_FRESH = 300.0  # seconds for which a weather store is taken to be as it was opened
_FIGURES = ("bias", "rmsd", "ubrmsd", "r")


@router.get("/rain", summary="Rain at a point", dependencies=[Depends(known_parameters)])
def rain(
    request: Request,
    lon: Annotated[float, Query(description="Degrees east")],
    lat: Annotated[float, Query(description="Degrees north")],
    start: Annotated[str | None, Query(description="First day, YYYY-MM-DD; without it a year before the end")] = None,
    end: Annotated[str | None, Query(description="Last day, YYYY-MM-DD; without it the latest")] = None,
) -> dict[str, Any]:
    """Precipitation of the cell's days that the service's weather store holds, mm; HTTP 404 without a store."""
    path: Path | None = request.app.state.weather
    if path is None:
        raise absent("This service has no weather.")
    weather, place = _opened(str(path), int(time.monotonic() // _FRESH)), checked_point(lon, lat)
    window = _cell(weather, *place)
    held = list(weather.best)
    first, last = checked_period(start, end, latest=held[-1] if held else dt.date(1970, 1, 1))
    days = [day for day in held if first <= day <= last]
    values = weather.read("precipitation", days, weather.domain, window)[:, 0, 0].tolist() if days else []
    rows = [
        {"date": str(day), "precipitation": round(value, 2) if math.isfinite(value) else None}
        for day, value in zip(days, values, strict=True)
    ]
    return {"units": "mm", "cell": {"lon": place[0], "lat": place[1]}, "series": rows}


def _cell(weather: Weather, lon: float, lat: float) -> Window:
    """The cell of a point in a store's domain; HTTP 404 where there is none."""
    whole = weather.domain.window()
    try:
        cell = M01.cell_at(LonLat(lon=lon, lat=lat))
    except DomainError:
        raise absent(f"The grid has no cell at {lon:g}, {lat:g}.") from None
    row, column = cell.y - whole.rows.start, cell.x - whole.columns.start
    if not (0 <= row < len(whole.rows) and 0 <= column < len(whole.columns)):
        raise absent(f"The weather has no cell at {lon:g}, {lat:g}.")
    return Window(rows=Span(start=row, stop=row + 1), columns=Span(start=column, stop=column + 1))


@functools.lru_cache(maxsize=2)
def _opened(path: str, _moment: int) -> Weather:
    return open_weather(path)


@router.get("/stations", summary="Stations of the validation", dependencies=[Depends(known_parameters)])
def stations(request: Request, collection: CollectionQuery = None) -> dict[str, Any]:
    """The cells with stations at which a collection's ground was validated, with the skill at each; none without."""
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now()
    of = chosen_collection(held, collection)
    name = domain_name(of)
    ground = name.removeprefix(product.kind_of(name).prefix)
    for wanted in dict.fromkeys((name, f"{product.ANALYSIS}{ground}", ground)):
        entry = held.entries.get((VALIDATIONS, ValidationName(domain_name=wanted).item_id))
        content = None if entry is None else catalogue.store.get(entry.files.get("sites", ""))
        if entry is not None and content is not None:
            with broken_as(CatalogError, "The table of stations cannot be read", entry.files["sites"]):
                found = [_station(row) for row in pq.read_table(io.BytesIO(content)).to_pylist()]
            return {"validation": entry.record["id"], "of": wanted, "stations": found}
    return {"validation": None, "of": None, "stations": []}


@router.get("/readings", summary="Readings of a station", dependencies=[Depends(known_parameters)])
def readings(
    request: Request,
    network: Annotated[str, Query(max_length=100, description="Name of the network")],
    station: Annotated[str, Query(max_length=200, description="Name of the station")],
    start: Annotated[str | None, Query(description="First day, YYYY-MM-DD; without it a year before the end")] = None,
    end: Annotated[str | None, Query(description="Last day, YYYY-MM-DD; without it today")] = None,
) -> dict[str, Any]:
    """Daily means of each sensor's good readings, m3 m-3, as the service's table has them; HTTP 404 without one."""
    path: Path | None = request.app.state.readings
    if path is None:
        raise absent("This service has no readings of stations.")
    first, last = checked_period(start, end, latest=dt.datetime.now(dt.UTC).date())
    try:
        found = table.daily_at(path, network, station, (first, last))
    except StationError as error:
        raise CatalogError("The table of readings cannot be read") from error
    if not found:
        raise absent(f"No station {station[:80]!r} of {network[:80]!r} has readings.")
    sensors = [
        {"sensor": one.sensor, "depth_from": one.depth_from, "depth_to": one.depth_to, "series": _days(one)}
        for one in found
    ]
    return {"network": network, "station": station, "units": product.SOIL_MOISTURE.units, "sensors": sensors}


def _days(one: table.Daily) -> list[dict[str, Any]]:
    rows = zip(one.dates, one.values, one.readings, strict=True)
    return [{"date": str(date), "value": round(value, 4), "readings": count} for date, value, count in rows]


def _station(row: dict[str, Any]) -> dict[str, Any]:
    """A site's place, pairs and figures with the ends of their 95 % intervals; m3 m-3 but for r."""
    names = [f"product_{figure}{end}" for figure in _FIGURES for end in ("", "_low", "_high")]
    figures = {name: row[name] for name in names if isinstance(row.get(name), float) and math.isfinite(row[name])}
    told = {name: row[name] for name in ("network", "station", "lat", "lon", "pairs")}
    return told | {name.removeprefix("product_"): round(value, 4) for name, value in figures.items()}
