"""The items of a collection, from its index: one file a month, read again only when it changed.

What no index file tells of (a catalogue from before there was an index, a damaged file) is found by following links,
item for item; that is slow in a large catalogue, and a warning says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.cube.layout import item_digest
from catalog.items.index import decode, essence
from catalog.items.links import record
from catalog.naming import NO_DAYS, index_key, index_prefix, indexed_item_key, is_item_key, is_month_key
from catalog.reading.days import children, item_keys
from catalog.store.base import Store, get_many
from catalog.store.documents import Document, read_document, resolve
from downscaler.errors import CatalogError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One item: its key, a tag that changes with it, what a search looks at, and its files.

    ``files`` are the keys of its assets by name; ``digest`` is what a cube knows the day by, 0 where it is no day.
    """

    key: str
    tag: str
    record: Document
    files: Mapping[str, str] = field(default_factory=dict)
    digest: int = 0

    @classmethod
    def of(cls, item: Document, key: str) -> Entry:
        """The entry of an item; raises KeyError when it is none."""
        return cls(
            key=key,
            tag=hashlib.sha256(repr(essence(item)).encode()).hexdigest()[:20],
            record=record(item),
            files={name: resolve(key, asset["href"]) for name, asset in item["assets"].items()},
            digest=0 if item["collection"] in NO_DAYS else item_digest(item),
        )

    @property
    def withdrawn(self) -> bool:
        """Whether the item is deprecated."""
        return bool(self.record["properties"].get("deprecated"))


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A collection at one moment: its entries by index file, and those that links alone lead to, with their facts."""

    key: str
    document: Document
    stamps: Mapping[str, str]
    indexed: Mapping[str, tuple[Entry, ...]]
    branches: tuple[str, ...]
    linked: Mapping[str, tuple[str, Entry]]

    def entries(self) -> Iterator[Entry]:
        """All of the collection's."""
        for entries in self.indexed.values():
            yield from entries
        for _, entry in self.linked.values():
            yield entry


def look(store: Store, key: str, document: Document, before: Shelf | None) -> Shelf:
    """A collection as it is now; of ``before`` whatever did not change since is kept as it is.

    Raises CatalogError where the store is away or a parent is lost; a damaged item is left out.
    """
    name = str(document["id"])
    stamps = {k: s.tag for k, s in store.stats(index_prefix(name)).items() if k.endswith(".parquet")}
    if before is not None and (stamps, document) == (before.stamps, before.document) and not before.branches:
        return before
    indexed = _indexed(store, stamps, before)
    branches = _branches(store, key, indexed)
    if branches and (before is None or branches != before.branches):
        _log.warning(
            "%s has %d parts without an index; their items are found by links, which is slow for large archives. "
            "`vadose catalog check --repair` writes the index.",
            name,
            len(branches),
        )
    linked = _linked(store, branches, before.linked if before else {})
    return Shelf(key=key, document=document, stamps=stamps, indexed=indexed, branches=branches, linked=linked)


def _indexed(store: Store, stamps: Mapping[str, str], before: Shelf | None) -> dict[str, tuple[Entry, ...]]:
    """Entries by index file; a damaged file is left out."""
    known = before.indexed if before else {}
    stale = [key for key, tag in stamps.items() if before is None or before.stamps.get(key) != tag]
    read: dict[str, tuple[Entry, ...]] = {}
    for key, content in zip(stale, get_many(store, stale), strict=True):
        try:
            items = decode(content, key)
            read[key] = tuple(Entry.of(item, indexed_item_key(key, str(item["id"]))) for item in items)
        except (CatalogError, KeyError) as error:
            _log.warning("Index file left out: %s: %s", key, error)
    kept = {key: entries for key, entries in known.items() if key in stamps and key not in stale}
    return kept | read


def _branches(store: Store, key: str, indexed: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of the months, and of the items outside months, that no index file tells of."""
    found: list[str] = []
    for child in children(store, key):
        if is_item_key(child) or is_month_key(child):
            found += [child] if index_key(child) not in indexed else []
        else:
            found += _branches(store, child, indexed)
    return tuple(found)


def _linked(
    store: Store, branches: tuple[str, ...], known: Mapping[str, tuple[str, Entry]]
) -> dict[str, tuple[str, Entry]]:
    """The entries below those branches with the tags of their files, by key."""
    found = {}
    for branch in branches:
        for key in [branch] if is_item_key(branch) else item_keys(store, branch):
            facts = store.facts(key)
            if facts is not None and key in known and known[key][0] == facts.tag:
                found[key] = known[key]
                continue
            try:
                found[key] = ("" if facts is None else facts.tag, Entry.of(read_document(store, key), key))
            except (CatalogError, KeyError) as error:
                _log.warning("Item left out: %s: %s", key, error)
    return found
