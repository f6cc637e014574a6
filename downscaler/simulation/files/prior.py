"""Writes the simulated prior as ParFlow-CLM users have it: ``.pfb`` states with a ``prior.toml``, and CF NetCDF.

Arrays come as [y, x] or [z, y, x], y from the south, z from the bottom, as ParFlow has them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from parflow.tools.io import write_pfb
from pyproj import CRS

from downscaler.ground.lattice import PARENTS, IJWindow, Lattice
from downscaler.product import SIMULATED_LABEL

THICKNESS = (100.0, 1.0, 0.6, 0.3, 0.1)  # m, bottom first: CONUS1's layers
INACTIVE = -3.4028234663852886e38  # what ParFlow writes outside its mask
PREFIX = "SIM"
_DEPTHS = ((0.0, 0.1), (0.1, 0.4), (0.4, 1.0), (1.0, 2.0), (2.0, 102.0))
_DAILY = {  # name -> units, long name, standard name, decimals, how a day is made of its steps
    "soil_moisture": (
        "m3 m-3",
        "volumetric soil moisture, layer 0-0.1 m (saturation * porosity)",
        "volume_fraction_of_condensed_water_in_soil",
        4,
        "mean",
    ),
    "precipitation": ("mm day-1", "precipitation", "lwe_precipitation_rate", 2, "sum"),
    "air_temperature": ("K", "2 m air temperature", "air_temperature", 2, "mean"),
}
_STATIC = {  # name -> units, long name
    "elevation": ("m", "surface altitude"),
    "slope_x": ("1", "topographic slope x, forward difference (z[i+1]-z[i])/dx"),
    "slope_y": ("1", "topographic slope y, forward difference (z[j+1]-z[j])/dy"),
    "mask": ("1", "1 = active cell"),
    "landcover": ("1", "IGBP land cover class"),
    "indicator": ("1", "subsurface unit: USDA texture class 1-12, 19 bedrock"),
    "porosity": ("m3 m-3", "porosity"),
    "permeability": ("m h-1", "saturated hydraulic conductivity"),
    "vg_alpha": ("m-1", "van Genuchten alpha"),
    "vg_n": ("1", "van Genuchten n"),
    "vg_sres": ("1", "residual saturation"),
    "sand_fraction": ("1", "sand fraction of the top layer"),
    "clay_fraction": ("1", "clay fraction of the top layer"),
}


class DailyFile:
    """``daily.nc``, filled window by window.

    Args:
        path: of the file.
        lattice: of the run.
        start: first day.
        days: of the run.
        edge: cells along an edge of the blocks that the file is kept in.
    """

    def __init__(self, path: Path, lattice: Lattice, start: dt.date, days: int, edge: int) -> None:
        self._file = _create(path, lattice, "daily fields")
        self._days = days
        self._file.createDimension("time", None)
        time = self._file.createVariable("time", "f8", ("time",), chunksizes=(512,))
        time.setncatts(
            {
                "standard_name": "time",
                "long_name": "UTC day (label = start of day)",
                "units": f"days since {start:%Y-%m-%d}",
                "calendar": "proleptic_gregorian",
            }
        )
        shape = lattice.window.shape
        blocks = [min(n, edge) for n in shape]
        self._step = int(np.clip(4e6 // (blocks[0] * blocks[1]), 1, 16))
        for name, (units, long_name, standard_name, digits, method) in _DAILY.items():
            variable = self._file.createVariable(
                name,
                "f4",
                ("time", "y", "x"),
                zlib=True,
                complevel=3,
                shuffle=True,
                fill_value=np.float32(np.nan),
                least_significant_digit=digits,
                chunksizes=(self._step, *blocks),
            )
            variable.setncatts(
                {
                    "units": units,
                    "long_name": long_name,
                    "standard_name": standard_name,
                    "cell_methods": f"time: {method}",
                    "grid_mapping": "crs",
                }
            )
        self._mask = _mask_variable(self._file)
        time[:] = np.arange(days)

    def put(self, window: IJWindow, days: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """A window's days [day, field, j, i], fields as in ``_DAILY``; soil moisture is left out of inactive cells."""
        j, i = window.slices
        self._mask[j, i] = mask.astype(np.int8)
        for first in range(0, self._days, self._step):
            part = slice(first, min(first + self._step, self._days))
            for number, name in enumerate(_DAILY):
                values = np.asarray(days[part, number])
                values = np.where(mask, values, np.float32(np.nan)) if name == "soil_moisture" else values
                self._file[name][part, j, i] = values

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def _create(path: Path, lattice: Lattice, what: str) -> netCDF4.Dataset:
    file = netCDF4.Dataset(path, "w", format="NETCDF4")
    file.setncatts(
        {
            "Conventions": "CF-1.8",
            "title": f"vadose {SIMULATED_LABEL}: {what} of a light stand-in for ParFlow-CLM",
            "source": "vadose simulation (not ParFlow): downscaler.simulation.hydrology",
            "comment": "Landscape, weather and soil moisture are simulated; nothing here is any real place's.",
            "vadose_simulated": "true",
        }
    )
    for name, centres in (("y", lattice.y), ("x", lattice.x)):
        file.createDimension(name, centres.size)
        variable = file.createVariable(name, "f8", (name,))
        variable.setncatts(
            {"units": "m", "standard_name": f"projection_{name}_coordinate", "axis": name.upper()},
        )
        variable[:] = centres
    crs = file.createVariable("crs", "i4")
    crs.setncatts({k: v for k, v in CRS.from_user_input(lattice.crs).to_cf().items() if v is not None})
    crs.setncattr("proj4", lattice.crs)
    return file


