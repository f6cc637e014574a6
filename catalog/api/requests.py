"""What requests may ask: boxes, periods, points and names, checked in one place; HTTP 400 says what is allowed."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_origin

from fastapi import HTTPException, Query, Request
from fastapi.dependencies.models import Dependant
from geojson_pydantic.geometries import parse_geometry_obj
from pydantic import BaseModel

from catalog.store.documents import Document

LONGEST_YEARS = 10
MOST_POSITIONS = 10_000
LonQuery = Annotated[float, Query(description="Degrees east", json_schema_extra={"minimum": -180, "maximum": 180})]
LatQuery = Annotated[float, Query(description="Degrees north", json_schema_extra={"minimum": -90, "maximum": 90})]
_NAMES = ("west", "south", "east", "north")


def bad(text: str) -> HTTPException:
    """HTTP 400 with a text."""
    return HTTPException(status_code=400, detail=text)


def absent(text: str) -> HTTPException:
    """HTTP 404 with a text."""
    return HTTPException(status_code=404, detail=text)


def known_parameters(request: Request) -> None:
    """Refuse parameters that the route does not have: one mistyped would else be left out without a word.

    Source: OGC API Features, part 1 (17-069r4), requirement 8.
    """
    allowed = list(dict.fromkeys(_parameters(request.scope["route"].dependant)))
    unknown = sorted(set(request.query_params) - set(allowed))
    named = request.query_params.get("collections")
    if named is not None and "collections" in unknown and named == request.path_params.get("collection_id"):
        unknown.remove("collections")  # pystac-client names the collection again whose items it asks for
    if unknown:
        raise bad(f"No parameter {unknown[0][:40]!r}. Those here are: {', '.join(allowed)}.")
    lists = set(_parameters(request.scope["route"].dependant, lists=True))
    given = Counter(name for name, _ in request.query_params.multi_items())
    twice = sorted(name for name, number in given.items() if number > 1 and name not in lists)
    if twice:
        raise bad(f"Parameter {twice[0]!r} stands {given[twice[0]]} times. Give it once; several names with commas.")
    for name in ("ids", "collections"):
        if request.query_params.get(name) == "":
            raise bad(f"Parameter {name!r} is empty: it would find all. Leave it out, or name at least one.")


def _parameters(dependant: Dependant, *, lists: bool = False) -> Iterator[str]:
    """Names of a route's query parameters, those of its dependencies too; with ``lists`` those that may be repeated."""
    for field in dependant.query_params:
        if not lists or get_origin(field.field_info.annotation) in (list, tuple, set):
            yield field.alias
    for inner in dependant.dependencies:
        yield from _parameters(inner, lists=lists)


def api_root(request: Request) -> str:
    """Address of the STAC API as the client sees it, with a slash at its end."""
    return f"{base(request)}stac/"


def base(request: Request) -> str:
    """Address of the service as the client sees it, or as it is published, with a slash at its end."""
    return str(request.base_url)


def checked_bbox(bbox: Sequence[float] | None) -> list[float] | None:
    """A box as west, south, east, north in degrees; of one with heights these are left out.

    One whose west lies east of its east goes across the antimeridian.
    """
    if bbox is None:
        return None
    if len(bbox) not in (4, 6):
        raise bad(f"bbox has 4 or 6 numbers (west,south,east,north in degrees); got {len(bbox)}.")
    values = [float(v) for v in (bbox if len(bbox) == 4 else [*bbox[:2], *bbox[3:5]])]
    if not all(map(math.isfinite, values)):
        raise bad("bbox holds a value that is not a finite number.")
    west, south, east, north = values
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        given = ", ".join(f"{name} {value:g}" for name, value in zip(_NAMES, values, strict=True))
        raise bad(f"bbox is outside the globe: {given}. Allowed: -180 to 180 and -90 to 90 degrees.")
    if south > north:
        raise bad(f"bbox has its south ({south:g}) above its north ({north:g}); the order is west,south,east,north.")
    return values


def checked_geometry(value: Any, called: str = "intersects") -> Document | None:
    """A GeoJSON geometry with numbers in it, of at most ``MOST_POSITIONS`` positions; ``called`` says where it was."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise bad(f"{called} is not valid JSON; expected a GeoJSON geometry.") from None
    geometry = value.model_dump(exclude_none=True, mode="json") if isinstance(value, BaseModel) else value
    kinds = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
    if not isinstance(geometry, dict) or geometry.get("type") not in kinds:
        raise bad(f"{called} takes a GeoJSON geometry, one of {', '.join(kinds)}.")
    numbers = _numbers(geometry, called)
    if not numbers:
        raise bad(f"{called} has no position: coordinates are lists of [longitude, latitude].")
    if len(numbers) > 3 * MOST_POSITIONS:
        raise bad(f"{called} takes 1 to {MOST_POSITIONS:,} positions.")
    try:
        parse_geometry_obj(geometry)
    except ValueError:  # pydantic's is one
        raise bad(
            f"{called} is not a valid GeoJSON {geometry['type']}: check the nesting of its coordinates."
        ) from None
    if not all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in _positions(geometry)):
        raise bad(
            "The geometry leaves the globe. Allowed: longitude -180 to 180 first, then latitude -90 to 90 degrees."
        )
    return dict(geometry)


def _positions(geometry: Any) -> Iterator[tuple[float, float]]:
    """Longitude and latitude of every position of a valid geometry."""
    waiting = [geometry.get("coordinates"), *(geometry.get("geometries") or ())]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [part.get("coordinates"), *(part.get("geometries") or ())]
        elif isinstance(part, list | tuple) and part and isinstance(part[0], int | float):
            yield part[0], part[1]
        elif isinstance(part, list | tuple):
            waiting += part


def _numbers(geometry: Any, called: str) -> list[float]:
    waiting, found = [geometry.get("coordinates"), geometry.get("geometries")], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [part.get("coordinates"), part.get("geometries")]
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, int | float) and math.isfinite(part):
            found.append(float(part))
        elif part is not None:
            raise bad(f"{called} has a coordinate that is not a number.")
    return found


def checked_day(text: str, name: str) -> dt.date:
    """A date (YYYY-MM-DD, or a time of which the UTC date counts)."""
    try:
        if not text[10:]:
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo is None else moment.astimezone(dt.UTC)).date()
    except (ValueError, OverflowError):
        return _refuse(text, name)


def _refuse(text: str, name: str) -> dt.date:
    raise bad(f"Invalid date {text[:40]!r} for {name}; expected YYYY-MM-DD.")


def checked_period(start: str | None, end: str | None, *, latest: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day of a series: by default the year that ends with the latest day, at most ten years."""
    last = checked_day(end, "end") if end else latest
    first = checked_day(start, "start") if start else last - dt.timedelta(days=min(365, (last - dt.date.min).days))
    if first > last:
        raise bad(f"start ({first}) is after end ({last}).")
    if (last - first).days > 366 * LONGEST_YEARS:
        raise bad(f"A series covers at most {LONGEST_YEARS} years; asked for {first} to {last}. Ask in parts.")
    return first, last


def checked_point(lon: float, lat: float) -> tuple[float, float]:
    """Degrees east and north."""
    if not (math.isfinite(lon) and math.isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90):
        raise bad(f"The point {lon:g}, {lat:g} is not on the globe. Allowed: lon -180 to 180, lat -90 to 90 degrees.")
    return lon, lat
