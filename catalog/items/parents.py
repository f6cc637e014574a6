"""The catalogue above the items: root, collection, year, month, each rewritten from what it already links to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pystac

from catalog.items.assets import item_asset_definitions
from catalog.items.day import Footprint, render
from catalog.items.index import index_write
from catalog.items.schema import STAC_VERSION, extension_uri, validate
from catalog.naming import ROOT, DayName, collection_id, index_key
from catalog.rasters.thumbnail import colormap
from catalog.store.base import Store
from catalog.store.documents import Document, parse_json, serialise
from catalog.store.objects import Change, Write
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import CRS, Domain

_EXTENSIONS = ("classification", "projection", "raster", "render", "scientific")
_LICENSE_HREF = "https://creativecommons.org/licenses/by/4.0/"
VALIDATION = "vadose:validation"
"""What the newest validation found, as a field of the domain's collection."""
CUBE = "cube"
"""The asset of a collection that is its days as one cube."""
CUBE_EXTENSIONS = ("cf", "datacube", "zarr")
"""What a collection declares beside the others where that asset tells its axes and variables."""
KEPT = (VALIDATION, "assets")  # fields of a collection that do not come from its days


def parent_writes(store: Store, name: DayName, domain: Domain, item: Mapping[str, Any]) -> list[Write]:
    """What leads to an item, from the item upward: index, month, year, collection, root.

    As many objects whatever the archive holds. The index comes first: a day whose links are all there is indexed.
    """
    month, year = f"./{name.date:%m}/catalog.json", f"./{name.date:%Y}/catalog.json"
    in_month, in_year = month_document(name, domain), year_document(name, domain)
    month_link = link_entry("child", month, f"{name.date:%Y-%m}")
    year_link = link_entry("child", year, f"{name.date:%Y}")
    return [
        index_write(store, name.item_key, item),
        Write(key=name.month_key, content=linking(lambda _: in_month, item_link(name.item_id))),
        Write(key=name.year_key, content=linking(lambda _: in_year, month_link)),
        Write(key=name.collection_key, content=linking(lambda old: collection(domain, item, old), year_link)),
        root_write(link_entry("child", f"./{name.collection_key}", f"{product.TITLE}, {domain.title}")),
    ]


def month_document(name: DayName, domain: Domain) -> Document:
    """The catalogue of a day's month, without its items."""
    month = f"{name.date:%Y-%m}"
    up = {"root": "../../../catalog.json", "parent": "../catalog.json"}
    document = _catalog(f"{collection_id(domain.name)}-{month}", f"{product.TITLE}, {domain.title}, {month}", up)
    document["links"].append(index_link(name.item_key, month))
    return document


def year_document(name: DayName, domain: Domain) -> Document:
    """The catalogue of a day's year, without its months."""
    year = f"{name.date:%Y}"
    up = {"root": "../../catalog.json", "parent": "../collection.json"}
    return _catalog(f"{collection_id(domain.name)}-{year}", f"{product.TITLE}, {domain.title}, {year}", up)


def item_link(item_id: str) -> Document:
    """The link to an item from what it lies below."""
    return link_entry("item", f"./{item_id}/{item_id}.json", item_id, pystac.MediaType.GEOJSON)


def index_link(item_key: str, what: str) -> Document:
    """The link from a month to its file of the index."""
    href = f"../../{index_key(item_key).split('/', 1)[1]}"
    return link_entry("alternate", href, f"Items of {what} as STAC GeoParquet", "application/vnd.apache.parquet")


def root_write(link: Document) -> Write:
    """The root catalogue with one more child."""
    return Write(key=ROOT, content=linking(lambda _: root_document(), link))


def root_document() -> Document:
    """The root catalogue without its collections."""
    return _catalog(product.PRODUCT_NAME, product.TITLE, {"root": "./catalog.json"})


def link_entry(rel: str, href: str, title: str, kind: str = pystac.MediaType.JSON) -> Document:
    """A STAC link."""
    return {"rel": rel, "href": href, "type": str(kind), "title": title}


def _catalog(identifier: str, title: str, up: Mapping[str, str]) -> Document:
    return {
        "type": "Catalog",
        "id": identifier,
        "stac_version": STAC_VERSION,
        "title": title,
        "description": f"{title}: volumetric surface soil moisture of every published day.",
        "links": [link_entry(rel, href, product.TITLE) for rel, href in up.items()],
    }


