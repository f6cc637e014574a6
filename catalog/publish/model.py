"""A trained model in the catalogue: an item of the collection ``vadose-models``, described by the MLM extension.

The same model is the same item (its identifier holds the digest of what it computes with); a changed report or card
becomes the next revision of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pystac

from catalog.items.assets import FileFacts, StagedFile
from catalog.items.index import index_write
from catalog.items.model import TITLE, build_model_item, is_booster, models_collection
from catalog.items.parents import link_entry, linking, root_write
from catalog.naming import ModelName
from catalog.publish.commit import commit
from catalog.store.base import Store, Write, open_store
from catalog.store.disk import storage_errors
from catalog.store.documents import Document
from downscaler.report.model_files import CARD, FIGURES, REPORT, SKILL_FIGURE
from downscaler.stores.model import MANIFEST, load_model, manifest_digest, read_manifest

_MARKDOWN, _BOOSTER = "text/markdown", "application/octet-stream; framework=xgboost"


def publish_model(uri: str | Path, folder: str | Path) -> str:
    """Publish a model folder with its card, report and figures; returns the address of its item.

    Atomic like a day's publication: the item is written last, and when nothing has changed only lost links are mended.

    Args:
        uri: the catalogue: a folder, ``file://`` or ``s3://bucket/prefix``.
        folder: as ``vadose train`` left it.

    Raises:
        ModelUnreadableError: the folder is no model, or a booster is missing or changed.
        StorageFullError: the disk or bucket is full; nothing of this call is visible.
        CatalogError: the catalogue is unusable or the item would not be valid.
    """
    folder = Path(folder)
    load_model(folder)  # refuses what is incomplete or changed
    manifest = read_manifest(folder)
    name = ModelName(domain_name=str(manifest["domain"]), digest=manifest_digest(manifest))
    store = open_store(uri)
    with store.staging() as staging:
        with storage_errors(staging):
            files = _stage(folder, manifest, staging)
        with store.lock():
            commit(
                store,
                staging,
                name,
                files,
                build=partial(build_model_item, name, manifest, files),
                parents=lambda item: _parent_writes(store, name, item),
            )
    return f"{store.uri}/{name.item_key}"


def _stage(folder: Path, manifest: Document, staging: Path) -> dict[str, StagedFile]:
    """Copies of all files to publish, by asset key: boosters, manifest, then whatever reports are there."""
    wanted: dict[str, tuple[str, Document]] = {}
    for branch in manifest["branches"]:
        for role, stored in branch["files"].items():
            wanted[f"{branch['name']}-{role}"] = (stored["file"], _part(branch, role, stored["file"]))
    wanted["manifest"] = (
        MANIFEST,
        _asset(pystac.MediaType.JSON, "Features, options, versions and checksums", "metadata"),
    )
    wanted["card"] = (CARD, _asset(_MARKDOWN, "Model card", "metadata"))
    wanted["report"] = (REPORT, _asset(_MARKDOWN, "Skill report", "metadata"))
    wanted["thumbnail"] = (
        SKILL_FIGURE,
        _asset(pystac.MediaType.PNG, "Skill on held-out truth", "thumbnail", "overview"),
    )
    for picture in sorted((folder / FIGURES).glob("*.png")):
        relative = f"{FIGURES}/{picture.name}"
        if relative != SKILL_FIGURE:
            title = picture.stem.replace("_", " ").capitalize()
            wanted[f"figure-{picture.stem}"] = (relative, _asset(pystac.MediaType.PNG, title, "overview"))
    files = {}
    for key, (relative, fields) in wanted.items():
        if (folder / relative).is_file():
            copy = staging / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / relative, copy)
            files[key] = StagedFile(relative=relative, facts=FileFacts.of(copy), fields=fields)
    return files


def _asset(kind: str, title: str, *roles: str) -> Document:
    return {"type": str(kind), "title": title, "roles": list(roles)}


def _part(branch: Mapping[str, Any], role: str, file: str) -> Document:
    """A file that the branch computes with: a booster, or an array beside the boosters."""
    title = f"{branch['name']}: {role}"
    if not is_booster(file):
        return _asset("application/octet-stream", title, "data")
    bands = [{"name": feature} for feature in branch["features"]]
    fields = _asset(_BOOSTER, title, "mlm:model", "mlm:weights", "model", "weights")
    return fields | {"mlm:artifact_type": "xgboost.ubj", "bands": bands}


def _parent_writes(store: Store, name: ModelName, item: Document) -> list[Write]:
    """The links that lead to a model, from the collection to the root."""
    entry = link_entry("item", f"./{name.item_id}/{name.item_id}.json", name.item_id, pystac.MediaType.GEOJSON)
    return [
        index_write(store, name.item_key, item),
        Write(key=name.collection_key, content=linking(lambda old: models_collection(item, old), entry)),
        root_write(link_entry("child", f"./{name.collection_key}", TITLE)),
    ]
