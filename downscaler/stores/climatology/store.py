"""A coarse climatology as one NetCDF file, written atomically."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import downscaler
from downscaler.errors import BROKEN, ClimatologyError, DomainError, broken_as
from downscaler.ground.grid import Domain, Span, Window
from downscaler.method.seasonal import SEASONS, CoarseStatistics
from downscaler.parts import replacing
from downscaler.product import COARSE_GRIDS, SCHEMA_VERSION
from downscaler.records import InputRecord
from downscaler.sources import hdf5

KIND = "vadose-coarse-climatology"
_DAMAGED = "The climatology is damaged"
_REMEDY = "Build it again: vadose climatology build."
_LAYERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "days": (("season",), {"long_name": "days with a value anywhere in the domain", "units": "1"}),
    "count": (("season", "y", "x"), {"long_name": "days with a value", "units": "1"}),
    "mean": (("season", "y", "x"), {"long_name": "mean soil moisture", "units": "m3 m-3"}),
    "std": (("season", "y", "x"), {"long_name": "standard deviation of days about the mean", "units": "m3 m-3"}),
    "quantiles": (
        ("season", "probability", "y", "x"),
        {"long_name": "median-unbiased quantiles of soil moisture", "units": "m3 m-3"},
    ),
}

_UNFIT: tuple[type[Exception], ...] = (*BROKEN, DomainError)


def save_statistics(statistics: CoarseStatistics, out: Path) -> InputRecord:
    """Write a coarse climatology; an older file at ``out`` is replaced once the new one is whole.

    Returns its record. Raises ClimatologyError when ``out`` is a folder, StorageFullError when the disk is full.
    """
    out = Path(out)
    if out.is_dir():
        raise ClimatologyError("The output is a folder", value=out, allowed="a file, such as climatology.nc")
    packed = {name: {"zlib": True, "complevel": 4} for name in _LAYERS}
    with replacing(out, "the climatology") as staging:
        _dataset(statistics).to_netcdf(staging, engine="netcdf4", encoding=packed)
    return statistics_record(out)


def _dataset(statistics: CoarseStatistics) -> xr.Dataset:
    centres = statistics.domain.geobox(statistics.grid).coordinates
    m36 = statistics.domain.m36
    domain = {
        "name": statistics.domain.name,
        "title": statistics.domain.title,
        "m36_rows_columns": [m36.rows.start, m36.rows.stop, m36.columns.start, m36.columns.stop],
    }
    attributes = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "Conventions": "CF-1.11",
        "title": statistics.title,
        "grid": statistics.grid.name,
        "crs": "EPSG:6933",
        "domain": json.dumps(domain),
        "period": json.dumps([day.isoformat() for day in statistics.period] if statistics.period else None),
        "inputs": statistics.inputs,
        "inputs_digest": statistics.digest,
        "simulated": str(statistics.simulated).lower(),
        "notes": json.dumps(list(statistics.notes)),
        "vadose_version": downscaler.__version__,
    }
    return xr.Dataset(
        {name: (dims, getattr(statistics, name), attrs) for name, (dims, attrs) in _LAYERS.items()},
        coords={
            "season": list(SEASONS),
            "probability": list(statistics.probabilities),
            **{axis: (axis, centres[axis].values, {"units": "m", "axis": axis.upper()}) for axis in ("y", "x")},
        },
        attrs=attributes,
    )


def load_statistics(path: Path) -> CoarseStatistics:
    """Read a coarse climatology.

    Raises ClimatologyError when there is no such file, it is cut short, of another kind or of another version.
    """
    data = _opened(Path(path))
    try:
        domain = json.loads(data.attrs["domain"])
        top, bottom, left, right = domain["m36_rows_columns"]
        window = Window(rows=Span(start=top, stop=bottom), columns=Span(start=left, stop=right))
        period = json.loads(data.attrs["period"])
        arrays: dict[str, Any] = {name: data[name].values for name in _LAYERS}
        odd = [name for name, values in arrays.items() if values.dtype.kind not in "fiu"]
        odd += [name for name in ("title", "inputs_digest") if not isinstance(data.attrs[name], str)]
        if odd:
            raise ValueError(f"{', '.join(odd)} of another type")
        _require_possible(data, path)
        return CoarseStatistics(
            **arrays,
            grid=COARSE_GRIDS[data.attrs["grid"]],
            domain=Domain(name=domain["name"], title=domain["title"], m36=window),
            title=data.attrs["title"],
            period=(dt.date.fromisoformat(period[0]), dt.date.fromisoformat(period[1])) if period else None,
            probabilities=tuple(data["probability"].values.tolist()),
            inputs=int(data.attrs["inputs"]),
            digest=data.attrs["inputs_digest"],
            simulated=data.attrs["simulated"] == "true",
            notes=tuple(json.loads(data.attrs["notes"])),
        )
    except _UNFIT as error:
        raise ClimatologyError(
            "A coarse climatology lacks required variables", value=f"{path}: {error}", remedy=_REMEDY
        ) from error


def _require_possible(data: xr.Dataset, path: Path) -> None:
    """Refuse a climatology that was scaled or edited: SMAP matched to it would be another field without a trace."""
    for name, (_, attributes) in _LAYERS.items():
        units, values = attributes["units"], data[name].values
        told = str(data[name].attrs.get("units", units))
        known = values[np.isfinite(values)]
        most = 1.0 if units == "m3 m-3" else np.inf
        if told != units or (known.size and not (known.min() >= 0.0 and known.max() <= most)):
            raise ClimatologyError(
                f"The {name} of a coarse climatology is impossible or in another unit",
                value=f"{path}: {told}" + (f", {known.min():g} to {known.max():g}" if known.size else ""),
                allowed=f"{units}, 0 to 1" if most == 1.0 else "counts from 0 on",
                remedy=_REMEDY,
            )
        seen = (
            np.broadcast_to(data["count"].values > 1, values.shape) if name in ("mean", "std") else np.isfinite(values)
        )
        if not np.isfinite(values[seen]).all():
            raise ClimatologyError(
                f"The {name} of a coarse climatology is missing where it counts days",
                value=f"{path}: {int((~np.isfinite(values[seen])).sum())} values",
                remedy=_REMEDY,
            )
    if (np.diff(data["quantiles"].values, axis=1) < -1e-6).any():  # of float32
        raise ClimatologyError("The quantiles of a coarse climatology fall", value=path, remedy=_REMEDY)


def is_statistics(path: Path) -> bool:
    """Whether a file says that it is a coarse climatology."""
    try:
        _opened(Path(path))
    except ClimatologyError:
        return False
    return True


def _opened(path: Path) -> xr.Dataset:
    """The file's contents in memory."""
    if not path.is_file():
        raise ClimatologyError("Climatology not found", value=path, remedy=_REMEDY)
    try:
        with hdf5.dataset(path, whole=True) as data:
            loaded = data.load()
    except BROKEN as error:
        raise ClimatologyError(
            "The climatology is not a NetCDF file, or is truncated or damaged",
            value=f"{path} ({error})",
            remedy=_REMEDY,
        ) from error
    if str(loaded.attrs.get("kind")) != KIND:
        raise ClimatologyError(
            "Not a coarse climatology", value=f"{path}: kind {loaded.attrs.get('kind')!r}", allowed=KIND
        )
    if str(loaded.attrs.get("schema_version")) != str(SCHEMA_VERSION):
        raise ClimatologyError(
            "The climatology has another schema version",
            value=f"{path}: {loaded.attrs.get('schema_version')!r}",
            allowed=SCHEMA_VERSION,
            remedy=_REMEDY,
        )
    return loaded


