"""A collection's days as one cube [time, y, x]: made from the published GeoTIFFs, value for value, and kept in step.

A commit holds whole days only. The cube itself says which revision of which day it holds, so that an update brings just
what changed, a killed one goes on where it was, and a repeated one does nothing.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zarr

from catalog.cube.layout import DAYS, DIGEST, REVISION, SHARD, Grid, cube_attributes, date_of, index_of, item_digest
from catalog.cube.repository import BRANCH, cube_errors, only_writer, open_repository
from catalog.cube.write import DayChange, array_of, create_arrays, lengthen, write_block
from catalog.items.cube import cube_write
from catalog.naming import DayName, domain_name
from catalog.reading.days import items
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, resolve
from downscaler import product
from downscaler.errors import CatalogError

if TYPE_CHECKING:
    import icechunk
    import xarray as xr

Progress = Callable[[int, int], None]
KEEP = dt.timedelta(days=7)
"""How long what was replaced stays readable for those who opened it before."""


@dataclass(frozen=True, kw_only=True)
class CubeUpdate:
    """Result of an update: days written and emptied, total days and snapshot."""

    collection: str
    written: tuple[dt.date, ...]
    emptied: tuple[dt.date, ...]
    days: int
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class _Day:
    """A published day as the cube knows it."""

    revision: int
    digest: int
    keys: dict[str, str]
    simulated: bool
    caveats: tuple[str, ...]

    @classmethod
    def of(cls, item: Document) -> _Day:
        """The day of a published item; raises CatalogError where it lacks an asset of the product."""
        name, properties = DayName.of_item(item), item["properties"]
        names = [v.name for v in product.cube_variables(name.domain_name)]
        missing = [wanted for wanted in names if wanted not in item["assets"]]
        if missing:
            raise CatalogError(f"{item['id']} lacks assets", value=", ".join(missing))
        return cls(
            revision=int(properties["version"]),
            digest=item_digest(item),
            keys={key: resolve(name.item_key, item["assets"][key]["href"]) for key in names},
            simulated=bool(properties.get("vadose:simulated")),
            caveats=tuple(properties.get("vadose:caveats", ())),
        )


def collections_with_days(uri: str | Path) -> dict[str, list[Document]]:
    """The items of published days by collection; withdrawn ones are left out, their collection is not.

    Composites are no days: a cube has one place a day.
    """
    found: dict[str, list[Document]] = {}
    for item in items(uri):
        if not product.cube_variables(domain_name(str(item["collection"]))):
            continue
        kept = found.setdefault(str(item["collection"]), [])
        if not item["properties"].get("deprecated"):
            kept.append(item)
    return found


def update_cube(
    uri: str | Path,
    collection: str,
    published: Sequence[Document],
    *,
    create: bool = False,
    keep: dt.timedelta = KEEP,
    progress: Progress | None = None,
) -> CubeUpdate:
    """Update a collection's cube with its published days; one commit per block of ``DAYS`` days.

    Args:
        uri: the catalogue.
        collection: its identifier.
        published: all items of its days that stand.
        create: whether a cube is made where there is none.
        keep: how long replaced snapshots stay readable.
        progress: called with (steps done, steps in all).

    Raises:
        CubeError: there is no cube and none shall be made, another update came first, or it cannot be written.
        CatalogError: a raster is missing, unreadable, on another grid or of another version of the product.
    """
    if not create:
        open_repository(uri, collection)  # refused before anything is touched
    store = open_store(uri)
    days = {index_of(DayName.of_item(item).date): _Day.of(item) for item in published}
    with only_writer(store, collection), cube_errors(uri, collection):
        repository = open_repository(uri, collection, create=create)
        grid = _grid(repository, published)
        changed = _changed(repository, days)
        blocks = [list(block) for _, block in itertools.groupby(changed, lambda index: index // DAYS)]
        tell = _counter(
            progress,
            len(blocks) * len(product.cube_variables(domain_name(collection))) * math.ceil(grid.shape[0] / SHARD),
        )
        for block in blocks:
            _commit(repository, store, collection, {index: days.get(index) for index in block}, grid, tell)
        if changed:
            _forget(repository, keep)
        with store.staging() as folder:
            store.apply([cube_write(collection, present=True)], folder)
        return CubeUpdate(
            collection=collection,
            written=tuple(date_of(index) for index in changed if index in days),
            emptied=tuple(date_of(index) for index in changed if index not in days),
            days=len(days),
            snapshot=repository.lookup_branch(BRANCH),
        )


def open_cube(uri: str | Path, collection: str) -> xr.Dataset:
    """A collection's cube as it stands now, lazily, decoded as CF says; raises CubeError where there is none."""
    import xarray as xr

    with cube_errors(uri, collection):
        session = open_repository(uri, collection).readonly_session(BRANCH)
        found: xr.Dataset = xr.open_zarr(session.store, consolidated=False)
        return found


