"""The STAC API on the catalogue itself: stac-fastapi's routes, rustac's search, the catalogue's own documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import attr
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from stac_fastapi.extensions.filter.client import BaseFiltersClient
from stac_fastapi.types.core import BaseCoreClient
from stac_fastapi.types.errors import NotFoundError

from catalog.api.requests import api_root, bad, base, checked_bbox, checked_geometry
from catalog.api.stac.fields import pick
from catalog.api.stac.filters import checked_crs, checked_filter
from catalog.api.stac.finder import Found
from catalog.api.stac.holdings import PLACE, Catalogue, Holdings
from catalog.api.stac.landing import completed, conforming
from catalog.items.links import rooted, served_collection
from catalog.store.documents import Document

GEOJSON = "application/geo+json"
PAGE, LONGEST_PAGE = 10, 1000
_LATEST_FIRST = ["-datetime", "-id", "-collection"]  # as pgstac has it


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


@attr.s
class EmbeddedClient(BaseCoreClient):
    """Answers from the catalogue's own files; everything is looked up when it is asked for."""

    def conformance_classes(self) -> list[str]:
        """Conformance classes that hold of the service."""
        return conforming(super().conformance_classes())

    def landing_page(self, **kwargs: Any) -> Any:
        """The root of the API."""
        return completed(super().landing_page(**kwargs), kwargs["request"])

    def all_collections(self, **kwargs: Any) -> Any:
        """All collections, models and validations among them."""
        request: Request = kwargs["request"]
        root = api_root(request)
        held = _catalogue(request).now().collections
        found = [served_collection(rooted(document, key), root) for key, document in held.values()]
        links = [
            {"rel": "root", "href": root, "type": "application/json"},
            {"rel": "parent", "href": root, "type": "application/json"},
            {"rel": "self", "href": f"{root}collections", "type": "application/json"},
        ]
        numbers = {"numberMatched": len(found), "numberReturned": len(found)}
        return JSONResponse({"collections": found, "links": links} | numbers)

    def get_collection(self, collection_id: str, **kwargs: Any) -> Any:
        """One collection; raises NotFoundError."""
        request: Request = kwargs["request"]
        key, document = _collection(_catalogue(request).now(), collection_id)
        return JSONResponse(served_collection(rooted(document, key), api_root(request)))

    def get_item(self, item_id: str, collection_id: str, **kwargs: Any) -> Any:
        """One item; raises NotFoundError."""
        request: Request = kwargs["request"]
        catalogue = _catalogue(request)
        held = catalogue.now()
        _collection(held, collection_id)
        entry = held.entries.get((collection_id, item_id))
        if entry is None:
            raise NotFoundError(f"The collection {collection_id} has no item {item_id}.")
        (text,) = catalogue.texts([entry])
        if text is None:
            raise NotFoundError(f"The item {item_id} of the collection {collection_id} is lost or damaged.")
        return Response(_placed(text, request), media_type=GEOJSON)

    # stac-fastapi calls by name, and what its extensions add comes by name too.
    def item_collection(self, collection_id: str, **kwargs: Any) -> Any:  # type: ignore[override]
        """A page of a collection's items, latest first."""
        request: Request = kwargs.pop("request")
        _collection(_catalogue(request).now(), collection_id)
        own = f"{api_root(request)}collections/{collection_id}"
        return _page(request, kwargs | {"collections": [collection_id]}, f"{own}/items", parent=own)

    def get_search(self, **kwargs: Any) -> Any:  # type: ignore[override]
        """A page of what a search by address finds."""
        request: Request = kwargs.pop("request")
        return _page(request, kwargs, f"{api_root(request)}search")

    def post_search(self, search_request: Any, **kwargs: Any) -> Any:
        """A page of what a search by document finds."""
        request: Request = kwargs["request"]
        asked = {name: getattr(search_request, name, None) for name in _asked(search_request)}
        body = json.loads(search_request.model_dump_json(by_alias=True, exclude_unset=True))
        return _page(request, asked, f"{api_root(request)}search", body=body)


def _asked(search_request: Any) -> list[str]:
    return list(type(search_request).model_fields)


def _collection(held: Holdings, identifier: str) -> tuple[str, Document]:
    if identifier not in held.collections:
        raise NotFoundError(f"No collection {identifier}. Those here are: {', '.join(held.collections) or 'none'}.")
    return held.collections[identifier]


