"""``vadose climatology build``: SMAP's own climatology, by which its values are matched to the prior's."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.data.build import DomainName

if TYPE_CHECKING:
    from downscaler.method.seasonal import CoarseStatistics
    from downscaler.records import InputRecord


def _day(help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help=help_text)
    return made


def climatology_build(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="NetCDF file to write.")],
    granules: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with SMAP granules.")] = None,
    domain: DomainName = None,
    product: Annotated[
        str | None, typer.Option(metavar="NAME", help="SMAP product to take; unset, the finest one in the folder.")
    ] = None,
    start: Annotated[dt.datetime | None, _day("First day to take; unset, all.")] = None,
    end: Annotated[dt.datetime | None, _day("Last day to take; unset, all.")] = None,
) -> None:
    """Gather SMAP's climatology on a domain: level, spread and quantiles by coarse cell and season.

    All granules of the folder are read, recommended retrievals alone count; a granule that cannot be read is
    reported and left out.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, granules=granules, smap_product=product)
    if settings.granules is None:
        raise ConfigError("A climatology needs SMAP granules", remedy="Give --granules DIR, or set `granules`.")
    first, last = (moment.date() if moment else None for moment in (start, end))
    if first and last and last < first:
        raise ConfigError("The period ends before it starts", value=f"{first} to {last}")
    period = (first or dt.date.min, last or dt.date.max) if first or last else None
    made, _ = make_climatology(settings.granules, settings.domain, out, product=settings.smap_product, period=period)
    console.say(f"climatology of {made.inputs} granules, {made.title}, on {made.domain.name}: {out}")
    for note in made.notes:
        console.say(f"  {note}")


def make_climatology(
    granules: Path,
    domain: str,
    out: Path,
    *,
    product: str | None = None,
    period: tuple[dt.date, dt.date] | None = None,
) -> tuple[CoarseStatistics, InputRecord]:
    """SMAP's climatology on a named domain, stored at ``out``, with a progress bar."""
    from downscaler import product as products
    from downscaler.stores.climatology import save_statistics, smap_statistics

    where = products.domain(domain)
    with console.progress_bar("reading granules") as tell:
        made = smap_statistics(granules, where, short_name=product, period=period, progress=tell)
    return made, save_statistics(made, out)
