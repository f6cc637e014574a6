"""ParFlow-CLM output as CF NetCDF or Zarr: one reader over xarray, whatever the container."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError
from downscaler.ground.lattice import IJWindow, Lattice, from_centres
from downscaler.sources.parflow.cf import attributes_of, check_same_grid, crs_of, south_up, top_layer, utc_days
from downscaler.sources.parflow.names import (
    CLASS_NAMES,
    STATIC_NAMES,
    check_units,
    find_name,
    require,
)
from downscaler.sources.parflow.source import DAILY_NAMES, SourceInfo

Array = NDArray[np.float32]


class GriddedSource:
    """Days and static fields of opened datasets; a PriorSource.

    ``parts`` are consecutive pieces of time of one run; ``statics`` may bring static fields. Rows may run either way in
    the files. Raises PriorSchemaError for missing variables, other units, unlike grids.
    """

    def __init__(
        self, parts: Iterable[xr.Dataset], statics: xr.Dataset | None, *, where: str, inputs: tuple[dict[str, Any], ...]
    ) -> None:
        self._where = where
        self._inputs = inputs
        self._parts = [south_up(part, where) for part in parts]
        self._static_files = [south_up(statics, f"{where} (statics)")] if statics is not None else []
        self._static_files.append(self._parts[0])
        self._notes: list[str] = []
        self._names = self._find_daily()
        for other in (*self._parts[1:], *self._static_files):
            check_same_grid(self._parts[0], other, where)
        self._steps = self._index_days()

    def _find_daily(self) -> dict[str, str]:
        present = attributes_of(self._parts[0])
        names = {name: find_name(name, present) for name in DAILY_NAMES}
        require("soil_moisture", names["soil_moisture"], present, self._where)
        found = {name: variable for name, variable in names.items() if variable is not None}
        for name, variable in found.items():
            check_units(name, variable, present[variable].get("units"), self._where)
            lacking = [part for part in self._parts if variable not in part or "time" not in part[variable].dims]
            if lacking:
                raise PriorSchemaError(
                    f"Variable {variable!r} of {self._where} is missing or has no time axis in some files",
                    value=f"{len(lacking)} of {len(self._parts)} files lack it",
                )
        return found

    @cached_property
    def lattice(self) -> Lattice:
        """Lattice of the arrays, from x, y and the grid mapping."""
        first = self._parts[0]
        return from_centres(first["x"].values, first["y"].values, crs_of(first, self._where), where=self._where)

    @property
    def info(self) -> SourceInfo:
        """Title and notes from the file's attributes."""
        attributes = self._parts[0].attrs
        notes = [str(attributes[key]) for key in ("comment", "grid_note", "note") if attributes.get(key)]
        flagged = str(attributes.get("vadose_simulated", "false")).lower() == "true"
        return SourceInfo(
            title=str(attributes.get("title", self._where)),
            model=str(attributes.get("source", "ParFlow-CLM")),
            simulated=flagged,
            notes=(*notes, *self._notes),
            inputs=self._inputs,
        )

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with soil moisture, spin-up left out."""
        return tuple(self._steps)

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the available daily fields."""
        return tuple(self._names)

    @cached_property
    def _static_names(self) -> dict[str, tuple[xr.Dataset, str]]:
        found: dict[str, tuple[xr.Dataset, str]] = {}
        for name in (*STATIC_NAMES, "mask"):
            for dataset in self._static_files:
                present = {k: a for k, a in attributes_of(dataset).items() if "time" not in dataset[k].dims}
                variable = find_name(name, present)
                if variable is not None and name not in found:
                    check_units(name, variable, present[variable].get("units"), self._where)
                    found[name] = (dataset, variable)
        return found

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the available static fields."""
        return tuple(self._static_names)

    def read_days(self, name: str, days: slice, window: IJWindow) -> Array:
        """One daily field: [day, j, i]; states of one day are averaged, a series (time,) is uniform in space."""
        chosen = list(self._steps.values())[days]
        result = np.empty((len(chosen), *window.shape), dtype=np.float32)
        for row, steps in enumerate(chosen):
            states = [self._read_state(name, part, steps_of_part, window) for part, steps_of_part in steps]
            stack = np.concatenate(states)
            result[row] = stack[0] if len(stack) == 1 else _mean_of_states(stack)
        if name == "soil_moisture" and "mask" in self._static_names:
            result[:, ~(self.read_static("mask", window) > 0)] = np.nan
        return result

    def _read_state(self, name: str, part: int, steps: slice, window: IJWindow) -> Array:
        values = top_layer(self._parts[part][self._names[name]], self._where).isel(time=steps)
        if "x" not in values.dims:
            return np.broadcast_to(
                values.values.astype(np.float32)[:, None, None], (values.sizes["time"], *window.shape)
            ).copy()
        cut = values.transpose("time", "y", "x").isel(y=window.j.slice, x=window.i.slice)
        return _without_fill(cut.values)

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field of the top layer: [j, i]."""
        dataset, variable = self._static_names[name]
        values = top_layer(dataset[variable], self._where)
        if set(values.dims) != {"y", "x"}:
            raise PriorSchemaError(
                f"Static variable {variable!r} of {self._where} has other dimensions",
                value=values.dims,
                allowed="y, x and at most one layer axis",
            )
        cut = values.transpose("y", "x").isel(y=window.j.slice, x=window.i.slice).values
        return cut.astype(np.float64) if name in CLASS_NAMES else _without_fill(cut).astype(np.float64)

    def close(self) -> None:
        """Close all open files."""
        for dataset in (*self._parts, *self._static_files):
            dataset.close()

    def _index_days(self) -> dict[dt.date, list[tuple[int, slice]]]:
        """For each day with data, the parts and runs of steps that belong to it."""
        steps: dict[dt.date, list[tuple[int, slice]]] = {}
        dropped, empty = 0, []
        for number, part in enumerate(self._parts):
            spinup = find_name("spinup", attributes_of(part))
            skip = part[spinup].values.astype(bool) if spinup else np.zeros(part.sizes["time"], dtype=bool)
            filled = _steps_with_data(top_layer(part[self._names["soil_moisture"]], self._where))
            for step, stamp in enumerate(utc_days(part, self._where)):
                dropped += int(skip[step])
                if not skip[step] and filled[step]:
                    steps.setdefault(stamp, []).append((number, slice(step, step + 1)))
                elif not skip[step]:
                    empty.append(stamp.isoformat())
        if dropped:
            self._notes.append(f"{dropped} time steps flagged as spin-up were left out.")
        if lost := [day for day in empty if dt.date.fromisoformat(day) not in steps]:
            self._notes.append(f"{len(lost)} days without soil moisture were left out: {', '.join(lost[:5])}.")
        if not steps:
            raise PriorSchemaError(f"{self._where} contains no day with soil moisture", value="all missing or spin-up")
        return dict(sorted(steps.items()))


def _mean_of_states(stack: Array) -> Array:
    count = np.isfinite(stack).sum(axis=0)
    total = np.where(np.isfinite(stack), stack, 0).sum(axis=0)
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan).astype(np.float32)


def _without_fill(values: NDArray[Any]) -> Array:
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(wide) < 1e30, wide, np.nan).astype(np.float32)


def _steps_with_data(values: xr.DataArray) -> NDArray[np.bool_]:
    """Which time steps hold any number; read in blocks."""
    found = [
        np.isfinite(values.isel(time=slice(start, start + 30)).transpose("time", ...).values)
        for start in range(0, values.sizes["time"], 30)
    ]
    return np.concatenate([block.reshape(block.shape[0], -1).any(axis=1) for block in found])
