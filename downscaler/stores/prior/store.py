"""Opening a prior store."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import uuid
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from downscaler import product
from downscaler.errors import BROKEN, PriorSchemaError, PriorUnreadableError, broken_as
from downscaler.ground.grid import M01, domain_of
from downscaler.ground.prior import Prior
from downscaler.sources import parflow
from downscaler.sources.zarrs import attributes_of
from downscaler.stores.prior.packed import decoded
from downscaler.stores.prior.schema import ATTRIBUTES, FIELDS, KIND, contents

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2


def is_prior(path: Path) -> bool:
    """Whether a folder says that it is a prior store."""
    try:
        return bool(attributes_of(path)["kind"] == KIND)
    except BROKEN:
        return False


def _undamaged(path: Path | str) -> AbstractContextManager[None]:
    return broken_as(PriorUnreadableError, "The prior store is damaged", path, "Build it again: vadose prior build.")


def open_prior(path: Path | str) -> Prior:
    """Open a prior store.

    Raises PriorUnreadableError when there is no store or it is incomplete, PriorSchemaError when it is of another
    schema version or lacks a variable.
    """
    path = Path(path)
    with _undamaged(path):
        return _open(path)


def _open(path: Path) -> Prior:
    if not is_prior(path):
        raise PriorUnreadableError(
            "Not a prior store",
            value=path if path.exists() else f"{path} (not there)",
            allowed="a folder written by: vadose prior build",
        )
    files, size = contents(path)  # first: what is no file of the store's own is not opened
    try:
        stored = xr.open_zarr(path, consolidated=False, chunks=None, decode_cf=False)
        data = decoded(stored, zarr.open_group(path, mode="r", use_consolidated=False), path)
    except BROKEN as error:
        raise PriorUnreadableError(
            "The prior store cannot be opened", value=f"{path}: {error}", remedy="Build it again: vadose prior build."
        ) from error
    _check_schema(path, data)
    if (files, size) != (data.attrs["files"], data.attrs["bytes"]):
        raise PriorUnreadableError(
            "Files of the prior store are missing or changed",
            value=f"{path}: {files} files of {size} bytes",
            allowed=f"{data.attrs['files']} files of {data.attrs['bytes']} bytes",
            remedy="Copy it again or build it again: vadose prior build.",
        )
    return Prior(path=path, data=data, domain=domain_of(data.attrs), attributes=data.attrs)


def swap(staging: Path, out: Path) -> None:
    """Put the finished store in place; an older one goes only when the new one stands.

    Where the system can, the two change places at once, since a reader takes a file that is not there for missing days.
    """
    if not out.exists():
        staging.rename(out)
        return
    if _exchanged(staging, out):
        shutil.rmtree(staging, ignore_errors=True)
        return
    old = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.old")
    out.rename(old)
    staging.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; false where the system or the disk cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _check_schema(path: Path, data: xr.Dataset) -> None:
    version = data.attrs.get("schema_version")
    if version != product.PRIOR_SCHEMA_VERSION:
        raise PriorSchemaError(
            f"The prior {path} has another schema version",
            value=version,
            allowed=product.PRIOR_SCHEMA_VERSION,
            remedy="Build it again: vadose prior build.",
        )
    missing = [name for name in ATTRIBUTES if name not in data.attrs]
    missing += [f.name for f in FIELDS.values() if f.required and f.name not in data]
    missing += [
        f"{f.name}({', '.join(f.dims)})" for f in FIELDS.values() if f.name in data and data[f.name].dims != f.dims
    ]
    if missing:
        raise PriorSchemaError(f"The prior {path} lacks variables or attributes", value=", ".join(missing))
    shape = domain_of(data.attrs).shape(M01)
    if (data.sizes["y"], data.sizes["x"]) != (shape.y, shape.x) or not np.all(np.diff(data["y"].values) < 0):
        raise PriorSchemaError(
            f"The prior {path} is not on its domain's grid",
            value=dict(data.sizes),
            allowed=f"y={shape.y} (north to south), x={shape.x}",
        )


def describe(path: Path | str) -> dict[str, Any]:
    """What a prior store or a ParFlow-CLM file is, for ``vadose info``; raises as ``open_prior`` and the readers do."""
    if Path(path).is_file():
        return parflow.describe(Path(path))
    with _undamaged(path):
        return _facts(open_prior(path))


def _facts(prior: Prior) -> dict[str, Any]:
    facts = {key: prior.attributes[key] for key in ATTRIBUTES if key not in ("kind", "inputs", "created")}
    active = prior.data["active"].values
    return {
        **facts,
        "kind": "prior",
        "domain": prior.domain.name,
        "size": {str(name): size for name, size in prior.data.sizes.items()},
        "active_cells": int(active.sum()),
        "variables": {str(name): str(v.attrs.get("units", "")) for name, v in prior.data.data_vars.items()},
        "inputs": [record["name"] for record in prior.attributes["inputs"]],
        "created": prior.attributes["created"],
    }
