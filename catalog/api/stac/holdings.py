"""What the catalogue holds now, looked up again while it is served: collections, items, their dates and keys.

The catalogue is looked at anew when a request comes more than ``FRESH`` seconds after the last look; what is looked at
is each collection's index, of which only the files that changed are read. A request never sees a mixture: it works on
one ``Holdings`` from start to end.
"""

from __future__ import annotations

import functools
import gc
import json
import logging
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.api.limits import Limits
from catalog.api.stac.finder import Finder, Found, write_table
from catalog.api.stac.shelves import Entry, Shelf, look
from catalog.api.stac.sql import kind_of
from catalog.items.links import root, served_item
from catalog.items.schema import validate_core
from catalog.naming import NO_DAYS, ROOT
from catalog.reading.days import children
from catalog.store.base import Store, get_many
from catalog.store.documents import Document, parse_json, read_document
from downscaler.errors import CatalogError, VadoseError

TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated", "published")
MARK = "deprecated"
FRESH = 2.0
_REST = 15  # times FRESH, after which a request waits for the look
PLACE = "http://vadose.invalid/"
"""What stands for the service's address in the text of an item."""
_log = logging.getLogger(__name__)
_CACHED_SEARCHES, _CACHED_ITEMS = 256, 4096


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The catalogue at one moment; ``entries`` by collection and identifier, ``tables`` for the search."""

    shelves: Mapping[str, Shelf]
    entries: Mapping[Found, Entry]
    tables: Path
    finder: Finder
    _found: dict[str, list[Found]] = field(default_factory=dict)

    @functools.cached_property
    def collections(self) -> dict[str, tuple[str, Document]]:
        """Key and document of every collection."""
        return {name: (shelf.key, shelf.document) for name, shelf in self.shelves.items()}

    def search(self, terms: Mapping[str, Any]) -> list[Found]:
        """All matching items in order, remembered for the pages that follow; raises ValueError on a bad term."""
        if not self.entries:
            return []
        name = repr(sorted(terms.items()))
        if name not in self._found:
            if len(self._found) >= _CACHED_SEARCHES:
                self._found.clear()
            self._found[name] = self.finder.search(f"{self.tables}/*.parquet", terms, self.kinds)
        return self._found[name]

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """Names that a search can sort and filter by."""
        own = {MARK} | {name for entry in self.entries.values() for name in entry.record["properties"]}
        return ("id", "collection", "geometry", *sorted(own))

    @functools.cached_property
    def kinds(self) -> dict[str, str]:
        """What each name holds that a search can filter by."""
        return {name: kind_of(schema) for name, schema in self.queryables(None).items()}

    def queryables(self, collection: str | None) -> Document:
        """JSON Schema properties of what a search can filter by, from the items themselves."""
        found: Document = {"id": {"type": "string"}, "collection": {"type": "string"}, MARK: {"type": "boolean"}}
        found["geometry"] = {"title": "GeoJSON geometry", "type": "object", "required": ["type"]}  # pages fetch a $ref
        for (of, _), entry in self.entries.items():
            if collection in (None, of):
                found |= {name: _schema(name, v) for name, v in entry.record["properties"].items() if name not in found}
        return found

    def days(self, collection: str) -> list[Entry]:
        """The published days of a collection that stand, latest first; withdrawn ones are none of them."""
        return [entry for entry in self._of(collection) if not entry.withdrawn]

    def withdrawn(self, collection: str) -> list[Entry]:
        """The withdrawn days of a collection, latest first."""
        return [entry for entry in self._of(collection) if entry.withdrawn]

    def _of(self, collection: str) -> list[Entry]:
        shelf = self.shelves.get(collection)
        held = shelf.entries() if shelf is not None and collection not in NO_DAYS else ()
        return sorted(held, key=lambda entry: str(entry.record["properties"]["datetime"]), reverse=True)


def _schema(name: str, value: object) -> Document:
    if name in TIMES:
        return {"type": "string", "format": "date-time"}
    kinds: dict[type, str] = {bool: "boolean", int: "number", float: "number"}
    return {"type": kinds.get(type(value), "string")}


class Catalogue:
    """A served catalogue: its store and its present holdings. With ``empty`` it need not be there yet."""

    def __init__(
        self, store: Store, *, fresh: float = FRESH, limits: Limits | None = None, empty: bool = False
    ) -> None:
        if not empty and store.get(ROOT) is None:
            raise CatalogError(
                "No catalogue is there", value=f"{store.uri}/{ROOT}", remedy="`vadose demo` or `vadose run` makes one."
            )
        self.store, self._fresh = store, fresh
        self._folder = Path(tempfile.mkdtemp(prefix="vadose-api-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._finder = Finder(self._folder, limits or Limits())
        self._lock, self._looked, self._generation = threading.Lock(), -1e9, 0
        self._texts: dict[tuple[str, str], str] = {}
        self._keeping = threading.Lock()
        self._now = self._look(None)
        self._looked = time.monotonic()

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

    def texts(self, entries: Sequence[Entry]) -> list[str | None]:
        """Items as the API answers them, as JSON below the root ``PLACE``; None for one that is lost or damaged.

        Each is made once for as long as it stands; what is not at hand is read side by side.
        """
        found = {entry.key: self._texts.get((entry.key, entry.tag)) for entry in entries}
        missing = [entry for entry in entries if found[entry.key] is None]
        for entry, content in zip(missing, get_many(self.store, [e.key for e in missing]), strict=True):
            text = found[entry.key] = _text(content, entry.key)
            if text is not None:
                self._keep((entry.key, entry.tag), text)
        return [found[entry.key] for entry in entries]

    def _keep(self, name: tuple[str, str], text: str) -> None:
        with self._keeping:
            self._texts[name] = text
            while len(self._texts) > _CACHED_ITEMS:
                del self._texts[next(iter(self._texts))]

    def _collections(self, before: Mapping[str, Shelf]) -> Iterator[tuple[str, Document]]:
        """Keys and documents of the collections; of a damaged one what was seen before, none where nothing was."""
        seen = {shelf.key: shelf.document for shelf in before.values()}
        for key in children(self.store, ROOT):
            try:
                document = read_document(self.store, key)
                validate_core(document)
            except CatalogError as error:
                _log.warning("A collection is damaged: %s: %s", key, error)
                if key not in seen:
                    continue
                document = seen[key]
            if document["type"] == "Collection":
                yield key, document

    def _look(self, before: Holdings | None) -> Holdings:
        old = {} if before is None else before.shelves
        shelves = {}
        for key, document in self._collections(old):
            name = str(document["id"])
            shelves[name] = look(self.store, key, document, old.get(name))
        if before is not None and shelves == old:
            return before
        self._generation += 1
        tables = self._folder / f"tables-{self._generation}"
        tables.mkdir()
        entries: dict[Found, Entry] = {}
        for name, shelf in shelves.items():
            held = list(shelf.entries())
            entries |= {(name, str(entry.record["id"])): entry for entry in held}
            table = f"{name}.parquet"
            if before is not None and shelf is old.get(name) and (before.tables / table).exists():
                (tables / table).hardlink_to(before.tables / table)
            elif held:
                write_table(tables / table, [_row(entry.record) for entry in held])
        shutil.rmtree(self._folder / f"tables-{self._generation - 2}", ignore_errors=True)
        # Thousands of entries that stay would be walked through at each full collection: a pause of half a second.
        gc.collect(1)
        gc.freeze()
        return Holdings(shelves=shelves, entries=entries, tables=tables, finder=self._finder)


def _row(record: Document) -> Document:
    """A record as the search has it: with a column for the mark of a withdrawn day, even where there is none yet."""
    return record | {"properties": {MARK: None} | record["properties"]}


def _text(content: bytes | None, key: str) -> str | None:
    try:
        document = parse_json(content or b"")
        validate_core(document)
        own = (key.split("/", 1)[0], Path(key).stem) == (document["collection"], document["id"])
        item = served_item(root(document, key), f"{PLACE}stac/") if own else None
    except (CatalogError, ValueError, KeyError, TypeError, AttributeError):
        item = None
    if item is None:
        _log.warning("An item is left out: %s is lost or damaged; `vadose catalog check` tells more.", key)
        return None
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
