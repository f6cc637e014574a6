"""The STAC API on PostgreSQL with pgstac, which ``vadose catalog sync`` fills from the catalogue."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import attr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from geojson_pydantic import MultiPolygon
from stac_fastapi.pgstac.config import Settings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.db import con_init, get_connection
from stac_fastapi.pgstac.types.search import PgstacSearch

from catalog.api.requests import api_root, bad, checked_bbox, checked_geometry
from catalog.api.stac.fields import ALWAYS
from catalog.api.stac.filters import checked_crs, checked_filter
from catalog.api.stac.landing import completed, conforming
from catalog.items.links import absolute
from catalog.store.documents import Document
from downscaler.errors import ConfigError

__all__ = ["PgstacClient", "PgstacSearch", "database", "pg_settings"]
_CONNECTIONS, _TIMEOUT = 10, 30  # of the pool; seconds that one search may take
_NOBODY = "."  # an identifier that nothing has
_NO_IDENTIFIER = {"op": "isNull", "args": [{"property": "id"}]}
_log = logging.getLogger(__name__)
_UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


def checked_dsn(dsn: str | None) -> str:
    """The address of a PostgreSQL database; raises ConfigError for anything else."""
    if dsn is None or urlsplit(dsn).scheme not in ("postgresql", "postgres"):
        raise ConfigError(
            "pgstac needs a database address",
            value=dsn,
            allowed="postgresql://user:password@host:port/name",
            remedy="Give --dsn or set VADOSE_PGSTAC_DSN.",
        )
    return dsn


def pg_settings(dsn: str | None, **own: Any) -> Settings:
    """stac-fastapi's settings; raises ConfigError without a database."""
    checked_dsn(dsn)
    # Items are put together here: in the database it takes ten times as long.
    return Settings(**own, prefix_path="/stac", enable_transactions_extensions=False, use_api_hydrate=True)


def database(dsn: str | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What keeps the pool of connections while an application runs; the connections may only read."""
    address = checked_dsn(dsn)

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        """The application's pool, from its start to its end."""
        options = {"search_path": "pgstac,public", "application_name": "vadose"}
        pool = await asyncpg.create_pool(
            address, min_size=1, max_size=_CONNECTIONS, init=con_init, command_timeout=_TIMEOUT, server_settings=options
        )
        app.state.readpool, app.state.get_connection = pool, get_connection
        try:
            yield
        finally:
            await pool.close()

    return connected


@attr.s
class PgstacClient(CoreCrudClient):  # type: ignore[misc]
    """stac-fastapi-pgstac's client, with the checks and the addresses of the embedded one."""

    def conformance_classes(self) -> list[str]:
        """Conformance classes that hold of the service."""
        return conforming(super().conformance_classes())

    async def landing_page(self, **kwargs: Any) -> Any:
        """The root of the API."""
        return completed(await super().landing_page(**kwargs), kwargs["request"])

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        if search_request.bbox is not None and search_request.intersects is not None:
            raise bad("A search takes bbox or intersects, not both.")
        checked_geometry(search_request.intersects)
        if (bbox := checked_bbox(search_request.bbox)) is not None:
            _place(search_request, bbox)
        for name in ("ids", "collections"):
            if getattr(search_request, name) == []:
                setattr(search_request, name, [_NOBODY])
        if search_request.fields is not None and search_request.fields.include:
            search_request.fields.include |= set(ALWAYS) - (search_request.fields.exclude or set())
        with _answered():
            page = await super()._search_base(search_request, request=request)
        root = api_root(request)
        for feature in page["features"]:
            absolute({"assets": feature.get("assets", {})}, root)
        return page

    def _filtered(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """The terms of a GET search with its filter checked, as CQL2-JSON."""
        checked_crs(asked.pop("filter_crs", None))
        if asked.get("filter_expr") is None:
            return asked
        found = _checked(request, asked["filter_expr"], asked.get("filter_lang"))
        return asked | {"filter_expr": json.dumps(found), "filter_lang": "cql2-json"}

    def _clean_search_args(self, **terms: Any) -> Any:
        try:
            clean = super()._clean_search_args(**terms)
        except ValueError as error:
            raise bad(f"A search term is not JSON: {error}") from error
        checked_geometry(clean.get("intersects"))  # before pydantic, whose words are for programmers
        return clean

    async def item_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """A page of a collection's items, latest first."""
        return _written(
            await super().item_collection(collection_id, request=request, **self._filtered(request, kwargs))
        )

    async def get_search(self, request: Request, **kwargs: Any) -> Any:
        """A page of what a search by address finds."""
        return _written(await super().get_search(request=request, **self._filtered(request, kwargs)))

    async def post_search(self, search_request: Any, request: Request, **kwargs: Any) -> Any:
        """A page of what a search by document finds."""
        checked_crs(search_request.filter_crs)
        if search_request.filter_expr is not None:
            search_request.filter_expr = _checked(request, search_request.filter_expr, search_request.filter_lang)
        return _written(await super().post_search(search_request, request=request, **kwargs))

    async def all_collections(self, request: Request, **kwargs: Any) -> Any:
        """All collections."""
        with _answered():
            return await super().all_collections(request, **kwargs)

    async def get_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """One collection; raises NotFoundError."""
        with _answered():
            return await super().get_collection(collection_id, request=request, **kwargs)


def _checked(request: Request, expression: Any, language: str | None) -> Document:
    found = checked_filter(expression, language, request.app.state.catalogue.now().kinds)
    if isinstance(found, bool):  # pgstac takes operations alone
        return _NO_IDENTIFIER if not found else {"op": "not", "args": [_NO_IDENTIFIER]}
    return found


def _place(search_request: Any, bbox: list[float]) -> None:
    """Set the place that is searched; a box across the antimeridian as two polygons."""
    west, south, east, north = bbox
    if west <= east:
        search_request.bbox = tuple(bbox)
        return
    rings = [
        [[left, south], [right, south], [right, north], [left, north], [left, south]]
        for left, right in ((west, 180.0), (-180.0, east))
    ]
    search_request.bbox = None
    search_request.intersects = MultiPolygon.model_validate(
        {"type": "MultiPolygon", "coordinates": [[r] for r in rings]}
    )


def _written(page: Any) -> Response:
    """A page as JSON: as a document it would be walked through once more, which takes longer than the search."""
    return page if isinstance(page, Response) else JSONResponse(page, media_type="application/geo+json")


@contextmanager
def _answered() -> Iterator[None]:
    """A database that is away is HTTP 503; a search that it refuses is HTTP 400."""
    try:
        yield
    except _UNREACHABLE as error:
        raise HTTPException(503, "The search database cannot be reached.") from error
    except asyncpg.PostgresError as error:
        _log.warning("The database refuses a search: %s", error)
        raise bad("The search cannot be made: its terms do not fit the items.") from error
