"""Pages about a collection beside its days: kept under ``reports/`` and named among the collection's assets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pystac

from catalog.items.schema import validate
from catalog.naming import REPORTS, collection_id, collection_key
from catalog.store.base import Change, Write, open_store
from catalog.store.documents import serialise
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain

COMPLETENESS = "completeness"
"""Asset of a collection: the page; its figures are ``completeness_data``."""


def publish_completeness(uri: str, domain: Domain, document: Mapping[str, Any], page: str) -> str:
    """Put a completeness report beside the domain's collection, in place of the one before; the page's address.

    Raises CatalogError where the catalogue has no such collection or cannot be written.
    """
    store, name = open_store(uri), collection_id(domain.name)
    if store.get(collection_key(domain.name)) is None:
        raise CatalogError(f"The catalogue holds no domain {domain.name!r} to report on", value=store.uri)
    base = f"{REPORTS}/{name}/{COMPLETENESS}"
    writes = [
        Write(key=f"{base}.html", content=page.encode()),
        Write(key=f"{base}.json", content=serialise(dict(document))),
        Write(key=collection_key(domain.name), content=_naming(base, document)),
    ]
    with store.staging() as folder, store.lock():
        store.apply(writes, folder)
    return f"{store.uri}/{base}.html"


def _naming(base: str, document: Mapping[str, Any]) -> Change:
    """The change of a collection that names the report among its assets."""
    period = " to ".join(document["period"])
    named = {
        COMPLETENESS: ("html", "text/html", f"Completeness and latency, {period}", ["metadata", "overview"]),
        f"{COMPLETENESS}_data": ("json", str(pystac.MediaType.JSON), f"Figures of that page, {period}", ["metadata"]),
    }

    def change(before: bytes | None) -> bytes:
        collection = json.loads(before or b"{}")
        links = collection.pop("links")
        assets = collection.pop("assets", {}) | {
            key: {"href": f"../{base}.{suffix}", "type": kind, "title": title, "roles": roles}
            for key, (suffix, kind, title, roles) in named.items()
        }
        collection |= {"assets": assets, "links": links}
        validate(collection)
        return serialise(collection)

    return change
