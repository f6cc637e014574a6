"""Boundaries for the map: coasts, states and counties, from installed packages."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import shapefile
import shapely

from downscaler.sources import us_places
from downscaler.sources.zones import Layer, Zone

FILE = "boundaries.json"
PLACES = "places.json"
COUNTIES = "counties.json"
_NEAR = 1.0  # degrees around what is served within which counties are drawn
_FINE = 0.005  # degrees, half a cell of the product
_WINDOW = (-170.0, 5.0, -50.0, 75.0)  # degrees; North America
_NATURAL_EARTH = "shapefiles/ne_110m_admin_0_countries.shp"
Line = list[tuple[float, float]]


def boundaries(browser: Path | None) -> bytes:
    """A JSON document of lines [[longitude, latitude], ...] in degrees: ``land``, and ``states`` where they are known.

    Those that ``make browser`` wrote into ``browser`` where they are (US Census Bureau, about 100 m, with counties).
    Else the countries of Natural Earth at 1:110 million, which the package pygeogrids brings, and the states of
    ``us_places``.
    """
    built = browser / FILE if browser is not None else None
    if built is not None and built.is_file():
        return built.read_bytes()
    found: dict[str, Any] = {"source": "Natural Earth, by pygeogrids", "land": list(_countries())}
    if us_places.installed():
        found |= {"source": f"{found['source']}; {us_places.SOURCE}", "states": _outlines("states")}
        found["more"] = COUNTIES
    return json.dumps(found).encode()


def counties(boxes: Sequence[Sequence[float]]) -> bytes:
    """A JSON document of ``counties``: lines of those that come near boxes [west, south, east, north] in degrees.

    They are many, so the map asks for them when it is close enough to show them.
    """
    near = [shapely.box(*box).buffer(_NEAR) for box in boxes]
    lines = _outlines("counties", shapely.union_all(near)) if us_places.installed() else []
    return json.dumps({"source": us_places.SOURCE, "counties": lines}, separators=(",", ":")).encode()


def _outlines(kind: us_places.Kind, ground: shapely.Geometry | None = None) -> list[Line]:
    """The lines between a kind's polygons that meet a ground, each once, to some 500 m and 0.001 degrees."""
    shapes = [zone.geometry for zone in us_places.us_layer(kind).zones]
    if ground is not None:
        shapely.prepare(ground)
        shapes = [shape for shape in shapes if ground.intersects(shape)]
    if not shapes:
        return []
    simple = shapely.coverage_simplify(shapes, _FINE)
    lines = shapely.get_parts(shapely.line_merge(shapely.union_all(shapely.boundary(simple))))
    return [[(round(x, 3), round(y, 3)) for x, y in line.coords] for line in lines]


def places(browser: Path | None, named: Sequence[Layer] = ()) -> bytes:
    """Places to search for: [name, west, south, east, north] each.

    States and counties are those that ``make browser`` wrote, else those of the package of ``us_places``, both from the
    US Census Bureau's boundaries; none where neither is there. ``named`` are polygons of files that the service was
    started with, such as HUCs, told with their identifiers.
    """
    built = browser / PLACES if browser is not None else None
    found: dict[str, Any] = {"source": None, "places": []}
    if built is not None and built.is_file():
        found = json.loads(built.read_bytes())
    elif us_places.installed():
        found["source"] = us_places.SOURCE
        states, parts = (us_places.us_layer(kind).zones for kind in us_places.KINDS)
        found["places"] = [*(_place(zone, zone.name) for zone in states), *(_place(zone) for zone in parts)]
    for layer in named:
        found["places"] += [_place(zone) for zone in layer.zones]
    return json.dumps(found, ensure_ascii=False).encode()


def _place(zone: Zone, name: str | None = None) -> list[Any]:
    """A zone's name, with its identifier unless another is given, and its box."""
    name = name or (zone.name if zone.name == zone.id else f"{zone.name}, {zone.id}")
    return [name, *(round(side, 4) for side in zone.geometry.bounds)]


def _countries() -> Iterator[Line]:
    found = find_spec("pygeogrids")
    path = Path(found.origin).parent / _NATURAL_EARTH if found is not None and found.origin else None
    if path is None or not path.is_file():
        return
    with shapefile.Reader(str(path)) as reader:
        for shape in reader.iterShapes(bbox=_WINDOW):
            yield from _rings(shape)


def _rings(shape: Any) -> Iterator[Line]:
    """The closed lines of a polygon that come into the window, to 0.001 degrees."""
    west, south, east, north = _WINDOW
    starts = [*shape.parts, len(shape.points)]
    for start, stop in itertools.pairwise(starts):
        ring = [(round(x, 3), round(y, 3)) for x, y, *_ in shape.points[start:stop]]
        if any(west <= x <= east and south <= y <= north for x, y in ring):
            yield ring
