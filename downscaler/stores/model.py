"""Model folders: boosters as UBJSON, everything else in model.json with the checksum of each file.

Models are trusted input: they are computed with. Trees are read by native code, so a model that was neither trained
here nor pinned by its digest is first loaded in a guarded child process (``rehearsal``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import math
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

import downscaler
from downscaler.errors import BROKEN, ModelFeatureError, ModelUnreadableError, VadoseError
from downscaler.method.applicability import Applicability
from downscaler.method.coarse.analysis import Memory
from downscaler.method.features import FEATURES
from downscaler.method.hybrid import Branch, Model
from downscaler.product import COARSE_GRIDS, SCHEMA_VERSION
from downscaler.records import InputRecord, file_sha256
from downscaler.sources.refused import require_regular
from downscaler.stores.rehearsal import known, rehearse, remember

MANIFEST = "model.json"
KIND = "vadose-model"
_REMEDY = "Train it again: vadose train."
_TARGETS = {"mean": 1, "bounds": 2}  # numbers that the trees of each file predict
_MOST_STRETCH = 100.0
_LARGEST_MANIFEST, _LARGEST_FILE = 20_000_000, 4_000_000_000  # bytes; CONUS's have 40 kB and some 100 MB


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
    record = model_record(out)
    remember(record.sha256)
    return record


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
    if not file.exists():
        raise ModelUnreadableError(
            "Not a model folder",
            value=folder,
            allowed=f"a folder with {MANIFEST}",
            remedy="Create one with `vadose train`.",
        )
    try:
        require_regular(file)
        with file.open("rb") as stream:
            manifest = json.loads(stream.read(_LARGEST_MANIFEST), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
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


def load_model(folder: Path, sha256: str | None = None) -> Model:
    """Read a model folder.

    ``sha256`` pins what the model computes with (``digest`` of ``vadose info MODEL``). A model that is neither pinned
    nor trained here is first loaded in a child process with limits of memory and time.

    Raises ModelUnreadableError for a missing or changed file or another digest, ModelFeatureError for features that
    this version does not declare.
    """
    folder = Path(folder)
    digest = manifest_digest(read_manifest(folder))
    if sha256 is not None and sha256 != digest:
        raise ModelUnreadableError(
            "The model is not the one that is pinned",
            value=f"{folder}: {digest}",
            allowed=sha256,
            remedy="Take that model, or set `model_sha256` to the digest that `vadose info MODEL` tells.",
        )
    if sha256 is None and not known(digest):
        rehearse(folder)
        remember(digest)
    return read_model(folder, digest)


def read_model(folder: Path, digest: str | None = None) -> Model:
    """A model folder, in this process; ``digest`` is the one that was looked at before. Raises as ``load_model``."""
    manifest = read_manifest(folder)
    try:
        if digest is not None and manifest_digest(manifest) != digest:
            raise ModelUnreadableError("The model was replaced while it was read", value=folder)
        branches = [_load_branch(entry, folder) for entry in manifest["branches"]]
        memory = {grid: Memory.from_dict(stored) for grid, stored in manifest.get("memory", {}).items()}
        card = {key: value for key, value in manifest.items() if key not in ("branches", "memory")}
        if len({(branch.grid, branch.forcing) for branch in branches}) < len(branches):
            raise ValueError("a branch stands twice in model.json")
        return Model(branches={(b.grid, b.forcing): b for b in branches}, memory=memory, card=card)
    except VadoseError:
        raise
    except BROKEN as error:
        raise ModelUnreadableError(
            "A file of the model is damaged, or model.json lacks an entry",
            value=f"{folder}: {error!r}"[:300],
            remedy=_REMEDY,
        ) from error


def _load_branch(entry: dict[str, Any], folder: Path) -> Branch:
    declared = [feature.name for feature in FEATURES]
    unknown = [name for name in entry["features"] if name not in declared]
    if unknown:
        raise ModelFeatureError(
            f"The model {folder} was trained for features that this version does not have",
            value=", ".join(map(str, unknown)),
            allowed=declared,
            remedy=_REMEDY,
        )
    files = entry["files"]
    boosters = {role: _load_booster(folder, files[role], entry, many) for role, many in _TARGETS.items()}
    area = None
    if "applicability" in files:
        with np.load(io.BytesIO(_intact(folder, files["applicability"])), allow_pickle=False) as arrays:
            area = Applicability.from_arrays(dict(arrays))
    low, high = map(float, entry["stretch"])
    roughness = float(entry["roughness"])
    if entry["grid"] not in COARSE_GRIDS or not all(isinstance(entry[name], bool) for name in ("forcing", "pattern")):
        raise ValueError(f"branch {entry['name']}: grid, forcing or pattern")
    if not (min(low, high) > 0.0 and max(low, high) <= _MOST_STRETCH and 0.0 <= roughness < math.inf):
        raise ValueError(f"branch {entry['name']}: stretch {low:g}, {high:g} or roughness {roughness:g}")
    if entry["forcing"] != any(feature.group == "forcing" for feature in FEATURES if feature.name in entry["features"]):
        raise ValueError(f"branch {entry['name']}: forcing is {entry['forcing']}, its features say otherwise")
    return Branch(
        grid=entry["grid"],
        forcing=entry["forcing"],
        pattern=entry["pattern"],
        roughness=roughness,
        features=tuple(entry["features"]),
        stretch=(low, high),
        mean=boosters["mean"],
        bounds=boosters["bounds"],
        applicability=area,
    )


def _intact(folder: Path, stored: dict[str, Any]) -> bytes:
    """A file's bytes, which are those that model.json lists."""
    name = stored["file"]
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is no file name")
    file = folder / name
    if not file.exists():
        raise ModelUnreadableError("A file of the model is missing", value=file, remedy=_REMEDY)
    require_regular(file)
    if file.stat().st_size > _LARGEST_FILE:
        raise ModelUnreadableError("A file of the model is too large", value=file, allowed=f"{_LARGEST_FILE:,} bytes")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != stored["sha256"]:
        raise ModelUnreadableError("A file of the model is changed since it was trained", value=file, remedy=_REMEDY)
    return content


