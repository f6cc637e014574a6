"""Map tiles of the rasters, in Web Mercator, in the colours of the legend."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
import rasterio
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from PIL import Image
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader

from catalog.api.data.dates import found_entry
from catalog.api.data.kept import Kept
from catalog.api.requests import absent, bad, base
from catalog.api.stac.holdings import Catalogue
from catalog.api.stac.shelves import Entry
from catalog.naming import domain_name
from catalog.rasters.layers import CLEAR, DERIVED_LAYERS, DIFFERENCE, LAYERS, PALETTES, Layer, palettes
from catalog.reading.rasters import open_raster
from catalog.reading.retrieval import less_smap
from catalog.store.documents import read_document
from downscaler import product
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import COARSE_GRIDS, Flag

router = APIRouter()
SIZE, DEEPEST = 256, 14
_KEPT_BYTES = 160_000_000  # of differences to SMAP: four days of CONUS, hundreds of a basin
_DAY = 86_400
_PACKING = 4  # of 9; more makes a tile a few percent smaller and takes longer
_ALL = LAYERS | DERIVED_LAYERS
Zoom = Annotated[int, Path(ge=0, le=DEEPEST)]
TileNumber = Annotated[int, Path(ge=0, lt=2**DEEPEST)]
PaletteQuery = Annotated[str | None, Query(description=f"Colours: {', '.join(PALETTES)}; without it the layer's own")]
LowQuery = Annotated[float | None, Query(description="Value of the first colour; without it the layer's own")]
HighQuery = Annotated[float | None, Query(description="Value of the last colour; without it the layer's own")]
Scale = Annotated[int, Query(ge=1, le=2, description="Pixels to a point: 1 or 2")]


@router.get("/layers", summary="Layers of the map with their legends")
def layers(request: Request) -> dict[str, Any]:
    """Colours, range, units or classes of every layer, the address of its tiles; whether there is rain, or readings."""
    template = f"{base(request)}tiles/{{collection}}/{{item}}/"
    shown = [layer.legend() | {"tiles": f"{template}{layer.name}/{{z}}/{{x}}/{{y}}.png"} for layer in _ALL.values()]
    held = request.app.state
    beside = {"rain": held.weather is not None, "readings": held.readings is not None}
    return {"layers": shown, "palettes": palettes(), **beside, "tile_size": SIZE, "deepest": DEEPEST}


@router.get("/tiles/{collection}/{item}/{asset}/tilejson.json", summary="A layer as TileJSON")
def tilejson(request: Request, collection: str, item: str, asset: str, scale: Scale = 1) -> dict[str, Any]:
    """TileJSON 3.0 of one day's layer: address of its tiles, bounds, zooms; ``scale=2`` of tiles twice as fine."""
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now()
    entry = found_entry(held, collection, item)
    layer = _layer(asset)
    west, south, east, north = held.collections[collection][1]["extent"]["spatial"]["bbox"][0]
    size = "@2x" if scale == 2 else ""
    below = f"{base(request)}tiles/{quote(collection)}/{quote(item)}/{asset}"
    return {
        "tilejson": "3.0.0",
        "name": f"{item} {layer.title}",
        "version": f"{entry.record['properties'].get('version', 1)}.0.0",
        "attribution": f"{product.TITLE}, {product.LICENSE}",
        "scheme": "xyz",
        "tiles": [f"{below}/{{z}}/{{x}}/{{y}}{size}.png?v={entry.tag}"],
        "minzoom": 0,
        "maxzoom": DEEPEST,
        "bounds": [west, south, east, north],
        "center": [round((west + east) / 2, 4), round((south + north) / 2, 4), 7],
    }


@router.get(
    "/tiles/{collection}/{item}/{asset}/{z}/{x}/{y}@2x.png", summary="A map tile, 512 x 512", response_class=Response
)
def fine_tile(
    request: Request,
    collection: str,
    item: str,
    asset: str,
    z: Zoom,
    x: TileNumber,
    y: TileNumber,
    palette: PaletteQuery = None,
    low: LowQuery = None,
    high: HighQuery = None,
) -> Response:
    """The same as a plain tile, with 512 x 512 pixels for screens that have two to a point."""
    return _tile(request, collection, item, _look(asset, palette, low, high), (x, y, z), 2 * SIZE)


@router.get("/tiles/{collection}/{item}/{asset}/{z}/{x}/{y}.png", summary="A map tile", response_class=Response)
def tile(
    request: Request,
    collection: str,
    item: str,
    asset: Annotated[str, Path(description=f"One of {', '.join(_ALL)}")],
    z: Zoom,
    x: TileNumber,
    y: TileNumber,
    palette: PaletteQuery = None,
    low: LowQuery = None,
    high: HighQuery = None,
) -> Response:
    """A PNG of 256 x 256 pixels in Web Mercator; transparent where nothing is published."""
    return _tile(request, collection, item, _look(asset, palette, low, high), (x, y, z), SIZE)


