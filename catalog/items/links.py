"""What a search looks at: a short record of every item, and documents with addresses that hold where they are served.

A served document names everything by address. Kept (in a database, say) it has addresses relative to the API's root
instead, ``../catalog/KEY``, which hold wherever the service runs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from catalog.store.documents import Document, resolve

FILES = "../catalog/"
"""Address of the catalogue's files from the API's root."""
_INFERRED = ("root", "parent", "collection", "self", "item", "items", "child")
_SPATIAL = ("type", "stac_version", "id", "collection", "geometry", "bbox")


def record(item: Mapping[str, Any]) -> Document:
    """The searchable part of an item: where, when, and its properties of one text, number or truth value each."""
    properties = {k: v for k, v in item["properties"].items() if isinstance(v, str | int | float | bool)}
    return {name: item[name] for name in _SPATIAL} | {"properties": properties, "links": [], "assets": {}}


def rooted(document: Mapping[str, Any], key: str) -> Document:
    """A copy of a STAC object of the catalogue at ``key`` with addresses relative to the API's root.

    Links that the API makes itself (root, parent, collection, ...) are left out; ``canonical`` leads to the file.
    """
    return root(copy.deepcopy(dict(document)), key)


def root(result: Document, key: str) -> Document:
    """The same in place, of a document that nobody else holds."""
    links = [entry for entry in result.get("links", []) if entry.get("rel") not in _INFERRED]
    for entry in [*links, *result.get("assets", {}).values()]:
        entry["href"] = _below(FILES, key, entry["href"])
    result["links"] = [*links, {"rel": "canonical", "href": FILES + quote(key), "type": _media_type(result)}]
    return result


def _below(base: str, key: str, href: str) -> str:
    """Address of what the object at ``key`` links to, where the catalogue's files lie below ``base``."""
    if urlsplit(href).scheme:
        return href
    path, mark, fragment = href.partition("#")
    return f"{base}{quote(resolve(key, path))}{mark}{quote(fragment)}"


def at(document: Mapping[str, Any], key: str, base: str) -> Document:
    """A copy of a stored object as it is served below ``base``: full addresses, and its ``self`` link.

    Args:
        document: as stored.
        key: its key in the store.
        base: address of the catalogue's root folder, such as https://example.org/catalog.

    Returns:
        The copy; links that were absolute stay as they are.
    """
    made, root = copy.deepcopy(dict(document)), base.rstrip("/") + "/"
    for entry in [*made["links"], *made.get("assets", {}).values()]:
        entry["href"] = _below(root, key, str(entry["href"]))
    own = {"rel": "self", "href": root + quote(key), "type": _media_type(document)}
    return made | {"links": [own, *(link for link in made["links"] if link["rel"] != "self")]}


def _media_type(document: Mapping[str, Any]) -> str:
    return "application/geo+json" if document.get("type") == "Feature" else "application/json"


def absolute(document: Document, root: str) -> Document:
    """A document of ``rooted`` with full addresses, in place; ``root`` is the API's, with a slash at its end."""
    for entry in [*document.get("links", []), *document.get("assets", {}).values()]:
        entry["href"] = urljoin(root, entry["href"])
    return document


def served_item(document: Document, root: str) -> Document:
    """An item of ``rooted`` as the API answers it, in place."""
    own = f"{root}collections/{quote(document['collection'])}"
    links = absolute(document, root)["links"]
    geojson = "application/geo+json"
    document["links"] = [
        {"rel": "self", "href": f"{own}/items/{quote(document['id'])}", "type": geojson},
        {"rel": "parent", "href": own, "type": "application/json"},
        {"rel": "collection", "href": own, "type": "application/json"},
        {"rel": "root", "href": root, "type": "application/json"},
        *links,
    ]
    return document


def served_collection(document: Document, root: str) -> Document:
    """A collection of ``rooted`` as the API answers it, in place."""
    own = f"{root}collections/{quote(document['id'])}"
    links = absolute(document, root)["links"]
    document["links"] = [
        {"rel": "self", "href": own, "type": "application/json"},
        {"rel": "parent", "href": root, "type": "application/json"},
        {"rel": "root", "href": root, "type": "application/json"},
        {"rel": "items", "href": f"{own}/items", "type": "application/geo+json"},
        {
            "rel": "http://www.opengis.net/def/rel/ogc/1.0/queryables",
            "href": f"{own}/queryables",
            "type": "application/schema+json",
        },
        *links,
    ]
    return document
