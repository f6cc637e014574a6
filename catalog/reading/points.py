"""A catalogue's days at chosen cells: every raster is opened once, and only its blocks with such cells are read."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from catalog.items.day import is_withdrawn
from catalog.naming import DayName
from catalog.reading.days import items
from catalog.reading.rasters import open_raster, require_grid
from catalog.reading.retrieval import smap_of
from catalog.store.base import Store, open_store
from catalog.store.documents import read_document, resolve
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import COARSE_GRIDS
from downscaler.validation.matchups import ProductDays

Array = NDArray[Any]
_READ = (product.SOIL_MOISTURE.name, product.QUALITY_FLAG.name, product.OBSERVATION_TIME.name)
_OF_NO_RETRIEVAL = int(product.Flag.GAP_FILLED | product.Flag.SMAP_L4)
_AHEAD = 2  # days in work beyond those of the threads, so that results do not pile up
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class PublishedDay:
    """One published day: where its rasters are, and SMAP's grid that it was made from."""

    date: dt.date
    keys: dict[str, str]
    grid: EaseGrid
    simulated: bool
    revision: int


def published_days(
    uri: str | Path, domain: Domain, period: tuple[dt.date, dt.date] | None = None
) -> list[PublishedDay]:
    """The days of a domain in a catalogue, in order, but for withdrawn ones.

    Raises CatalogError where an item or its record is damaged.
    """
    store = open_store(uri)
    found = []
    for item in items(uri, domain):
        date = dt.date.fromisoformat(str(item["properties"]["start_datetime"])[:10])
        if not is_withdrawn(item) and (period is None or period[0] <= date <= period[1]):
            found.append(_day(store, DayName.of(domain, date), item))
    return sorted(found, key=lambda day: day.date)


def _day(store: Store, name: DayName, item: dict[str, Any]) -> PublishedDay:
    keys = {key: resolve(name.item_key, asset["href"]) for key, asset in item["assets"].items()}
    missing = [key for key in (*_READ, "provenance") if key not in keys]
    if missing:
        raise CatalogError(f"{name.item_id} lacks assets", value=", ".join(missing))
    grid = read_document(store, keys["provenance"]).get("parameters", {}).get("smap_grid")
    if grid not in COARSE_GRIDS:
        raise CatalogError(f"{name.item_id} does not state SMAP's grid", value=grid, allowed=COARSE_GRIDS)
    return PublishedDay(
        date=name.date,
        keys=keys,
        grid=COARSE_GRIDS[grid],
        simulated=bool(item["properties"]["vadose:simulated"]),
        revision=int(item["properties"]["version"]),
    )


