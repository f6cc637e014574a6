"""ParFlow's own NetCDF output (``RUN.out.00000.nc``), set right by the ``prior.toml`` beside it.

ParFlow writes ``pressure`` and ``saturation`` over (time, z, y, x), ``porosity``, ``mask``, ``perm_x``, ``slopex`` and
``slopey`` into the first file, and time as a bare number in its own unit; no coordinate, no projection, no date. What
ParFlow's Python tools write of a run is alike. ``prior.toml`` tells ``[grid]`` and ``[time]``, and under ``[files]``
the static ``.pfb`` files that the output lacks.

Source: ParFlow, pfsimulator/parflow_lib/write_parflow_netcdf.c and the manual's keys ``NetCDF.*``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo import wh_

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import Lattice
from downscaler.sources.parflow.names import STATIC_NAMES
from downscaler.sources.parflow.native.description import FILE_NAME, Description, read_description
from downscaler.sources.parflow.pfb import read_header, read_top

NOTE = f"Place and dates of ParFlow's own NetCDF output are those of {FILE_NAME}."
_OWN = ("pressure", "saturation", "porosity", "mask", "slopex", "slopey", "perm_x", "mannings", "specific_storage")


def wrote(dataset: xr.Dataset) -> bool:
    """Whether a file is of ParFlow itself: its names on x and y, and nothing that says where x and y are."""
    if not {"x", "y"} <= set(dataset.dims) or not any(name in dataset for name in _OWN):
        return False
    return all(axis not in dataset.coords or _counts(dataset[axis].values) for axis in ("x", "y"))


def _counts(axis: NDArray[np.generic]) -> bool:
    """Whether an axis only counts its cells."""
    return (
        axis.dtype.kind in "iuf"
        and axis.size > 0
        and np.array_equal(axis, np.arange(axis.size) + axis[0])
        and axis[0] in (0, 1)
    )


def description_of(folder: Path, where: str) -> Description:
    """``prior.toml`` of a folder; raises PriorSchemaError where it does not tell place and dates."""
    try:
        about = read_description(folder, states=False)
    except PriorUnreadableError as error:
        raise PriorSchemaError(
            f"{where} is ParFlow's own NetCDF output, which tells neither where nor when it is",
            value=error.value,
            allowed=f"a {FILE_NAME} beside it with [grid] and [time]",
            remedy='Write [grid] lattice and ij_bounds, and [time] start and step ("1h" where ParFlow counts hours).',
        ) from error
    return about


def set_right(dataset: xr.Dataset, about: Description, where: str) -> xr.Dataset:
    """The dataset with the cells' centres, their projection and UTC times.

    Raises PriorSchemaError where ``[time]`` is missing, or ``ij_bounds`` do not fit the shape.
    """
    lattice = about.lattice(wh_(dataset.sizes["x"], dataset.sizes["y"]))
    placed = _on(dataset.drop_vars([axis for axis in ("x", "y") if axis in dataset.coords]), lattice)
    if "time" not in placed.dims or ("time" in placed.coords and placed["time"].dtype.kind == "M"):
        return placed
    if "time" not in placed.variables:
        raise PriorSchemaError(
            f"{where} has no time", value=", ".join(map(str, dataset.variables)), allowed="ParFlow's variable time"
        )
    moments = [_moment(float(number), about, where) for number in placed["time"].values]
    return placed.assign_coords(time=("time", np.array(moments, dtype="datetime64[ns]")))


def _on(dataset: xr.Dataset, lattice: Lattice) -> xr.Dataset:
    return dataset.assign_coords(x=("x", lattice.x), y=("y", lattice.y)).assign(
        crs=xr.Variable((), 0, {"proj4": lattice.crs})
    )


def _moment(number: float, about: Description, where: str) -> np.datetime64:
    """UTC of a time in ParFlow's own unit; raises PriorSchemaError without [time], or for what is no time of a run."""
    if not np.isfinite(number) or number < 0:
        raise PriorSchemaError(f"{where} holds a time that is none", value=number, allowed="0 or more")
    begin = about.clock.at(0, where)
    about.clock.at(int(number), where)  # not beyond the longest run
    assert about.clock.step is not None
    return np.datetime64((begin + number * about.clock.step).replace(tzinfo=None), "s")


def statics(about: Description) -> tuple[xr.Dataset | None, list[Path]]:
    """Static fields that ``prior.toml`` names as .pfb files, on its lattice; None where it names none."""
    fields: dict[str, NDArray[np.float64]] = {}
    used: list[Path] = []
    for name in (*STATIC_NAMES, "mask"):
        if name in about.files:
            file = _one(about, name)
            read_header(file)
            fields[name] = read_top(file)
            used.append(file)
    if not fields and about.residual_saturation is None:
        return None, []
    shapes = {values.shape for values in fields.values()}
    if len(shapes) > 1:
        raise PriorSchemaError(f"The .pfb files of {about.path} have different lattices", value=sorted(shapes))
    bounds = about.grid.get("ij_bounds")
    rows, columns = shapes.pop() if shapes else (bounds[3] - bounds[1], bounds[2] - bounds[0]) if bounds else (0, 0)
    if about.residual_saturation is not None and "residual_saturation" not in fields:
        fields["residual_saturation"] = np.full((rows, columns), about.residual_saturation)
    data = xr.Dataset({name: (("y", "x"), values) for name, values in fields.items()})
    return _on(data, about.lattice(wh_(columns, rows))), used


def _one(about: Description, name: str) -> Path:
    found = [file for file in sorted(about.path.parent.glob(about.files[name])) if not file.name.startswith(".")]
    if len(found) != 1 or found[0].suffix.lower() != ".pfb":
        raise PriorUnreadableError(
            f"{name} in {about.path} must be one .pfb file", value=f"{len(found)} files match {about.files[name]}"
        )
    return found[0]


def any_of(datasets: Iterable[xr.Dataset]) -> bool:
    """Whether any of some files is of ParFlow itself."""
    return any(wrote(dataset) for dataset in datasets)
