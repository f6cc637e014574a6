"""The STAC API's routes under ``/stac``, one set of models and extensions for both backends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import request_response
from pydantic import create_model, model_validator
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import (
    ItemCollectionUri,
    create_get_request_model,
    create_post_request_model,
    create_request_model,
)
from stac_fastapi.extensions import (
    FieldsExtension,
    ItemCollectionFilterExtension,
    SearchFilterExtension,
    TokenPaginationExtension,
)
from stac_fastapi.extensions.fields import FieldsConformanceClasses
from stac_fastapi.extensions.sort import ItemCollectionSortExtension, SearchSortExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.search import BaseSearchPostRequest
from starlette.routing import Route

from catalog.api.requests import known_parameters
from catalog.api.stac.core import EmbeddedClient, Queryables
from catalog.api.stac.fields import ALWAYS
from catalog.api.stac.landing import OPENAPI
from catalog.items.schema import STAC_VERSION
from downscaler import __version__, product
from downscaler.errors import ConfigError

_SORT_1_0 = (
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0-rc.1/item-search#sort",
)
"""Clients of the extension's first version look for these; nothing changed in how a search is sorted."""
DESCRIPTION = (
    "Soil moisture near the surface, of every 1 km² and day, and what is made of it: each collection tells its own. "
    f"{product.DEPTH_NOTE}"
)


def add_stac(app: FastAPI, backend: str, dsn: str | None) -> None:
    """Add the STAC API to an application; ``app.state.backend`` opens what it needs while the application runs."""
    if backend == "pgstac":
        from catalog.api.stac.pgstac import PgstacClient, PgstacSearch, database, pg_settings

        settings = pg_settings(dsn, **own_settings())
        app.state.backend = database(dsn)
        _add(app, PgstacClient, PgstacSearch, settings)
        return
    if backend != "embedded":
        raise ConfigError("Unknown backend", value=backend, allowed=["embedded", "pgstac"])
    app.state.backend = _nothing
    _add(app, EmbeddedClient, BaseSearchPostRequest, ApiSettings(**own_settings()))


def own_settings() -> dict[str, Any]:
    """Settings that stac-fastapi requires."""
    return {
        "stac_fastapi_title": product.TITLE,
        "stac_fastapi_description": DESCRIPTION,
        "stac_fastapi_landing_id": product.PRODUCT_NAME,
        "stac_fastapi_version": __version__,
        "openapi_url": "/stac/api",
        "docs_url": "/stac/api.html",
        "_env_file": None,  # a stray .env of another program says nothing about this one
    }


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def _add(app: FastAPI, client: Any, search_model: Any, settings: ApiSettings) -> None:
    tokens, queryables = TokenPaginationExtension(), Queryables()
    sorting = SearchSortExtension()
    sorting.conformance_classes = [*sorting.conformance_classes, *_SORT_1_0]
    search = [sorting, FieldsExtension(), SearchFilterExtension(client=queryables), tokens]
    items = [
        ItemCollectionSortExtension(),
        FieldsExtension(conformance_classes=[FieldsConformanceClasses.ITEMS]),
        ItemCollectionFilterExtension(client=queryables),
        tokens,
    ]
    post = create_post_request_model(search, base_model=_of_objects(search_model))
    StacApi(
        app=app,
        router=APIRouter(prefix="/stac", tags=["STAC API"], dependencies=[Depends(known_parameters)]),
        settings=settings,
        title=product.TITLE,
        description=DESCRIPTION,
        stac_version=STAC_VERSION,  # of the catalogue; the landing page would say 1.0.0
        extensions=[*search, *items],
        client=_client(client, post),
        search_get_request_model=create_get_request_model(search),
        search_post_request_model=post,
        items_get_request_model=_items_model(items),
        middlewares=[],
    )
    _tell_openapi(app)


def _tell_openapi(app: FastAPI) -> None:
    """Serve the OpenAPI document, which is of version 3.1, as what it is."""

    def document(_request: Request) -> Response:
        return Response(json.dumps(_as_answered(app.openapi())), media_type=OPENAPI)

    route = next(route for route in app.router.routes if isinstance(route, Route) and route.path == app.openapi_url)
    route.app = request_response(document)


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_ITEM_OF_FIELDS = {
    "title": "ItemOfFields",
    "description": "The parts of an item that fields asks for; what it excludes is left out.",
    "type": "object",
    "properties": {"type": {"const": "Feature"}, **{name: {"type": "string"} for name in ALWAYS if name != "type"}},
}


def _as_answered(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the service answers: upstream's tells what it does not ask for, and leaves out what it refuses.

    What does not fit its description is answered with 400, not with FastAPI's 422; searches with other terms are
    refused; fields may be named twice; an item of a search may have the parts alone that ``fields`` names; upstream's
    examples are of Landsat.
    """
    for methods in document.get("paths", {}).values():
        for operation in methods.values():
            operation.get("responses", {}).pop("422", None)
            for parameter in operation.get("parameters", ()):
                parameter.pop("examples", None)
    schemas = document.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if name == "SearchPostRequest":
            schema["additionalProperties"] = False
            schema["properties"]["fields"] = _schema("PostFieldsExtension")
        elif name == "PostFieldsExtension":
            for listed in schema["properties"].values():
                listed["anyOf"][0].pop("uniqueItems", None)
        elif name == "ItemCollection":
            schema["properties"]["features"]["items"] = {"anyOf": [_schema("Item"), _schema("ItemOfFields")]}
    if "ItemCollection" in schemas:
        schemas["ItemOfFields"] = _ITEM_OF_FIELDS
    return document


def _of_objects(model: Any) -> Any:
    """A model of search documents that refuses what is no JSON object, where upstream's own check fails on it."""

    def validate_spatial(cls: Any, values: Any) -> Any:  # in the place of upstream's, by its name
        if not isinstance(values, dict):
            raise ValueError("A search is a JSON object")  # noqa: TRY004 - pydantic tells of ValueErrors alone
        known = {field.alias or name for name, field in cls.model_fields.items()}
        if unknown := sorted(set(values) - known - set(cls.model_fields)):  # the second: a search by address, inside
            raise ValueError(f"No term {unknown[0][:40]!r}. Those here are: {', '.join(sorted(known))}")
        box = values.get("bbox")
        if isinstance(box, list) and any(isinstance(edge, bool) for edge in box):
            raise ValueError("bbox has numbers alone")
        if "fields" in values and values["fields"] is None:
            raise ValueError("fields is an object with include and exclude; without it an item is whole")
        return values

    method: Any = classmethod(validate_spatial)
    check: Any = model_validator(mode="before")(method)
    return create_model(model.__name__, __base__=model, __validators__={"validate_spatial": check})


def _items_model(extensions: Any) -> Any:
    return create_request_model("ItemCollectionUri", ItemCollectionUri, extensions, request_type="GET")


def _client(client: Any, post: Any) -> Any:
    """An instance of the backend's client; pgstac's wants the model of its searches."""
    named = {"landing_page_id": product.PRODUCT_NAME}
    return client(pgstac_search_model=post, **named) if hasattr(client, "_search_base") else client(**named)
