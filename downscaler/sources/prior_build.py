"""Building a prior store: each tile of the domain is regridded, stored and summed up once."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

import downscaler
from downscaler import product
from downscaler.climatology import DAYS, Climatology
from downscaler.errors import PriorCoverageError, PriorSchemaError
from downscaler.grid import M01, Domain, Window
from downscaler.regrid import Overlap, overlap
from downscaler.sources.parflow.names import CLASS_NAMES
from downscaler.sources.parflow.source import PriorSource
from downscaler.sources.prior import CHUNK, FIELDS, KIND, TIME_CHUNK, Prior, domain_attributes, open_prior

Progress = Callable[[int, int], None]
_EXCESS = 0.01  # m3 m-3, rounding of stored soil moisture that may stand above porosity


def build_prior(source: PriorSource, domain: Domain, out: Path, *, progress: Progress | None = None) -> Prior:
    """Bring a ParFlow-CLM run onto a domain's product grid and store it at ``out``; all or nothing.

    ``progress`` is called with (tiles done, tiles in all). Raises PriorCoverageError when the run has no active cell in
    the domain, PriorSchemaError for values that are not soil moisture. An older store at ``out`` is replaced at the end.
    """
    out = Path(out)
    staging = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}.partial"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _Build(source, domain, staging).run(progress)
        _swap(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return open_prior(out)


def _swap(staging: Path, out: Path) -> None:
    """Put the finished store in place; an older one goes only when the new one stands."""
    if out.exists():
        if not (out / "zarr.json").is_file():
            raise PriorSchemaError(
                "The output exists and is no prior store", value=out, remedy="Remove it or choose another --out."
            )
        old = staging.with_suffix(".old")
        out.rename(old)
        staging.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        staging.rename(out)


class _Build:
    """One build: where it reads, where it writes, and what it has learned on the way."""

    def __init__(self, source: PriorSource, domain: Domain, path: Path) -> None:
        self.source, self.domain, self.path = source, domain, path
        self.days = source.days
        self.notes = list(source.info.notes)
        self.digest = hashlib.sha256()
        self.active = 0

    def run(self, progress: Progress | None) -> None:
        windows = list(self.domain.blocks())
        shares = [overlap(self.source.lattice, self.domain, window) for window in windows]
        if not any(shares):
            self._refuse("the model lattice does not meet the domain")
        self._create()
        for done, share in enumerate(shares, start=1):
            if share is not None:
                self._tile(share)
            if progress is not None:
                progress(done, len(shares))
        if self.active == 0:
            self._refuse("no active model cell lies in the domain")
        self._finish()

    def _refuse(self, why: str) -> None:
        lattice = self.source.lattice
        lon, lat = lattice.lonlat()
        raise PriorCoverageError(
            f"The prior cannot be built for the domain {self.domain.name!r}: {why}",
            value=f"{lattice.name} {lattice.ij_bounds or ''}: longitudes {lon.min():.2f} to {lon.max():.2f}, "
            f"latitudes {lat.min():.2f} to {lat.max():.2f}",
            allowed=f"a run that overlaps the domain's {_box(self.domain)}",
        )

    def _create(self) -> None:
        """The empty store: all arrays with their chunks, coordinates filled."""
        shape = self.domain.shape(M01)
        self.group = zarr.create_group(self.path, zarr_format=3)
        sizes = {"time": len(self.days), "dayofyear": DAYS, "y": shape.y, "x": shape.x}
        chunks = {"time": TIME_CHUNK, "dayofyear": 1, "y": CHUNK, "x": CHUNK}
        names = [n for n, f in FIELDS.items() if f.required or n in self.source.daily or n in self.source.statics]
        for name in names:
            spec = FIELDS[name]
            self.group.create_array(
                name,
                shape=tuple(sizes[d] for d in spec.dims),
                chunks=tuple(min(chunks[d], sizes[d]) for d in spec.dims),
                dtype=spec.dtype,
                fill_value={"float32": np.nan, "int16": -1, "uint8": 0}[spec.dtype],
                compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
                dimension_names=spec.dims,
                attributes={
                    k: v
                    for k, v in {
                        "units": spec.units,
                        "long_name": spec.title,
                        "standard_name": spec.standard_name,
                    }.items()
                    if v
                },
            )
        self._coordinates()

    def _coordinates(self) -> None:
        geobox = self.domain.geobox(M01)
        affine = geobox.affine
        epoch = dt.date(1970, 1, 1)
        coordinates: dict[str, tuple[NDArray[Any], dict[str, str]]] = {
            "y": (
                affine.f + (np.arange(geobox.shape.y) + 0.5) * affine.e,
                {"units": "m", "standard_name": "projection_y_coordinate"},
            ),
            "x": (
                affine.c + (np.arange(geobox.shape.x) + 0.5) * affine.a,
                {"units": "m", "standard_name": "projection_x_coordinate"},
            ),
            "time": (
                np.array([(day - epoch).days for day in self.days], dtype=np.int64),
                {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"},
            ),
            "dayofyear": (np.arange(1, DAYS + 1, dtype=np.int16), {"long_name": "day of the year, 1 is 1 January"}),
        }
        for name, (values, attributes) in coordinates.items():
            array = self.group.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                dimension_names=(name,),
                attributes=attributes,
            )
            array[:] = values

    def _put(self, name: str, index: tuple[slice, ...], values: NDArray[Any]) -> None:
        stored = np.ascontiguousarray(values, dtype=FIELDS[name].dtype)
        self.group[name][index] = stored
        self.digest.update(f"{name}{index}".encode())
        self.digest.update(stored.tobytes())

    def _tile(self, share: Overlap) -> None:
        """All fields of one tile; its climatology is summed up while its days pass."""
        place = (share.window.rows.slice, share.window.columns.slice)
        shape = (share.window.shape.y, share.window.shape.x)
        counts = np.bincount([d.timetuple().tm_yday - 1 for d in self.days], minlength=DAYS)
        climatology = Climatology(counts, shape)
        highest = np.full(shape, np.nan, dtype=np.float32)
        alive = np.zeros(share.source.shape, dtype=bool)
        for block in _blocks(len(self.days)):
            native = self.source.read_days("soil_moisture", block, share.source)
            _check_fraction(native)
            alive |= np.isfinite(native).any(axis=0)
            values = share.mean(native)
            self._put("soil_moisture", (block, *place), values)
            for day, field in zip(self.days[block], values, strict=True):
                climatology.add(day.timetuple().tm_yday, field)
                np.fmax(highest, field, out=highest)
        self._climate(climatology, place)
        self._forcing(share, place)
        self._statics(share, place, alive, highest)

    def _climate(self, climatology: Climatology, place: tuple[slice, slice]) -> None:
        everything = (slice(0, DAYS), *place)
        self._put("soil_moisture_mean", everything, climatology.mean())
        for block in _blocks(len(self.days)):
            values = self.group["soil_moisture"][(block, *place)]
            for day, field in zip(self.days[block], values, strict=True):
                climatology.add_departure(day.timetuple().tm_yday, field)
        self._put("soil_moisture_spread", everything, climatology.spread())
        self.group["climatology_support"][:] = climatology.support

    def _forcing(self, share: Overlap, place: tuple[slice, slice]) -> None:
        for name in self.source.daily:
            if name != "soil_moisture":
                for block in _blocks(len(self.days)):
                    self._put(name, (block, *place), share.mean(self.source.read_days(name, block, share.source)))

    def _statics(
        self, share: Overlap, place: tuple[slice, slice], alive: NDArray[np.bool_], highest: NDArray[np.float32]
    ) -> None:
        """Static fields over the active lattice cells alone, so that they describe the same ground as the days."""
        active = np.isfinite(highest)
        self.active += int(active.sum())
        self._put("active", place, active)
        names = set(self.source.statics)
        native = {
            n: self.source.read_static(n, share.source) for n in names if n in FIELDS or n == "residual_saturation"
        }
        for name in sorted(names - {"porosity"}):
            if name in CLASS_NAMES:
                classes = np.where(alive & np.isfinite(native[name]), native[name], -1).astype(np.int16)
                self._put(name, place, np.where(active, share.mode(classes), -1))
            elif name in FIELDS:
                self._put(name, place, share.mean(np.where(alive, native[name], np.nan)))
        self._bounds(share, place, alive, highest, native)

    def _bounds(
        self,
        share: Overlap,
        place: tuple[slice, slice],
        alive: NDArray[np.bool_],
        highest: NDArray[np.float32],
        native: dict[str, NDArray[np.float64]],
    ) -> None:
        """Porosity and residual water content, the physical bounds of the product."""
        if "porosity" in native:
            porosity = share.mean(np.where(alive, native["porosity"], np.nan))
            if np.nanmax(highest - porosity, initial=0.0) > _EXCESS:
                raise PriorSchemaError(
                    "Soil moisture stands above porosity: the porosity is of another layer or run",
                    value=f"up to {np.nanmax(highest - porosity):.3f} m3 m-3 above",
                    allowed=f"at most {_EXCESS} (rounding)",
                )
            porosity = np.fmax(porosity, highest)
        else:
            porosity = np.ceil(highest * 100) / np.float32(100)
            note = "No porosity was given: the highest soil moisture of each cell, rounded up to 0.01, stands for it."
            self.notes.extend([note] if note not in self.notes else [])
        saturation = native.get("residual_saturation", np.zeros(share.source.shape))
        residual = share.mean(np.where(alive, saturation, np.nan)) * porosity
        self._put("porosity", place, np.where(np.isfinite(highest), porosity, np.nan))
        self._put("residual", place, np.where(np.isfinite(highest), residual, np.nan))

    def _finish(self) -> None:
        info, lattice = self.source.info, self.source.lattice
        attributes = {
            "kind": KIND,
            "schema_version": product.SCHEMA_VERSION,
            "Conventions": "CF-1.11",
            "title": info.title,
            "model": info.model,
            "simulated": info.simulated,
            "domain": domain_attributes(self.domain),
            "crs": self.domain.geobox(M01).crs.to_wkt() if self.domain.geobox(M01).crs else "",
            "lattice": lattice.name,
            "registration": lattice.registration,
            "ij_bounds": list(lattice.ij_bounds) if lattice.ij_bounds else None,
            "lower_left": [lattice.lower_left.x, lattice.lower_left.y],
            "period": [self.days[0].isoformat(), self.days[-1].isoformat()],
            "days": len(self.days),
            "active_cells": self.active,
            "notes": self.notes,
            "inputs": [dict(record) for record in info.inputs],
        }
        self.digest.update(json.dumps(attributes, sort_keys=True).encode())
        self.group.attrs.update(
            {
                **attributes,
                "digest": self.digest.hexdigest(),
                "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "vadose_version": downscaler.__version__,
            }
        )


def _blocks(days: int) -> list[slice]:
    return [slice(start, min(start + TIME_CHUNK, days)) for start in range(0, days, TIME_CHUNK)]


def _check_fraction(values: NDArray[np.float32]) -> None:
    low, high = np.nanmin(values, initial=0.0), np.nanmax(values, initial=0.0)
    if low < -1e-3 or high > 1.0 + 1e-3:
        raise PriorSchemaError(
            "Soil moisture is no volume fraction",
            value=f"values from {low:g} to {high:g}",
            allowed="0 to 1 m3 m-3",
            remedy="Convert percent, millimetres or saturation first.",
        )


def _box(domain: Domain) -> str:
    box = domain.geobox(M01).geographic_extent.boundingbox
    return f"longitudes {box.left:.2f} to {box.right:.2f}, latitudes {box.bottom:.2f} to {box.top:.2f}"
