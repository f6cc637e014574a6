"""Writes the simulated prior as ParFlow-CLM users have it: ``.pfb`` states with a ``prior.toml``, and CF NetCDF.

Arrays come as [y, x] or [z, y, x], y from the south, z from the bottom, as ParFlow has them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray
from parflow.tools.io import write_pfb
from pyproj import CRS

from downscaler.ground.lattice import PARENTS, Lattice
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
    """``daily.nc``: one day after another, so that no more than a few days are held in memory."""

    def __init__(self, path: Path, lattice: Lattice, start: dt.date, mask: NDArray[np.bool_]) -> None:
        self._file = _create(path, lattice, "daily fields")
        self._mask, self._day = mask, 0
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
        days = int(np.clip(4e6 // mask.size, 1, 16))
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
                chunksizes=(days, *(min(n, 512) for n in mask.shape)),
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
        _mask_variable(self._file, mask)

    def append(self, fields: Mapping[str, NDArray[np.floating]]) -> None:
        """Adds one day's [y, x] fields; soil moisture is left out of inactive cells."""
        for name in _DAILY:
            values = np.where(self._mask, fields[name], np.nan) if name == "soil_moisture" else fields[name]
            self._file[name][self._day] = values.astype(np.float32)
        self._file["time"][self._day] = self._day
        self._day += 1

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


def _mask_variable(file: netCDF4.Dataset, mask: NDArray[np.bool_]) -> None:
    variable = file.createVariable("mask", "i1", ("y", "x"), zlib=True)
    variable.setncatts({"long_name": _STATIC["mask"][1], "grid_mapping": "crs"})
    variable[:] = mask.astype(np.int8)


def write_statics(path: Path, lattice: Lattice, fields: Mapping[str, NDArray[np.generic]]) -> None:
    """``static.nc``: [y, x] fields, and [layer, y, x] ones with layer 1 at the top (given here bottom first)."""
    with _create(path, lattice, "static fields") as file:
        file.createDimension("layer", len(THICKNESS))
        for name, values, attributes in (
            ("layer", np.arange(1, len(_DEPTHS) + 1), {"long_name": "layer, 1 = top"}),
            ("layer_top", [top for top, _ in _DEPTHS], {"units": "m"}),
            ("layer_bottom", [bottom for _, bottom in _DEPTHS], {"units": "m"}),
        ):
            axis = file.createVariable(name, "f8" if "_" in name else "i4", ("layer",))
            axis.setncatts(attributes)
            axis[:] = values
        for name, array in fields.items():
            units, long_name = _STATIC[name]
            dtype = {"f": "f4", "b": "i1"}.get(array.dtype.kind, "i2")
            dims = ("layer", "y", "x") if array.ndim == 3 else ("y", "x")
            variable = file.createVariable(name, dtype, dims, zlib=True)
            variable.setncatts({"units": units, "long_name": long_name, "grid_mapping": "crs"})
            variable[:] = (array[::-1] if array.ndim == 3 else array).astype(dtype)


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
