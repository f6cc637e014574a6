"""Synchronises a catalogue with PostgreSQL and pgstac: sends changed items, removes deleted ones.

The catalogue stays the one truth; the database can be dropped and filled again at any time. Each row keeps the digest
of the document it was made from (in pgstac's column ``private``), by which a later run knows what changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.items.links import rooted
from catalog.reading.days import collections, item_keys
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, read_document
from downscaler.errors import DatabaseError, MissingExtraError

if TYPE_CHECKING:
    from pypgstac.db import PgstacDB
    from pypgstac.load import Loader

_OWN = "vadose-"  # collections of other makers in the same database are left alone
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Synced:
    """Result of a run: items sent, removed and unchanged."""

    collections: int
    sent: int
    removed: int
    unchanged: int


def sync(uri: str | Path, dsn: str) -> Synced:
    """Synchronise a pgstac database with a catalogue; may be repeated.

    pgstac is installed in the database, or brought to the version of this package, where needed; that takes the right
    to create extensions (PostGIS).

    Args:
        uri: the catalogue.
        dsn: the database, ``postgresql://user:password@host:port/name``.

    Raises:
        CatalogError: the catalogue is damaged; what was sent before stays.
        DatabaseError: the database cannot be reached, or refuses.
        MissingExtraError: pypgstac is not installed.
    """
    store = open_store(uri)
    total = {"sent": 0, "removed": 0, "unchanged": 0}
    with _database(dsn) as (database, loader):
        present = dict(collections(store))
        for key, document in present.items():
            _send_collection(loader, database, rooted(document, key))
            for name, number in _sync_items(store, database, loader, key, document["id"]).items():
                total[name] += number
        total["removed"] += _drop_collections(database, {document["id"] for document in present.values()})
    return Synced(collections=len(present), **total)


@contextmanager
def _database(dsn: str) -> Iterator[tuple[PgstacDB, Loader]]:
    """A connection with pgstac in its present version; the database's refusals as DatabaseError."""
    try:
        import psycopg
        from pypgstac.db import PgstacDB
        from pypgstac.load import Loader
        from pypgstac.migrate import Migrate
    except ImportError as error:
        raise MissingExtraError(
            "pgstac needs packages that are not installed", value=error.name, remedy="pip install 'vadose[pgstac]'"
        ) from None
    connection = _connected(psycopg, dsn)
    database = PgstacDB(connection=connection)
    try:
        logging.getLogger("pypgstac").setLevel(logging.ERROR)
        Migrate(database).run_migration()
        yield database, Loader(database)
    except psycopg.Error as error:
        raise DatabaseError("The database refuses", value=str(error).splitlines()[0]) from error
    finally:
        connection.close()


def _connected(psycopg: Any, dsn: str) -> Any:
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10, options="-c search_path=pgstac,public")
    except psycopg.Error as error:
        raise DatabaseError(
            "The database cannot be reached",
            value=str(error).splitlines()[0],
            remedy="Check that it is running and that the address is right (postgresql://user:password@host:port/name).",
        ) from None


def _send_collection(loader: Loader, database: PgstacDB, document: Document) -> None:
    from pypgstac.load import Methods

    held = list(database.query("SELECT content FROM collections WHERE id = %s", (document["id"],)))
    if not held or held[0][0] != document:
        loader.load_collections(iter([document]), insert_mode=Methods.upsert)


def _sync_items(store: Store, database: PgstacDB, loader: Loader, key: str, collection: str) -> dict[str, int]:
    from pypgstac.load import Methods

    rows = database.query("SELECT id, private->>'digest' FROM items WHERE collection = %s", (collection,))
    held: dict[str, str | None] = dict(rows)
    wanted, changed = set(), []
    counts = {"sent": 0, "removed": 0, "unchanged": 0}
    for item_key in item_keys(store, key):
        item = rooted(read_document(store, item_key), item_key)
        wanted.add(item["id"])
        digest = _digest(item)
        if held.get(item["id"]) == digest:
            counts["unchanged"] += 1
            continue
        changed.append(item | {"private": {"digest": digest}})
        counts["sent"] += 1
        if len(changed) == _BATCH:
            loader.load_items(iter(changed), insert_mode=Methods.delsert)
            changed = []
    if changed:
        loader.load_items(iter(changed), insert_mode=Methods.delsert)
    for gone in set(held) - wanted:
        list(database.query("SELECT delete_item(%s, %s)", (gone, collection)))
        counts["removed"] += 1
    return counts


def _drop_collections(database: PgstacDB, wanted: set[str]) -> int:
    """Take out collections of this project that the catalogue no longer has; the number of their items."""
    removed = 0
    for (name,) in list(database.query("SELECT id FROM collections")):
        if name.startswith(_OWN) and name not in wanted:
            removed += next(iter(database.query("SELECT count(*) FROM items WHERE collection = %s", (name,))))[0]
            list(database.query("SELECT delete_collection(%s)", (name,)))
    return removed


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
