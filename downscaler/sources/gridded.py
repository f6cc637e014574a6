"""Any other gridded soil moisture product, at chosen places and days.

NetCDF, Zarr, GeoTIFF, and whatever else xarray has an engine for; SMAP L4 and NISAR SME2 by ``products``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from downscaler.errors import ComparisonError, broken_as
from downscaler.sources import geotiff, hdf5, products, zarrs
from downscaler.sources.bounds import LONGEST, middles
from downscaler.sources.folders import files_below, left_unread
from downscaler.sources.hdf5.valid import only_valid
from downscaler.sources.lengths import METRES
from downscaler.sources.refused import RefusedFileError

Floats = NDArray[np.float64]
_NAMES = ("soil_moisture", "sm", "ssm", "surface_soil_moisture", "theta", "swvl1")
_ALIASES = {
    "time": ("time", "date", "t"),
    "y": ("y", "lat", "latitude", "northing", "ydim"),
    "x": ("x", "lon", "longitude", "easting", "xdim"),
}
_FRACTIONS = ("m3m-3", "m3/m3", "m3.m-3", "cm3/cm3", "cm3cm-3", "mm3/mm3", "fraction", "-", "1", "")
_SUPERSCRIPTS = str.maketrans("³⁻", "3-")
_BELOW = -0.01  # m3 m-3; noise of a retrieval may reach a little below nothing, a missing value lies far below


def product_at(source: str, dates: Sequence[dt.date], lon: NDArray[np.floating], lat: NDArray[np.floating]) -> Floats:
    """Soil moisture of a product at places and days, from the cell that contains each place.

    Args:
        source: path, or ``path::variable`` where the file holds several; of GeoTIFFs a file or a folder of them.
        dates: days wanted; a product with several times a day gives their mean.
        lon: degrees east [sites].
        lat: degrees north [sites].

    Returns:
        [sites, days], m3 m-3, NaN where the product has nothing or does not reach.

    Raises:
        ComparisonError: not there, not readable, no such variable, no coordinates or CRS, or another unit.
    """
    return sample_product(source, dates, lon, lat).theta


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A product's soil moisture ``theta`` [sites, days], m3 m-3, and what a reader must know of it."""

    theta: Floats
    notes: tuple[str, ...] = ()


def sample_product(
    source: str, dates: Sequence[dt.date], lon: NDArray[np.floating], lat: NDArray[np.floating]
) -> Sample:
    """``product_at`` with notes: of products with several fields a day, days that lack any are left out and counted."""
    path, _, variable = source.partition("::")
    with broken_as(ComparisonError, "The product to compare with is damaged", path):
        return _sample(path, variable, dates, lon, lat)


def _sample(
    path: str, variable: str, dates: Sequence[dt.date], lon: NDArray[np.floating], lat: NDArray[np.floating]
) -> Sample:
    total, count = (np.zeros((len(lon), len(dates))) for _ in range(2))
    steps, expected = np.zeros(len(dates), int), 0
    number_of = {pd.Timestamp(date): number for number, date in enumerate(dates)}
    units = set()
    own = products.files_of(Path(path)) if Path(path).exists() and not variable else []
    for field in _fields(path, variable or None, dates) if not own else products.fields_of(own, dates, _box(lon, lat)):
        if 0 in field.shape:
            continue
        rows, columns, inside = _places(field, lon, lat, path)
        times = _times(field, path).floor("D")
        expected = max(expected, int(field.attrs.get("expected_a_day", 0)))
        for day in times.unique().intersection(list(number_of)):
            at, number = np.flatnonzero(times == day), number_of[day]
            read = field.isel(time=at, y=xr.DataArray(rows, dims="site"), x=xr.DataArray(columns, dims="site"))
            stack = read.transpose("time", "site").to_numpy().astype(float)
            known = np.isfinite(stack) & inside
            steps[number] += at.size
            total[:, number] += np.where(known, stack, 0.0).sum(axis=0)
            count[:, number] += known.sum(axis=0)
        units.add(str(field.attrs.get("units", "")))
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    for unit in sorted(units):
        _require_fractions(values, unit, path)
    short = (steps > 0) & (steps < expected)
    values[:, short] = np.nan
    notes = [f"{int(short.sum())} days of {Path(path).name} have fewer than {expected} fields and are left out."]
    unverified = [products.UNVERIFIED] if own and products.kind_of(own[0]) == "SME2" else []
    files = own or _files(Path(path))
    unread = left_unread(Path(path), files) if files != [Path(path)] else []  # a file, or one store
    return Sample(theta=values, notes=(*(notes if short.any() else ()), *unverified, *unread))


