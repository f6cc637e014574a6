"""``vadose download``: days of a catalogue, near or far, into a folder that is a catalogue itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from flows import console


def _day(help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help=help_text)
    return made


Catalog = Annotated[
    str,
    typer.Argument(
        metavar="CATALOG",
        help="Address of a served catalogue or STAC API, a folder, file:// or s3://bucket/prefix.",
    ),
]
Bbox = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option(metavar="W S E N", help="Box in degrees: days whose footprint meets it; unset, all."),
]
Assets = Annotated[
    list[str] | None,
    typer.Option("--asset", metavar="NAME", help="Only this file of each day; may be repeated. Unset, all."),
]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", metavar="ID", help="Only this collection; may be repeated.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to download into.")]
Start = Annotated[dt.datetime | None, _day("First day; unset, all.")]
End = Annotated[dt.datetime | None, _day("Last day; unset, all.")]
Workers = Annotated[int, typer.Option(min=1, max=32, help="Files at a time.")]


def download(
    catalog: Catalog,
    out: Out,
    bbox: Bbox = None,
    start: Start = None,
    end: End = None,
    asset: Assets = None,
    collection: Collections = None,
    workers: Workers = 4,
) -> None:
    """Download days with their items into a folder that is a small catalogue itself.

    What is there whole is not brought again; what was cut goes on where it stopped. Files come whole: --bbox chooses
    days, it does not cut rasters.
    """
    from catalog.download.download import download as bring
    from catalog.download.query import Query

    query = Query(
        bbox=bbox,
        start=start.date() if start else None,
        end=end.date() if end else None,
        collections=tuple(collection or ()),
    )
    with console.progress_bar("bytes", remaining=True) as tell:
        done = bring(catalog, out, query, assets=asset or (), workers=workers, progress=tell)
    console.say(
        f"{out / 'catalog.json'}: {done.days} days; {done.brought} files brought "
        f"({done.nbytes / 1e6:.1f} MB), {done.present} were there"
    )
