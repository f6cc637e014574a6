"""``vadose serve``: a catalogue folder over HTTP, with the range requests that COG readers make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import CatalogError, ConfigError
from flows import console

if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

    from starlette.applications import Starlette
    from uvicorn import Server


def serve(
    context: typer.Context,
    catalog: Annotated[str | None, typer.Argument(metavar="[CATALOG]", help="Catalogue folder.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
) -> None:
    """Serve a local catalogue over HTTP for browsers, QGIS and GDAL (Ctrl-C ends it)."""
    from flows.settings import load_settings

    folder = catalog_folder(load_settings(context.obj.config, catalog=catalog).catalog)
    running, socket = server(folder, host, port)
    console.say(f"http://{host}:{socket.getsockname()[1]}/catalog.json  (Ctrl-C ends it)")
    running.run(sockets=[socket])


def server(folder: Path, host: str, port: int) -> tuple[Server, Socket]:
    """A server of the folder and the socket it is bound to; raises ConfigError when the address is taken."""
    import socket

    import uvicorn

    try:
        bound = socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(
            "Cannot listen there", value=f"{host}:{port}: {error.strerror}", remedy="Give another --port; 0 takes any."
        ) from None
    config = uvicorn.Config(application(folder), log_level="warning", ws="none", lifespan="off")
    return uvicorn.Server(config), bound


def catalog_folder(catalog: str) -> Path:
    """The folder of a local catalogue; raises ConfigError for a remote one, CatalogError where there is none."""
    folder = Path(catalog.removeprefix("file://"))
    if "://" in str(catalog) and not catalog.startswith("file://"):
        raise ConfigError("Only a local catalogue can be served", value=catalog, allowed="a folder or file://")
    if not (folder / "catalog.json").is_file():
        raise CatalogError(
            "No catalogue is there", value=folder / "catalog.json", remedy="`vadose demo` or `vadose run` makes one."
        )
    return folder


def application(folder: Path) -> Starlette:
    """Static files with range support, readable by web pages of other origins (STAC browsers)."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    exposed = ["Accept-Ranges", "Content-Range", "Content-Length", "ETag"]
    cors = Middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "HEAD"], allow_headers=["*"], expose_headers=exposed
    )
    start = Route("/", lambda _request: RedirectResponse("/catalog.json"))
    return Starlette(routes=[start, Mount("/", StaticFiles(directory=folder))], middleware=[cors])
