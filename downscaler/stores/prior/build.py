"""Building a prior store: each tile of the domain is regridded, stored and summed up once."""

from __future__ import annotations

import datetime as dt
import errno
import json
import logging
import shutil
import threading
import uuid
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from threadpoolctl import threadpool_limits

import downscaler
from downscaler import product
from downscaler.errors import PriorCoverageError, PriorSchemaError, StorageFullError, VadoseError
from downscaler.ground import wetness
from downscaler.ground.grid import CRS, M01, Domain, domain_attributes
from downscaler.ground.lattice import question
from downscaler.ground.prior import Prior
from downscaler.ground.regrid import overlap
from downscaler.parts import Parts, Spread, alone, in_turn, resumed
from downscaler.sources.parflow.source import PriorSource
from downscaler.sources.parflow.units import check_not_traces
from downscaler.stores.prior.layout import StoreWriter
from downscaler.stores.prior.schema import FIELDS, KIND, LEVELS, RESPONSES
from downscaler.stores.prior.store import is_prior, open_prior, swap
from downscaler.stores.prior.tile import TileBuilder

Progress = Callable[[int, int], None]
_LOG = logging.getLogger(__name__)
Opener = Callable[[], PriorSource]
_STORE, _WETNESS = "store", "wetness"
NO_POROSITY = "No porosity was given: the highest soil moisture of each cell, rounded up to 0.01, stands for it."


def build_prior(
    source: PriorSource,
    domain: Domain,
    out: Path,
    *,
    progress: Progress | None = None,
    opener: Opener | None = None,
    spread: Spread = in_turn,
) -> Prior:
    """Bring a ParFlow-CLM run onto a domain's product grid and store it at ``out``; all or nothing.

    Killed, the same call goes on with the tiles that are not done; the numbers and their digest do not depend on it,
    nor on who made which tile.

    Args:
        source: the run.
        domain: to cover.
        out: the store; an older prior there is replaced once the new one is whole.
        progress: called with (tiles done, tiles in all).
        opener: opens the run again in each process that makes tiles; without it they are made here, one by one.
        spread: who makes the tiles; all of them write in the folder of ``out``.

    Raises:
        PriorCoverageError: the run has no active cell in the domain.
        PriorSchemaError: values that are not soil moisture, or an ``out`` that is something else.
        BusyError: another process is building it.
        StorageFullError: no room.
    """
    with alone(Path(out)):
        return _build(source, domain, Path(out), progress, opener, spread)


def _build(
    source: PriorSource, domain: Domain, out: Path, progress: Progress | None, opener: Opener | None, spread: Spread
) -> Prior:
    if out.exists() and not is_prior(out) and (out.is_file() or any(out.iterdir())):
        raise PriorSchemaError(
            "The output exists and is not a prior", value=out, remedy="Delete it or choose another one."
        )
    attributes = _attributes(source, domain)
    work = out.parent / f".{out.name}.building"
    parts = resumed(work, {**attributes, "workings": downscaler.__version__})
    try:
        _fill(source, domain, parts, attributes, progress, opener, spread)
        swap(parts.folder / _STORE, out)
    except (VadoseError, OSError) as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("The disk filled up while writing the prior", value=out) from error
        raise
    shutil.rmtree(work, ignore_errors=True)
    return open_prior(out)


