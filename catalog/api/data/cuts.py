"""A part of one raster: what the map shows, as a GeoTIFF on the product's own grid or as CSV of cell centres."""

from __future__ import annotations

import csv
import io
import math
from typing import Annotated, Any, Literal

import numpy as np
import rasterio
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterWindow

from catalog.api.data.dates import found_entry
from catalog.api.requests import absent, bad, checked_bbox, known_parameters
from catalog.api.stac.holdings import Catalogue
from catalog.naming import domain_name
from catalog.reading.rasters import open_raster
from downscaler import product
from downscaler.ground.grid import CRS

router = APIRouter()
MOST_CELLS = {"tif": 4_000_000, "csv": 250_000}
_TO_EASE = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)
_TO_DEGREES = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)


@router.get(
    "/cut/{collection}/{item}/{asset}",
    summary="A part of a raster",
    response_class=Response,
    dependencies=[Depends(known_parameters)],
)
def cut(
    request: Request,
    collection: str,
    item: str,
    asset: str,
    bbox: Annotated[str, Query(description="west,south,east,north in degrees")],
    f: Annotated[Literal["tif", "csv"], Query(description="Format")] = "tif",
) -> Response:
    """The cells that a box in degrees touches, unchanged: a GeoTIFF, or CSV of those with a value."""
    catalogue: Catalogue = request.app.state.catalogue
    entry = found_entry(catalogue.now(), collection, item)
    known = {variable.name: variable for variable in product.variables_of(domain_name(collection))}
    if asset not in known or asset not in entry.files:
        there = ", ".join(name for name in known if name in entry.files)
        raise absent(f"The item has no raster {asset[:80]!r}. Those there are: {there}.")
    box = _box(bbox)
    with open_raster(catalogue.store, entry.files[asset]) as file:
        window = _window(file, box)
        if window.width * window.height > MOST_CELLS[f]:
            raise bad(
                f"One answer in this format holds at most {MOST_CELLS[f]:,} cells; the box has "
                f"{window.width * window.height:,}. Ask for a smaller one."
            )
        content = _as_tiff(file, window) if f == "tif" else _as_csv(file, window, known[asset])
    name = f"{item}_{asset}.{f}"
    kind = "image/tiff; application=geotiff" if f == "tif" else "text/csv; charset=utf-8"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _box(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise bad("bbox has 4 numbers: west,south,east,north in degrees.") from None
    found = checked_bbox(numbers) or []
    if len(numbers) != 4 or found[0] >= found[2]:
        raise bad("bbox has 4 numbers: west,south,east,north in degrees, west before east.")
    return found


def _window(file: rasterio.DatasetReader, box: list[float]) -> RasterWindow:
    """The whole cells that a box touches; HTTP 404 where it lies outside."""
    west, south, east, north = box
    (left, right), (bottom, top) = _TO_EASE.transform([west, east], [max(south, -85.0), min(north, 85.0)])
    first, last = ~file.transform @ (left, top), ~file.transform @ (right, bottom)
    columns = max(math.floor(first[0]), 0), min(math.ceil(last[0]), file.width)
    rows = max(math.floor(first[1]), 0), min(math.ceil(last[1]), file.height)
    if columns[0] >= columns[1] or rows[0] >= rows[1]:
        raise absent("The box lies outside the item.")
    return RasterWindow(columns[0], rows[0], columns[1] - columns[0], rows[1] - rows[0])


def _as_tiff(file: rasterio.DatasetReader, window: RasterWindow) -> bytes:
    told: dict[str, Any] = {"driver": "GTiff", "count": 1, "compress": "deflate", "crs": file.crs}
    told |= {"dtype": file.dtypes[0], "nodata": file.nodata, "width": window.width, "height": window.height}
    with MemoryFile() as memory:
        with memory.open(**told, transform=file.window_transform(window)) as target:
            target.write(file.read(1, window=window), 1)
            target.update_tags(**{name: text for name, text in file.tags().items() if not name.startswith("AREA_")})
            target.set_band_description(1, file.descriptions[0] or "")
            target.set_band_unit(1, file.units[0] or "")
        return bytes(memory.getbuffer())


def _as_csv(file: rasterio.DatasetReader, window: RasterWindow, variable: product.Variable) -> str:
    values = file.read(1, window=window, masked=True)
    known = ~np.ma.getmaskarray(values) & np.isfinite(values.data.astype(np.float64))
    rows, columns = np.nonzero(known)
    x, y = file.window_transform(window) @ (columns + 0.5, rows + 0.5)
    lon, lat = _TO_DEGREES.transform(x, y)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["lon", "lat", variable.name, "units", "date", "simulated"])
    tags = file.tags()
    told = [variable.units, tags.get("date", ""), str("SIMULATED" in tags).lower()]  # of every line: tables are cut
    for east, north, value in zip(lon, lat, values.data[known], strict=True):
        writer.writerow([f"{east:.5f}", f"{north:.5f}", f"{value:.6g}", *told])
    return lines.getvalue()
