"""What the API says of itself at its root, beyond what stac-fastapi tells: collections as children, OpenAPI 3.1."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import Request

from catalog.api.requests import api_root
from catalog.api.stac.holdings import Catalogue
from catalog.store.documents import Document

OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_OAS30 = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30"  # the service's document is of version 3.1
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf/"
_MORE = (
    *(_CQL2 + name for name in ("advanced-comparison-operators", "case-insensitive-comparison")),
    *(_CQL2 + name for name in ("basic-spatial-functions", "property-property")),
)


def conforming(classes: list[str]) -> list[str]:
    """The conformance classes that hold of this service, from those that stac-fastapi knows of."""
    return sorted({*classes, *_MORE} - {_OAS30})


def completed(landing: Any, request: Request) -> Document:
    """The root with a ``child`` link to each collection, which clients walk down by."""
    document, root = dict(landing), api_root(request)
    catalogue: Catalogue = request.app.state.catalogue
    children = [
        {
            "rel": "child",
            "href": f"{root}collections/{quote(name)}",
            "type": "application/json",
            "title": str(collection.get("title", name)),
        }
        for name, (_, collection) in catalogue.now().collections.items()
    ]
    links = [link | {"type": OPENAPI} if link["rel"] == "service-desc" else link for link in document["links"]]
    return document | {"links": [*links, *children]}
