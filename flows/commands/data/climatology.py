"""``vadose climatology build``: SMAP's own climatology, used to match SMAP to the prior."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from downscaler.errors import ConfigError
from flows import console
from flows.commands.options import DomainName, Granules, day_option
from flows.commands.options import period as period_of

if TYPE_CHECKING:
    from downscaler.method.seasonal import CoarseStatistics
    from downscaler.records import InputRecord


def climatology_build(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="NetCDF file to write.")],
    granules: Granules = None,
    domain: DomainName = None,
    product: Annotated[
        str | None, typer.Option(metavar="NAME", help="SMAP product to use; unset, the finest one in the folder.")
    ] = None,
    start: Annotated[dt.date | None, day_option("First day to use; unset, all.")] = None,
    end: Annotated[dt.date | None, day_option("Last day to use; unset, all.")] = None,
) -> None:
    """Compute SMAP's climatology on a domain: mean, spread and quantiles by coarse cell and season.

    Reads all granules of the folder and uses recommended retrievals only. A granule that cannot be read is reported
    and left out.
    """
    from flows.settings import load_settings

    settings = load_settings(context.obj.config, domain=domain, granules=granules, smap_product=product)
    if settings.granules is None:
        raise ConfigError("A climatology needs SMAP granules", remedy="Give --granules DIR, or set `granules`.")
    period = period_of(start, end)
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
