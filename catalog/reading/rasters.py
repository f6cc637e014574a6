"""Parts of a catalogue's rasters, read where they lie: by file from a folder, by range requests from a bucket."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.windows import Window as RasterWindow

from catalog.naming import DayName
from catalog.store.base import Store, open_store
from catalog.store.documents import read_document, resolve
from catalog.store.folder import FolderStore
from downscaler.errors import CatalogError
from downscaler.ground.grid import CRS as GRID
from downscaler.ground.grid import Domain

Array = NDArray[np.generic]
THREADS = 8
_EASE = CRS.from_user_input(GRID)
_TO_EASE = Transformer.from_crs("EPSG:4326", GRID, always_xy=True)
_DRIVER = "GTiff"  # a .tif that is a VRT would make GDAL read whatever it names
# Without these GDAL lists the folder and looks for side files at each opening.
_GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 128, "GDAL_NUM_THREADS": "1"}


@contextmanager
def open_raster(store: Store, key: str) -> Iterator[rasterio.DatasetReader]:
    """A GeoTIFF of the store, open for reading.

    Raises CatalogError where it is missing or no GeoTIFF.
    """
    local = isinstance(store, FolderStore)
    opener = None if local else lambda path, _mode="rb", **_: store.reader(path)
    path = store.root / key if isinstance(store, FolderStore) else key
    if local and store.facts(key) is None:  # before GDAL waits for a pipe
        raise CatalogError(f"Raster {key} is missing from the catalogue", value=store.uri)
    try:
        with rasterio.Env(**_GDAL), rasterio.open(path, driver=_DRIVER, opener=opener) as file:
            yield file
    except rasterio.errors.RasterioError as error:
        if store.facts(key) is None:
            raise CatalogError(f"Raster {key} is missing from the catalogue", value=store.uri) from error
        raise CatalogError(f"Raster {key} cannot be read", value=f"{store.uri}: {error}") from error


@contextmanager
def open_file(path: Path) -> Iterator[rasterio.DatasetReader]:
    """A GeoTIFF in a local file, open for reading; raises CatalogError where it is none."""
    try:
        with rasterio.Env(**_GDAL), rasterio.open(path, driver=_DRIVER) as file:
            yield file
    except rasterio.errors.RasterioError as error:
        raise CatalogError("A raster cannot be read", value=f"{path}: {error}") from error


def require_grid(file: rasterio.DatasetReader, domain: Domain, told: str) -> None:
    """Raise CatalogError for a raster that is not on a domain's grid: its size, place and projection."""
    box = domain.geobox()
    place = [round(number, 3) for number in file.transform[:6]]
    wanted = [round(number, 3) for number in box.transform[:6]]
    if file.shape != tuple(box.shape) or place != wanted or file.crs != CRS.from_user_input(str(box.crs)):
        raise CatalogError(
            "A raster is not on the domain's grid",
            value=f"{told}: {file.shape}, {file.crs.to_string()[:40] if file.crs else 'no projection'}, {place}",
            allowed=f"{tuple(box.shape)}, {box.crs}, {wanted}",
            remedy="`vadose catalog check` tells which files are not those that were published.",
        )


def read_rasters(uri: str | Path, domain: Domain, date: dt.date, names: Sequence[str]) -> dict[str, Array]:
    """Whole rasters of a published day by asset key, [y, x] as stored; of domains that fit into memory.

    Raises CatalogError when the day, an asset or its file is missing, no raster, or on another grid.
    """
    store, name = open_store(uri), DayName.of(domain, date)
    assets = read_document(store, name.item_key)["assets"]
    found: dict[str, Array] = {}
    for key in names:
        if key not in assets:
            raise CatalogError(f"{name.item_id} has no asset of that name", value=key, allowed=sorted(assets))
        with open_raster(store, resolve(name.item_key, assets[key]["href"])) as file:
            require_grid(file, domain, f"{name.item_id}, {key}")
            found[key] = file.read(1)
    return found


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A product cell from the upper left corner of a collection's window, and its centre in degrees."""

    row: int
    column: int
    lon: float
    lat: float


def value_at(store: Store, key: str, cell: Cell) -> float:
    """One pixel as a physical value, NaN where it is nodata; raises CatalogError, also for another grid."""
    with open_raster(store, key) as file:
        row, column = cell.row, cell.column
        if not file.crs or file.index(*_TO_EASE.transform(cell.lon, cell.lat)) != (row, column) or file.crs != _EASE:
            raise CatalogError(f"Raster {key} is on another grid than its collection", value=store.uri)
        if row >= file.height or column >= file.width:
            raise CatalogError(f"Raster {key} is smaller than its collection's grid", value=store.uri)
        value = float(file.read(1, window=RasterWindow(column, row, 1, 1))[0, 0])
        if file.nodata is not None and value == file.nodata:
            return float("nan")
        return value * float(file.scales[0]) + float(file.offsets[0])


def in_parallel(work: Callable[[Any], Any], parts: Sequence[Any], *, threads: int = THREADS) -> list[Any]:
    """The results of ``work`` on each part, in order; threads of one bounded pool do it, whoever asks."""
    return list(_pool(threads).map(work, parts))


_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


def _pool(threads: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="vadose-read")
        return _pools[threads]
