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

from catalog.items.assets import FileFacts, StagedFile, other_file
from catalog.items.day import build_item, is_withdrawn
from catalog.items.index import index_write
from catalog.items.parents import parent_writes
from catalog.items.provenance import fingerprint, provenance
from catalog.items.schema import validate_item
from catalog.naming import DayName, revision_number
from catalog.publish.claims import Claim
from catalog.publish.commit import Committed, commit, parse_item
from catalog.rasters.cog import Raster, build_rasters, file_tags
from catalog.rasters.thumbnail import draw
from catalog.store.base import Store, Write, open_store
from catalog.store.disk import storage_errors
from catalog.store.documents import Document, serialise
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain
from downscaler.ground.tiles import Tile
from downscaler.records import RunRecord

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


def publish(
    uri: str | Path, run: RunRecord, domain: Domain, tiles: Iterable[Tile], *, claim: Claim | None = None
) -> Published:
    """Write a day's rasters, picture, provenance and item; replaces an earlier revision of the day atomically.

    ``tiles`` cover the domain once. Raises StorageFullError when the disk or bucket fills, CatalogError when the
    tiles, the item or the catalogue are unusable, ClaimedError when the ``claim`` was lost meanwhile; then nothing of
    this call is visible and staging is gone.
    """
    store = open_store(uri)
    with store.staging() as folder:
        tags = file_tags(run.date, simulated=run.simulated, caveats=run.caveats)
        rasters = build_rasters(folder, domain, tiles, tags, variables=product.variables_of(domain.name))
        shown = product.variables_of(domain.name)[0]
        if rasters[shown.name].statistics.count == 0:
            raise CatalogError(
                f"{run.date} has no {shown.name.replace('_', ' ')} in {domain.name}",
                remedy="There is nothing to publish.",
            )
        with storage_errors(folder):
            files = _write_others(folder, run, domain, rasters)
        day = _Day(run=run, domain=domain, rasters=rasters, files=files)
        with store.lock():
            done = commit(
                store,
                folder,
                day.name,
                day.staged,
                build=day.document,
                parents=lambda item: parent_writes(store, day.name, domain, item),
                unchanged=day.stands_in,
                check=claim.check if claim else lambda: None,
            )
        return day.published(store, done)


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

    @property
    def staged(self) -> dict[str, StagedFile]:
        return {key: StagedFile(relative=facts.path.name, facts=facts, fields={}) for key, facts in self.files.items()}

    def document(self, *, revision: int, old: Document | None) -> Document:
        """The day's item as a revision that follows ``old``."""
        item = build_item(
            self.run,
            self.domain,
            self.rasters,
            self.files,
            revision=revision,
            predecessor=revision_number(old),
            created=old["properties"]["created"] if old else None,
        )
        return dict(item.to_dict(include_self_link=False, transform_hrefs=False))

    def stands_in(self, item: Document) -> bool:
        """Whether an item with the same files was made from the same inputs and not withdrawn."""
        same_run = item["properties"].get("vadose:fingerprint") == fingerprint(self.run, self.domain)
        return same_run and not is_withdrawn(item)

    def published(self, store: Store, done: Committed) -> Published:
        return Published(
            item_id=self.name.item_id,
            item_href=f"{store.uri}/{self.name.item_key}",
            revision=done.revision,
            statistics={key: raster.statistics.as_stac() for key, raster in self.rasters.items()},
            status="published" if done.changed else "unchanged",
        )


def _write_others(folder: Path, run: RunRecord, domain: Domain, rasters: Mapping[str, Raster]) -> dict[str, FileFacts]:
    """Thumbnail and provenance beside the rasters; the facts of all files by asset key."""
    thumbnail, record = folder / other_file("thumbnail"), folder / other_file("provenance")
    shown = product.variables_of(domain.name)[0]
    thumbnail.write_bytes(draw(rasters[shown.name].path, domain, run))
    record.write_bytes(serialise(json.loads(json.dumps(provenance(run, domain, rasters), default=str))))
    paths = {name: raster.path for name, raster in rasters.items()} | {"thumbnail": thumbnail, "provenance": record}
    return {key: FileFacts.of(path) for key, path in paths.items()}
