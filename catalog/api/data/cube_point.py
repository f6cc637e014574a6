"""Time series at a cell from a collection's cube, for the days that the cube holds in their published revision."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from catalog.api.data.cube import newest_snapshot, session_of
from catalog.api.data.dates import day_of
from catalog.cube.layout import DIGEST, index_of, unpack
from catalog.cube.repository import cube_errors
from catalog.cube.write import array_of
from catalog.reading.rasters import Cell, in_parallel
from catalog.reading.series import WITH_A_VALUE, Reading, reading
from downscaler import product
from downscaler.errors import VadoseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalog.api.stac.shelves import Entry

_READ = (product.SOIL_MOISTURE.name, product.QUALITY_FLAG.name, *WITH_A_VALUE)
_OPEN = 8  # cubes whose list of days is kept
_log = logging.getLogger(__name__)
_opening = threading.Lock()


def cube_readings(uri: str, collection: Mapping[str, Any], days: Sequence[Entry], cell: Cell) -> dict[str, Reading]:
    """Readings of a cell by item key; none of days that the cube lacks or holds in another revision.

    Args:
        uri: the catalogue.
        collection: its document, on whose grid the cube has to be.
        days: items of published days.
        cell: of the collection's window.
    """
    name = str(collection["id"])
    snapshot = newest_snapshot(uri, name)
    if snapshot is None or not days:
        return {}
    try:
        with cube_errors(uri, name):
            with _opening:  # one thread opens a cube, the others find it open
                group, held = _opened(uri, name, snapshot)
            return _read(group, held, collection, days, cell)
    except VadoseError as error:  # the files have the same values, only slower
        _log.warning("Cube not used for a time series: %s", error)
        return {}


def _read(
    group: zarr.Group, held: NDArray[np.uint64], collection: Mapping[str, Any], days: Sequence[Entry], cell: Cell
) -> dict[str, Reading]:
    summaries = collection["summaries"]
    placed = [group.attrs.get("proj:shape"), group.attrs.get("proj:transform")]
    if placed != [list(summaries["proj:shape"][0]), list(summaries["proj:transform"][0])[:6]]:
        return {}
    at = {day.key: index_of(day_of(day)) for day in days}
    present = [day for day in days if at[day.key] < len(held) and held[at[day.key]] == day.digest]
    if not present:
        return {}
    first, last = min(at[day.key] for day in present), max(at[day.key] for day in present)

    def values(name: str) -> NDArray[np.float64]:
        return _physical(name, np.asarray(array_of(group, name)[first : last + 1, cell.row, cell.column]))

    theta, flag, *others = in_parallel(values, _READ)
    found = {}
    for day in present:
        i = at[day.key] - first
        found[day.key] = reading(day_of(day), str(day.record["id"]), theta[i], flag[i], [o[i] for o in others])
    return found


@functools.lru_cache(maxsize=_OPEN)
def _opened(uri: str, collection: str, snapshot: str) -> tuple[zarr.Group, NDArray[np.uint64]]:
    """A cube's root group, and the digests of the days that it holds."""
    group = zarr.open_group(session_of(uri, collection, snapshot).store, mode="r")
    return group, np.asarray(array_of(group, DIGEST)[:])


def _physical(name: str, held: NDArray[Any]) -> NDArray[np.float64]:
    """Values as they are in the files, NaN where there is nothing."""
    return unpack(next(v for v in product.VARIABLES if v.name == name), held)
