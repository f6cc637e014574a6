"""Reading a catalogue: the day's item, all published days, whether a day is current, what a file is."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog.items.provenance import fingerprint
from catalog.items.schema import validate, validate_item, validate_store
from catalog.naming import NO_DAYS, ROOT, DayName, collection_key
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, read_document, resolve
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain
from downscaler.records import RunRecord, file_sha256

_PARENTS = ("/catalog.json", "/collection.json")


def find_item(uri: str | Path, domain: Domain, date: dt.date) -> Document | None:
    """The day's item, None when the day is not published."""
    store, name = open_store(uri), DayName.of(domain, date)
    return read_document(store, name.item_key) if store.get(name.item_key) is not None else None


def is_current(uri: str | Path, run: RunRecord, domain: Domain) -> bool:
    """Whether the day is published, linked from the root and made from the same inputs, versions and parameters."""
    store, name = open_store(uri), DayName.of(domain, run.date)
    if store.get(name.item_key) is None or not Links().lead_to(store, name):
        return False
    properties: Mapping[str, Any] = read_document(store, name.item_key).get("properties", {})
    return bool(properties.get("vadose:fingerprint") == fingerprint(run, domain))


class Links:
    """The links of the catalogues above the items, each read once."""

    def __init__(self) -> None:
        self._children: dict[str, frozenset[str]] = {}

    def lead_to(self, store: Store, name: DayName) -> bool:
        """Whether root, collection, year and month each lead to the next, down to the item."""
        chain = [ROOT, name.collection_key, name.year_key, name.month_key, name.item_key]
        return all(child in self._of(store, parent) for parent, child in itertools.pairwise(chain))

    def _of(self, store: Store, key: str) -> frozenset[str]:
        if key not in self._children:
            self._children[key] = frozenset(children(store, key))
        return self._children[key]


def children(store: Store, key: str) -> list[str]:
    """Keys that an object's child and item links lead to, in their order; none where there is no object."""
    if store.get(key) is None:
        return []
    links = read_document(store, key).get("links", [])
    if not (isinstance(links, list) and all(isinstance(e, dict) and isinstance(e.get("href"), str) for e in links)):
        raise CatalogError("Invalid links in a catalogue object", value=f"{store.uri}/{key}")
    return [resolve(key, link["href"]) for link in links if link.get("rel") in ("child", "item")]


def items(uri: str | Path, domain: Domain | None = None) -> Iterator[Document]:
    """The items of all published days, by collection and day, found by following links from the root.

    Models and validations are none of them. With ``domain`` only its own. An empty place has none; raises CatalogError
    when a link leads nowhere.
    """
    store = open_store(uri)
    waiting = [ROOT if domain is None else collection_key(domain.name)]
    if store.get(waiting[0]) is None:
        return
    seen: set[str] = set()
    while waiting:
        key = waiting.pop(0)
        if key in seen:  # links that lead in a circle, or twice to one object
            continue
        seen.add(key)
        document = read_document(store, key)
        if document.get("type") == "Feature":
            if document.get("collection") not in NO_DAYS:
                yield document
        else:
            waiting = children(store, key) + waiting


def collections(store: Store) -> Iterator[tuple[str, Document]]:
    """Key and document of every collection that the root links to; raises CatalogError where one is missing."""
    for key in children(store, ROOT):
        document = read_document(store, key)
        if document.get("type") == "Collection":
            yield key, document


def item_keys(store: Store, key: str, seen: set[str] | None = None) -> Iterator[str]:
    """Keys of the items below a collection or catalogue, in the order of the links; ``seen`` are passed over."""
    seen = seen if seen is not None else {key}
    for child in children(store, key):
        if child in seen:
            continue
        seen.add(child)
        if child.endswith(_PARENTS):
            yield from item_keys(store, child, seen)
        else:
            yield child


def validate_catalog(uri: str | Path) -> list[str]:
    """Check every linked object against STAC and this project's rules, offline; returns their keys.

    Raises CatalogError at the first missing or invalid one.
    """
    return validate_store(open_store(uri))


def describe(path: Path) -> Document:
    """What an item, collection or catalogue file is, for ``vadose info``.

    ``valid`` and, for an item, ``checksums_ok`` are booleans; ``problems`` says why not. Raises CatalogError when
    the file is not a STAC object.
    """
    document = read_document(open_store(path.absolute().parent), path.name)
    kinds = {"Feature": "item", "Collection": "collection", "Catalog": "catalog"}
    if document.get("type") not in kinds:
        raise CatalogError(f"{path.name} is not a STAC object", value=document.get("type"), allowed=kinds)
    kind = kinds[document["type"]]
    problems = _problems(document)
    result: Document = {"kind": kind, "id": document.get("id"), "title": document.get("title")}
    result |= _describe_item(path, document, problems) if kind == "item" else _describe_parent(document)
    return result | {"valid": not problems, "problems": problems}


def _problems(document: Document) -> list[str]:
    try:
        (validate_item if document["type"] == "Feature" else validate)(document)
    except CatalogError as error:
        return [str(error)]
    return []


def _describe_item(path: Path, document: Document, problems: list[str]) -> Document:
    properties, assets = document.get("properties", {}), document.get("assets", {})
    damaged = [key for key, asset in assets.items() if not _intact(path.parent, asset)]
    return {
        "title": properties.get("title"),
        "collection": document.get("collection"),
        "datetime": properties.get("datetime"),
        "version": properties.get("version"),
        "product_version": properties.get("vadose:product_version"),
        "simulated": properties.get("vadose:simulated"),
        "caveats": properties.get("vadose:caveats"),
        "published_percent": properties.get("vadose:published_percent"),
        "inputs": [record["name"] for record in properties.get("vadose:inputs", [])],
        "assets": sorted(assets),
        "checksums_ok": not damaged,
        "damaged_assets": damaged,
    }


def _intact(folder: Path, asset: Mapping[str, Any]) -> bool:
    """Whether an asset's file is there with the recorded size and SHA-256."""
    file = folder / asset["href"]
    if not file.is_file() or file.stat().st_size != asset.get("file:size"):
        return False
    return bool(asset.get("file:checksum") == f"1220{file_sha256(file)}")


def _describe_parent(document: Document) -> Document:
    links = document.get("links", [])
    result: Document = {
        name: sum(link.get("rel") == rel for link in links) for rel, name in (("item", "items"), ("child", "children"))
    }
    if "extent" in document:
        result["extent"] = document["extent"]
    return result
