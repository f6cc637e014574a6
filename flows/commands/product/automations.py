"""``vadose automations``: what has to reach an operator, made or brought up to date on Prefect's server."""

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
        typer.Option(metavar="TYPE/NAME", help="Notification block; unset, `notification_block`, else nobody is told."),
    ] = None,
    silent_days: Annotated[float, typer.Option(min=0.1, help="Days without a new item.")] = 4.0,
    failed_days: Annotated[int, typer.Option(min=1, help="Days that failed, each for the first time.")] = 3,
    within_days: Annotated[float, typer.Option(min=0.1, help="Days within which they failed.")] = 4.0,
) -> None:
    """Make or update the automations on the Prefect server that PREFECT_API_URL names.

    They tell of: no new item for days, days that failed, a validation whose gain is below `validation_gain`; and they
    mark a run as crashed whose process fell silent.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config)
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError(
            "No Prefect server is named",
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
    console.say(f"they notify through {chosen}" if chosen else "they fire, and notify nobody: give --block TYPE/NAME")
