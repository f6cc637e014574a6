"""``vadose serve``: a catalogue over HTTP: its files, a STAC API, map tiles, time series and pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError, MissingExtraError, StationError, ZoneError
from flows import console
from flows.commands.options import CatalogAddress

if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

    from fastapi import FastAPI

    from catalog.api.connections import Server
    from downscaler.sources.zones import Layer

BROWSER = Path(__file__).resolve().parents[3] / "build" / "browser"
_PATIENCE = 10  # seconds for open requests to finish after Ctrl-C


def serve(
    context: typer.Context,
    catalog: CatalogAddress = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    backend: Annotated[
        str, typer.Option(help="Search backend: embedded, or pgstac (filled by `vadose catalog sync`).")
    ] = "embedded",
    dsn: Annotated[
        str | None,
        typer.Option(help="pgstac database, postgresql://user@host/name; unset, VADOSE_PGSTAC_DSN."),
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="Public address of the service, behind a proxy.")] = None,
    zones: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Folder of series made by `vadose zones`, to serve too."),
    ] = None,
    places: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Polygons that the map's search knows by name and identifier, such as counties or HUCs: GeoJSON, "
            "GeoPackage or GeoParquet; may be repeated.",
        ),
    ] = None,
    weather: Annotated[
        Path | None,
        typer.Option(metavar="WEATHER", help="Weather store whose rain the map shows beside series; unset, `weather`."),
    ] = None,
    readings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Station readings to show beside series: readings.parquet of `vadose validate`. The networks' terms "
            "decide whether you may.",
        ),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Begin where no catalogue is yet; its days appear when they are published.")
    ] = False,
) -> None:
    """Serve a catalogue over HTTP: map, STAC API, map tiles, time series, and the files with range requests."""
    from downscaler.sources.insitu import table
    from downscaler.sources.zones import read_layer
    from downscaler.stores.weather import open_weather
    from flows.settings import load_settings

    named = [read_layer(file) for file in places or ()]
    if readings is not None and not table.claims(readings):
        raise StationError("This is no table of readings", value=readings, allowed="readings.parquet of `validate`")
    if zones is not None and not empty and not zones.is_dir():
        raise ZoneError(
            "There is no folder of series of zones", value=zones, remedy="Make it first: vadose zones FILE."
        )
    settings = load_settings(context.obj.config, catalog=catalog, weather=weather)
    if settings.weather is not None and not empty:
        open_weather(settings.weather)  # a store that is none is told now, not to whoever asks for rain
    uri = settings.catalog
    dsn = dsn or os.environ.get("VADOSE_PGSTAC_DSN")
    app = application(
        str(uri),
        backend=backend,
        dsn=dsn,
        public_url=public_url,
        zones=zones,
        named=named,
        weather=settings.weather,
        readings=readings,
        empty=empty,
    )
    running, socket = server(app, host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{socket.getsockname()[1]}"
    console.say(f"{address}/  (Ctrl-C to stop)")
    console.say(f"{address}/stac/  STAC API for QGIS, pystac-client and odc-stac")
    sys.stdout.flush()  # into a log at once, not when the service ends
    running.run(sockets=[socket])


def application(
    uri: str,
    *,
    backend: str = "embedded",
    dsn: str | None = None,
    public_url: str | None = None,
    zones: Path | None = None,
    named: Sequence[Layer] = (),
    weather: Path | None = None,
    readings: Path | None = None,
    empty: bool = False,
) -> FastAPI:
    """The service of a catalogue; raises MissingExtraError where its packages are not installed."""
    try:
        from catalog.api import create_app
    except ImportError as error:
        raise MissingExtraError(
            "Serving needs packages that are not installed", value=error.name, remedy="pip install 'vadose[serve]'"
        ) from None
    return create_app(
        uri,
        backend=backend,
        dsn=dsn,
        public_url=public_url,
        browser=BROWSER,
        zones=zones,
        named=named,
        weather=weather,
        readings=readings,
        empty=empty,
    )


def server(app: FastAPI, host: str, port: int) -> tuple[Server, Socket]:
    """A server of an application and the socket it is bound to; raises ConfigError when the address is taken."""
    import socket

    from catalog.api.connections import QUEUE, Server, server_config

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=QUEUE)
    except OSError as error:
        raise ConfigError(
            "Cannot listen on this address",
            value=f"{host}:{port}: {error.strerror}",
            remedy="Choose another --port; 0 takes a free one.",
        ) from None
    config = server_config(app, app.state.limits, log_level="warning", timeout_graceful_shutdown=_PATIENCE)
    return Server(config), bound
