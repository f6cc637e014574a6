"""The STAC API on PostgreSQL with pgstac, which ``vadose catalog sync`` fills from the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import attr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from stac_fastapi.pgstac.config import Settings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.db import con_init, get_connection
from stac_fastapi.pgstac.types.search import PgstacSearch

from catalog.api.requests import api_root, bad, checked_bbox, checked_geometry
from catalog.items.links import absolute
from downscaler.errors import ConfigError

__all__ = ["PgstacClient", "PgstacSearch", "database", "pg_settings"]
_CONNECTIONS, _TIMEOUT = 10, 30  # of the pool; seconds that one search may take
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

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        if search_request.bbox is not None:
            search_request.bbox = tuple(checked_bbox(search_request.bbox) or ())
        checked_geometry(search_request.intersects)
        if search_request.bbox is not None and search_request.intersects is not None:
            raise bad("A search takes bbox or intersects, not both.")
        with _answered():
            page = await super()._search_base(search_request, request=request)
        root = api_root(request)
        for feature in page["features"]:
            absolute({"assets": feature.get("assets", {})}, root)
        return page

    def _clean_search_args(self, **terms: Any) -> Any:
        try:
            clean = super()._clean_search_args(**terms)
        except ValueError as error:
            raise bad(f"A search term is not JSON: {error}") from error
        checked_geometry(clean.get("intersects"))  # before pydantic, whose words are for programmers
        return clean

    async def item_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """A page of a collection's items, latest first."""
        return _written(await super().item_collection(collection_id, request=request, **kwargs))

    async def get_search(self, request: Request, **kwargs: Any) -> Any:
        """A page of results of a GET search."""
        return _written(await super().get_search(request=request, **kwargs))

    async def post_search(self, search_request: Any, request: Request, **kwargs: Any) -> Any:
        """A page of results of a POST search."""
        return _written(await super().post_search(search_request, request=request, **kwargs))

    async def all_collections(self, request: Request, **kwargs: Any) -> Any:
        """All collections."""
        with _answered():
            return await super().all_collections(request, **kwargs)

    async def get_collection(self, collection_id: str, request: Request, **kwargs: Any) -> Any:
        """One collection; raises NotFoundError."""
        with _answered():
            return await super().get_collection(collection_id, request=request, **kwargs)


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
        raise bad(f"The database refuses this search: {str(error).splitlines()[0][:200]}") from error