def _load_booster(folder: Path, stored: dict[str, Any], entry: dict[str, Any], targets: int) -> xgb.Booster:
    booster = xgb.Booster(model_file=bytearray(_intact(folder, stored)))
    made = int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_target"])
    if made != targets:
        raise ValueError(f"{stored['file']} predicts {made} numbers and not {targets}")
    if booster.feature_names != entry["features"]:
        raise ModelFeatureError(
            "A booster was trained for other features than model.json lists",
            value=booster.feature_names,
            allowed=entry["features"],
            remedy=_REMEDY,
        )
    return booster


def model_record(folder: Path) -> InputRecord:
    """The model as an input of a product; its checksum covers boosters, features and parameters, not the clock.

    Raises ModelUnreadableError.
    """
    manifest = read_manifest(folder)
    file = Path(folder) / MANIFEST
    try:
        return InputRecord(
            kind="model",
            name=Path(folder).name,
            version=str(manifest["algorithm_version"]),
            sha256=manifest_digest(manifest),
            size=sum(int(f["size"]) for b in manifest["branches"] for f in b["files"].values()) + file.stat().st_size,
            title=str(manifest["title"]),
            attributes={"domain": manifest["domain"], "simulated": manifest["simulated"], "skill": manifest["skill"]},
        )
    except BROKEN as error:
        raise _lacking(folder, error) from error


def _lacking(folder: Path, error: Exception) -> VadoseError:
    if isinstance(error, VadoseError):
        return error
    return ModelUnreadableError("model.json lacks a required entry", value=f"{folder}: {error!r}"[:300], remedy=_REMEDY)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def manifest_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of what a model computes with: its branches, their files and features, and its memory.

    Raises ModelUnreadableError where there are none.
    """
    try:
        parts = [manifest["branches"], *([manifest["memory"]] if manifest.get("memory") else [])]
        text = "".join(json.dumps(part, sort_keys=True) for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()
    except BROKEN as error:
        raise ModelUnreadableError("model.json lacks its branches", value=f"{error!r}"[:300], remedy=_REMEDY) from error


def describe(folder: Path) -> dict[str, Any]:
    """What ``vadose info`` tells of a model folder; raises ModelUnreadableError."""
    manifest = read_manifest(folder)
    try:
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
    except BROKEN as error:
        raise _lacking(folder, error) from error
