"""The pages: the map, STAC Browser if it was built, and a plain list of addresses."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from catalog.api.boundaries import COUNTIES, FILE, PLACES, boundaries, counties, places
from downscaler.sources.zones import Layer

VIEWER = Path(__file__).resolve().parent.parent / "viewer"
_UNBUILT = (
    "<p>STAC Browser is not installed. From a checkout with Node.js, <code>make browser</code> builds it; then start "
    '<code>vadose serve</code> again.</p><p>Until then: <a href="../">the map</a>, '
    '<a href="../catalog/catalog.json">the catalogue\'s files</a>, <a href="../stac/">the STAC API</a>.</p>'
)


def add_pages(app: FastAPI, browser: Path | None, named: Sequence[Layer] = ()) -> None:
    """Add ``/``, ``/viewer/``, ``/browser/`` and the description of the interface to an application."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def start() -> Response:
        page = VIEWER / "index.html"
        return FileResponse(page) if page.is_file() else HTMLResponse(_page("vadose", _routes(app)))

    @router.get("/stac/api.html", name="swagger_ui_html")
    def interface(request: Request) -> Response:
        return HTMLResponse(_page("Interface", _routes(app)))

    lines = functools.cache(boundaries)

    @router.get(f"/viewer/{FILE}")
    def outlines() -> Response:
        return Response(lines(browser), media_type="application/json", headers={"Cache-Control": "max-age=3600"})

    near = functools.lru_cache(maxsize=2)(counties)

    @router.get(f"/viewer/{COUNTIES}")
    def county_lines() -> Response:
        held = app.state.catalogue.now()
        boxes = {tuple(one[1]["extent"]["spatial"]["bbox"][0]) for one in held.collections.values()}
        content = near(tuple(sorted(boxes)))
        return Response(content, media_type="application/json", headers={"Cache-Control": "max-age=3600"})

    names = functools.cache(places)

    @router.get(f"/viewer/{PLACES}")
    def gazetteer() -> Response:
        return Response(
            names(browser, tuple(named)), media_type="application/json", headers={"Cache-Control": "max-age=3600"}
        )

    app.include_router(router)
    if VIEWER.is_dir():
        app.mount("/viewer", StaticFiles(directory=VIEWER))
    if browser is not None and (browser / "index.html").is_file():
        app.mount("/browser", StaticFiles(directory=browser, html=True))
        return

    @app.get("/browser/", include_in_schema=False)
    def unbuilt() -> Response:
        return HTMLResponse(_page("STAC Browser", _UNBUILT), status_code=404)


def _routes(app: FastAPI) -> str:
    """A list of the addresses and what they answer."""
    shown = sorted(
        {
            (route["path"], route["summary"])
            for route in (
                {"path": path, "summary": next(iter(methods.values())).get("summary", "")}
                for path, methods in app.openapi()["paths"].items()
            )
        }
    )
    lines = "".join(f"<li><code>{html.escape(path)}</code> {html.escape(summary)}</li>" for path, summary in shown)
    return f'<p>The OpenAPI description is at <a href="/stac/api">/stac/api</a>.</p><ul>{lines}</ul>'


def _page(title: str, body: str) -> str:
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    main = f"<main><h1>{html.escape(title)}</h1>{body}</main>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{main}</body></html>'
