"""Writing a cube's arrays: made empty, lengthened along time, and filled from GeoTIFFs a block of days at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow
from zarr.codecs import BloscCodec

from catalog.cube.layout import (
    CHUNK,
    DAYS,
    DIGEST,
    GRID_MAPPING,
    REVISION,
    SHARD,
    Grid,
    attributes,
    axis_attributes,
    dtype_of,
    fill_of,
    pack,
)
from catalog.reading.rasters import open_file
from catalog.store.base import Store
from catalog.store.folder import FolderStore
from downscaler.errors import CatalogError
from downscaler.product import Variable

Array = NDArray[np.generic]
_WORKERS = 2  # variables written at a time: each holds DAYS x SHARD x columns values


@dataclass(frozen=True, kw_only=True)
class DayChange:
    """What becomes of a place on the time axis: the keys of the day's rasters by variable, None to empty it."""

    index: int
    keys: Mapping[str, str] | None


def create_arrays(group: zarr.Group, grid: Grid, variables: Sequence[Variable]) -> None:
    """Coordinates and empty variables of a cube without days yet."""
    notes = axis_attributes()
    for name, values in grid.axes().items():
        dimension = {"lat": "y", "lon": "x"}.get(name, name)
        array = group.create_array(name, data=values, dimension_names=[dimension], chunks=values.shape)
        array.attrs.update(notes[name])
    mapping = group.create_array(GRID_MAPPING, shape=(), dtype="int32", fill_value=0)
    mapping.attrs.update(grid.mapping())
    for name, dtype in {"time": "int32", REVISION: "uint16", DIGEST: "uint64"}.items():
        array = group.create_array(
            name, shape=(0,), dtype=dtype, chunks=(8192,), fill_value=0, dimension_names=["time"]
        )
        array.attrs.update(notes[name])
    for variable in variables:
        array = group.create_array(
            variable.name,
            shape=(0, *grid.shape),
            dtype=dtype_of(variable),
            chunks=(DAYS, CHUNK, CHUNK),
            shards=(DAYS, SHARD, SHARD),
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
            fill_value=fill_of(variable),
            dimension_names=["time", "y", "x"],
        )
        array.attrs.update(attributes(variable))


def lengthen(group: zarr.Group, days: int) -> None:
    """Let the time axis have at least so many days; the new ones are empty."""
    before = array_of(group, "time").shape[0]
    if days <= before:
        return
    fields = [name for name, array in group.arrays() if array.ndim == 3]
    for name in (*fields, REVISION, DIGEST, "time"):
        array = array_of(group, name)
        array.resize((days, *array.shape[1:]))
    array_of(group, "time")[before:days] = np.arange(before, days, dtype=np.int32)


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """A named array of the cube; raises CatalogError if it does not exist."""
    found = group.get(name)
    if not isinstance(found, zarr.Array):
        raise CatalogError("The cube lacks an array", value=name)
    return found


def write_block(
    group: zarr.Group,
    store: Store,
    changes: Sequence[DayChange],
    grid: Grid,
    tell: Callable[[], None],
    variables: Sequence[Variable],
) -> None:
    """Write days of one block along time, all variables; ``tell`` is called once a variable and band of rows.

    Raises CatalogError when a raster is missing, unreadable, on another grid or not exactly held.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = [pool.submit(_write_variable, group, store, variable, changes, grid, tell) for variable in variables]
        for job in jobs:
            job.result()


def _write_variable(
    group: zarr.Group,
    store: Store,
    variable: Variable,
    changes: Sequence[DayChange],
    grid: Grid,
    tell: Callable[[], None],
) -> None:
    array = array_of(group, variable.name)
    start = changes[0].index // DAYS * DAYS
    stop = min(start + DAYS, array.shape[0])
    with _local_files(store, variable, changes) as files:
        for top in range(0, grid.shape[0], SHARD):
            rows = slice(top, min(top + SHARD, grid.shape[0]))
            held = np.asarray(array[start:stop, rows, :])
            for change in changes:
                file = files.get(change.index)
                held[change.index - start] = (
                    fill_of(variable, array.dtype)
                    if file is None
                    else pack(variable, _read(file, rows, grid), array.dtype)
                )
            array[start:stop, rows, :] = held
            tell()


@contextlib.contextmanager
def _local_files(store: Store, variable: Variable, changes: Sequence[DayChange]) -> Iterator[dict[int, Path]]:
    """A variable's rasters of the days by place in time: where they lie in a folder, copies of a bucket's."""
    keys = {change.index: change.keys[variable.name] for change in changes if change.keys is not None}
    if isinstance(store, FolderStore):
        yield {index: store.root / key for index, key in keys.items()}
        return
    with store.staging() as folder:
        files = {}
        for index, key in keys.items():
            content = store.get(key)
            if content is None:
                raise CatalogError("An asset is missing from the catalogue", value=f"{store.uri}/{key}")
            files[index] = folder / f"{index}.tif"
            files[index].write_bytes(content)
        yield files


def _read(file: Path, rows: slice, grid: Grid) -> Array:
    """Rows of a raster [y, x] as stored."""
    with open_file(file) as raster:
        if raster.shape != grid.shape or not raster.transform.almost_equals(grid.transform):
            raise CatalogError("A raster is not on the cube's grid", value=f"{file}: {raster.shape}")
        window = RasterWindow(0, rows.start, grid.shape[1], rows.stop - rows.start)
        return np.asarray(raster.read(1, window=window))
