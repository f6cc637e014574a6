"""A validation in the catalogue: headline figures in the domain's collection, and an item with the report as asset.

Readings and pairs are not published: networks such as ISMN do not allow their data to be passed on.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pystac

from catalog.items.assets import FileFacts, StagedFile
from catalog.items.day import Footprint
from catalog.items.index import index_write
from catalog.items.parents import VALIDATION, link_entry, linking, root_write
from catalog.items.provenance import software
from catalog.items.schema import STAC_VERSION, extension_uri, validate
from catalog.naming import VALIDATIONS, ValidationName, collection_id, collection_key, revision_folder, revision_number
from catalog.publish.commit import commit
from catalog.store.base import Change, Store, Write, open_store
from catalog.store.disk import storage_errors
from catalog.store.documents import Document, parse_json, serialise
from downscaler import __version__, product
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain
from downscaler.report.validation_files import DOCUMENT, MAP, REPORT, SITES

TITLE = "vadose validations"
_EXTENSIONS = ("file", "processing", "scientific", "version")
_LINEAGE = "Published days against in-situ readings at the same cells and days; see the report for what is left out."
_FILES: dict[str, tuple[str, str, str, list[str]]] = {
    "report": (REPORT, "text/html", "Report: figures, tables and a map of stations", ["overview", "metadata"]),
    "figures": (DOCUMENT, pystac.MediaType.JSON, "All figures with intervals", ["metadata"]),
    "sites": (SITES, "application/vnd.apache.parquet", "Every site's own figures with intervals", ["data"]),
    "thumbnail": (MAP, pystac.MediaType.PNG, "Map of stations by gain over SMAP", ["thumbnail"]),
}


def publish_validation(uri: str | Path, domain: Domain, folder: Path) -> str:
    """Publish what a validation wrote into a folder; returns the address of its item.

    Atomic like a day's publication; the same report again changes nothing but lost links.

    Args:
        uri: the catalogue that was validated.
        domain: of its days.
        folder: as ``write_validation`` left it.

    Raises:
        CatalogError: the folder is no validation, the catalogue has no such domain, or the item would not be valid.
        StorageFullError: the disk or bucket is full; nothing of this call is visible.
    """
    document = _read(folder)
    name = ValidationName(domain_name=domain.name)
    store = open_store(uri)
    if store.get(collection_key(domain.name)) is None:
        raise CatalogError(f"The catalogue holds no domain {domain.name!r} to put a validation to", value=store.uri)
    with store.staging() as staging:
        with storage_errors(staging):
            files = _stage(folder, staging)
        with store.lock():
            commit(
                store,
                staging,
                name,
                files,
                build=partial(_item, name, domain, document, files),
                parents=lambda item: _parent_writes(store, name, domain, item),
            )
    return f"{store.uri}/{name.item_key}"


def headline(document: Mapping[str, Any]) -> Document:
    """The figures that belong in a catalogue: pairs, the product's skill, and its paired gains with intervals."""
    ground = document["representativeness"]
    told: Document = {
        "period": list(document["period"]),
        "sites": document["sites"],
        "stations": document["stations"],
        "networks": list(document["networks"]),
        "pairs": document["pairs"],
        "product": {metric: document["estimates"]["product"][metric] for metric in ("bias", "rmsd", "ubrmsd", "r")},
        "gains": {
            baseline: {figure: gain[figure] for figure in ("rmsd", "ubrmsd", "r", "share_rmsd")}
            for baseline, gain in document["gains"].items()
        },
    }
    if "refused" not in ground:
        told["share_of_domain"] = ground["share_of_domain"]
        told["reweighted"] = {m: ground["reweighted"]["estimates"]["product"][m] for m in ("rmsd", "ubrmsd", "r")}
    return told


def _read(folder: Path) -> Document:
    try:
        document = parse_json((folder / DOCUMENT).read_bytes())
        headline(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            "Not a validation", value=f"{folder}: {error}", allowed="a folder written by: vadose validate"
        ) from error
    return dict(document)


def _stage(folder: Path, staging: Path) -> dict[str, StagedFile]:
    files = {}
    for key, (relative, kind, title, roles) in _FILES.items():
        if (folder / relative).is_file():
            shutil.copyfile(folder / relative, staging / relative)
            fields = {"type": str(kind), "title": title, "roles": roles}
            files[key] = StagedFile(relative=relative, facts=FileFacts.of(staging / relative), fields=fields)
    return files