def linking(build: Callable[[Document | None], Document], link: Document) -> Change:
    """A change that rebuilds a document and keeps its old item and child links beside the new one, sorted."""

    def change(before: bytes | None) -> bytes:
        old = parsed(before)
        document = build(old)
        kept = [entry for entry in (old or {}).get("links", []) if entry.get("rel") in ("item", "child")]
        linked = {entry["href"]: entry for entry in [*kept, link]}
        document = document | {"links": document["links"] + [linked[href] for href in sorted(linked)]}
        validate(document)
        return serialise(document)

    return change


def parsed(content: bytes | None) -> Document | None:
    """A catalogue file's document, None where there is none; raises CatalogError where it is no JSON."""
    if content is None:
        return None
    try:
        document = parse_json(content)
    except ValueError as error:
        raise CatalogError(
            "A catalogue, collection or month is not valid JSON",
            value=error,
            remedy="`vadose catalog check --repair` tells which and makes it anew.",
        ) from error
    return document if isinstance(document, dict) else None


def collection(domain: Domain, item: Mapping[str, Any], old: Document | None = None) -> Document:
    """A domain's collection, written anew from the product.

    ``old`` lends its time span, whether data are simulated, what validation found, and the cube.
    Raises CatalogError when ``old`` describes another window under the same name.
    """
    box = domain.geobox()
    grid = {"proj:code": [CRS], "proj:shape": [[box.shape.y, box.shape.x]], "proj:transform": [list(box.transform)[:6]]}
    summaries = (old or {}).get("summaries", {})
    if summaries.get("proj:transform", grid["proj:transform"]) != grid["proj:transform"]:
        raise CatalogError(
            f"The catalogue already holds another domain named {domain.name!r}",
            value=summaries["proj:transform"],
            allowed=f"{grid['proj:transform']}",
            remedy="Publish to another catalogue or rename the domain.",
        )
    simulated = sorted({*summaries.get("vadose:simulated", []), item["properties"]["vadose:simulated"]})
    label = f" ({product.SIMULATED_LABEL})" if simulated == [True] else ""
    title = f"{product.TITLE}, {domain.title}{label}"
    kind = product.kind_of(domain.name)
    return {
        "type": "Collection",
        "id": collection_id(domain.name),
        "stac_version": STAC_VERSION,
        "stac_extensions": extensions_with((old or {}).get("assets", {})),
        "title": title,
        "description": f"{title}. {product.describe_days(domain.name)} {kind.lineage} {product.DEPTH_NOTE}",
        "keywords": [
            "soil moisture",
            "SMAP",
            "ParFlow-CLM",
            "downscaling",
            "1 km",
            *([label.strip(" ()")] if label else []),
        ],
        "license": product.LICENSE,
        "providers": [{"name": "vadose", "description": product.TITLE, "roles": ["producer", "processor"]}],
        "extent": _extent(domain, item, old),
        "summaries": grid | _summaries(simulated),
        "item_assets": item_asset_definitions(domain.name),
        "renders": {kind.variables[0].name: render(domain.name) | {"colormap": colormap(domain.name)}},
        "sci:publications": [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}],
        **{key: value for key, value in (old or {}).items() if key in KEPT},
        "links": [
            link_entry("root", "../catalog.json", product.TITLE),
            link_entry("parent", "../catalog.json", product.TITLE),
            {"rel": "license", "href": _LICENSE_HREF, "title": product.LICENSE},
            {"rel": "cite-as", "href": f"https://doi.org/{product.METHOD_DOI}", "title": product.METHOD_CITATION},
        ],
    }


def extensions_with(assets: Mapping[str, Any]) -> list[str]:
    """The extensions that a collection with these assets of its own declares."""
    described = "cube:dimensions" in assets.get(CUBE, {})
    return [extension_uri(name) for name in sorted([*_EXTENSIONS, *(CUBE_EXTENSIONS if described else ())])]


def _summaries(simulated: list[bool]) -> Document:
    return {
        "gsd": [round(product.GRID.cell, 3)],
        "vadose:simulated": simulated,
        "vadose:product_version": [product.PRODUCT_VERSION],
        "vadose:interval": [product.INTERVAL],
    }


def _extent(domain: Domain, item: Mapping[str, Any], old: Document | None) -> Document:
    """The domain's box, and the time from the first to the last published day."""
    start, end = item["properties"]["start_datetime"], item["properties"]["end_datetime"]
    if old is not None:
        earlier, later = old["extent"]["temporal"]["interval"][0]
        start, end = min(start, earlier), max(end, later)
    return {"spatial": {"bbox": [Footprint.of(domain).bbox]}, "temporal": {"interval": [[start, end]]}}