def _mask_variable(file: netCDF4.Dataset) -> Any:
    variable = file.createVariable("mask", "i1", ("y", "x"), zlib=True)
    variable.setncatts({"long_name": _STATIC["mask"][1], "grid_mapping": "crs"})
    return variable


class StaticFile:
    """``static.nc``, filled window by window, kept in blocks of at most ``edge`` x ``edge`` cells."""

    def __init__(self, path: Path, lattice: Lattice, edge: int) -> None:
        self._file = _create(path, lattice, "static fields")
        self._blocks = tuple(min(n, edge) for n in lattice.window.shape)
        self._file.createDimension("layer", len(THICKNESS))
        for name, values, attributes in (
            ("layer", np.arange(1, len(_DEPTHS) + 1), {"long_name": "layer, 1 = top"}),
            ("layer_top", [top for top, _ in _DEPTHS], {"units": "m"}),
            ("layer_bottom", [bottom for _, bottom in _DEPTHS], {"units": "m"}),
        ):
            axis = self._file.createVariable(name, "f8" if "_" in name else "i4", ("layer",))
            axis.setncatts(attributes)
            axis[:] = values

    def put(self, window: IJWindow, fields: Mapping[str, NDArray[np.generic]]) -> None:
        """A window's [j, i] fields, and [layer, j, i] ones, bottom first; in the file layer 1 is the top."""
        for name, array in fields.items():
            dtype = {"f": "f4", "b": "i1"}.get(array.dtype.kind, "i2")
            if name not in self._file.variables:
                units, long_name = _STATIC[name]
                layers = ("layer",) if array.ndim == 3 else ()
                chunks = (*([1] if layers else []), *self._blocks)
                variable = self._file.createVariable(name, dtype, (*layers, "y", "x"), zlib=True, chunksizes=chunks)
                variable.setncatts({"units": units, "long_name": long_name, "grid_mapping": "crs"})
            self._file[name][(..., *window.slices)] = (array[::-1] if array.ndim == 3 else array).astype(dtype)

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def write_state(path: Path, values: NDArray[np.floating], mask: NDArray[np.bool_], *, processes: int = 1) -> None:
    """One ``.pfb``: [z, y, x] or [y, x] doubles, inactive cells masked, cut into ``processes`` x ``processes``."""
    array = np.where(mask, values, INACTIVE).astype(np.float64)
    array = array if array.ndim == 3 else array[None]
    write_pfb(str(path), array, p=processes, q=processes, dx=1000.0, dy=1000.0, dz=1.0, z_first=True, dist=False)


def write_description(path: Path, lattice: Lattice, start: dt.datetime, statics: Mapping[str, str]) -> None:
    """``prior.toml``: what the ``.pfb`` files do not say; ``statics`` maps keys of [files] to file names."""
    grid = [f'lattice = "{lattice.name}"', f'registration = "{lattice.registration}"']
    if lattice.name in PARENTS and lattice.ij_bounds is not None:
        grid.append(f"ij_bounds = {list(lattice.ij_bounds)}")
    else:
        corner = [lattice.lower_left.x, lattice.lower_left.y]
        grid = ['lattice = "custom"', f'crs = "{lattice.crs}"', f"lower_left = {corner}", f"cell = {lattice.cell}"]
    lines = [
        "# What the .pfb files of this folder cannot say of themselves.",
        "[grid]",
        *grid,
        "",
        "[time]",
        "# file number N holds the state at start + N * step",
        f'start = "{start:%Y-%m-%dT%H:%M:%SZ}"',
        'step = "1d"',
        "",
        "[files]",
        *(f'{key} = "{name}"' for key, name in statics.items()),
        "",
        "[source]",
        f'title = "vadose {SIMULATED_LABEL}"',
        'model = "vadose simulation, a light stand-in for ParFlow-CLM"',
        "simulated = true",
        'note = "Landscape, weather and soil moisture are simulated; nothing here is any real place\'s."',
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