def _layer(asset: str) -> Layer:
    if asset not in _ALL:
        raise absent(f"No layer {asset[:80]!r}. Available: {', '.join(_ALL)}.")
    return _ALL[asset]


def _look(asset: str, palette: str | None, low: float | None, high: float | None) -> Layer:
    """A layer as it is asked for; HTTP 400 for a palette or range that is none."""
    try:
        return _layer(asset).restyled(palette, low, high)
    except ValueError as error:
        raise bad(f"The tile cannot be drawn so: {error}.") from None


def _tile(request: Request, collection: str, item: str, layer: Layer, at: tuple[int, int, int], size: int) -> Response:
    x, y, z = at
    catalogue: Catalogue = request.app.state.catalogue
    entry = found_entry(catalogue.now(), collection, item)
    if max(x, y) >= 2**z:
        raise absent(f"Zoom {z} has tiles 0 to {2**z - 1}, not {x}, {y}.")
    tag = (
        '"'
        + hashlib.sha256(
            f"{entry.tag}/{layer.name}/{layer.scale.name}/{layer.range}/{z}/{x}/{y}/{size}".encode()
        ).hexdigest()[:24]
        + '"'
    )
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={_DAY if request.query_params.get('v') else 0}"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(_draw(catalogue, entry, layer, at, size), media_type="image/png", headers=headers)


def _draw(catalogue: Catalogue, entry: Entry, layer: Layer, at: tuple[int, int, int], size: int) -> bytes:
    x, y, z = at
    try:
        with (
            _raster(catalogue, entry, layer.name) as file,
            Reader(None, dataset=file, options={"unscale": True}) as source,
        ):
            image = source.tile(x, y, z, tilesize=size, resampling_method="nearest", reproject_method="nearest")
            values, mask = image.array.data[0], np.ma.getmaskarray(image.array)[0]
    except TileOutsideBounds:
        values, mask = np.zeros((size, size)), np.ones((size, size), bool)
    return render(layer, values, mask)


def render(layer: Layer, values: Any, mask: Any) -> bytes:
    """A PNG of values [y, x]; transparent where ``mask`` is set or a value is NaN."""
    hidden = mask | ~np.isfinite(np.asarray(values, np.float64))
    drawn = np.where(hidden, np.uint8(CLEAR), layer.indices(values))
    colours, alpha = layer.palette
    image = Image.frombytes("P", drawn.shape[::-1], drawn.tobytes())
    image.putpalette(colours)
    content = io.BytesIO()
    image.save(content, "PNG", transparency=alpha, compress_level=_PACKING)
    return content.getvalue()


@contextmanager
def _raster(catalogue: Catalogue, entry: Entry, name: str) -> Iterator[rasterio.DatasetReader]:
    if name != DIFFERENCE:
        keys = entry.files
        if name not in keys:
            raise absent(f"The item has no asset {name}.")
        with open_raster(catalogue.store, keys[name]) as file:
            yield file
        return
    if product.kind_of(domain_name(str(entry.record["collection"]))) is not product.CONSERVING:
        raise absent("Only SMAP-conserving days keep the retrieval, so the item has no difference to SMAP.")
    content = _differences(catalogue)(tuple(entry.files.items()))
    with MemoryFile(content) as memory, memory.open() as file:
        yield file


@functools.lru_cache(maxsize=8)
def _differences(catalogue: Catalogue) -> Kept:
    """Of each catalogue, differences to SMAP of the last items asked for."""

    def difference(files: tuple[tuple[str, str], ...]) -> bytes:
        """An item's difference to SMAP, m3/m3, as a GeoTIFF in tiles with overviews, as the plain rasters have."""
        keys = dict(files)  # a revision's files never change
        grid = read_document(catalogue.store, keys["provenance"]).get("parameters", {}).get("smap_grid")
        if grid not in COARSE_GRIDS:
            raise absent("The item does not state SMAP's grid, so there is no difference to SMAP.")
        with open_raster(catalogue.store, keys[product.SOIL_MOISTURE.name]) as file:
            theta = file.read(1).astype(np.float64)
            profile = {k: file.profile[k] for k in ("width", "height", "crs", "transform")}
        with open_raster(catalogue.store, keys[product.QUALITY_FLAG.name]) as file:
            filled = (file.read(1) & int(Flag.GAP_FILLED | Flag.SMAP_L4)) != 0  # of no retrieval of the day
        return _as_tiff(profile, less_smap(theta, filled, ratio_to_m01(COARSE_GRIDS[grid])))

    return Kept(difference, _KEPT_BYTES)


def _as_tiff(profile: dict[str, Any], values: Any) -> bytes:
    layout: dict[str, Any] = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": float("nan")}
    blocks = {"tiled": True, "blockxsize": SIZE, "blockysize": SIZE}
    with MemoryFile() as memory:
        with memory.open(**layout, **blocks, **profile) as target:
            target.write(values, 1)
            halvings = max(int(max(values.shape) // SIZE).bit_length(), 1)
            target.build_overviews([2**n for n in range(1, halvings + 1)], Resampling.nearest)
        return bytes(memory.getbuffer())
