"""Building a prior store: each tile of the domain is regridded, stored and summed up once."""

from __future__ import annotations

import datetime as dt
import errno
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

import downscaler
from downscaler import product
from downscaler.errors import PriorCoverageError, PriorSchemaError, StorageFullError
from downscaler.ground import wetness
from downscaler.ground.grid import CRS, M01, Domain, domain_attributes
from downscaler.ground.prior import Prior
from downscaler.ground.regrid import overlap
from downscaler.method import day_of_year as climatology
from downscaler.sources.parflow.source import PriorSource
from downscaler.stores.prior.layout import StoreWriter
from downscaler.stores.prior.schema import FIELDS, KIND, LEVELS
from downscaler.stores.prior.store import is_prior, open_prior
from downscaler.stores.prior.tile import TileBuilder, day_counts

Progress = Callable[[int, int], None]
NO_POROSITY = "No porosity was given: the highest soil moisture of each cell, rounded up to 0.01, stands for it."


def build_prior(source: PriorSource, domain: Domain, out: Path, *, progress: Progress | None = None) -> Prior:
    """Bring a ParFlow-CLM run onto a domain's product grid and store it at ``out``; all or nothing.

    ``progress`` is called with (tiles done, tiles in all). An older prior at ``out`` is replaced once the new one is
    whole. Raises PriorCoverageError when the run has no active cell in the domain, PriorSchemaError for values that are
    not soil moisture or an ``out`` that is something else.
    """
    out = Path(out)
    if out.exists() and not is_prior(out) and (out.is_file() or any(out.iterdir())):
        raise PriorSchemaError(
            "The output exists and is not a prior", value=out, remedy="Delete it or choose another one."
        )
    staging = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(source, domain, staging, progress)
        _swap(staging, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("The disk filled up while writing the prior", value=out) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return open_prior(out)


def _fill(source: PriorSource, domain: Domain, staging: Path, progress: Progress | None) -> None:
    windows = list(domain.blocks())
    index = topographic_wetness(source)
    names = [n for n, f in FIELDS.items() if f.required or n in source.daily or n in source.statics]
    names += [level for name, level in LEVELS.items() if name in source.daily]
    names += ["topographic_wetness"] if index is not None else []
    writer = StoreWriter(staging, domain, source.days, names)
    builder = TileBuilder(source, writer, index)
    for done, window in enumerate(windows, start=1):
        share = overlap(source.lattice, domain, window)
        if share is not None:
            builder.build(share)
        if progress is not None:
            progress(done, len(windows))
    if builder.active_cells == 0:
        raise _not_covered(source, domain)
    writer.put("climatology_support", climatology.support(day_counts(source.days)))
    attributes = {**_attributes(source, domain), "active_cells": builder.active_cells}
    unsigned = {
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "vadose_version": downscaler.__version__,
    }
    writer.finish(attributes, unsigned, json.dumps(attributes, sort_keys=True))


def topographic_wetness(source: PriorSource) -> NDArray[np.float64] | None:
    """Wetness index of the whole lattice [j, i]; None without slopes and elevation.

    From the model's slopes where water can follow them, else from elevation with its pits filled.
    """
    whole, cell, statics = source.lattice.window, source.lattice.cell, set(source.statics)
    if {"slope_x", "slope_y"} <= statics:
        east, north = source.read_static("slope_x", whole), source.read_static("slope_y", whole)
        if "elevation" not in statics or wetness.pits(wetness.receivers(east, north)[0]) <= wetness.MAX_PITS:
            return wetness.from_slopes(east, north, cell=cell)
    if "elevation" in statics:
        return wetness.from_elevation(source.read_static("elevation", whole), cell=cell)
    return None


def _attributes(source: PriorSource, domain: Domain) -> dict[str, Any]:
    info, lattice = source.info, source.lattice
    notes = [*info.notes, *([] if "porosity" in source.statics else [NO_POROSITY])]
    return {
        "kind": KIND,
        "schema_version": product.SCHEMA_VERSION,
        "Conventions": "CF-1.11",
        "title": info.title,
        "model": info.model,
        "simulated": info.simulated,
        "domain": domain_attributes(domain),
        "crs": str(domain.geobox(M01).crs),
        "lattice": lattice.name,
        "registration": lattice.registration,
        "ij_bounds": list(lattice.ij_bounds) if lattice.ij_bounds else None,
        "lower_left": [lattice.lower_left.x, lattice.lower_left.y],
        "period": [source.days[0].isoformat(), source.days[-1].isoformat()],
        "days": len(source.days),
        "notes": notes,
        "inputs": [dict(record) for record in info.inputs],
    }


def _swap(staging: Path, out: Path) -> None:
    """Put the finished store in place; an older one goes only when the new one stands."""
    if not out.exists():
        staging.rename(out)
        return
    old = staging.with_suffix(".old")
    out.rename(old)
    staging.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _not_covered(source: PriorSource, domain: Domain) -> PriorCoverageError:
    lattice = source.lattice
    lon, lat = lattice.lonlat()
    box = domain.geobox(M01).boundingbox
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    (west, east), (south, north) = to_degrees.transform((box.left, box.right), (box.bottom, box.top))
    return PriorCoverageError(
        f"The run has no active cell in the domain {domain.name!r}",
        value=f"{lattice.name}{f' {lattice.ij_bounds}' if lattice.ij_bounds else ''}, longitudes {lon.min():.2f} to "
        f"{lon.max():.2f}, latitudes {lat.min():.2f} to {lat.max():.2f}",
        allowed=f"active cells within longitudes {west:.2f} to {east:.2f}, latitudes {south:.2f} to {north:.2f}",
        remedy="Choose a domain inside the run, or a run that covers this domain.",
    )
