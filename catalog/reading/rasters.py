"""Parts of a catalogue's rasters, read where they lie: by file from a folder, by range requests from a bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from catalog.store.base import Store
from catalog.store.folder import FolderStore
from downscaler.errors import CatalogError

Array = NDArray[np.generic]
THREADS = 8
# Without these GDAL lists the folder and looks for side files at each opening.
_GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 128, "GDAL_NUM_THREADS": "1"}


@contextmanager
def open_raster(store: Store, key: str) -> Iterator[rasterio.DatasetReader]:
    """A raster of the store, open for reading.

    Raises CatalogError where it is missing or no raster.
    """
    try:
        with rasterio.Env(**_GDAL), _opened(store, key) as file:
            yield file
    except FileNotFoundError as error:
        raise CatalogError(f"The raster {key} is missing from the catalogue", value=f"{store.uri}/{key}") from error
    except rasterio.errors.RasterioError as error:
        raise CatalogError(f"The raster {key} cannot be read", value=f"{store.uri}/{key}: {error}") from error


def _opened(store: Store, key: str) -> Any:
    if isinstance(store, FolderStore):
        return rasterio.open(store.root / key)
    return rasterio.open(key, opener=lambda path, _mode="rb", **_: store.reader(path))


def value_at(store: Store, key: str, row: int, column: int) -> float:
    """One pixel as a physical value, NaN where it is nodata; raises CatalogError."""
    with open_raster(store, key) as file:
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
