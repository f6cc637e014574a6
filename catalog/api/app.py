"""The application: all routes of the service, on the embedded search or on pgstac."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from catalog.api import files
from catalog.api.answers import REFUSALS, add_error_answers
from catalog.api.data import beside, cube, cuts, datasets, dates, tiles, timeseries
from catalog.api.data import values as value_routes
from catalog.api.data import zones as zone_routes
from catalog.api.limits import Limits
from catalog.api.limits import limits as read_limits
from catalog.api.metrics import add_metrics
from catalog.api.middleware import HEALTH, Compressed, Guard
from catalog.api.pages import add_pages
from catalog.api.stac.backends import add_stac
from catalog.api.stac.holdings import FRESH, Catalogue
from catalog.store.base import open_store
from downscaler import __version__, product
from downscaler.sources.zones import Layer

_EXPOSED = ["Accept-Ranges", "Content-Range", "Content-Length", "ETag", "Last-Modified"]


def create_app(
    uri: str | Path,
    *,
    backend: str = "embedded",
    dsn: str | None = None,
    public_url: str | None = None,
    browser: str | Path | None = None,
    zones: str | Path | None = None,
    named: Sequence[Layer] = (),
    weather: str | Path | None = None,
    readings: str | Path | None = None,
    fresh: float = FRESH,
    limits: Limits | None = None,
    empty: bool = False,
) -> FastAPI:
    """The service of a catalogue: files, STAC API, tiles, dates, time series and pages; read-only.

    Args:
        uri: the catalogue: a folder, ``file://`` or ``s3://bucket/prefix``.
        backend: what searches: ``embedded`` (rustac on the catalogue itself) or ``pgstac`` (a PostgreSQL database that
            ``vadose catalog sync`` fills).
        dsn: address of that database, ``postgresql://user:password@host:port/name``.
        public_url: address that the service is known by; without it, the one that the client used.
        browser: folder of a built STAC Browser.
        zones: folder of the series that ``vadose zones`` made.
        weather: weather store whose rain is shown beside series.
        readings: table of station readings that are shown beside series; the networks' terms decide whether they may.
        named: polygons whose names the map's search knows, beside those of ``browser``.
        limits: how much of the machine it may take; by default as the environment says.
        fresh: seconds after which the catalogue is looked at anew.
        empty: begin where no catalogue is yet; its days appear when they are published.

    Raises:
        CatalogError: there is no catalogue, or it cannot be read.
        ConfigError: the database's address is missing or is none.
        MissingExtraError: the backend's packages are not installed.
    """
    store = open_store(uri)
    allowed = limits or read_limits()
    catalogue = Catalogue(store, fresh=fresh, limits=allowed, empty=empty)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with app.state.backend(app):
            yield

    app = FastAPI(
        title=f"{product.TITLE}: catalogue",
        version=__version__,
        description="Daily 1 km² soil moisture: files, search, tiles and time series. Read-only.",
        openapi_url="/stac/api",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=REFUSALS,
        license_info={"name": product.LICENSE},
    )
    app.state.store, app.state.catalogue, app.state.limits = store, catalogue, allowed
    app.state.zones = Path(zones) if zones else None
    app.state.weather = Path(weather) if weather else None
    app.state.readings = Path(readings) if readings else None
    add_stac(app, backend, dsn)
    for part in (files, tiles, dates, timeseries, cube, zone_routes, datasets, value_routes, cuts, beside):
        app.include_router(part.router)
    _add_health(app)
    add_metrics(app, store)
    add_pages(app, Path(browser) if browser else None, named)
    add_error_answers(app)
    app.add_middleware(Compressed)
    app.add_middleware(Guard, limits=allowed, public_url=public_url)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    return app


def _add_health(app: FastAPI) -> None:
    own = CapacityLimiter(2)  # threads of its own: it answers while all others are at work

    @app.get(HEALTH, summary="Whether the service works")
    async def healthz() -> dict[str, Any]:
        """Status, version and what is served; HTTP 503 where the catalogue cannot be read."""
        held = await to_thread.run_sync(app.state.catalogue.now, limiter=own)
        return {
            "status": "ok",
            "version": __version__,
            "collections": len(held.collections),
            "items": len(held.entries),
        }
