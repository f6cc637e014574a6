"""ParFlow-CLM output as NetCDF: a file, a folder of files, or a pattern."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from downscaler.errors import PriorUnreadableError
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.parflow.gridded import GriddedSource
from downscaler.sources.parflow.names import find_name
from downscaler.sources.parflow.source import file_inputs


def open_netcdf(path: Path | str, statics: Path | None = None) -> GriddedSource:
    """Open NetCDF output; files with soil moisture over time are days, another in the same folder brings statics.

    Raises PriorUnreadableError for missing or damaged files, PriorSchemaError for missing variables or other units.
    """
    files = _files(Path(path))
    opened = {file: open_dataset(file) for file in files}
    days = {file: data for file, data in opened.items() if _has_days(data)} or opened
    others = [file for file in files if file not in days]
    if statics is None and others and Path(path).is_dir():
        statics = others[0]
    static_data = open_dataset(statics) if statics is not None else None
    used = [*days, *([statics] if statics is not None else [])]
    ordered = sorted(days.values(), key=lambda d: d["time"].values[0] if "time" in d.coords else 0)
    return GriddedSource(ordered, static_data, where=str(path), inputs=file_inputs(used))


def _has_days(data: xr.Dataset) -> bool:
    present = {str(n): dict(data[n].attrs) for n in data.data_vars if "time" in data[n].dims}
    return find_name("soil_moisture", present) is not None


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in (".nc", ".nc4"))
    elif any(c in path.name for c in "*?["):
        found = sorted(path.parent.glob(path.name))
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise PriorUnreadableError(
            "No ParFlow-CLM NetCDF file was found",
            value=path,
            allowed="a .nc file, a folder with .nc files, or a pattern",
        )
    return found
