"""What the catalogue holds now, looked up again while it is served: collections, items, their dates and keys.

The catalogue is looked at anew when a request comes more than ``FRESH`` seconds after the last look; only what changed
since is read. A request never sees a mixture: it works on one ``Holdings`` from start to end.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from catalog.api.finder import Finder, Found, write_table
from catalog.listing import item_keys
from catalog.naming import NO_DAYS, ROOT
from catalog.read import children
from catalog.records import record, rooted
from catalog.store import Store
from catalog.validation import read_document, validate_core
from downscaler.errors import CatalogError, VadoseError

Document = dict[str, Any]
TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated", "published")
FRESH = 2.0
_REST = 15  # times FRESH, after which a request waits for the look
_log = logging.getLogger(__name__)
_CACHED_SEARCHES, _CACHED_ITEMS = 256, 4096


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One item: its key, the version of its file, and what a search looks at."""

    key: str
    tag: str
    record: Document


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The catalogue at one moment; ``entries`` by collection and identifier, ``tables`` for the search."""

    collections: Mapping[str, tuple[str, Document]]
    entries: Mapping[Found, Entry]
    tables: Path
    finder: Finder
    _found: dict[str, list[Found]] = field(default_factory=dict)

    def search(self, terms: Mapping[str, Any]) -> list[Found]:
        """All matching items in order, remembered for the pages that follow; raises ValueError on a bad term."""
        if not self.entries:
            return []
        name = repr(sorted(terms.items()))
        if name not in self._found:
            if len(self._found) >= _CACHED_SEARCHES:
                self._found.clear()
            self._found[name] = self.finder.search(f"{self.tables}/*.parquet", terms)
        return self._found[name]

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """Names that a search can sort and filter by."""
        own = {name for entry in self.entries.values() for name in entry.record["properties"]}
        return ("id", "collection", "geometry", *sorted(own))

    def queryables(self, collection: str | None) -> Document:
        """JSON Schema properties of what a search can filter by, from the items themselves."""
        found: Document = {"id": {"type": "string"}, "collection": {"type": "string"}}
        found["geometry"] = {"title": "GeoJSON geometry", "type": "object", "required": ["type"]}  # pages fetch a $ref
        for (of, _), entry in self.entries.items():
            if collection in (None, of):
                found |= {name: _schema(name, v) for name, v in entry.record["properties"].items() if name not in found}
        return found

    def days(self, collection: str) -> list[Entry]:
        """The published days of a collection, latest first."""
        days = [entry for (of, _), entry in self.entries.items() if of == collection and of not in NO_DAYS]
        return sorted(days, key=lambda entry: str(entry.record["properties"]["datetime"]), reverse=True)


def _schema(name: str, value: object) -> Document:
    if name in TIMES:
        return {"type": "string", "format": "date-time"}
    kinds: dict[type, str] = {bool: "boolean", int: "number", float: "number"}
    return {"type": kinds.get(type(value), "string")}


class Catalogue:
    """A served catalogue: its store and its present holdings."""

    def __init__(self, store: Store, *, fresh: float = FRESH) -> None:
        if store.get(ROOT) is None:
            raise CatalogError(
                "No catalogue is there", value=f"{store.uri}/{ROOT}", remedy="`vadose demo` or `vadose run` makes one."
            )
        self.store, self._fresh = store, fresh
        self._folder = Path(tempfile.mkdtemp(prefix="vadose-api-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._finder = Finder(self._folder)
        self._lock, self._looked, self._generation = threading.Lock(), -1e9, 0
        self._now = self._look(None)
        self._looked = time.monotonic()
        self.document = functools.lru_cache(maxsize=_CACHED_ITEMS)(self._document)

    def now(self) -> Holdings:
        """The present holdings.

        What was seen a moment ago is answered at once, while one thread looks again beside; after a long rest the
        request waits for that look.
        """
        age = time.monotonic() - self._looked
        if age > self._fresh and self._lock.acquire(blocking=False):
            looking = threading.Thread(target=self._look_again, name="vadose-look", daemon=True)
            looking.start()
            if age > _REST * self._fresh:
                looking.join()
        return self._now

    def _look_again(self) -> None:
        try:
            self._now = self._look(self._now)
        except VadoseError as error:  # the store is away for the moment: what was seen goes on being served
            _log.warning("The catalogue cannot be looked at: %s", error)
        finally:
            self._looked = time.monotonic()
            self._lock.release()

    def item(self, entry: Entry) -> Document:
        """An item as the catalogue holds it, its addresses relative to the API's root; a copy, free to change."""
        return dict(rooted(self.document(entry.key, entry.tag), entry.key))

    def _document(self, key: str, _tag: str) -> Document:
        return read_document(self.store, key)

    def _look(self, before: Holdings | None) -> Holdings:
        collections = self._collections({} if before is None else before.collections)
        known = {} if before is None else {entry.key: entry for entry in before.entries.values()}
        entries: dict[Found, Entry] = {}
        for identifier, (key, _) in collections.items():
            for item in item_keys(self.store, key):
                entry = self._entry(item, known.get(item))
                if entry is not None:
                    entries[identifier, str(entry.record["id"])] = entry
        if before is not None and entries == before.entries:
            return replace(before, collections=collections)
        return self._tabulate(collections, entries)

    def _collections(self, before: Mapping[str, tuple[str, Document]]) -> dict[str, tuple[str, Document]]:
        """Collections by identifier; of one that is damaged now what was seen before, none where nothing was."""
        seen = {key: (key, document) for key, document in before.values()}
        found = {}
        for key in children(self.store, ROOT):
            try:
                document = read_document(self.store, key)
                validate_core(document)
            except CatalogError as error:
                _log.warning("A collection is damaged: %s: %s", key, error)
                if key not in seen:
                    continue
                document = seen[key][1]
            if document["type"] == "Collection":
                found[document["id"]] = (key, document)
        return found

    def _entry(self, key: str, known: Entry | None) -> Entry | None:
        """An item as it stands, None for one that is lost or damaged: the others are served all the same."""
        facts = self.store.facts(key)
        if facts is not None and known is not None and known.tag == facts.tag:
            return known
        try:
            document = read_document(self.store, key)
            validate_core(document)
            dt.datetime.fromisoformat(document["properties"]["datetime"])
            return Entry(key=key, tag="" if facts is None else facts.tag, record=record(document))
        except (CatalogError, KeyError, TypeError, ValueError) as error:
            _log.warning("An item is left out: %s: %s", key, error)
            return None

    def _tabulate(self, collections: Mapping[str, tuple[str, Document]], entries: dict[Found, Entry]) -> Holdings:
        self._generation += 1
        tables = self._folder / f"tables-{self._generation}"
        tables.mkdir()
        for identifier in collections:
            records = [entry.record for (of, _), entry in entries.items() if of == identifier]
            if records:
                write_table(tables / f"{identifier}.parquet", records)
        shutil.rmtree(self._folder / f"tables-{self._generation - 2}", ignore_errors=True)
        return Holdings(collections=collections, entries=entries, tables=tables, finder=self._finder)
