"""CF conventions as ParFlow-CLM files follow them: rows, layers, projection and days of an opened dataset."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from downscaler.errors import BROKEN, PriorSchemaError, PriorUnreadableError
from downscaler.sources import hdf5, zarrs
from downscaler.sources.bounds import LONGEST, middles
from downscaler.sources.hdf5.valid import only_valid
from downscaler.sources.lengths import METRES
from downscaler.sources.refused import RefusedFileError

_LAYER_AXES = ("layer", "z", "level", "depth", "soil_layer")


def attributes_of(dataset: xr.Dataset) -> dict[str, dict[str, object]]:
    """Attributes of every data variable, by name."""
    return {str(name): dict(dataset[name].attrs) for name in dataset.data_vars}


def top_layer(values: xr.DataArray, where: str) -> xr.DataArray:
    """The top layer of a field with a layer axis, as the file's depths or descriptions define it.

    Raises PriorSchemaError when neither says which end it is.
    """
    axes = [str(d) for d in values.dims if str(d).lower() in _LAYER_AXES]
    if not axes:
        return values
    axis = axes[0]
    if values.sizes[axis] == 1:
        return values.isel({axis: 0})
    depths = [name for name in (f"{axis}_top", "layer_top", "depth") if name in values.coords]
    if depths:
        return values.isel({axis: int(np.argmin(np.abs(values.coords[depths[0]].values)))})
    words = (
        " ".join(str(values.coords[axis].attrs.get(k, "")) for k in ("long_name", "comment"))
        if axis in values.coords
        else ""
    )
    if "1 = top" in words or "0 = top" in words:
        return values.isel({axis: 0})
    if axis == "z":
        return values.isel({axis: -1})  # ParFlow's own order: the last z is the top
    raise PriorSchemaError(
        f"It is not clear which end of axis {axis!r} of {values.name!r} in {where} is the top",
        value=f"{values.sizes[axis]} layers",
        allowed=f"a coordinate layer_top (m), or '1 = top' in the long_name of {axis!r}",
    )


def require_zero(values: xr.DataArray, where: str) -> None:
    """Raise PriorSchemaError for a field, such as rain, whose zeros are declared to be missing.

    Zarr's writers take 0 for the value of what was not written unless told otherwise, and readers mask it.
    """
    told = {**values.encoding, **values.attrs}
    for key in ("_FillValue", "missing_value"):
        declared = np.ravel(np.asarray(told.get(key, np.nan)))
        if declared.dtype.kind in "iuf" and not {"scale_factor", "add_offset"} & set(told) and (declared == 0).any():
            raise PriorSchemaError(
                f"0 is declared to be missing in {values.name!r} of {where}, where it may be a value",
                value=f"{key} {declared[0]:g}",
                allowed="another fill value, such as NaN",
                remedy="Write it again with another fill value: what is 0 and what is missing cannot be told apart.",
            )


def south_up(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """The dataset with x and y in metres, y ascending; raises PriorSchemaError without projected x and y."""
    if "x" not in dataset.coords or "y" not in dataset.coords:
        raise PriorSchemaError(
            f"{where} has no projected coordinates",
            value=", ".join(map(str, dataset.coords)) or "no coordinate",
            allowed="one-dimensional coordinates x and y in metres, with a grid mapping",
        )
    axes = [str(d) for d in dataset.dims if str(d).lower() in _LAYER_AXES]
    depths = [n for n in ("layer_top",) if n in dataset and dataset[n].dims in [(a,) for a in axes]]
    dataset = in_metres(dataset.set_coords(depths), where)
    if dataset["y"].size > 1 and dataset["y"].values[0] > dataset["y"].values[-1]:
        return dataset.isel(y=slice(None, None, -1))
    return dataset


def in_metres(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """The dataset with x and y in metres, whatever length they are told in; raises PriorSchemaError for a non-length.

    Subset services give kilometres; without a unit metres are taken, and the size of the cells is looked at later.
    """
    for axis in ("x", "y"):
        told = str(dataset[axis].attrs.get("units", "m")).strip()
        factor = METRES.get(told.lower())
        if factor is None:
            raise PriorSchemaError(
                f"{axis} of {where} is not a length on a map",
                value=repr(told),
                allowed="m or km",
                remedy="Project it first.",
            )
        if factor != 1.0:
            values = dataset[axis].values * factor
            dataset = dataset.assign_coords({axis: (axis, values, {**dataset[axis].attrs, "units": "m"})})
    return dataset


def _place(dataset: xr.Dataset) -> str:
    x, y = dataset["x"].values, dataset["y"].values
    return f"{y.size} x {x.size} cells from x {x[0]:.1f}, y {y[0]:.1f}"


def check_same_grid(first: xr.Dataset, other: xr.Dataset, where: str) -> None:
    """Raise PriorSchemaError unless both datasets have the same x and y."""
    for axis in ("x", "y"):
        if first[axis].size != other[axis].size or not np.allclose(first[axis], other[axis], atol=1.0):
            raise PriorSchemaError(
                f"The files of {where} are on different grids",
                value=_place(other),
                allowed=_place(first),
            )


def crs_of(dataset: xr.Dataset, where: str) -> str:
    """PROJ string or WKT of the dataset's grid mapping; raises PriorSchemaError without one."""
    named = {str(v.attrs["grid_mapping"]) for v in dataset.variables.values() if "grid_mapping" in v.attrs}
    named |= {str(v.encoding["grid_mapping"]) for v in dataset.variables.values() if "grid_mapping" in v.encoding}
    mapping = next((m for m in (*sorted(named), "crs", "spatial_ref") if m in dataset.variables), None)
    attributes = dict(dataset[mapping].attrs) if mapping else {}
    for key in ("crs_wkt", "spatial_ref", "proj4"):
        if attributes.get(key):
            return str(attributes[key])
    try:
        return str(CRS.from_cf(attributes).to_wkt())
    except (CRSError, KeyError) as error:
        raise PriorSchemaError(
            f"{where} does not state its map projection",
            value=f"grid mapping variable: {mapping}",
            allowed="a CF grid mapping with crs_wkt, proj4 or CF parameters",
        ) from error


