"""Absolute addresses for a catalogue that is stored with relative ones, so that it can be copied anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from catalog.items.schema import resolve

Document = dict[str, Any]


def absolute(document: Mapping[str, Any], key: str, base: str) -> Document:
    """A STAC object with absolute links and assets and its ``self`` link, as it is served below ``base``.

    Args:
        document: as stored.
        key: its key in the store.
        base: address of the catalogue's root folder, such as https://example.org/catalog.

    Returns:
        A copy; links that were absolute stay as they are.
    """
    root = base.rstrip("/")

    def moved(entry: Mapping[str, Any]) -> Document:
        href = str(entry["href"])
        if urlsplit(href).scheme:
            return dict(entry)
        path, mark, fragment = href.partition("#")
        return {**entry, "href": f"{root}/{quote(resolve(key, path))}{mark}{fragment}"}

    kind = "application/geo+json" if document["type"] == "Feature" else "application/json"
    own = {"rel": "self", "href": f"{root}/{quote(key)}", "type": kind}
    links = [own, *(moved(link) for link in document["links"] if link["rel"] != "self")]
    made = {**document, "links": links}
    if "assets" in document:
        made["assets"] = {name: moved(asset) for name, asset in document["assets"].items()}
    return made
