"""Writing a prior store: empty arrays first, then tile by tile, each with a digest of its numbers."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from downscaler.errors import PriorSchemaError
from downscaler.ground.grid import M01, Domain, Window
from downscaler.method.day_of_year import COEFFICIENTS
from downscaler.stores.prior.schema import CHUNK, FIELDS, SHARD, TIME_CHUNK, TIME_SHARD, PriorField, contents

_EPOCH = dt.date(1970, 1, 1)
_SLIGHTLY = 1e-3  # below 0, in the units of the variable: what rounding makes of 0


class StoreWriter:
    """A prior store under construction; several may write different tiles of one store at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._group = zarr.open_group(path, mode="r+", zarr_format=3)
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._digest = hashlib.sha256()

    @classmethod
    def create(cls, path: Path, domain: Domain, days: Sequence[dt.date], names: Iterable[str]) -> StoreWriter:
        """An empty store on a domain's M01 window, for the given days and variables."""
        zarr.create_group(path, zarr_format=3)
        writer = cls(path)
        shape = domain.shape(M01)
        sizes = {"time": len(days), "harmonic": COEFFICIENTS, "y": shape.y, "x": shape.x}
        for name in names:
            writer._create(FIELDS[name], sizes)
        writer._coordinates(domain, days)
        return writer

    def _create(self, spec: PriorField, sizes: Mapping[str, int]) -> None:
        chunks = {"time": TIME_CHUNK, "harmonic": COEFFICIENTS, "y": CHUNK, "x": CHUNK}
        files = {"time": TIME_SHARD, "harmonic": COEFFICIENTS, "y": SHARD, "x": SHARD}
        limits = {**sizes, "time": TIME_SHARD}  # a small domain has small chunks; days are added later
        read = [min(chunks[d], limits[d]) for d in spec.dims]
        kept = [min(files[d], -(-limits[d] // n) * n) for d, n in zip(spec.dims, read, strict=True)]
        attributes: dict[str, Any] = {"units": spec.units, "long_name": spec.title}
        if spec.standard_name:
            attributes["standard_name"] = spec.standard_name
        if spec.scale is not None:
            attributes |= {"scale_factor": spec.scale, "_FillValue": int(spec.fill)}
        self._group.create_array(
            spec.name,
            shape=tuple(sizes[d] for d in spec.dims),
            chunks=tuple(read),
            shards=tuple(kept),
            dtype=spec.dtype,
            fill_value=spec.fill,
            compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
            dimension_names=spec.dims,
            attributes=attributes,
        )

    def _array(self, name: str) -> zarr.Array[Any]:
        if name not in self._arrays:
            self._arrays[name] = cast("zarr.Array[Any]", self._group[name])
        return self._arrays[name]

    def _coordinates(self, domain: Domain, days: Sequence[dt.date]) -> None:
        affine, shape = domain.geobox(M01).affine, domain.shape(M01)
        days_since = np.array([(day - _EPOCH).days for day in days], dtype=np.int64)
        time = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"}
        metres = {"units": "m", "standard_name": "projection_{}_coordinate"}
        coordinates: dict[str, tuple[NDArray[Any], dict[str, str]]] = {
            "y": (affine.f + (np.arange(shape.y) + 0.5) * affine.e, metres),
            "x": (affine.c + (np.arange(shape.x) + 0.5) * affine.a, metres),
            "time": (days_since, time),
            "harmonic": (np.arange(COEFFICIENTS, dtype=np.int16), {"long_name": "number of the coefficient"}),
        }
        for name, (values, attributes) in coordinates.items():
            array = self._group.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                dimension_names=(name,),
                attributes={k: v.format(name) for k, v in attributes.items()},
            )
            array[:] = values

    def add_days(self, days: Sequence[dt.date], names: Iterable[str]) -> None:
        """Room for more days at the end of the named variables."""
        time = self._array("time")
        first = int(time.shape[0])
        for name in ("time", *names):
            array = self._array(name)
            array.resize((first + len(days), *array.shape[1:]))
        time[first:] = np.array([(day - _EPOCH).days for day in days], dtype=np.int64)

    def put(
        self, name: str, values: NDArray[Any], window: Window | None = None, first: slice | None = None
    ) -> NDArray[Any]:
        """Store a variable on an M01 window; ``first`` is the run along the leading axis, all of it if None.

        Returns what will be read. Raises PriorSchemaError for numbers beyond what the variable can hold.
        """
        spec, array = FIELDS[name], self._array(name)
        stored = pack(spec, values)
        index = _index(array.ndim, window, first)
        array[index] = stored
        self._digest.update(f"{name}{index}".encode())
        self._digest.update(stored.tobytes())
        return unpack(spec, stored)

    def get(self, name: str, window: Window, first: slice) -> NDArray[np.float32]:
        """What will be read of a variable with a leading axis."""
        return np.asarray(unpack(FIELDS[name], np.asarray(self._array(name)[_index(3, window, first)])))

    def take_digest(self) -> str:
        """Digest of what was put since the last time."""
        found, self._digest = self._digest.hexdigest(), hashlib.sha256()
        return found

    def finish(self, attributes: Mapping[str, Any], unsigned: Mapping[str, Any], digests: Iterable[str]) -> None:
        """Write the attributes and the digest of tiles and attributes; ``unsigned`` ones do not count towards it."""
        text = json.dumps([*digests, attributes], sort_keys=True)
        files, size = contents(self._path)
        signed: dict[str, Any] = {"digest": hashlib.sha256(text.encode()).hexdigest(), "files": files, "bytes": size}
        self._group.attrs.update({**attributes, **unsigned, **signed})


def pack(spec: PriorField, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as a variable keeps them.

    Raises:
        PriorSchemaError: numbers that it cannot hold.
    """
    if spec.scale is None:
        return np.ascontiguousarray(values, dtype=spec.dtype)
    known = np.isfinite(values)
    numbers = np.rint(np.where(known, values, 0.0) / spec.scale)
    limits = np.iinfo(spec.dtype)
    low, high = (limits.min, limits.max - 1) if limits.min == 0 else (limits.min + 1, limits.max)
    if numbers.size and (numbers.min() < low - _SLIGHTLY / spec.scale or numbers.max() > high):
        raise PriorSchemaError(
            f"{spec.name} has values that a prior cannot hold",
            value=f"{np.nanmin(values):g} to {np.nanmax(values):g} {spec.units}",
            allowed=f"{low * spec.scale:g} to {high * spec.scale:g}",
        )
    return np.where(known, np.maximum(numbers, low), spec.fill).astype(spec.dtype)


def unpack(spec: PriorField, stored: NDArray[Any]) -> NDArray[Any]:
    """The inverse of ``pack``, to within half of the variable's scale; missing values are NaN."""
    if spec.scale is None:
        return stored
    values = stored.astype(np.float32) * np.float32(spec.scale)
    values[stored == spec.fill] = np.nan
    return values


def _index(ndim: int, window: Window | None, first: slice | None) -> tuple[slice, ...]:
    place = (window.rows.slice, window.columns.slice) if window is not None else ()
    lead = (first or slice(None),) if ndim > len(place) else ()
    return (*lead, *place)
