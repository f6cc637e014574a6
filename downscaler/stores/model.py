"""Model folders: boosters as UBJSON, everything else in model.json with the checksum of each file."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

import downscaler
from downscaler.errors import ModelFeatureError, ModelUnreadableError
from downscaler.method.applicability import Applicability
from downscaler.method.coarse.analysis import Memory
from downscaler.method.features import FEATURES
from downscaler.method.hybrid import Branch, Model
from downscaler.product import SCHEMA_VERSION
from downscaler.records import InputRecord, file_sha256

MANIFEST = "model.json"
KIND = "vadose-model"
_REMEDY = "Train it again: vadose train."


def save_model(model: Model, out: Path) -> InputRecord:
    """Write a model folder, whole or not at all; an older model at ``out`` is replaced at the end.

    Raises ModelUnreadableError when ``out`` exists and is no model folder.
    """
    out = Path(out)
    if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise ModelUnreadableError(
            "The output exists and is not a model folder", value=out, remedy="Delete it or choose another --out."
        )
    staging = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    staging.mkdir(parents=True)
    try:
        branches = [_save_branch(branch, staging) for branch in model.branches.values()]
        manifest = {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            **model.card,
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "vadose_version": downscaler.__version__,
            "xgboost_version": xgb.__version__,
            "branches": branches,
            "memory": {grid: memory.as_dict() for grid, memory in model.memory.items()},
        }
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")
        if out.exists():
            shutil.rmtree(out)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return model_record(out)


def _save_branch(branch: Branch, folder: Path) -> dict[str, Any]:
    files = {}
    for role, booster in (("mean", branch.mean), ("bounds", branch.bounds)):
        file = folder / f"{branch.name}-{role}.ubj"
        booster.save_model(file)
        files[role] = _listed(file)
    if branch.applicability is not None:
        file = folder / f"{branch.name}-applicability.npz"
        np.savez(file, allow_pickle=False, **branch.applicability.arrays())
        files["applicability"] = _listed(file)
    return {
        "name": branch.name,
        "grid": branch.grid,
        "forcing": branch.forcing,
        "pattern": branch.pattern,
        "roughness": branch.roughness,
        "features": list(branch.features),
        "stretch": list(branch.stretch),
        "files": files,
    }


def _listed(file: Path) -> dict[str, Any]:
    return {"file": file.name, "sha256": file_sha256(file), "size": file.stat().st_size}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The parsed model.json; raises ModelUnreadableError when there is none or it has another version."""
    file = Path(folder) / MANIFEST
    try:
        manifest = json.loads(file.read_text())
    except FileNotFoundError:
        raise ModelUnreadableError(
            "Not a model folder",
            value=folder,
            allowed=f"a folder with {MANIFEST}",
            remedy="Create one with `vadose train`.",
        ) from None
    except (OSError, ValueError) as error:
        raise ModelUnreadableError("model.json cannot be read", value=f"{file}: {error}", remedy=_REMEDY) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise ModelUnreadableError("model.json does not belong to a vadose model", value=file, remedy=_REMEDY)
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise ModelUnreadableError(
            "The model has another schema version",
            value=manifest.get("schema_version"),
            allowed=SCHEMA_VERSION,
            remedy=_REMEDY,
        )
    return manifest


def load_model(folder: Path) -> Model:
    """Read a model folder.

    Raises ModelUnreadableError for a missing or changed file, ModelFeatureError for features that this version does
    not declare.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    try:
        branches = [_load_branch(entry, folder) for entry in manifest["branches"]]
        memory = {grid: Memory.from_dict(stored) for grid, stored in manifest.get("memory", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnreadableError(
            "model.json lacks a required entry", value=f"{folder}: {error!r}", remedy=_REMEDY
        ) from error
    card = {key: value for key, value in manifest.items() if key not in ("branches", "memory")}
    return Model(branches={(b.grid, b.forcing): b for b in branches}, memory=memory, card=card)


def _load_branch(entry: dict[str, Any], folder: Path) -> Branch:
    declared = [feature.name for feature in FEATURES]
    unknown = [name for name in entry["features"] if name not in declared]
    if unknown:
        raise ModelFeatureError(
            f"The model {folder} was trained for features that this version does not have",
            value=", ".join(unknown),
            allowed=declared,
            remedy=_REMEDY,
        )
    files = entry["files"]
    boosters = {role: _load_booster(folder, files[role], entry) for role in ("mean", "bounds")}
    area = None
    if "applicability" in files:
        with np.load(_intact(folder, files["applicability"]), allow_pickle=False) as arrays:
            area = Applicability.from_arrays(dict(arrays))
    low, high = entry["stretch"]
    return Branch(
        grid=entry["grid"],
        forcing=entry["forcing"],
        pattern=entry["pattern"],
        roughness=float(entry["roughness"]),
        features=tuple(entry["features"]),
        stretch=(float(low), float(high)),
        mean=boosters["mean"],
        bounds=boosters["bounds"],
        applicability=area,
    )


def _intact(folder: Path, stored: dict[str, Any]) -> Path:
    file = folder / str(stored["file"])
    if not file.is_file() or file_sha256(file) != stored["sha256"]:
        state = "changed since it was trained" if file.is_file() else "missing"
        raise ModelUnreadableError(f"A file of the model is {state}", value=file, remedy=_REMEDY)
    return file


def _load_booster(folder: Path, stored: dict[str, Any], entry: dict[str, Any]) -> xgb.Booster:
    file = _intact(folder, stored)
    booster = xgb.Booster(model_file=str(file))
    if booster.feature_names != entry["features"]:
        raise ModelFeatureError(
            "A booster was trained for other features than model.json lists",
            value=booster.feature_names,
            allowed=entry["features"],
            remedy=_REMEDY,
        )
    return booster


def model_record(folder: Path) -> InputRecord:
    """The model as an input of a product; its checksum covers boosters, features and parameters, not the clock."""
    manifest = read_manifest(folder)
    file = Path(folder) / MANIFEST
    return InputRecord(
        kind="model",
        name=Path(folder).name,
        version=str(manifest["algorithm_version"]),
        sha256=manifest_digest(manifest),
        size=sum(f["size"] for b in manifest["branches"] for f in b["files"].values()) + file.stat().st_size,
        title=str(manifest["title"]),
        attributes={"domain": manifest["domain"], "simulated": manifest["simulated"], "skill": manifest["skill"]},
    )


def manifest_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of what a model computes with: its branches, their files and features, and its memory."""
    parts = [manifest["branches"], *([manifest["memory"]] if manifest.get("memory") else [])]
    text = "".join(json.dumps(part, sort_keys=True) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def describe(folder: Path) -> dict[str, Any]:
    """What ``vadose info`` tells of a model folder."""
    manifest = read_manifest(folder)
    return {
        "kind": "model",
        "title": manifest["title"],
        "domain": manifest["domain"],
        "simulated": manifest["simulated"],
        "algorithm_version": manifest["algorithm_version"],
        "created": manifest["created"],
        "days": manifest["days"],
        "branches": {
            b["name"]: {"features": len(b["features"]), "rmse": manifest["skill"][b["name"]]["rmse"]}
            for b in manifest["branches"]
        },
        "digest": manifest_digest(manifest),
    }