def statistics_record(path: Path) -> InputRecord:
    """The climatology as an input of a product; its checksum is of the granules behind it and of its numbers."""
    path = Path(path)
    with broken_as(ClimatologyError, _DAMAGED, path, _REMEDY):
        return _record(load_statistics(path), path)


def _record(statistics: CoarseStatistics, path: Path) -> InputRecord:
    first, last = statistics.period or (None, None)
    return InputRecord(
        kind="climatology",
        name=path.name,
        version=SCHEMA_VERSION,
        sha256=_digest(statistics),
        size=path.stat().st_size,
        title=statistics.title,
        attributes={
            "grid": statistics.grid.name,
            "domain": statistics.domain.name,
            "period": f"{first}/{last}",
            "granules": statistics.inputs,
            "granules_digest": statistics.digest,
            "simulated": statistics.simulated,
            "notes": list(statistics.notes),
        },
    )


def _digest(statistics: CoarseStatistics) -> str:
    """SHA-256 over the numbers, where they hold and what they are from; not over the file's packing."""
    where = [statistics.grid.name, str(statistics.domain.m36), statistics.digest, str(statistics.probabilities)]
    digest = hashlib.sha256("\0".join(where).encode())
    for name in _LAYERS:
        digest.update(np.ascontiguousarray(getattr(statistics, name)).tobytes())
    return digest.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """What ``vadose info`` tells of a coarse climatology; raises ClimatologyError for a damaged one."""
    with broken_as(ClimatologyError, _DAMAGED, path, _REMEDY):
        return _described(load_statistics(path))


def _described(statistics: CoarseStatistics) -> dict[str, Any]:
    cells = statistics.count.shape[1] * statistics.count.shape[2]
    return {
        "kind": "climatology",
        "title": statistics.title,
        "grid": statistics.grid.name,
        "domain": statistics.domain.name,
        "period": list(statistics.period) if statistics.period else None,
        "granules": statistics.inputs,
        "simulated": statistics.simulated,
        "cells": cells,
        "cells_with_data": int((statistics.count.max(axis=0) > 0).sum()),
        "days": dict(zip(SEASONS, statistics.days.tolist(), strict=True)),
        "days_of_a_cell": {
            name: float(np.median(count[count > 0])) if (count > 0).any() else 0.0
            for name, count in zip(SEASONS, statistics.count, strict=True)
        },
        "notes": list(statistics.notes),
        "digest": statistics.digest,
    }