def _page(
    request: Request, asked: dict[str, Any], address: str, *, parent: str | None = None, body: Document | None = None
) -> Response:
    """One page of a search as GeoJSON, with the link to the next."""
    catalogue = _catalogue(request)
    held = catalogue.now()
    terms = search_terms(asked, held)
    try:
        found = held.search(terms)
    except ValueError as error:
        raise bad(f"The search cannot be made: {error}") from error
    limit = min(int(asked.get("limit") or PAGE), LONGEST_PAGE)
    first = _after(found, asked.get("token"))
    page = found[first : first + limit]
    root = api_root(request)
    texts = catalogue.texts([held.entries[name] for name in page])
    features = [_placed(text, request) for text in texts if text is not None]
    if "fields" in (request.query_params if body is None else body):
        features = [_json(pick(json.loads(feature), asked.get("fields"))) for feature in features]
    links = [{"rel": "root", "href": root, "type": "application/json"}]
    query = f"?{request.url.query}" if request.url.query else ""
    links += [{"rel": "self", "href": address + query, "type": GEOJSON}]
    if parent:
        links += [{"rel": rel, "href": parent, "type": "application/json"} for rel in ("parent", "collection")]
    if first + limit < len(found):
        links.append(_next(request, address, "/".join(page[-1]), body))
    told = _json({"links": links, "numberMatched": len(found), "numberReturned": len(features)})
    content = f'{{"type":"FeatureCollection","features":[{",".join(features)}],{told[1:]}'
    return Response(content, media_type=GEOJSON)


def _json(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _placed(text: str, request: Request) -> str:
    """An item's text with the service's address as the client knows it."""
    return text.replace(PLACE, json.dumps(base(request))[1:-1])


def search_terms(asked: dict[str, Any], held: Holdings) -> dict[str, Any]:
    """What rustac is asked, every term checked; of ``asked`` what a GET or POST search may hold."""
    if asked.get("bbox") is not None and asked.get("intersects") is not None:
        raise bad("A search takes bbox or intersects, not both.")
    terms: dict[str, Any] = {
        "collections": _names(asked.get("collections")),
        "ids": _names(asked.get("ids")),
        "bbox": checked_bbox(asked.get("bbox")),
        "intersects": checked_geometry(asked.get("intersects")),
        "datetime": asked.get("datetime"),
        "sortby": _sorting(asked.get("sortby"), held),
    }
    if (expression := asked.get("filter_expr")) is not None:
        terms["filter"] = checked_filter(expression, asked.get("filter_lang"), held.kinds)
    checked_crs(asked.get("filter_crs"))
    return {name: value for name, value in terms.items() if value is not None}


def _names(given: Sequence[str] | None) -> list[str] | None:
    """Names to look for; an empty list finds nothing, none at all everything."""
    return None if given is None else list(given)


def _sorting(sortby: Sequence[Any] | None, held: Holdings) -> list[str]:
    """Fields to sort by, each with its sign; collection and identifier come last, so that the order is a whole one."""
    wanted = []
    for field in sortby or []:
        text = field.strip() if isinstance(field, str) else ("-" if field.direction == "desc" else "+") + field.field
        sign, name = ("-" if text.startswith("-") else "+"), text.lstrip("+- ").removeprefix("properties.")
        if name not in held.columns:
            raise bad(f"Nothing can be sorted by {name!r}. Allowed: {', '.join(sorted(held.columns))}.")
        wanted.append(sign + name)
    return [*wanted, "+collection", "+id"] if wanted else _LATEST_FIRST


def _after(found: list[Found], token: str | None) -> int:
    """Where the page begins that follows an item named by a token."""
    if not token:
        return 0
    collection, _, identifier = token.removeprefix("next:").partition("/")
    try:
        return found.index((collection, identifier)) + 1
    except ValueError:
        raise bad(f"The token {token[:80]!r} belongs to no item of this search; begin anew without it.") from None


def _next(request: Request, address: str, token: str, body: Document | None) -> Document:
    token = f"next:{token}"
    if body is not None:
        return {"rel": "next", "href": address, "type": GEOJSON, "method": "POST", "body": body | {"token": token}}
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    return {
        "rel": "next",
        "href": f"{address}?{urlencode([*asked, ('token', token)])}",
        "type": GEOJSON,
        "method": "GET",
    }


@attr.s
class Queryables(BaseFiltersClient):
    """What items can be filtered and sorted by, with their types."""

    def get_queryables(self, collection_id: str | None = None, **kwargs: Any) -> Document:
        """A JSON Schema of the properties; raises NotFoundError for an unknown collection."""
        request: Request = kwargs["request"]
        held = _catalogue(request).now()
        if collection_id is not None:
            _collection(held, collection_id)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": api_root(request) + (f"collections/{collection_id}/" if collection_id else "") + "queryables",
            "type": "object",
            "title": f"Queryables of {collection_id or 'all collections'}",
            "properties": held.queryables(collection_id),
            "additionalProperties": False,
        }
