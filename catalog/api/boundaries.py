"""Boundaries for the map: coasts, states and counties, from installed packages."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import shapefile

from downscaler.sources.zones import Layer

FILE = "boundaries.json"
PLACES = "places.json"
_WINDOW = (-170.0, 5.0, -50.0, 75.0)  # degrees; North America
_NATURAL_EARTH = "shapefiles/ne_110m_admin_0_countries.shp"
Line = list[tuple[float, float]]


def boundaries(browser: Path | None) -> bytes:
    """A JSON document of lines [[longitude, latitude], ...] in degrees: ``land``, if built ``states`` and ``counties``.

    Those that ``make browser`` wrote into ``browser`` where they are (US Census Bureau, about 100 m), else the
    countries of Natural Earth at 1:110 million, which the package pygeogrids brings.
    """
    built = browser / FILE if browser is not None else None
    if built is not None and built.is_file():
        return built.read_bytes()
    return json.dumps({"source": "Natural Earth, by pygeogrids", "land": list(_countries())}).encode()


def places(browser: Path | None, named: Sequence[Layer] = ()) -> bytes:
    """Places to search for: [name, west, south, east, north] each; none where none were built or given.

    ``make browser`` writes states and counties from the US Census Bureau's boundaries, which are in the public domain;
    ``named`` are polygons of files that the service was started with, such as HUCs, told with their identifiers.
    """
    built = browser / PLACES if browser is not None else None
    found = json.loads(built.read_bytes()) if built is not None and built.is_file() else {"source": None, "places": []}
    for layer in named:
        for zone in layer.zones:
            name = zone.name if zone.name == zone.id else f"{zone.name}, {zone.id}"
            found["places"].append([name, *(round(side, 4) for side in zone.geometry.bounds)])
    return json.dumps(found, ensure_ascii=False).encode()


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
