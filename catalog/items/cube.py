"""A collection's cube as its asset: axes, variables and units in the words of the datacube, zarr and cf extensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from catalog.items.parents import CUBE, extensions_with, parsed
from catalog.items.schema import validate
from catalog.naming import cube_folder, domain_name
from catalog.store.documents import Document, serialise
from catalog.store.objects import Write
from downscaler import product
from downscaler.product import FIRST_DAY, Variable

_DIMENSIONS = ["time", "y", "x"]


def cube_write(collection: str, *, present: bool) -> Write:
    """The change of a collection that names its cube among its assets, or no longer does."""

    def change(before: bytes | None) -> bytes:
        """The collection with its asset set or removed; one that is absent or damaged stays as it is."""
        document = parsed(before)
        if before is None or document is None:
            return before or b""
        cube = cube_asset(collection, document.get("summaries", {})) if present else None
        if document.get("assets", {}).get(CUBE) == cube:
            return before
        assets = {key: asset for key, asset in document.pop("assets", {}).items() if key != CUBE}
        assets |= {CUBE: cube} if cube else {}
        links = document.pop("links")
        document["stac_extensions"] = extensions_with(assets)
        document |= ({"assets": assets} if assets else {}) | {"links": links}
        validate(document)
        return serialise(document)

    return Write(key=f"{collection}/collection.json", content=change)


def cube_asset(collection: str, summaries: Mapping[str, Any]) -> Document:
    """The asset of a collection of days on the grid that its summaries tell.

    Extents of x and y are those of the coordinates, cell centres; time has no end, since a day is added a day.
    """
    (rows, columns), (a, _, left, _, e, top) = summaries["proj:shape"][0], summaries["proj:transform"][0]
    system = int(str(summaries["proj:code"][0]).removeprefix("EPSG:"))

    def axis(name: str, first: float, step: float, size: int) -> Document:
        ends = sorted((first + 0.5 * step, first + (size - 0.5) * step))
        return {"type": "spatial", "axis": name, "extent": ends, "step": step, "unit": "m", "reference_system": system}

    time = {"type": "temporal", "extent": [f"{FIRST_DAY.isoformat()}T00:00:00Z", None], "step": "P1D"}
    return {
        "href": f"../{cube_folder(collection)}",
        "type": "application/vnd.zarr+icechunk",
        "title": "All days as one cube [time, y, x]",
        "description": "An Icechunk repository, Zarr of format 3 on its branch main: the GeoTIFFs, value for value.",
        "roles": ["data"],
        "zarr:consolidated": False,
        "zarr:node_type": "group",
        "zarr:zarr_format": 3,
        "cube:dimensions": {"time": time, "y": axis("y", top, e, rows), "x": axis("x", left, a, columns)},
        "cube:variables": {
            variable.name: _variable(variable) for variable in product.cube_variables(domain_name(collection))
        },
    }


def _variable(variable: Variable) -> Document:
    """A variable of the cube, units as a code of UCUM."""
    found: Document = {
        "dimensions": _DIMENSIONS,
        "type": "data",
        "description": variable.description,
        "unit": product.ucum(variable.units),
        "data_type": variable.dtype,
        "nodata": "nan" if math.isnan(variable.nodata) else int(variable.nodata),
    }
    return found | ({"cf:standard_name": variable.standard_name} if variable.standard_name else {})
