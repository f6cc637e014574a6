"""``vadose automations``: alerts to operators, created or updated on a Prefect server."""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated

import typer

from downscaler.errors import ConfigError
from flows import console


def automations(
    context: typer.Context,
    block: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE/NAME", help="Notification block; unset, `notification_block`, else no notification is sent."
        ),
    ] = None,
    silent_days: Annotated[float, typer.Option(min=0.1, help="Alert after this many days without a new item.")] = 4.0,
    failed_days: Annotated[
        int, typer.Option(min=1, help="Alert when this many days failed, each for the first time ...")
    ] = 3,
    within_days: Annotated[float, typer.Option(min=0.1, help="... within this many days.")] = 4.0,
) -> None:
    """Create or update alerts on the Prefect server that PREFECT_API_URL names.

    Alerts: no new item for days, several failed days, a validation whose gain is below `validation_gain`. A further
    automation marks a run as crashed when its process stops sending heartbeats.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config)
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError(
            "No Prefect server is configured",
            remedy="Start one with `prefect server start` and set PREFECT_API_URL=http://127.0.0.1:4200/api.",
        )
    from flows.server.automations import Bounds, apply

    bounds = Bounds(
        silent=dt.timedelta(days=silent_days),
        failed_days=failed_days,
        failed_within=dt.timedelta(days=within_days),
    )
    chosen = block or settings.notification_block
    for name, done in apply(bounds, chosen):
        console.say(f"{name}: {done}")
    console.say(f"notifications go to {chosen}" if chosen else "no notifications are sent: give --block TYPE/NAME")