def _files(path: Path) -> list[Path]:
    return geotiff.files_of(path) if geotiff.claims(path) else _netcdf_files(path)


def _box(lon: NDArray[np.floating], lat: NDArray[np.floating]) -> products.Box:
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(lon, np.clip(lat, -89.9, 89.9))
    return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))


def _times(field: xr.DataArray, path: str) -> pd.DatetimeIndex:
    """Times of a field, those of other calendars by the dates that they name."""
    stamps = field["time"].to_numpy()
    if stamps.dtype.kind == "O":
        calendar = getattr(stamps.flat[0], "calendar", "")
        if calendar in ("julian", "360_day"):
            raise ComparisonError(
                f"{path} has dates of another calendar",
                value=calendar,
                allowed="standard, proleptic_gregorian or noleap",
                remedy="Write its times in the standard calendar.",
            )
        stamps = np.array([np.datetime64(stamp.isoformat()[:19]) for stamp in stamps])
    if stamps.dtype.kind != "M":
        raise ComparisonError(f"{path} has a time that is no date", value=stamps.dtype, allowed="a CF time")
    return pd.DatetimeIndex(stamps)


def _fields(path: str, variable: str | None, dates: Sequence[dt.date]) -> Iterator[xr.DataArray]:
    """The product part by part, each with dimensions time, y and x: one of a data set, one a file of GeoTIFFs."""
    if not Path(path).exists():
        raise ComparisonError("The product to compare with is missing", value=path)
    if not geotiff.claims(Path(path)):
        seen: dict[np.datetime64, str] = {}
        for file in _netcdf_files(Path(path)):
            with _opened(str(file)) as data:
                field = _field(data, variable, str(file))
                _check_once(field, file.name, seen)
                yield field
        return
    for field in geotiff.fields_of(Path(path), dates, variable):
        yield field.assign_attrs(geographic=False)


def _netcdf_files(path: Path) -> list[Path]:
    """The file or Zarr store itself; of another folder all its NetCDF files."""
    if not path.is_dir() or zarrs.is_store(path):
        return [path]
    found = files_below(path, (".nc", ".nc4", ".h5", ".hdf5"))
    if not found:
        raise ComparisonError("The folder holds no file of a product to compare with", value=path)
    return found


def _check_once(field: xr.DataArray, name: str, seen: dict[np.datetime64, str]) -> None:
    """Two versions of a file would be averaged unseen."""
    for time in _times(field, name).to_numpy():
        if time in seen:
            raise ComparisonError(
                "Two files of the product to compare with are of one time",
                value=f"{time}: {seen[time]} and {name}",
                remedy="Take older copies out of the folder.",
            )
        seen[time] = name


def _opened(path: str) -> xr.Dataset:
    file = Path(path)
    try:
        if not file.is_dir():
            return only_valid(hdf5.dataset(file, decode_coords="all"))
        return only_valid(zarrs.dataset(file, decode_coords="all"))
    except RefusedFileError as error:
        raise ComparisonError(
            f"The product to compare with cannot be read: {error.what}", value=path, remedy=error.remedy
        ) from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ComparisonError(
            "xarray cannot open the product to compare with", value=f"{path}: {str(error).splitlines()[0]}"
        ) from error


def _field(data: xr.Dataset, variable: str | None, path: str) -> xr.DataArray:
    """The soil moisture of a data set with dimensions time, y and x under these names."""
    candidates = [variable] if variable else [name for name in _NAMES if name in data]
    if not candidates or candidates[0] not in data:
        raise ComparisonError(
            f"{path} has no such variable" if variable else f"It is not clear which variable of {path} to use",
            value=variable,
            allowed=[str(name) for name in data.data_vars],
            remedy="Name it: PATH::VARIABLE.",
        )
    field = data[candidates[0]]
    renamed: dict[Any, str] = {}
    for ours, theirs in _ALIASES.items():
        found = next((d for d in field.dims if str(d).lower() in theirs), None)
        if found is not None and found != ours:
            renamed[found] = ours
    field = field.rename(renamed)
    field = _at_middles(field, data, renamed, path)
    if "time" not in field.dims and "time" in field.coords:
        field = field.expand_dims("time")
    lacking = [name for name in ("time", "y", "x") if name not in field.dims or name not in field.coords]
    if lacking:
        raise ComparisonError(
            f"{path} lacks coordinates", value=", ".join(lacking), allowed="time, y and x (or latitude and longitude)"
        )
    field.attrs["geographic"] = any(str(name).lower().startswith(("lat", "lon")) for name in renamed)
    return field if field.attrs["geographic"] else _in_metres(field, path)


