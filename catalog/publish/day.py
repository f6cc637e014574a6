"""Publishing one day: build everything in staging, then assets, then the item, then the links to it.

The item file is the commit point. Until it is renamed into place the day does not exist, whatever lies about; once it
is, the day is whole. A re-publication writes its assets beside the old ones (r002, ...) and replaces the item alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.items.assets import FileFacts, other_file
from catalog.items.day import build_item, is_withdrawn
from catalog.items.index import index_write
from catalog.items.parents import parent_writes, serialise
from catalog.items.provenance import fingerprint, provenance
from catalog.items.schema import validate_item
from catalog.naming import DayName, revision_folder
from catalog.publish.commit import archive, next_revision, parse_item, replacing
from catalog.rasters.cog import Raster, build_rasters, file_tags
from catalog.rasters.thumbnail import draw
from catalog.store.base import Store, Write, open_store
from catalog.store.disk import storage_errors
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain
from downscaler.ground.tiles import Tile
from downscaler.records import RunRecord

Document = dict[str, Any]
_CONSIDERED = "vadose:granules_considered"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A day in the catalogue: ``status`` is published, or unchanged when the same files were there already.

    ``statistics`` are STAC band statistics by variable name, of the stored values.
    """

    item_id: str
    item_href: str
    revision: int
    statistics: Mapping[str, Mapping[str, float | int]]
    status: str


def publish(uri: str | Path, run: RunRecord, domain: Domain, tiles: Iterable[Tile]) -> Published:
    """Write a day's rasters, picture, provenance and item; replaces an earlier revision of the day atomically.

    ``tiles`` cover the domain once. Raises StorageFullError when the disk or bucket fills, CatalogError when the
    tiles, the item or the catalogue are unusable; then nothing of this call is visible and staging is gone.
    """
    store = open_store(uri)
    with store.staging() as folder:
        tags = file_tags(run.date, simulated=run.simulated, caveats=run.caveats)
        rasters = build_rasters(folder, domain, tiles, tags, variables=product.variables_of(domain.name))
        if rasters[product.SOIL_MOISTURE.name].statistics.count == 0:
            raise CatalogError(
                f"{run.date} has no soil moisture in {domain.name}", remedy="There is nothing to publish."
            )
        with storage_errors(folder):
            files = _write_others(folder, run, domain, rasters)
        with store.lock():
            return _commit(store, folder, _Day(run=run, domain=domain, rasters=rasters, files=files))


def consider(uri: str | Path, domain: Domain, date: dt.date, granules: Iterable[str]) -> None:
    """Add granules to those that a published day's item says were looked at; its files and revision stay.

    So a granule that came later and has nothing for the domain is looked at once. Raises CatalogError.
    """
    store, name, wanted = open_store(uri), DayName.of(domain, date), set(granules)

    def change(before: bytes | None) -> bytes:
        item = parse_item(before or b"", name)
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        item["properties"] |= {_CONSIDERED: sorted({*item["properties"].get(_CONSIDERED, ()), *wanted}), "updated": now}
        validate_item(item)
        return serialise(item)

    current = store.get(name.item_key)
    if current is not None and not wanted.issubset(parse_item(current, name)["properties"].get(_CONSIDERED, ())):
        with store.staging() as folder, store.lock():
            item = json.loads(change(current))
            writes = [Write(key=name.item_key, content=change, commit=True), index_write(store, name.item_key, item)]
            store.apply(writes, folder)


@dataclass(frozen=True, kw_only=True)
class _Day:
    """All that a day consists of, still in staging."""

    run: RunRecord
    domain: Domain
    rasters: Mapping[str, Raster]
    files: Mapping[str, FileFacts]

    @property
    def name(self) -> DayName:
        return DayName.of(self.domain, self.run.date)

    def published(self, store: Store, *, revision: int, status: str) -> Published:
        return Published(
            item_id=self.name.item_id,
            item_href=f"{store.uri}/{self.name.item_key}",
            revision=revision,
            statistics={key: raster.statistics.as_stac() for key, raster in self.rasters.items()},
            status=status,
        )

    def same_as(self, item: Document) -> bool:
        """Whether an item already describes these very files, made from the same inputs."""
        wanted = {key: facts.fields["file:checksum"] for key, facts in self.files.items()}
        present = {key: asset.get("file:checksum") for key, asset in item["assets"].items()}
        same_run = item["properties"].get("vadose:fingerprint") == fingerprint(self.run, self.domain)
        return same_run and wanted == present and not is_withdrawn(item)


def _write_others(folder: Path, run: RunRecord, domain: Domain, rasters: Mapping[str, Raster]) -> dict[str, FileFacts]:
    """Thumbnail and provenance beside the rasters; the facts of all files by asset key."""
    thumbnail, record = folder / other_file("thumbnail"), folder / other_file("provenance")
    thumbnail.write_bytes(draw(rasters[product.SOIL_MOISTURE.name].path, domain, run))
    record.write_bytes(serialise(json.loads(json.dumps(provenance(run, domain, rasters), default=str))))
    paths = {name: raster.path for name, raster in rasters.items()} | {"thumbnail": thumbnail, "provenance": record}
    return {key: FileFacts.of(path) for key, path in paths.items()}


def _commit(store: Store, folder: Path, day: _Day) -> Published:
    """Put the day into the catalogue as its next revision, or only mend the links when nothing changed."""
    name = day.name
    current = store.get(name.item_key)
    old = None if current is None else parse_item(current, name)
    present = int(old["properties"]["version"]) if old else 0
    if old is not None and day.same_as(old):
        store.apply(parent_writes(store, name, day.domain, old), folder)
        return day.published(store, revision=present, status="unchanged")
    revision = next_revision(store, name, present)
    item = build_item(
        day.run,
        day.domain,
        day.rasters,
        day.files,
        revision=revision,
        predecessor=present or None,
        created=old["properties"]["created"] if old else None,
    )
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    validate_item(document)
    writes = [
        Write(key=f"{name.folder}/{revision_folder(revision)}/{facts.path.name}", content=facts.path, create=True)
        for facts in day.files.values()
    ]
    if old is not None:
        writes += archive(old, name, present)
    writes.append(Write(key=name.item_key, content=replacing(current, serialise(document)), commit=True))
    store.apply([*writes, *parent_writes(store, name, day.domain, document)], folder)
    return day.published(store, revision=revision, status="published")
