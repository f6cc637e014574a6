"""Writes the item of a downloaded day, with links that are valid in the copy."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from catalog.download.origin import Found
from catalog.items.day import domain_of
from catalog.items.parents import parent_writes
from catalog.items.schema import validate_core
from catalog.naming import DayName
from catalog.store.base import Write
from catalog.store.documents import Document, parse_json, serialise
from catalog.store.folder import FolderStore

_UP = {"root": "../../../../catalog.json", "collection": "../../../collection.json", "parent": "../catalog.json"}


def copied_item(target: FolderStore, found: Found, whole: Mapping[str, str]) -> Document:
    """A day's item that names the files that are here.

    Those of an earlier download of the same revision stay named; of other links the relative ones become absolute, and
    ``canonical`` leads to the original.

    Args:
        target: the folder.
        found: the original.
        whole: keys of the files that are here by asset.
    """
    item, name = copy.deepcopy(found.item), DayName.of_item(found.item)
    below = f"{name.folder}/"
    kept = {key: f"./{path.removeprefix(below)}" for key, path in whole.items()}
    for key, asset in _present(target, name, item).items():
        kept.setdefault(key, asset["href"])
    item["assets"] = {key: asset | {"href": kept[key]} for key, asset in item["assets"].items() if key in kept}
    others = [link for link in item["links"] if link["rel"] not in (*_UP, "self", "canonical")]
    links = [link | {"href": found.address(link["href"])} for link in others]
    canonical = {"rel": "canonical", "href": found.href, "type": "application/geo+json"}
    up = [{"rel": rel, "href": href, "type": "application/json"} for rel, href in _UP.items()]
    return item | {"links": [*up, *links, canonical]}


def _present(target: FolderStore, name: DayName, item: Mapping[str, Any]) -> dict[str, Document]:
    """Assets of an earlier copy of the same revision whose files are still here."""
    content = target.get(name.item_key)
    try:
        earlier = parse_json(content) if content else {}
    except ValueError:
        return {}
    if earlier.get("properties", {}).get("version") != item["properties"].get("version"):
        return {}
    folder = target.root / name.folder
    return {
        key: asset
        for key, asset in earlier.get("assets", {}).items()
        if key in item["assets"]
        and asset.get("file:checksum") == item["assets"][key].get("file:checksum")
        and (folder / asset["href"]).is_file()
    }


def write_copy(target: FolderStore, item: Document) -> None:
    """Write a copied item and the links to it; raises CatalogError when it is none of this product."""
    validate_core(item)
    name, domain = DayName.of_item(item), domain_of(item)
    own = Write(key=name.item_key, content=serialise(item), commit=True)
    writes = [own, *parent_writes(target, name, domain, item)]
    with target.staging() as folder:
        target.apply(writes, folder)