def _at_middles(field: xr.DataArray, data: xr.Dataset, renamed: dict[Any, str], path: str) -> xr.DataArray:
    """The field with each mean at the middle of its period, where the file tells bounds; no mean over several days."""
    axis = next((str(theirs) for theirs, ours in renamed.items() if ours == "time"), "time")
    told = middles(data, axis)
    if told is None or "time" not in field.dims:
        return field
    if told[1] > LONGEST:
        hours = told[1] / np.timedelta64(1, "h")
        raise ComparisonError(f"Fields of {path} are means over more than a day", value=f"{hours:g} h", allowed="24 h")
    return field.assign_coords(time=("time", told[0]))


def _in_metres(field: xr.DataArray, path: str) -> xr.DataArray:
    """The field with projected x and y in metres, as its projection has them; subset services write kilometres."""
    for axis in ("x", "y"):
        told = str(field[axis].attrs.get("units", "m")).strip().lower()
        if told.startswith(("deg", "°")):
            continue
        if told not in METRES:
            raise ComparisonError(f"{axis} of {path} is no length on a map", value=repr(told), allowed="m or km")
        if METRES[told] != 1.0:
            field = field.assign_coords({axis: field[axis] * METRES[told]})
    return field


def _places(
    field: xr.DataArray, lon: NDArray[np.floating], lat: NDArray[np.floating], path: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Rows and columns of the cells that hold places, and which places are on the grid."""
    x, y = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
    crs = None if field.attrs["geographic"] else _crs(field, path)
    if crs is not None:
        x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(x, y)
    if (crs is None or crs.is_geographic) and float(field["x"].max()) > 180.0:
        x = np.asarray(x) % 360.0
    columns, inside_x = _nearest(field["x"].to_numpy(), np.asarray(x))
    rows, inside_y = _nearest(field["y"].to_numpy(), np.asarray(y))
    return rows, columns, inside_x & inside_y


def _nearest(centres: NDArray[np.floating], at: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Cells whose centre is nearest along one axis, and whether the place lies in them."""
    if centres.size < 2:
        return np.zeros(at.shape, np.intp), np.zeros(at.shape, bool)
    order = np.argsort(centres)
    edges = centres[order]
    middle = (edges[1:] + edges[:-1]) / 2
    index = np.searchsorted(middle, at)
    half = np.abs(np.diff(edges))[np.minimum(index, edges.size - 2)] / 2
    inside = np.abs(edges[index] - at) <= half * (1 + 1e-9)
    return order[index], np.asarray(inside)


def _crs(field: xr.DataArray, path: str) -> CRS:
    mapping = next((field.coords[n].attrs for n in ("spatial_ref", "crs") if n in field.coords), None)
    named = str(field.attrs.get("grid_mapping") or field.encoding.get("grid_mapping") or "")
    if named in field.coords:
        mapping = field.coords[named].attrs
    try:
        if mapping:
            return CRS.from_cf(dict(mapping))
        return CRS.from_user_input(field.attrs["crs"])
    except (KeyError, CRSError) as error:
        raise ComparisonError(
            f"{path} does not state its coordinate reference system",
            allowed="a CF grid mapping, an attribute crs, or latitude and longitude",
        ) from error


def _require_fractions(values: Floats, units: str, path: str) -> None:
    found = values[np.isfinite(values)]
    least, largest = float(found.min(initial=0.0)), float(found.max(initial=0.0))
    if (
        re.sub(r"[\s^*]", "", units.translate(_SUPERSCRIPTS)).lower() not in _FRACTIONS
        or largest > 1.0
        or least < _BELOW
    ):
        raise ComparisonError(
            f"Soil moisture of {path} is not a volume fraction",
            value=f"units {units!r}, {least:g} to {largest:g}",
            allowed="m3 m-3, 0 to 1",
            remedy="Convert it first, and declare its missing value.",
        )
