"""Opening a prior store and reading windows of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from downscaler import product
from downscaler.errors import PriorCoverageError, PriorSchemaError, PriorUnreadableError
from downscaler.ground.grid import M01, Domain, Span, Window
from downscaler.records import InputRecord
from downscaler.sources import parflow
from downscaler.stores.prior.schema import ATTRIBUTES, FIELDS, KIND, contents


@dataclass(frozen=True)
class Prior:
    """A prior store, opened lazily; ``data`` reads from disk what is indexed."""

    path: Path
    data: xr.Dataset
    domain: Domain
    attributes: Mapping[str, Any] = field(repr=False)

    @property
    def title(self) -> str:
        """What run this is."""
        return str(self.attributes["title"])

    @property
    def simulated(self) -> bool:
        """True where the run says that it is a simulated sample."""
        return bool(self.attributes["simulated"])

    @property
    def lattice(self) -> str:
        """Name of the model lattice it came from."""
        return str(self.attributes["lattice"])

    @property
    def period(self) -> tuple[dt.date, dt.date]:
        """First and last day with data (days between may lack)."""
        first, last = self.attributes["period"]
        return dt.date.fromisoformat(first), dt.date.fromisoformat(last)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of the run."""
        return tuple(self.attributes["notes"])

    def record(self) -> InputRecord:
        """The prior as an input of a product; ``sha256`` is of the stored numbers, not of their packing."""
        first, last = self.attributes["period"]
        return InputRecord(
            kind="prior",
            name=self.path.name,
            version=str(self.attributes["schema_version"]),
            sha256=str(self.attributes["digest"]),
            size=int(self.attributes["bytes"]),
            title=self.title,
            attributes={
                "model": self.attributes["model"],
                "lattice": self.lattice,
                "registration": self.attributes["registration"],
                "period": f"{first}/{last}",
                "days": self.attributes["days"],
                "simulated": self.simulated,
                "notes": list(self.notes),
                "sources": list(self.attributes["inputs"]),
            },
        )

    def require(self, domain: Domain) -> None:
        """Raise PriorCoverageError unless the prior covers the domain and has active cells in it."""
        if not self.domain.holds(domain):
            raise PriorCoverageError(
                f"The prior {self.path} does not cover the domain {domain.name!r}",
                value=f"prior of {self.domain.name!r}: {_extent(self.domain)}",
                allowed=f"a prior that holds {_extent(domain)}",
                remedy=f"Build one with: vadose prior build --domain {domain.name} ...",
            )
        whole = Window(rows=Span(start=0, stop=domain.shape(M01).y), columns=Span(start=0, stop=domain.shape(M01).x))
        if not bool(self.window(domain, whole)["active"].any()):
            raise PriorCoverageError(
                f"The prior {self.path} has no active cell in the domain {domain.name!r}",
                value=_extent(domain),
                remedy="Choose a domain inside the model's land mask.",
            )

    def window(self, domain: Domain, local: Window) -> xr.Dataset:
        """The store on an M01 window counted from the upper left corner of ``domain``; lazy."""
        origin = domain.window(M01).relative_to(self.domain.window(M01))
        rows, columns = local.rows.shifted(origin.rows.start), local.columns.shifted(origin.columns.start)
        return self.data.isel(Window(rows=rows, columns=columns).slices)


def _extent(domain: Domain) -> str:
    m36 = domain.m36
    return f"M36 rows {m36.rows.start}-{m36.rows.stop}, columns {m36.columns.start}-{m36.columns.stop}"


def domain_attributes(domain: Domain) -> dict[str, Any]:
    """A domain as JSON: its name, title and M36 window."""
    m36 = domain.m36
    window = [m36.rows.start, m36.rows.stop, m36.columns.start, m36.columns.stop]
    return {"name": domain.name, "title": domain.title, "m36_rows_columns": window}


def _domain_of(attributes: Mapping[str, Any]) -> Domain:
    stored = attributes["domain"]
    top, bottom, left, right = stored["m36_rows_columns"]
    window = Window(rows=Span(start=top, stop=bottom), columns=Span(start=left, stop=right))
    return Domain(name=stored["name"], title=stored["title"], m36=window)


def is_prior(path: Path) -> bool:
    """Whether a folder says that it is a prior store."""
    try:
        metadata = json.loads((path / "zarr.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(metadata, dict) and metadata.get("attributes", {}).get("kind") == KIND


def open_prior(path: Path | str) -> Prior:
    """Open a prior store.

    Raises PriorUnreadableError when there is no store or it is incomplete, PriorSchemaError when it is of another
    schema version or lacks a variable.
    """
    path = Path(path)
    if not is_prior(path):
        raise PriorUnreadableError(
            "This is no prior store",
            value=path if path.exists() else f"{path} (not there)",
            allowed="a folder written by: vadose prior build",
        )
    try:
        data = xr.open_zarr(path, consolidated=False, chunks=None)
    except (OSError, ValueError, KeyError) as error:
        raise PriorUnreadableError(
            "The prior store cannot be opened", value=f"{path}: {error}", remedy="Build it again: vadose prior build."
        ) from error
    _check_schema(path, data)
    files, size = contents(path)
    if (files, size) != (data.attrs["files"], data.attrs["bytes"]):
        raise PriorUnreadableError(
            "The prior store has lost or changed files",
            value=f"{path}: {files} files of {size} bytes",
            allowed=f"{data.attrs['files']} files of {data.attrs['bytes']} bytes",
            remedy="Copy it again or build it again: vadose prior build.",
        )
    return Prior(path=path, data=data, domain=_domain_of(data.attrs), attributes=data.attrs)


def _check_schema(path: Path, data: xr.Dataset) -> None:
    version = data.attrs.get("schema_version")
    if version != product.SCHEMA_VERSION:
        raise PriorSchemaError(
            f"The prior {path} is of another schema version",
            value=version,
            allowed=product.SCHEMA_VERSION,
            remedy="Build it again: vadose prior build.",
        )
    missing = [name for name in ATTRIBUTES if name not in data.attrs]
    missing += [f.name for f in FIELDS.values() if f.required and f.name not in data]
    missing += [
        f"{f.name}({', '.join(f.dims)})" for f in FIELDS.values() if f.name in data and data[f.name].dims != f.dims
    ]
    if missing:
        raise PriorSchemaError(f"The prior {path} lacks variables or attributes", value=", ".join(missing))
    shape = _domain_of(data.attrs).shape(M01)
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
    prior = open_prior(path)
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
