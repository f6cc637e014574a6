"""Revisions of an item: the item file is replaced, the assets of every revision stay where they were put."""

from __future__ import annotations

import json
from typing import Any

from catalog.collection import serialise
from catalog.naming import Revisioned, revision_folder, revision_of
from catalog.store import Change, Store, Write
from catalog.validation import validate_item
from downscaler.errors import CatalogError

Document = dict[str, Any]


def parse_item(content: bytes, name: Revisioned) -> Document:
    """The item that stands in the catalogue; raises CatalogError when it is damaged."""
    try:
        document = json.loads(content)
        validate_item(document)
    except (ValueError, CatalogError) as error:
        raise CatalogError(
            "The present item is damaged", value=f"{name.item_key}: {error}", remedy="Restore or remove it."
        ) from error
    return dict(document)


def next_revision(store: Store, name: Revisioned, present: int) -> int:
    """The number after the published one; files of publications that died on the way are cleared or passed over."""
    numbered = [(number, key) for key in store.keys(f"{name.folder}/") if (number := revision_of(name, key))]
    orphans = [key for number, key in numbered if number > present]
    if store.exclusive:
        store.delete(orphans)  # the lock is held, so nobody is still writing them
        return present + 1
    return max([present, *(number for number, _ in numbered)]) + 1


def archive(old: Document, name: Revisioned, revision: int) -> Write:
    """The item that is about to be replaced, kept beside its assets, with links that hold from there."""

    def moved(href: str) -> str:
        if "://" in href:
            return href
        own = f"./{revision_folder(revision)}/"
        return f"./{href.removeprefix(own)}" if href.startswith(own) else f"../{href.removeprefix('./')}"

    document = json.loads(json.dumps(old))
    for entry in [*document["links"], *document["assets"].values()]:
        entry["href"] = moved(entry["href"])
    document["properties"]["deprecated"] = True
    document["links"].append(
        {"rel": "latest-version", "href": f"../{name.item_id}.json", "type": "application/geo+json"}
    )
    validate_item(document)
    return Write(key=f"{name.folder}/{revision_folder(revision)}/item.json", content=serialise(document))


def replacing(expected: bytes | None, content: bytes) -> Change:
    """A change that goes through only while the item is still the one that this publication started from."""

    def change(before: bytes | None) -> bytes:
        if before != expected:
            raise CatalogError("Another publication of the same item came first", remedy="Run it again.")
        return content

    return change
