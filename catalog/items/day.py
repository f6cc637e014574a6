"""The STAC item of one day, derived from the product's declaration, the run's record and the finished files."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pystac
from pyproj import Transformer

from catalog.items.assets import FileFacts, data_asset, multihash, other_assets
from catalog.items.provenance import fingerprint, software
from catalog.items.schema import extension_uri
from catalog.naming import DayName, collection_id, revision_folder
from catalog.rasters.cog import Raster
from catalog.rasters.thumbnail import look_of
from downscaler import __version__, product
from downscaler.errors import CatalogError
from downscaler.ground.grid import CRS, M36, Domain, Span, Window
from downscaler.records import InputRecord, RunRecord

EXTENSIONS = (
    "classification",
    "file",
    "processing",
    "projection",
    "raster",
    "render",
    "scientific",
    "timestamps",
    "version",
)
REASON = "vadose:withdrawn"
"""Why a day was withdrawn; an item without it was not."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """A domain's outline in longitude and latitude; a rectangle, as the grid is cylindrical."""

    bbox: list[float]
    geometry: dict[str, Any]

    @classmethod
    def of(cls, domain: Domain) -> Footprint:
        """Outline of a domain, to 1e-6 degrees."""
        box = domain.geobox().extent.boundingbox
        to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
        corners = to_degrees.transform([box.left, box.right], [box.bottom, box.top])
        (west, east), (south, north) = ([round(float(v), 6) for v in axis] for axis in corners)
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return cls(bbox=[west, south, east, north], geometry={"type": "Polygon", "coordinates": [ring]})


def is_withdrawn(item: Mapping[str, Any]) -> bool:
    """Whether an item's day was withdrawn."""
    return withdrawn(item) is not None


def withdrawn(item: Mapping[str, Any]) -> str | None:
    """Why an item's day was withdrawn; None where it was not."""
    reason = item.get("properties", {}).get(REASON)
    return None if reason is None else str(reason)


def domain_of(item: Mapping[str, Any]) -> Domain:
    """The domain of a published day's item, from its collection, title and grid.

    Raises CatalogError where the item's grid or identifier is not that of a day of this product.
    """
    name, properties = DayName.of_item(item), item["properties"]
    shape, transform = properties["proj:shape"], properties["proj:transform"][:6]
    left, top = (round(side) for side in ~M36.transform @ (transform[2], transform[5]))
    height, width = (round(side / product.GRID.per_m36) for side in shape)
    window = Window(rows=Span(start=top, stop=top + height), columns=Span(start=left, stop=left + width))
    domain = Domain(name=name.domain_name, title=_place(item, name), m36=window)
    box = domain.geobox()
    same = [box.shape.y, box.shape.x] == list(shape) and all(
        math.isclose(a, b, abs_tol=1e-3) for a, b in zip(list(box.transform)[:6], transform, strict=True)
    )
    if not same or properties["proj:code"] != CRS or name.item_id != item["id"]:
        raise CatalogError(
            "The item is not a day of this product", value=f"{item['id']}: {shape}, {properties['proj:code']}"
        )
    return domain


def _place(item: Mapping[str, Any], name: DayName) -> str:
    """What the domain is called in an item's title."""
    title = re.match(
        rf"{re.escape(product.TITLE)}, (.*?), {name.date.isoformat()}", str(item["properties"].get("title"))
    )
    known = product.DOMAINS.get(name.domain_name)
    return title.group(1) if title else known.title if known else name.domain_name


def item_title(run: RunRecord, domain: Domain) -> str:
    """Product, place and day; then, in brackets, whatever a user must know before using it."""
    notes = ([product.SIMULATED_LABEL] if run.simulated else []) + [caveat.rstrip(". ") for caveat in run.caveats]
    last = product.last_day(domain.name, run.date)
    span = run.date.isoformat() if last == run.date else f"{run.date.isoformat()} to {last.isoformat()}"
    base = f"{product.TITLE}, {domain.title}, {span}"
    return f"{base} ({'; '.join(notes)})" if notes else base


