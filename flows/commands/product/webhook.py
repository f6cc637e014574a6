"""``vadose webhook``: listens for notifications of new granules."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from downscaler.errors import ConfigError
from flows import console


def webhook(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Listen for notifications of new granules and begin a run of daily/daily for each.

    Send `POST /granules` with `{"granule": "SMAP_L3_SM_P_E_20240523_R19240_001.h5"}` and the header
    `Authorization: Bearer TOKEN`; the token is that of VADOSE_WEBHOOK_TOKEN. PREFECT_API_URL names the server. Without
    notifications, the deployment `arrivals` asks NASA's search every half hour.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config)
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("No Prefect server is configured", remedy="Set PREFECT_API_URL=http://HOST:4200/api.")
    from flows.server.webhook import PATH, Listener, token

    try:
        listener = Listener(host, port, token(), settings.look_back)
    except OSError as error:
        raise ConfigError("Cannot listen on this address", value=f"{host}:{port}: {error.strerror}") from None
    console.say(f"http://{host}:{listener.server_port}{PATH}  (Ctrl-C to stop)")
    try:
        listener.serve_forever()
    except KeyboardInterrupt:
        listener.server_close()
