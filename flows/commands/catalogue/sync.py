"""``vadose catalog sync``: a catalogue into a PostgreSQL database with pgstac."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import CatalogAddress, Json


def sync(
    context: typer.Context,
    catalog: CatalogAddress = None,
    to: Annotated[
        str | None, typer.Option(help="pgstac database, postgresql://user@host/name; unset, VADOSE_PGSTAC_DSN.")
    ] = None,
    json: Json = False,
) -> None:
    """Synchronise a pgstac database with a catalogue: sends changed items, removes deleted ones."""
    from dataclasses import asdict

    from flows.settings import load_settings

    dsn = to or os.environ.get("VADOSE_PGSTAC_DSN")
    if dsn is None or not dsn.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "No pgstac database is given",
            value=dsn,
            allowed="postgresql://user:password@host:port/name",
            remedy="Give --to or set VADOSE_PGSTAC_DSN.",
        )
    uri = load_settings(context.obj.config, catalog=catalog).catalog
    from catalog.api.stac.pgsync import sync as bring_into_step

    done = bring_into_step(str(uri), dsn)
    if json:
        console.say_json(asdict(done))
        return
    console.say(
        f"{done.collections} collections; {done.sent} items sent, {done.removed} removed, {done.unchanged} unchanged"
    )
