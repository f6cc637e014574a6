"""``vadose download``: days of a local or remote catalogue into a folder that is itself a catalogue."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.commands.options import Collections, day_option, ordered

Catalog = Annotated[
    str,
    typer.Argument(
        metavar="CATALOG",
        help="Address of a served catalogue or STAC API, a folder, file:// or s3://bucket/prefix.",
    ),
]
Bbox = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option(metavar="W S E N", help="Box in degrees; selects days whose footprint intersects it. Unset, all."),
]
Assets = Annotated[
    list[str] | None,
    typer.Option("--asset", metavar="NAME", help="Only this file of each day; may be repeated. Unset, all."),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to download into.")]
Start = Annotated[dt.date | None, day_option("First day; unset, all.")]
End = Annotated[dt.date | None, day_option("Last day; unset, all.")]
Workers = Annotated[int, typer.Option(min=1, max=32, help="Files downloaded at the same time.")]
AllowHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME[:PORT]",
        help="Host beside the catalogue's own that its links may lead to; may be repeated.",
    ),
]


def download(
    catalog: Catalog,
    out: Out,
    bbox: Bbox = None,
    start: Start = None,
    end: End = None,
    asset: Assets = None,
    collection: Collections = None,
    workers: Workers = 4,
    allow_host: AllowHosts = None,
) -> None:
    """Download days with their items into a folder that is itself a small catalogue.

    Complete files are not downloaded again; interrupted ones resume. Whole files are downloaded: --bbox selects days,
    it does not crop rasters. Only the catalogue's own host and port are asked, and hosts that --allow-host names.
    """
    from catalog.download.download import download as bring
    from catalog.download.query import Query

    first, last = ordered(start, end)
    query = Query(bbox=bbox, start=first, end=last, collections=tuple(collection or ()))
    with console.progress_bar("bytes", remaining=True) as tell:
        done = bring(
            catalog, out, query, assets=asset or (), workers=workers, progress=tell, allow_hosts=allow_host or ()
        )
    console.say(
        f"{out / 'catalog.json'}: {done.days} {'item' if done.days == 1 else 'items'}; {done.brought} files downloaded "
        f"({done.nbytes / 1e6:.1f} MB), {done.present} already present"
    )
