"""Map tiles of the rasters, in Web Mercator, in the colours of the legend."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import rasterio
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from rasterio.io import MemoryFile
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.models import ImageData

from catalog.api.data.dates import found_entry
from catalog.api.requests import absent, base
from catalog.api.stac.holdings import Catalogue
from catalog.api.stac.shelves import Entry
from catalog.rasters.layers import DIFFERENCE, LAYERS, Layer
from catalog.reading.rasters import open_raster
from catalog.reading.retrieval import less_smap
from catalog.store.documents import read_document
from downscaler import product
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import COARSE_GRIDS, Flag

router = APIRouter()
SIZE, DEEPEST = 256, 14
_CACHED_DIFFERENCES = 4
_DAY = 86_400


@router.get("/layers", summary="Layers of the map with their legends")
def layers(request: Request) -> dict[str, Any]:
    """Colours, range, units or classes of every layer, and the address of its tiles."""
    template = f"{base(request)}tiles/{{collection}}/{{item}}/"
    shown = [layer.legend() | {"tiles": f"{template}{layer.name}/{{z}}/{{x}}/{{y}}.png"} for layer in LAYERS.values()]
    return {"layers": shown, "tile_size": SIZE, "deepest": DEEPEST}


@router.get("/tiles/{collection}/{item}/{asset}/{z}/{x}/{y}.png", summary="A map tile", response_class=Response)
def tile(
    request: Request,
    collection: str,
    item: str,
    asset: Annotated[str, Path(description=f"One of {', '.join(LAYERS)}")],
    z: Annotated[int, Path(ge=0, le=DEEPEST)],
    x: Annotated[int, Path(ge=0, lt=2**DEEPEST)],
    y: Annotated[int, Path(ge=0, lt=2**DEEPEST)],
) -> Response:
    """A PNG of 256 x 256 pixels in Web Mercator; transparent where nothing is published."""
    catalogue: Catalogue = request.app.state.catalogue
    entry = found_entry(catalogue.now(), collection, item)
    if asset not in LAYERS:
        raise absent(f"No layer {asset!r}. Available: {', '.join(LAYERS)}.")
    if max(x, y) >= 2**z:
        raise absent(f"Zoom {z} has tiles 0 to {2**z - 1}, not {x}, {y}.")
    tag = '"' + hashlib.sha256(f"{entry.tag}/{asset}/{z}/{x}/{y}".encode()).hexdigest()[:24] + '"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={_DAY if request.query_params.get('v') else 0}"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(_draw(catalogue, entry, LAYERS[asset], (x, y, z)), media_type="image/png", headers=headers)


def _draw(catalogue: Catalogue, entry: Entry, layer: Layer, at: tuple[int, int, int]) -> bytes:
    x, y, z = at
    try:
        with (
            _raster(catalogue, entry, layer.name) as file,
            Reader(None, dataset=file, options={"unscale": True}) as source,
        ):
            image = source.tile(x, y, z, tilesize=SIZE, resampling_method="nearest", reproject_method="nearest")
            values, mask = image.array.data[0], np.ma.getmaskarray(image.array)[0]
    except TileOutsideBounds:
        values, mask = np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE), bool)
    return render(layer, values, mask)


def render(layer: Layer, values: Any, mask: Any) -> bytes:
    """A PNG of values [y, x]; transparent where ``mask`` is set or a value is NaN."""
    hidden = mask | ~np.isfinite(np.asarray(values, np.float64))
    indices = np.ma.MaskedArray(layer.indices(values)[None], mask=hidden[None])
    return bytes(ImageData(indices).render(img_format="PNG", colormap=layer.colours()))


@contextmanager
def _raster(catalogue: Catalogue, entry: Entry, name: str) -> Iterator[rasterio.DatasetReader]:
    if name != DIFFERENCE:
        keys = entry.files
        if name not in keys:
            raise absent(f"The item has no asset {name}.")
        with open_raster(catalogue.store, keys[name]) as file:
            yield file
        return
    profile, values = _difference_of(catalogue, entry)
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", dtype="float32", count=1, nodata=float("nan"), **profile) as target:
            target.write(values, 1)
        with memory.open() as file:
            yield file


def _difference_of(catalogue: Catalogue, entry: Entry) -> tuple[dict[str, Any], Any]:
    profile, values = _differences(catalogue)(tuple(entry.files.items()))
    return profile, values


@functools.lru_cache(maxsize=8)
def _differences(catalogue: Catalogue) -> Any:
    """Of each catalogue, differences to SMAP of the last items asked for."""

    @functools.lru_cache(maxsize=_CACHED_DIFFERENCES)
    def difference(files: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], Any]:
        """Raster profile and values [y, x] of an item's difference to SMAP, m3/m3."""
        keys = dict(files)  # a revision's files never change
        grid = read_document(catalogue.store, keys["provenance"]).get("parameters", {}).get("smap_grid")
        if grid not in COARSE_GRIDS:
            raise absent("The item does not state SMAP's grid, so there is no difference to SMAP.")
        with open_raster(catalogue.store, keys[product.SOIL_MOISTURE.name]) as file:
            theta = file.read(1).astype(np.float64)
            profile = {k: file.profile[k] for k in ("width", "height", "crs", "transform")}
        with open_raster(catalogue.store, keys[product.QUALITY_FLAG.name]) as file:
            filled = (file.read(1) & int(Flag.GAP_FILLED)) != 0
        return profile, less_smap(theta, filled, ratio_to_m01(COARSE_GRIDS[grid]))

    return difference
