"""All of a catalogue by its links: collections, and the items below each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.items.schema import read_document
from catalog.naming import ROOT
from catalog.reading.days import children
from catalog.store.base import Store

Document = dict[str, Any]
_PARENTS = ("/catalog.json", "/collection.json")


def collections(store: Store) -> Iterator[tuple[str, Document]]:
    """Key and document of every collection that the root links to; raises CatalogError where one is missing."""
    for key in children(store, ROOT):
        document = read_document(store, key)
        if document.get("type") == "Collection":
            yield key, document


def item_keys(store: Store, key: str) -> Iterator[str]:
    """Keys of the items below a collection or catalogue, in the order of the links."""
    for child in children(store, key):
        if child.endswith(_PARENTS):
            yield from item_keys(store, child)
        else:
            yield child