def utc_days(dataset: xr.Dataset, where: str) -> list[dt.date]:
    """UTC day of every time step: of its middle where the file tells bounds, since means may be stamped with their end.

    Raises PriorSchemaError without a decoded time axis, and for steps longer than a day.
    """
    if "time" not in dataset.coords or dataset["time"].dtype.kind != "M":
        raise PriorSchemaError(
            f"{where} has no decodable time axis",
            value=_time_units(dataset),
            allowed="a CF time coordinate named time, of the standard calendar",
        )
    stamps, told = dataset["time"].values, middles(dataset)
    if told is not None:
        stamps, longest = told
        if longest > LONGEST:
            hours = longest / np.timedelta64(1, "h")
            raise PriorSchemaError(f"Steps of {where} are longer than a day", value=f"{hours:g} h", allowed="24 h")
    if np.isnat(stamps).any():
        step = int(np.isnat(stamps).argmax())
        raise PriorSchemaError(f"The time axis of {where} has a gap", value=f"step {step} has no time")
    return cast("list[dt.date]", list(stamps.astype("datetime64[D]").astype(object)))


def _time_units(dataset: xr.Dataset) -> str:
    """What stands for a time axis, for the message."""
    if "time" not in dataset.variables:
        return f"dimensions {', '.join(map(str, dataset.dims))}"
    told = {**dataset["time"].encoding, **dataset["time"].attrs}
    return f"{told.get('units', 'no units')}, calendar {told.get('calendar', 'not told')}"


def open_dataset(path: Path) -> xr.Dataset:
    """Open one NetCDF file or Zarr store lazily; raises PriorUnreadableError."""
    try:
        if path.is_dir():
            return only_valid(zarrs.dataset(path, consolidated=False))
        return only_valid(hdf5.dataset(path))
    except RefusedFileError as error:
        what = "Zarr store" if path.is_dir() else "NetCDF file"
        raise PriorUnreadableError(f"A {what} cannot be read: {error.what}", value=path, remedy=error.remedy) from error
    except BROKEN as error:
        raise PriorUnreadableError(
            "A ParFlow-CLM file cannot be opened",
            value=f"{path}: {error}",
            remedy="Check that it was copied completely.",
        ) from error