def _group(session: icechunk.Session) -> zarr.Group | None:
    """The cube's root group, None in a repository without one yet."""
    try:
        return zarr.open_group(session.store, mode="r" if session.read_only else "r+")
    except FileNotFoundError:
        return None


def _grid(repository: icechunk.Repository, published: Sequence[Document]) -> Grid:
    """The grid of all days; raises CatalogError when they differ from each other or from the cube."""
    grids = {Grid.of(item["properties"]) for item in published}
    group = _group(repository.readonly_session(BRANCH))
    if group is not None:
        grids.add(Grid.of(group.attrs))
    if len(grids) != 1:
        raise CatalogError(
            "All days of a cube must have one grid", value=", ".join(f"{g.shape} {g.code}" for g in grids) or "no day"
        )
    return grids.pop()


def _changed(repository: icechunk.Repository, days: Mapping[int, _Day]) -> list[int]:
    """Places in time, in order, at which the cube does not hold what is published."""
    group = _group(repository.readonly_session(BRANCH))
    held = np.zeros(0, np.uint64) if group is None else np.asarray(array_of(group, DIGEST)[:])
    wanted = np.zeros(max([len(held), *(index + 1 for index in days)]), np.uint64)
    for index, day in days.items():
        wanted[index] = day.digest
    return [int(i) for i in np.flatnonzero(wanted != np.pad(held, (0, len(wanted) - len(held))))]


def _commit(
    repository: icechunk.Repository,
    store: Store,
    collection: str,
    block: Mapping[int, _Day | None],
    grid: Grid,
    tell: Callable[[], None],
) -> None:
    """Write one block's changed days in one commit."""
    session, variables = repository.writable_session(BRANCH), product.cube_variables(domain_name(collection))
    group = _group(session)
    if group is None:
        group = zarr.create_group(session.store)
        create_arrays(group, grid, variables)
    lengthen(group, max(block) + 1)
    changes = [DayChange(index=index, keys=day.keys if day else None) for index, day in block.items()]
    write_block(group, store, changes, grid, tell, variables)
    for index, day in block.items():
        array_of(group, REVISION)[index] = day.revision if day else 0
        array_of(group, DIGEST)[index] = day.digest if day else 0
    _describe(group, collection, [day for day in block.values() if day], grid)
    session.commit(f"{date_of(min(block))} to {date_of(max(block))}: {len(block)} days")


def _describe(group: zarr.Group, collection: str, days: Sequence[_Day], grid: Grid) -> None:
    """Global attributes; what a user must know of any day stays."""
    simulated = bool(group.attrs.get("simulated")) or any(day.simulated for day in days)
    before = str(group.attrs.get("caveats", "")).splitlines()
    caveats = sorted({*before, *(caveat for day in days for caveat in day.caveats)})
    placed = {"proj:shape": list(grid.shape), "proj:transform": list(grid.transform)[:6], "proj:code": grid.code}
    group.attrs.update(cube_attributes(collection, simulated=simulated, caveats=caveats) | placed)


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    steps = itertools.count(1)

    def tell() -> None:
        if progress:
            progress(next(steps), total)

    return tell


def _forget(repository: icechunk.Repository, keep: dt.timedelta) -> None:
    """Drop snapshots that were replaced longer ago than ``keep``, and what a killed update left."""
    before = dt.datetime.now(dt.UTC) - keep
    repository.expire_snapshots(before)
    repository.garbage_collect(before)
