"""``vadose cube``: a collection's published days as one Zarr cube, beside the GeoTIFFs and in step with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import CubeError
from flows import console
from flows.commands.options import CatalogAddress, Collections, Json

if TYPE_CHECKING:
    from catalog.cube.update import CubeUpdate

KeepDays = Annotated[float, typer.Option(min=0.0, max=3650.0, help="Days for which replaced snapshots stay readable.")]


def cube_build(
    context: typer.Context,
    catalog: CatalogAddress = None,
    collection: Collections = None,
    keep_days: KeepDays = 7.0,
    json: Json = False,
) -> None:
    """Build a Zarr cube of each collection's days, or resume an interrupted build. Current days are left alone.

    The cube takes about as much space as the GeoTIFFs. Readers only ever see complete commits.
    """
    _update(context, catalog, collection or (), keep_days, create=True, json=json)


def cube_update(
    context: typer.Context,
    catalog: CatalogAddress = None,
    collection: Collections = None,
    keep_days: KeepDays = 7.0,
    json: Json = False,
) -> None:
    """Update existing cubes with new days, new revisions and withdrawn days. Builds no new cube."""
    _update(context, catalog, collection or (), keep_days, create=False, json=json)


def _update(
    context: typer.Context, catalog: str | None, wanted: Sequence[str], keep_days: float, *, create: bool, json: bool
) -> None:
    from catalog.cube.repository import exists
    from catalog.cube.update import collections_with_days, update_cube
    from flows.settings import load_settings

    uri = load_settings(context.obj.config, catalog=catalog).catalog
    found = collections_with_days(uri)
    unknown = [name for name in wanted if name not in found]
    if unknown or not found:
        raise CubeError(
            "The catalogue has no such collection with published days",
            value=", ".join(unknown) or uri,
            allowed=sorted(found) or "a catalogue with published days",
            remedy=None if found else "Publish a day with `vadose run`.",
        )
    named = wanted or [name for name in found if create or exists(uri, name)]
    if not named:
        raise CubeError(
            "No collection of the catalogue has a cube", value=uri, remedy="Build one with `vadose cube build`."
        )
    done = []
    for name in named:
        with console.progress_bar(name) as tell:
            keep = dt.timedelta(days=keep_days)
            done.append(update_cube(uri, name, found[name], create=create, keep=keep, progress=tell))
    if json:
        console.say_json([asdict(update) for update in done])
        return
    for update in done:
        console.say(_line(update))


def _line(update: CubeUpdate) -> str:
    changes = [
        f"{len(days)} days {what} ({days[0]} to {days[-1]})"
        for what, days in (("written", update.written), ("emptied", update.emptied))
        if days
    ]
    return f"{update.collection}: {', '.join(changes) or 'nothing to do'}; {update.days} days in the cube"
