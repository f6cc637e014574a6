"""The JSON objects of a catalogue: read, written and followed from one to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from catalog.store.base import Store
from downscaler.errors import CatalogError

Document = dict[str, Any]
"""A JSON object, such as a STAC item or collection."""


def serialise(document: Mapping[str, Any]) -> bytes:
    """A STAC object as the catalogue stores it."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_document(store: Store, key: str) -> Document:
    """A STAC object of the store; raises CatalogError when it is missing or no JSON object."""
    content = store.get(key)
    if content is None:
        raise CatalogError("A linked object is missing from the catalogue", value=f"{store.uri}/{key}")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise CatalogError("An object of the catalogue is not JSON", value=f"{store.uri}/{key}: {error}") from error
    if not isinstance(document, dict):
        raise CatalogError("An object of the catalogue is not a JSON object", value=f"{store.uri}/{key}")
    return document


def resolve(key: str, href: str) -> str:
    """The key that a relative link in the object ``key`` points to."""
    parts = key.split("/")[:-1]
    for step in href.split("/"):
        if step == "..":
            parts = parts[:-1]
        elif step not in (".", ""):
            parts.append(step)
    return "/".join(parts)