def _fill(
    source: PriorSource,
    domain: Domain,
    parts: Parts,
    attributes: dict[str, Any],
    progress: Progress | None,
    opener: Opener | None,
    spread: Spread,
) -> None:
    indexed = "elevation" in source.statics or {"slope_x", "slope_y"} <= set(source.statics)
    names = [n for n, f in FIELDS.items() if f.required or n in source.daily or n in source.statics]
    names += list(RESPONSES)
    names += [level for name, level in LEVELS.items() if name in source.daily]
    names += ["topographic_wetness"] if indexed else []
    parts.part(_STORE, lambda folder: StoreWriter.create(folder, domain, source.days, names))
    if indexed:
        parts.part(_WETNESS, lambda folder: np.save(folder / "index.npy", topographic_wetness(source)))
    tiles = range(len(list(domain.blocks())))
    if opener is None or spread is in_turn:
        done = in_turn(partial(_tile, source, domain, parts), tiles)
    else:
        done = spread(partial(_tile_elsewhere, uuid.uuid4().hex, opener, domain, parts), tiles)
    found: dict[int, dict[str, Any]] = {}
    for tile, result in done:
        found[tile] = result
        if progress is not None:
            progress(len(found), len(tiles))
    results = [found[tile] for tile in tiles]
    active = sum(int(result["active_cells"]) for result in results)
    if active == 0:
        raise _not_covered(source, domain)
    check_not_traces(max(float(result["wettest"]) for result in results), source.info.title)
    unsigned = {
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "vadose_version": downscaler.__version__,
    }
    signed = {**attributes, "active_cells": active}
    StoreWriter(parts.folder / _STORE).finish(signed, unsigned, [str(result["digest"]) for result in results])


def _tile(source: PriorSource, domain: Domain, parts: Parts, tile: int) -> dict[str, Any]:
    """Make one tile, or read what was noted of it: active cells and the digest of its numbers."""

    def make(folder: Path) -> None:
        window = next(islice(domain.blocks(), tile, None))
        share = overlap(source.lattice, domain, window)
        writer = StoreWriter(parts.folder / _STORE)
        index = parts.folder / _WETNESS / "index.npy"
        wet = np.load(index, mmap_mode="r") if index.is_file() else None
        builder = TileBuilder(source, writer, wet)
        with threadpool_limits(1, user_api="blas"):  # sums come out the same in one process or many
            active = builder.build(share) if share is not None else 0
        noted = {"active_cells": active, "wettest": builder.wettest, "digest": writer.take_digest()}
        (folder / "tile.json").write_text(json.dumps(noted), encoding="utf-8")

    file = parts.part(f"tiles/{tile:05d}", make) / "tile.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


_opened: dict[str, PriorSource] = {}  # of a worker: the run of a build, opened once
_ALONE = threading.Lock()  # NetCDF's library takes one thread at a time


def _tile_elsewhere(build: str, opener: Opener, domain: Domain, parts: Parts, tile: int) -> dict[str, Any]:
    """A tile in a process of its own, which keeps the run open for the next tiles of the same build."""
    with _ALONE:
        if build not in _opened:
            while _opened:
                _opened.popitem()[1].close()
            _opened[build] = opener()
        return _tile(_opened[build], domain, parts, tile)


def topographic_wetness(source: PriorSource) -> NDArray[np.float64]:
    """Wetness index of the whole lattice [j, i] of a run with slopes or elevation.

    From the model's slopes where water can follow them, else from elevation with its pits filled.
    """
    whole, cell, statics = source.lattice.window, source.lattice.cell, set(source.statics)
    if {"slope_x", "slope_y"} <= statics:
        east, north = source.read_static("slope_x", whole), source.read_static("slope_y", whole)
        receiver, steep = wetness.receivers(east, north)
        del east, north
        if "elevation" not in statics or wetness.pits(receiver) <= wetness.MAX_PITS:
            return wetness.from_slopes(receiver, steep, cell)
    return wetness.from_elevation(source.read_static("elevation", whole), cell=cell)


def _attributes(source: PriorSource, domain: Domain) -> dict[str, Any]:
    info, lattice = source.info, source.lattice
    odd = question(lattice)
    if odd is not None:
        _LOG.warning("%s: %s", info.title, odd)
    notes = [*([odd] if odd else []), *info.notes, *([] if "porosity" in source.statics else [NO_POROSITY])]
    return {
        "kind": KIND,
        "schema_version": product.PRIOR_SCHEMA_VERSION,
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
        "statistics_period": [source.days[0].isoformat(), source.days[-1].isoformat()],
        "notes": notes,
        "inputs": [dict(record) for record in info.inputs],
    }


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
