"""Masks of crops or land cover: the share of each product cell that a class covers, from a GeoTIFF of any grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject
from rasterio.windows import Window

from downscaler.errors import ZoneError
from downscaler.ground.grid import M01, Domain
from downscaler.records import file_sha256

_SIDE = 72  # cells of a side that are worked on at once: 2,400 pixels of 30 m
_MARGIN = 2  # cells around them, so that their edges are of whole pixels


@dataclass(frozen=True, kw_only=True)
class Mask:
    """Of each cell of a domain the share that counts [y, x], 0 to 1, and what it is from."""

    name: str
    share: NDArray[np.float64]
    told: dict[str, Any]


def read_mask(path: Path, domain: Domain, classes: Sequence[int] = ()) -> Mask:
    """The share of each cell of a domain that some classes of a raster cover; what the raster lacks does not count.

    Args:
        path: a GeoTIFF of classes in one band, such as USDA's Cropland Data Layer.
        domain: of the cells.
        classes: values that count; without any all but 0 and the raster's nodata.

    Raises:
        ZoneError: the file is missing, no raster, or without a reference system, or no such class lies in the domain.
    """
    if not path.is_file():
        raise ZoneError("The mask was not found", value=path)
    shape = domain.shape()
    share = np.zeros((shape.y, shape.x))
    try:
        with rasterio.open(path, driver="GTiff") as raster:  # a VRT would make GDAL read whatever it names
            if raster.crs is None:
                raise ZoneError("The mask has no reference system", value=path, allowed="a GeoTIFF with one")
            for top in range(0, shape.y, _SIDE):
                for left in range(0, shape.x, _SIDE):
                    rows, columns = slice(top, min(top + _SIDE, shape.y)), slice(left, min(left + _SIDE, shape.x))
                    share[rows, columns] = _part(raster, domain, rows, columns, classes)
    except rasterio.errors.RasterioError as error:
        raise ZoneError("The mask cannot be read", value=f"{path}: {error}", allowed="a GeoTIFF") from error
    if not share.any():
        wanted = ", ".join(map(str, classes)) or "other than 0"
        raise ZoneError("No such class of the mask lies in the domain", value=f"{path}: {wanted}", allowed=domain.title)
    told = {"file": path.name, "sha256": file_sha256(path), "classes": sorted(classes)}
    return Mask(name=path.name, share=share, told=told)


def _part(raster: Any, domain: Domain, rows: slice, columns: slice, classes: Sequence[int]) -> NDArray[np.float64]:
    """The share of some cells, by the mean of the raster's own pixels in each."""
    box = domain.geobox()
    transform = box.transform * box.transform.translation(columns.start, rows.start)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    with WarpedVRT(raster, crs=str(box.crs), resampling=Resampling.nearest) as there:
        if min(abs(there.transform.a), abs(there.transform.e)) > M01.cell:
            return _at_centres(raster, str(box.crs), transform, shape, classes)
        west, north = transform @ (-_MARGIN, -_MARGIN)
        east, south = transform @ (shape[1] + _MARGIN, shape[0] + _MARGIN)
        west, east = max(west, there.bounds.left), min(east, there.bounds.right)
        south, north = max(south, there.bounds.bottom), min(north, there.bounds.top)
        if west >= east or south >= north:
            return np.zeros(shape)
        window = _whole(there.window(west, south, east, north), there.width, there.height)
        counts, own = _counts(there.read(1, window=window), raster, classes), there.window_transform(window)
    # What the raster lacks is no class: left out, a cell on its edge would have the mean of the part that it covers.
    wide, high = (math.ceil(_MARGIN * M01.cell / abs(size)) for size in (own.a, own.e))
    counts, own = np.pad(counts, ((high, high), (wide, wide))), own * own.translation(-wide, -high)
    found = np.zeros(shape, np.float32)
    reproject(
        counts.astype(np.float32),
        found,
        src_transform=own,
        dst_transform=transform,
        src_crs=box.crs,
        dst_crs=box.crs,
        resampling=Resampling.average,
    )
    return np.clip(np.nan_to_num(found.astype(np.float64)), 0.0, 1.0)


def _at_centres(
    raster: Any, crs: str, transform: Any, shape: tuple[int, int], classes: Sequence[int]
) -> NDArray[np.float64]:
    """Whether the pixel at each cell's centre counts: of a raster that is coarser than the product."""
    cells = {"transform": transform, "height": shape[0], "width": shape[1]}
    with WarpedVRT(raster, crs=crs, resampling=Resampling.nearest, add_alpha=True, **cells) as there:
        seen = there.read(there.count) > 0
        return np.asarray((_counts(there.read(1), raster, classes) & seen).astype(np.float64))


def _counts(values: NDArray[Any], raster: Any, classes: Sequence[int]) -> NDArray[np.bool_]:
    if classes:
        return np.isin(values, list(classes))
    return np.asarray((values != 0) & (values != (0 if raster.nodata is None else raster.nodata)))


def _whole(part: Window, width: int, height: int) -> Window:
    """The whole pixels of a raster that a window touches."""
    first = math.floor(part.col_off), math.floor(part.row_off)
    last = math.ceil(part.col_off + part.width), math.ceil(part.row_off + part.height)
    left, top = (max(0, one) for one in first)
    return Window(left, top, min(last[0], width) - left, min(last[1], height) - top)
