"""Writing a prior store: empty arrays first, then tile by tile, with a running digest of the numbers."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from downscaler.ground.grid import M01, Domain, Window
from downscaler.method.day_of_year import DAYS
from downscaler.stores.prior.schema import CHUNK, FIELDS, FILLS, TIME_CHUNK, contents

_EPOCH = dt.date(1970, 1, 1)


class StoreWriter:
    """A prior store under construction at ``path`` on a domain's M01 window, for the given days and variables."""

    def __init__(self, path: Path, domain: Domain, days: Sequence[dt.date], names: Iterable[str]) -> None:
        shape = domain.shape(M01)
        sizes = {"time": len(days), "dayofyear": DAYS, "y": shape.y, "x": shape.x}
        self._path = path
        self._group = zarr.create_group(path, zarr_format=3)
        self._arrays = {name: self._create(name, sizes) for name in names}
        self._digest = hashlib.sha256()
        self._coordinates(domain, days)

    def _create(self, name: str, sizes: Mapping[str, int]) -> zarr.Array[Any]:
        spec = FIELDS[name]
        chunks = {"time": TIME_CHUNK, "dayofyear": TIME_CHUNK if len(spec.dims) > 1 else DAYS, "y": CHUNK, "x": CHUNK}
        attributes = {"units": spec.units, "long_name": spec.title}
        if spec.standard_name:
            attributes["standard_name"] = spec.standard_name
        return self._group.create_array(
            name,
            shape=tuple(sizes[d] for d in spec.dims),
            chunks=tuple(min(chunks[d], sizes[d]) for d in spec.dims),
            dtype=spec.dtype,
            fill_value=FILLS[spec.dtype],
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
            dimension_names=spec.dims,
            attributes=cast("dict[str, Any]", attributes),
        )

    def _coordinates(self, domain: Domain, days: Sequence[dt.date]) -> None:
        affine, shape = domain.geobox(M01).affine, domain.shape(M01)
        days_since = np.array([(day - _EPOCH).days for day in days], dtype=np.int64)
        time = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"}
        metres = {"units": "m", "standard_name": "projection_{}_coordinate"}
        coordinates: dict[str, tuple[NDArray[Any], dict[str, str]]] = {
            "y": (affine.f + (np.arange(shape.y) + 0.5) * affine.e, metres),
            "x": (affine.c + (np.arange(shape.x) + 0.5) * affine.a, metres),
            "time": (days_since, time),
            "dayofyear": (np.arange(1, DAYS + 1, dtype=np.int16), {"long_name": "day of the year, 1 is 1 January"}),
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

    def put(self, name: str, values: NDArray[Any], window: Window | None = None, first: slice | None = None) -> None:
        """Store a variable on an M01 window; ``first`` is the run along time or day of year, all of it if None."""
        array = self._arrays[name]
        stored = np.ascontiguousarray(values, dtype=FIELDS[name].dtype)
        index = _index(array.ndim, window, first)
        array[index] = stored
        self._digest.update(f"{name}{index}".encode())
        self._digest.update(stored.tobytes())

    def get(self, name: str, window: Window, first: slice) -> NDArray[np.float32]:
        """What was stored of a variable with a leading axis."""
        return np.asarray(self._arrays[name][_index(3, window, first)])

    def finish(self, attributes: Mapping[str, Any], unsigned: Mapping[str, Any], text: str) -> None:
        """Write the attributes with the digest of numbers and ``text``; ``unsigned`` ones do not count towards it."""
        self._digest.update(text.encode())
        files, size = contents(self._path)
        self._group.attrs.update(
            {**attributes, **unsigned, "digest": self._digest.hexdigest(), "files": files, "bytes": size}
        )


def _index(ndim: int, window: Window | None, first: slice | None) -> tuple[slice, ...]:
    place = (window.rows.slice, window.columns.slice) if window is not None else ()
    lead = (first or slice(None),) if ndim > len(place) else ()
    return (*lead, *place)