def sample_days(
    uri: str | Path,
    domain: Domain,
    days: Sequence[PublishedDay],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> ProductDays:
    """Soil moisture, flags and times of given days at given cells, and SMAP's retrieval there.

    SMAP's retrieval is what ``smap_of`` reads back from the published cells of its cell. Memory is that of one raster a
    worker, not of the period.

    Args:
        uri: the catalogue.
        domain: of the catalogue's days.
        days: as ``published_days`` found them.
        rows: of the cells, from the domain's upper left corner [sites].
        columns: of the cells [sites].
        workers: threads that read.
        progress: called with (days done, days in all).

    Raises:
        CatalogError: a raster is missing, unreadable or not on the domain's grid.
    """
    store = open_store(uri)
    shape = (len(days), len(rows))
    theta, smap, observed = (np.full(shape, np.nan) for _ in range(3))
    flags = np.zeros(shape, np.uint16)

    def read(day: PublishedDay) -> tuple[Array, Array, Array, Array]:
        return _read_day(store, domain, day, rows, columns)

    for number, (own, coarse, flag, minutes) in enumerate(_in_order(read, days, workers)):
        theta[number], smap[number], flags[number], observed[number] = own, coarse, flag, minutes
        if progress:
            progress(number + 1, len(days))
    return ProductDays(
        dates=tuple(day.date for day in days),
        theta=theta.T,
        smap=smap.T,
        flags=flags.T,
        observed=observed,
        simulated=any(day.simulated for day in days),
    )


def sample_interval(
    uri: str | Path,
    domain: Domain,
    days: Sequence[PublishedDay],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    *,
    workers: int = 2,
) -> tuple[Array, Array]:
    """Lower and upper end of the published interval at given cells [sites, days], m3 m-3; NaN where none is published.

    Arguments and errors as of ``sample_days``.
    """
    store, ends = open_store(uri), (product.LOWER.name, product.UPPER.name)

    def read(day: PublishedDay) -> Array:
        return np.stack([_blocks(store, day.keys[end], domain, rows, columns)[rows, columns] for end in ends])

    found = np.stack(list(_in_order(read, days, workers))).astype(np.float64)  # [days, ends, sites]
    return found[:, 0].T, found[:, 1].T


def sample_rasters(
    uri: str | Path,
    domain: Domain,
    days: Sequence[Mapping[str, str]],
    names: Sequence[str],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    *,
    workers: int = 2,
) -> Array:
    """Rasters of items at given cells [name, site, day], NaN where they have none.

    Args:
        uri: the catalogue.
        domain: of the items.
        days: the files of each item by asset name.
        names: of the assets.
        rows: of the cells, from the domain's upper left corner [sites].
        columns: of the cells [sites].
        workers: threads that read.

    Raises:
        CatalogError: a raster is missing, unreadable or not on the domain's grid.
    """
    store = open_store(uri)

    def read(keys: Mapping[str, str]) -> Array:
        return np.stack([_blocks(store, keys[name], domain, rows, columns)[rows, columns] for name in names])

    found = list(_in_order(read, days, workers))
    return np.stack(found, axis=-1).astype(np.float64) if found else np.empty((len(names), len(rows), 0))


def _in_order(work: Callable[[Any], Any], days: Sequence[Any], workers: int) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for day in days:
            waiting.append(pool.submit(work, day))
            if len(waiting) > workers + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read_day(
    store: Store, domain: Domain, day: PublishedDay, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    ratio = ratio_to_m01(day.grid)
    top, left = rows // ratio * ratio, columns // ratio * ratio
    corners = [(top, left), (top + ratio - 1, left), (top, left + ratio - 1), (top + ratio - 1, left + ratio - 1)]
    around = [np.concatenate(axis) for axis in zip(*corners, strict=True)]
    soil, flag, time = _READ
    field = _blocks(store, day.keys[soil], domain, *around)
    cells = _cells_of(field, top, left, ratio)
    told = np.isfinite(cells).any(axis=(1, 2))  # half of CONUS lies in the swath's gap: there is nothing to read of it
    smap, theta = np.full(len(rows), np.nan), field[rows, columns]
    flags, minutes = np.full(theta.shape, product.Flag.FILL, np.uint16), np.full(theta.shape, np.nan)
    if told.any():
        bits = _blocks(store, day.keys[flag], domain, *(axis[np.tile(told, 4)] for axis in around))
        filled = _cells_of(bits, top[told], left[told], ratio) & _OF_NO_RETRIEVAL != 0
        smap[told] = smap_of(cells[told].reshape(-1, ratio), filled.reshape(-1, ratio), ratio)[:, 0]
    seen = np.isfinite(theta)
    at = rows[seen], columns[seen]
    if seen.any():
        flags[seen] = bits[at]
        minutes[seen] = _blocks(store, day.keys[time], domain, *at)[at]
    minutes[minutes == product.OBSERVATION_TIME.nodata] = np.nan
    return theta, smap, flags, minutes


def _cells_of(field: Array, top: NDArray[np.intp], left: NDArray[np.intp], ratio: int) -> Array:
    """The product cells of SMAP cells with the given corners; [y, x] -> [sites, ratio, ratio]."""
    step = np.arange(ratio)
    found: Array = field[(top[:, None] + step)[:, :, None], (left[:, None] + step)[:, None, :]]
    return found


def _blocks(store: Store, key: str, domain: Domain, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """A raster [y, x] of which only the blocks that hold the given cells are read; what the others hold is not set."""
    shape = (domain.shape().y, domain.shape().x)
    with open_raster(store, key) as file:
        require_grid(file, domain, key)
        height, width = file.block_shapes[0]
        field = np.empty(shape, dtype=file.dtypes[0])
        for row, column in np.unique(np.stack([rows // height, columns // width]), axis=1).T:
            y, x = int(row) * height, int(column) * width
            window = RasterWindow(x, y, min(width, shape[1] - x), min(height, shape[0] - y))
            field[y : y + window.height, x : x + window.width] = file.read(1, window=window)
        return field