def build_item(
    run: RunRecord,
    domain: Domain,
    rasters: Mapping[str, Raster],
    files: Mapping[str, FileFacts],
    *,
    revision: int,
    predecessor: int | None = None,
    created: str | None = None,
) -> pystac.Item:
    """The item of a day's revision, its links relative and its assets below ``rNNN/``.

    ``files`` has size and checksum of every asset by key; ``predecessor`` is the revision that this one replaces and
    ``created`` the first one's time, both None for a first one. The nominal time is noon UTC of the first day of those
    that start and end span.
    """
    name = DayName.of(domain, run.date)
    midnight = dt.datetime.combine(run.date, dt.time(), tzinfo=dt.UTC)
    outline = Footprint.of(domain)
    now = _stamp(dt.datetime.now(dt.UTC))
    item = pystac.Item(
        id=name.item_id,
        geometry=outline.geometry,
        bbox=outline.bbox,
        datetime=midnight + dt.timedelta(hours=12),
        properties={
            "title": item_title(run, domain),
            "description": f"{product.describe_days(domain.name)} {product.DEPTH_NOTE}",
            "start_datetime": _stamp(midnight),
            "end_datetime": f"{product.last_day(domain.name, run.date).isoformat()}T23:59:59Z",
            "created": created or now,
            "updated": now,
            "published": now,
            "version": str(revision),
            "license": product.LICENSE,
            "gsd": round(product.GRID.cell, 3),
            **_projection(domain),
            **_processing(domain.name),
            **_own(run, domain, rasters),
        },
        stac_extensions=[extension_uri(extension) for extension in EXTENSIONS],
        collection=collection_id(domain.name),
    )
    folder = revision_folder(revision)
    for raster in rasters.values():
        item.add_asset(raster.variable.name, data_asset(raster, folder, files[raster.variable.name]))
    for key, asset in other_assets(folder, files).items():
        item.add_asset(key, asset)
    _link(item, run, revision, predecessor)
    return item


def _stamp(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _projection(domain: Domain) -> dict[str, Any]:
    box = domain.geobox()
    return {"proj:code": CRS, "proj:shape": [box.shape.y, box.shape.x], "proj:transform": list(box.transform)[:6]}


def _processing(domain_name: str) -> dict[str, Any]:
    return {
        "processing:level": "L4",
        "processing:lineage": product.kind_of(domain_name).lineage,
        "processing:version": __version__,
        "processing:software": software(),
        "sci:publications": [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}],
        "renders": {product.variables_of(domain_name)[0].name: render(domain_name)},
    }


def render(domain_name: str) -> dict[str, Any]:
    """How a tile server draws the first variable of a domain's items; the collection adds the colours."""
    shown = product.variables_of(domain_name)[0]
    span = list(look_of(domain_name).range)
    return {"title": shown.title, "assets": [shown.name], "rescale": [span], "nodata": "nan"}


def _own(run: RunRecord, domain: Domain, rasters: Mapping[str, Raster]) -> dict[str, Any]:
    flags = rasters[product.QUALITY_FLAG.name].statistics
    shown = rasters[product.variables_of(domain.name)[0].name].statistics
    return {
        "vadose:simulated": run.simulated,
        "vadose:caveats": list(run.caveats),
        "vadose:depth_note": product.DEPTH_NOTE,
        "vadose:product_version": product.PRODUCT_VERSION,
        "vadose:algorithm_version": product.ALGORITHM_VERSION,
        "vadose:schema_version": product.SCHEMA_VERSION,
        "vadose:interval": product.INTERVAL,
        "vadose:observed": [_stamp(time) for time in run.observed],
        "vadose:published_percent": round(shown.valid_percent, 4),
        "vadose:flag_percent": flags.flag_percent(),
        **_smap_error(run),
        "vadose:inputs": [
            {"kind": r.kind, "name": r.name, "version": r.version, "sha256": r.sha256} for r in run.inputs
        ],
        "vadose:granules_considered": sorted(run.considered),
        "vadose:fingerprint": fingerprint(run, domain),
    }


def _smap_error(run: RunRecord) -> dict[str, float]:
    """The median error of SMAP's retrievals, where the run tells it."""
    told = run.findings.get(product.SMAP_ERROR.name)
    return {f"vadose:{product.SMAP_ERROR.name}": told["median"]} if told else {}


def _link(item: pystac.Item, run: RunRecord, revision: int, predecessor: int | None) -> None:
    up = {"root": "../../../../catalog.json", "collection": "../../../collection.json", "parent": "../catalog.json"}
    for rel, href in up.items():
        item.add_link(pystac.Link(rel, href, media_type=pystac.MediaType.JSON))
    provenance = f"./{revision_folder(revision)}/provenance.json"
    for record in run.inputs:
        item.add_link(_derived_from(record, provenance))
    item.add_link(pystac.Link("cite-as", f"https://doi.org/{product.METHOD_DOI}", title=product.METHOD_CITATION))
    if predecessor is not None:
        href = f"./{revision_folder(predecessor)}/item.json"
        item.add_link(pystac.Link("predecessor-version", href, media_type=pystac.MediaType.GEOJSON))


def _derived_from(record: InputRecord, provenance: str) -> pystac.Link:
    """A link that names the input: its public address, else its entry in the provenance record."""
    kind = None if record.href else pystac.MediaType.JSON
    kind = pystac.MediaType.GEOJSON if record.kind == product.DAY else kind
    extra = {"file:checksum": multihash(record.sha256), "file:size": record.size, "vadose:kind": record.kind}
    href = record.href or f"{provenance}#{quote(record.name)}"
    return pystac.Link("derived_from", href, media_type=kind, title=record.name, extra_fields=extra)
