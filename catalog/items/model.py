"""What the catalogue says of a trained model: its STAC item in the words of the MLM extension, and its collection."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pystac
import xgboost as xgb

from catalog.items.assets import StagedFile, multihash
from catalog.items.day import Footprint
from catalog.items.parents import link_entry
from catalog.items.provenance import software
from catalog.items.schema import STAC_VERSION, extension_uri
from catalog.naming import MODELS, ModelName, revision_folder, revision_number
from catalog.store.documents import Document
from downscaler import __version__, product
from downscaler.errors import DomainError
from downscaler.ground.grid import Domain, Span, Window
from downscaler.report.model import caveats
from downscaler.report.trained import held_out_methods
from downscaler.stores.model import MANIFEST

TITLE = "vadose models"
_EXTENSIONS = ("mlm", "file", "processing", "scientific", "version")
_TASKS = ["regression"]
_WORLD = [-180.0, -90.0, 180.0, 90.0]
_LINEAGE = "Gradient-boosted trees trained on the prior's own days; those held out stopped and calibrated them."
_OUTPUTS = {
    "mean": ([-1], ["batch"], "Correction of the 1 km soil moisture, m3 m-3"),
    "bounds": ([-1, 2], ["batch", "quantile"], "5 % and 95 % quantiles of the correction before calibration, m3 m-3"),
}


def build_model_item(
    name: ModelName,
    manifest: Document,
    files: Mapping[str, StagedFile],
    *,
    revision: int,
    old: Document | None = None,
) -> Document:
    """The STAC item of a model's revision, its links relative and its assets below ``rNNN/``.

    Its time span is that of the training data and its footprint the training domain's, null where the model does not
    say where that lies.
    """
    outline = _footprint(manifest)
    start, end = str(manifest["prior"]["period"]).split("/")
    properties = {
        "title": _title(manifest),
        "description": f"{_LINEAGE} {product.DEPTH_NOTE}",
        "datetime": None,
        "start_datetime": f"{start}T00:00:00Z",
        "end_datetime": f"{end}T23:59:59Z",
        "created": _stamp(str(manifest["created"])),
        "updated": _stamp(str(manifest["created"])),
        "version": str(revision),
        "license": product.LICENSE,
        "bands": _bands(manifest),
        **_mlm(name, manifest, files),
        "processing:lineage": f"{_LINEAGE} Prior: {manifest['prior']['title']}.",
        "processing:version": __version__,
        "processing:software": software(),
        "sci:publications": [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}],
        **_own(name, manifest),
    }
    below = f"./{revision_folder(revision)}"
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [extension_uri(extension) for extension in _EXTENSIONS],
        "id": name.item_id,
        "collection": MODELS,
        "geometry": outline.geometry if outline else None,
        **({"bbox": outline.bbox} if outline else {}),
        "properties": properties,
        "assets": {k: {"href": f"{below}/{f.relative}", **f.fields, **f.facts.fields} for k, f in files.items()},
        "links": _links(manifest, below, revision_number(old)),
    }


def _title(manifest: Document) -> str:
    """The model's title, which says that its data are simulated where they are."""
    title = str(manifest["title"])
    told = product.SIMULATED_LABEL in title or not manifest["simulated"]
    return title if told else f"{title} ({product.SIMULATED_LABEL})"


def _footprint(manifest: Document) -> Footprint | None:
    window = manifest.get("domain_m36")
    if window is not None:
        top, bottom, left, right = window
        m36 = Window(rows=Span(start=top, stop=bottom), columns=Span(start=left, stop=right))
        return Footprint.of(Domain(name=manifest["domain"], title=manifest["domain"], m36=m36))
    try:
        return Footprint.of(product.domain(str(manifest["domain"])))
    except DomainError:
        return None


def _stamp(time: str) -> str:
    return dt.datetime.fromisoformat(time).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bands(manifest: Document) -> list[Document]:
    """The predictors that any branch uses, as bands."""
    used = {name for branch in manifest["branches"] for name in branch["features"]}
    return [
        {
            "name": name,
            "description": declared["why"],
            "unit": declared["units"],
            "data_type": "float32",
            "nodata": "nan",
        }
        for name, declared in manifest["features"].items()
        if name in used
    ]


def _mlm(name: ModelName, manifest: Document, files: Mapping[str, StagedFile]) -> Document:
    """The model in the extension's words; its size in memory is that of the boosters as stored, its least."""
    boosters = [file.facts for file in files.values() if "mlm:artifact_type" in file.fields]
    return {
        "mlm:name": name.item_id,
        "mlm:architecture": "XGBoost",
        "mlm:tasks": _TASKS,
        "mlm:framework": "xgboost",
        "mlm:framework_version": str(manifest["xgboost_version"]),
        "mlm:memory_size": sum(facts.size for facts in boosters),
        "mlm:total_parameters": sum(tree_nodes(facts.path) for facts in boosters),
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_input(branch) for branch in manifest["branches"]],
        "mlm:output": [
            _output(branch, role)
            for branch in manifest["branches"]
            for role, stored in branch["files"].items()
            if is_booster(stored["file"])
        ],
        "mlm:hyperparameters": dict(manifest["options"]),
    }


