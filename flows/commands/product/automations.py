"""``vadose automations``: alerts to operators, created or updated on a Prefect server."""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated, Any

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
    silent_days: Annotated[
        float | None, typer.Option(min=0.1, help="Alert after this many days without a new item; at first 4.")
    ] = None,
    failed_days: Annotated[
        int | None,
        typer.Option(min=1, help="Alert when this many days failed, each for the first time ...; at first 3."),
    ] = None,
    within_days: Annotated[float | None, typer.Option(min=0.1, help="... within this many days; at first 4.")] = None,
) -> None:
    """Create or update alerts on the Prefect server that PREFECT_API_URL names.

    Alerts: no new item for days, several failed days, a validation whose gain is below `validation_gain`. A further
    automation marks a run as crashed when its process stops sending heartbeats. What is not given stays as it stands on
    the server, and a paused automation stays paused.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config)
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError(
            "No Prefect server is configured",
            remedy="Start one with `prefect server start` and set PREFECT_API_URL=http://127.0.0.1:4200/api.",
        )
    from flows.server.automations import Bounds, apply

    told: dict[str, Any] = {
        "silent": silent_days and dt.timedelta(days=silent_days),
        "failed_days": failed_days,
        "failed_within": within_days and dt.timedelta(days=within_days),
    }
    given = {name: value for name, value in told.items() if value is not None}
    chosen = block or settings.notification_block
    for name, done in apply(Bounds(**given), chosen, told=given.keys()):
        console.say(f"{name}: {done}")
    told_where = "new automations send no notifications: give --block TYPE/NAME to change that"
    console.say(f"notifications go to {chosen}" if chosen else told_where)
