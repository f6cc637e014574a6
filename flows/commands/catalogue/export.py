"""``vadose export``: items as NetCDF, collections as DataCite's and Croissant's metadata."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows import console
from flows.commands.options import DomainName, day_argument, ordered

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain

Of = Literal["analysis", "conserving", "percentile", "rootzone", "outlook", "3day", "weekly", "monthly"]
OfDays = Annotated[
    Of | None,
    typer.Option(
        metavar="KIND",
        help="analysis, conserving, percentile, rootzone, outlook, 3day, weekly or monthly; unset, the analyses or "
        "else the conserving days.",
    ),
]
Catalog = Annotated[str | None, typer.Option(metavar="CATALOG", help="Catalogue to read; unset, `catalog`.")]


def netcdf(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="NetCDF file to write.")],
    start: Annotated[dt.date, day_argument("START", "First UTC day.")],
    end: Annotated[dt.date | None, day_argument("END", "Last UTC day; unset, START alone.")] = None,
    of: OfDays = None,
    variable: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this variable; may be repeated.")
    ] = None,
    domain: DomainName = None,
    catalog: Catalog = None,
    contact: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Who publishes it, for the metadata; unset, `contact` or none.")
    ] = None,
) -> None:
    """Write published items as one NetCDF-4 file after CF 1.11 and ACDD 1.3, the numbers as in the GeoTIFFs."""
    from catalog.export.netcdf import export_netcdf
    from downscaler.ground.periods import periods
    from downscaler.product import kind_of
    from flows.settings import load_settings

    ordered(start, end)
    settings = load_settings(context.obj.config, domain=domain, catalog=catalog, contact=contact)
    target = chosen(settings.catalog, settings.domain, of)
    dates = periods(kind_of(target.name).length, start, end or start)
    number = export_netcdf(settings.catalog, target, dates, out, names=variable, contact=settings.contact)
    console.say(f"{out}: {number} items of {target.title}")


def metadata(
    context: typer.Context,
    form: Annotated[Literal["datacite", "croissant"], typer.Argument(metavar="FORM", help="datacite or croissant.")],
    of: OfDays = None,
    doi: Annotated[str | None, typer.Option(help="DOI to register (datacite); unset, one is asked for.")] = None,
    domain: DomainName = None,
    catalog: Catalog = None,
) -> None:
    """Print a collection's metadata as DataCite's REST API takes it, or in Croissant 1.0."""
    import hashlib
    import re

    from catalog.export.metadata import croissant, datacite
    from catalog.naming import collection_key
    from catalog.store.base import open_store
    from catalog.store.documents import parse_document
    from downscaler.errors import CatalogError, ConfigError
    from flows.settings import load_settings

    if doi is not None and not re.fullmatch(r"10\.\d{4,9}/\S+", doi):
        raise ConfigError("--doi is no DOI", value=doi, allowed="10.PREFIX/SUFFIX, such as 10.5281/zenodo.1234567")
    settings = load_settings(context.obj.config, domain=domain, catalog=catalog)
    store, target = open_store(settings.catalog), chosen(settings.catalog, settings.domain, of)
    key = collection_key(target.name)
    content = store.get(key)
    if content is None:
        raise CatalogError("The catalogue holds no such collection", value=f"{store.uri}/{key}")
    address = f"{(settings.catalog_url or store.uri).rstrip('/')}/{key}"
    document = parse_document(content, key)
    sha256 = hashlib.sha256(content).hexdigest()
    console.say_json(datacite(document, address, doi) if form == "datacite" else croissant(document, address, sha256))


def chosen(uri: str, name: str, of: Of | None) -> Domain:
    """The domain under whose name the items of a kind are published; raises CatalogError where there are none."""
    from catalog.reading.stack import source_of
    from downscaler import product

    ground = product.domain(name)
    if of in product.COMPOSITES:
        return product.under(product.COMPOSITES[of], ground)
    others = {"percentile": product.PERCENTILE, "rootzone": product.ROOT_ZONE, "outlook": product.OUTLOOK}
    return product.under(others[of], ground) if of in others else source_of(uri, ground, of)