def is_booster(file: str) -> bool:
    """Whether a file of a model folder holds trees."""
    return file.endswith(".ubj")


def tree_nodes(booster: Path) -> int:
    """Number of nodes of a booster's trees: a threshold at each split, a value at each leaf."""
    model = json.loads(xgb.Booster(model_file=str(booster)).save_raw("json"))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    return sum(int(tree["tree_param"]["num_nodes"]) for tree in trees)


def _input(branch: Mapping[str, Any]) -> Document:
    features = list(branch["features"])
    return {
        "name": branch["name"],
        "description": f"Predictors of the cells of one day, {branch['grid']} SMAP grid; NaN is unknown.",
        "bands": features,
        "input": {"shape": [-1, len(features)], "dim_order": ["batch", "channel"], "data_type": "float32"},
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": {"format": "python", "expression": "downscaler.method.features:Ground"},
    }


def _output(branch: Mapping[str, Any], role: str) -> Document:
    shape, order, description = _OUTPUTS.get(role, ([-1], ["batch"], role))
    return {
        "name": f"{branch['name']}-{role}",
        "description": description,
        "tasks": _TASKS,
        "result": {"shape": shape, "dim_order": order, "data_type": "float32"},
        "post_processing_function": {"format": "python", "expression": "downscaler.method.hybrid:estimate"},
    }


def _own(name: ModelName, manifest: Document) -> Document:
    return {
        "vadose:simulated": bool(manifest["simulated"]),
        "vadose:caveats": caveats(manifest),
        "vadose:digest": name.digest,
        "vadose:domain": str(manifest["domain"]),
        "vadose:product_version": str(manifest["product_version"]),
        "vadose:algorithm_version": str(manifest["algorithm_version"]),
        "vadose:schema_version": str(manifest["schema_version"]),
        "vadose:skill": held_out_methods(manifest),
    }


def _links(manifest: Document, below: str, predecessor: int | None) -> list[Document]:
    prior = manifest["prior"]
    links: list[Document] = [
        link_entry("root", "../../catalog.json", product.TITLE),
        link_entry("parent", "../collection.json", TITLE),
        link_entry("collection", "../collection.json", TITLE),
        link_entry("derived_from", f"{below}/{MANIFEST}#prior", str(prior["title"]))
        | {"file:checksum": multihash(str(prior["digest"])), "vadose:kind": "prior"},
        {"rel": "cite-as", "href": f"https://doi.org/{product.METHOD_DOI}", "title": product.METHOD_CITATION},
    ]
    if predecessor is not None:
        href = f"./{revision_folder(predecessor)}/item.json"
        links.append(link_entry("predecessor-version", href, "The revision before", pystac.MediaType.GEOJSON))
    return links


def models_collection(item: Document, old: Document | None) -> Document:
    """The collection of all models, grown to hold this one."""
    start, end = item["properties"]["start_datetime"], item["properties"]["end_datetime"]
    boxes = [item["bbox"]] if "bbox" in item else []
    if old is not None:
        earlier, later = old["extent"]["temporal"]["interval"][0]
        start, end = min(start, earlier), max(end, later)
        boxes += [box for box in old["extent"]["spatial"]["bbox"] if box != _WORLD]
    return {
        "type": "Collection",
        "id": MODELS,
        "stac_version": STAC_VERSION,
        "stac_extensions": [extension_uri("scientific")],
        "title": TITLE,
        "description": f"Trained models of {product.TITLE}, each with its card, skill report and checksums.",
        "keywords": ["soil moisture", "downscaling", "XGBoost", "machine learning model"],
        "license": product.LICENSE,
        "providers": [{"name": "vadose", "description": product.TITLE, "roles": ["producer", "processor"]}],
        "extent": {"spatial": {"bbox": [_around(boxes)]}, "temporal": {"interval": [[start, end]]}},
        "sci:publications": [{"doi": product.METHOD_DOI, "citation": product.METHOD_CITATION}],
        "links": [
            link_entry("root", "../catalog.json", product.TITLE),
            link_entry("parent", "../catalog.json", product.TITLE),
            {"rel": "cite-as", "href": f"https://doi.org/{product.METHOD_DOI}", "title": product.METHOD_CITATION},
        ],
    }


def _around(boxes: list[list[float]]) -> list[float]:
    """The box around all boxes; the world where no model says where it was trained."""
    if not boxes:
        return _WORLD
    west, south, east, north = zip(*boxes, strict=True)
    return [min(west), min(south), max(east), max(north)]
