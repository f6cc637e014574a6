"""ParFlow-CLM output as NetCDF: a file, a folder of files, or a pattern; what of it is left unread is always told.

Folders below count too, such as those of years. A mean is of the day that the middle of its bounds lies in, where the
file tells bounds, else of the day of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from downscaler.errors import PriorUnreadableError
from downscaler.sources.folders import files_below, left_unread
from downscaler.sources.parflow import own_netcdf
from downscaler.sources.parflow.cf import attributes_of, open_dataset
from downscaler.sources.parflow.gridded import GriddedSource
from downscaler.sources.parflow.names import STATIC_NAMES, find_name
from downscaler.sources.parflow.source import DAILY_NAMES, file_inputs

STATES = ("soil_moisture", "saturation", "pressure")
SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")


def open_netcdf(path: Path | str, statics: Path | None = None) -> GriddedSource:
    """Open NetCDF output: files with soil moisture over time are days, the others bring weather and static fields.

    Raises PriorUnreadableError for missing or damaged files, PriorSchemaError for missing variables, other units,
    unlike grids, and two files of one time.
    """
    files = _files(Path(path))
    opened = {file: open_dataset(file) for file in files}
    if statics is not None:
        opened = {Path(statics): open_dataset(Path(statics))} | opened
    opened, notes, more = _set_right(opened, Path(path))
    days = {file: data for file, data in opened.items() if _over_time(data, STATES)} or opened
    others = {file: data for file, data in opened.items() if file not in days}
    used = {file: data for file, data in others.items() if _is_useful(data)}
    notes += [_unread_file(file, data) for file, data in others.items() if file not in used]
    notes += left_unread(Path(path), {*days, *others, *more})
    source = GriddedSource(
        _in_order(days), _in_order(used), where=str(path), inputs=file_inputs([*days, *used, *more]), notes=notes
    )
    for file in others.keys() - used.keys():
        opened[file].close()
    return source


def _set_right(opened: dict[Path, xr.Dataset], path: Path) -> tuple[dict[Path, xr.Dataset], list[str], list[Path]]:
    """The datasets with ParFlow's own output placed and dated by its prior.toml, and the static .pfb files it names.

    And a note, and what else was read.
    """
    if not own_netcdf.any_of(opened.values()):
        return opened, [], []
    about = own_netcdf.description_of(path if path.is_dir() else path.parent, str(path))
    placed = {
        file: own_netcdf.set_right(data, about, file.name) if own_netcdf.wrote(data) else data
        for file, data in opened.items()
    }
    beside, more = own_netcdf.statics(about)
    placed |= {about.path: beside} if beside is not None else {}
    return placed, [own_netcdf.NOTE], [about.path, *more]


def _in_order(files: Mapping[Path, xr.Dataset]) -> list[xr.Dataset]:
    """Datasets by their first time, then by name; a file given by --statics stays first."""
    return sorted(files.values(), key=lambda d: d["time"].values[0].astype("int64") if _dated(d) else 0)


def _dated(data: xr.Dataset) -> bool:
    return "time" in data.coords and data["time"].dtype.kind == "M" and data.sizes.get("time", 0) > 0


def _over_time(data: xr.Dataset, names: Sequence[str]) -> bool:
    present = {name: told for name, told in attributes_of(data).items() if "time" in data[name].dims}
    return any(find_name(name, present) is not None for name in names)


def _is_useful(data: xr.Dataset) -> bool:
    """Whether a file brings weather over time, or static fields."""
    present = attributes_of(data)
    return _over_time(data, DAILY_NAMES) or any(find_name(name, present) for name in (*STATIC_NAMES, "mask"))


def _unread_file(file: Path, data: xr.Dataset) -> str:
    return f"Left unread: {file.name} ({', '.join(map(str, data.data_vars)) or 'no variable'})."


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = files_below(path, SUFFIXES)  # years may lie in folders of their own
    elif any(c in path.name for c in "*?[") and not path.exists():
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
