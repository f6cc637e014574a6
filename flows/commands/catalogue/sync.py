"""``vadose catalog sync``: a catalogue into a PostgreSQL database with pgstac."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from downscaler.errors import ConfigError
from flows import console


def sync(
    context: typer.Context,
    catalog: Annotated[
        str | None, typer.Argument(metavar="[CATALOG]", help="Catalogue: a folder, file:// or s3://bucket/prefix.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Database, postgresql://user@host/name; without it VADOSE_PGSTAC_DSN.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the counts as JSON.")] = False,
) -> None:
    """Bring a pgstac database into step with a catalogue: only what changed is sent, what is gone goes."""
    from dataclasses import asdict

    from flows.settings import load_settings

    dsn = to or os.environ.get("VADOSE_PGSTAC_DSN")
    if dsn is None or not dsn.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "A database to fill is needed",
            value=dsn,
            allowed="postgresql://user:password@host:port/name",
            remedy="Give --to or set VADOSE_PGSTAC_DSN.",
        )
    uri = load_settings(context.obj.config, catalog=catalog).catalog
    from catalog.api.stac.pgsync import sync as bring_into_step

    done = bring_into_step(str(uri), dsn)
    if as_json:
        console.say(console.as_json(asdict(done)))
        return
    console.say(
        f"{done.collections} collections; {done.sent} items sent, {done.removed} removed, {done.unchanged} unchanged"
    )
