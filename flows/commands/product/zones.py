"""``vadose zones``: daily means over polygons, as Parquet."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console
from flows.commands.options import DomainName, day_option, ordered

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain

Kind = Literal["analysis", "conserving", "3day", "weekly", "monthly", "percentile", "rootzone"]


def zones(
    context: typer.Context,
    layer: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Polygons: GeoJSON, GeoPackage or GeoParquet; `states` or `counties` of the USA where the extra "
            "`places` is installed.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the series, one file a year in DIR/LAYER.")
    ] = Path("build/zones"),
    start: Annotated[dt.date | None, day_option("First UTC day; unset, the first that is published.")] = None,
    end: Annotated[dt.date | None, day_option("Last UTC day; unset, the last that is published.")] = None,
    id_field: Annotated[
        str | None, typer.Option(help="Attribute that identifies a polygon; unset, GEOID, HUC8 ...")
    ] = None,
    name_field: Annotated[str | None, typer.Option(help="Attribute that names a polygon; unset, NAME ...")] = None,
    of: Annotated[
        Kind | None,
        typer.Option(
            metavar="DAYS",
            help="analysis, conserving, 3day, weekly, monthly, percentile or rootzone; unset, the analyses or else the "
            "conserving days.",
        ),
    ] = None,
    domain: DomainName = None,
    catalog: Annotated[str | None, typer.Option(metavar="CATALOG", help="Catalogue to read; unset, `catalog`.")] = None,
    zone: Annotated[str | None, typer.Option(help="Print this zone's series as CSV at the end.")] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="GeoTIFF of crops or land cover: only such ground counts.")
    ] = None,
    mask_class: Annotated[
        list[int] | None,
        typer.Option(metavar="VALUE", help="Value of --mask that counts; may be repeated; unset, all but 0."),
    ] = None,
) -> None:
    """Average the published days over polygons, with exact area weights, spread and uncertainty, as Parquet.

    Of percentiles the share of each drought and wet class too, of root zones plant-available water. Series of these and
    of composites lie in folders of their own, such as DIR/LAYER-percentile and DIR/LAYER-weekly.

    Only days that were published, replaced or withdrawn since the last run are worked on. Polygons may be counties,
    watersheds, fields or any others; those outside the domain get a cover of 0 and no value.
    """
    from catalog.reading.stack import span_of
    from downscaler.errors import ConfigError
    from downscaler.sources.landcover import read_mask
    from downscaler.sources.zones import read_layer
    from flows.derived.series import layer_named
    from flows.derived.zones import make_zones, series_name
    from flows.settings import load_settings

    ordered(start, end)
    if mask_class and mask is None:
        raise ConfigError("--mask-class needs a mask", remedy="Give --mask FILE.")
    settings = load_settings(context.obj.config, domain=domain, catalog=catalog)
    source = _source(settings.catalog, settings.domain, of)
    polygons = read_layer(layer, id_field, name_field) if id_field or name_field else layer_named(str(layer))
    first, last = span_of(settings.catalog, source)
    first, last = start or first, end or last
    dates = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    with console.progress_bar(f"{len(polygons.zones)} zones") as tell:
        seen = itertools.count(1)
        counts = None if mask is None else read_mask(mask, source, tuple(mask_class or ()))
        done = make_zones(
            settings.catalog, source, polygons, out, dates, mask=counts, hear=lambda _: tell(next(seen), len(dates))
        )
    told = f"{len(done.made)} made, {len(done.removed)} removed, {done.stood} stood"
    zones = f"{done.zones} zones" if done.inside == done.zones else f"{done.inside} of {done.zones} zones"
    console.say(f"{zones}, {source.title}, {first} to {last}: {told}; {done.folder}")
    if zone is not None:
        _print(out, series_name(polygons.name, source), zone)


def _source(uri: str, name: str, of: Kind | None) -> Domain:
    """The domain whose items are averaged."""
    from catalog.reading.stack import source_of
    from downscaler import product

    ground = product.domain(name)
    kinds = {**product.COMPOSITES, "percentile": product.PERCENTILE, "rootzone": product.ROOT_ZONE}
    return product.under(kinds[of], ground) if of in kinds else source_of(uri, ground, of)


def _print(folder: Path, layer: str, zone: str) -> None:
    """A zone's series as CSV on standard output."""
    import csv
    import sys

    from downscaler.stores.zones import is_simulated, read_zone

    table, writer = read_zone(folder, layer, zone), csv.writer(sys.stdout, lineterminator="\n")
    simulated = str(is_simulated(folder, layer)).lower()  # of every line, so that a table that is cut keeps it
    writer.writerow([*table.schema.names, "simulated"])
    for row in table.to_pylist():
        shown = [f"{value:.5g}" if isinstance(value, float) else value for value in row.values()]
        writer.writerow([*shown, simulated])
