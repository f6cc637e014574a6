"""The STAC API's routes under ``/stac``, one set of models and extensions for both backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, create_model, model_validator
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

from catalog.api.stac import EmbeddedClient, Queryables
from downscaler import __version__, product
from downscaler.errors import ConfigError

DESCRIPTION = f"{product.SOIL_MOISTURE.description} {product.DEPTH_NOTE}"


def add_stac(app: FastAPI, backend: str, dsn: str | None) -> None:
    """Add the STAC API to an application; ``app.state.backend`` opens what it needs while the application runs."""
    if backend == "pgstac":
        from catalog.api.pgstac import PgstacClient, PgstacSearch, database, pg_settings

        settings = pg_settings(dsn, **own_settings())
        app.state.backend = database(dsn)
        _add(app, PgstacClient, PgstacSearch, settings)
        return
    if backend != "embedded":
        raise ConfigError("Unknown backend", value=backend, allowed=["embedded", "pgstac"])
    app.state.backend = _nothing
    _add(app, EmbeddedClient, BaseSearchPostRequest, ApiSettings(**own_settings()))


def own_settings() -> dict[str, Any]:
    """What stac-fastapi wants to know of every API."""
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
    search = [SearchSortExtension(), FieldsExtension(), SearchFilterExtension(client=queryables), tokens]
    items = [
        ItemCollectionSortExtension(),
        FieldsExtension(conformance_classes=[FieldsConformanceClasses.ITEMS]),
        ItemCollectionFilterExtension(client=queryables),
        tokens,
    ]
    document = create_model("SearchDocument", __base__=(_Document, search_model))
    post = create_post_request_model(search, base_model=document)
    StacApi(
        app=app,
        router=APIRouter(prefix="/stac", tags=["STAC API"]),
        settings=settings,
        title=product.TITLE,
        description=DESCRIPTION,
        extensions=[*search, *items],
        client=_client(client, post),
        search_get_request_model=create_get_request_model(search),
        search_post_request_model=post,
        items_get_request_model=_items_model(items),
        middlewares=[],
    )


class _Document(BaseModel):
    """A search by POST; what is no object is refused before stac-pydantic looks into it."""

    @model_validator(mode="before")
    @classmethod
    def _is_object(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("A search is a JSON object")  # noqa: TRY004 - pydantic wants it
        return value


def _items_model(extensions: Any) -> Any:
    return create_request_model("ItemCollectionUri", ItemCollectionUri, extensions, request_type="GET")


def _client(client: Any, post: Any) -> Any:
    """An instance of the backend's client; pgstac's wants the model of its searches."""
    named = {"landing_page_id": product.PRODUCT_NAME}
    return client(pgstac_search_model=post, **named) if hasattr(client, "_search_base") else client(**named)