def _item(
    name: ValidationName,
    domain: Domain,
    document: Mapping[str, Any],
    files: Mapping[str, StagedFile],
    *,
    revision: int,
    old: Document | None = None,
) -> Document:
    outline, now = Footprint.of(domain), dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    start, end = document["period"]
    below = f"./{revision_folder(revision)}"
    label = f" ({product.SIMULATED_LABEL})" if document["simulated"] else ""
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [extension_uri(extension) for extension in _EXTENSIONS],
        "id": name.item_id,
        "collection": VALIDATIONS,
        "geometry": outline.geometry,
        "bbox": outline.bbox,
        "properties": {
            "title": f"Validation of {product.TITLE}, {domain.title}, {start} to {end}{label}",
            "description": f"{_LINEAGE} {product.DEPTH_NOTE}",
            "datetime": None,
            "start_datetime": f"{start}T00:00:00Z",
            "end_datetime": f"{end}T23:59:59Z",
            "created": now,
            "updated": now,
            "version": str(revision),
            "license": product.LICENSE,
            "processing:lineage": _LINEAGE,
            "processing:version": __version__,
            "processing:software": software(),
            "sci:publications": [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}],
            "vadose:simulated": bool(document["simulated"]),
            "vadose:caveats": list(document["notes"]),
            "vadose:domain": domain.name,
            "vadose:product_version": product.PRODUCT_VERSION,
            VALIDATION: headline(document),
        },
        "assets": {k: {"href": f"{below}/{f.relative}", **f.fields, **f.facts.fields} for k, f in files.items()},
        "links": _links(domain, revision_number(old)),
    }


def _links(domain: Domain, predecessor: int | None) -> list[Document]:
    links = [
        link_entry("root", "../../catalog.json", product.TITLE),
        link_entry("parent", "../collection.json", TITLE),
        link_entry("collection", "../collection.json", TITLE),
        link_entry("derived_from", f"../../{collection_key(domain.name)}", f"{product.TITLE}, {domain.title}"),
    ]
    if predecessor is not None:
        href = f"./{revision_folder(predecessor)}/item.json"
        links.append(link_entry("predecessor-version", href, "The revision before", pystac.MediaType.GEOJSON))
    return links


def _parent_writes(store: Store, name: ValidationName, domain: Domain, item: Document) -> list[Write]:
    """The links that lead to a validation, and its headline in the domain's own collection."""
    entry = link_entry("item", f"./{name.item_id}/{name.item_id}.json", name.item_id, pystac.MediaType.GEOJSON)
    return [
        index_write(store, name.item_key, item),
        Write(key=name.collection_key, content=linking(lambda old: _collection(item, old), entry)),
        Write(key=collection_key(domain.name), content=_telling(name, domain, item)),
        root_write(link_entry("child", f"./{name.collection_key}", TITLE)),
    ]


def _telling(name: ValidationName, domain: Domain, item: Document) -> Change:
    """A change that puts the headline into the domain's collection."""

    def change(before: bytes | None) -> bytes:
        if before is None:
            raise CatalogError("The collection to validate is gone", value=collection_id(domain.name))
        document = parse_json(before)
        document[VALIDATION] = item["properties"][VALIDATION] | {"item": f"../{name.item_key}"}
        validate(document)
        return serialise(document)

    return change


def _collection(item: Document, old: Document | None) -> Document:
    """The collection of all validations, grown to hold this one."""
    start, end, box = item["properties"]["start_datetime"], item["properties"]["end_datetime"], item["bbox"]
    if old is not None:
        earlier, later = old["extent"]["temporal"]["interval"][0]
        start, end = min(start, earlier), max(end, later)
        west, south, east, north = old["extent"]["spatial"]["bbox"][0]
        box = [min(west, box[0]), min(south, box[1]), max(east, box[2]), max(north, box[3])]
    return {
        "type": "Collection",
        "id": VALIDATIONS,
        "stac_version": STAC_VERSION,
        "title": TITLE,
        "description": f"Validations of {product.TITLE} against in-situ networks, one for each domain.",
        "keywords": ["soil moisture", "validation", "in situ"],
        "license": product.LICENSE,
        "providers": [{"name": "vadose", "description": product.TITLE, "roles": ["producer", "processor"]}],
        "extent": {"spatial": {"bbox": [box]}, "temporal": {"interval": [[start, end]]}},
        "links": [
            link_entry("root", "../catalog.json", product.TITLE),
            link_entry("parent", "../catalog.json", product.TITLE),
        ],
    }
