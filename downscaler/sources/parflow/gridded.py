"""ParFlow-CLM output as CF NetCDF or Zarr: one reader over xarray, whatever the container."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import PriorSchemaError
from downscaler.ground.lattice import IJWindow, Lattice, from_centres
from downscaler.sources.parflow import hydroframe
from downscaler.sources.parflow.cf import (
    attributes_of,
    check_same_grid,
    crs_of,
    require_zero,
    south_up,
    top_layer,
    utc_days,
)
from downscaler.sources.parflow.names import (
    BELOW,
    CLASS_NAMES,
    SHOWN_UNITS,
    STATIC_NAMES,
    check_units,
    find_name,
    require,
)
from downscaler.sources.parflow.retention import saturation
from downscaler.sources.parflow.source import SourceInfo
from downscaler.sources.parflow.units import Conversion, check_weather, conversion

Array = NDArray[np.float32]
_BLOCK = 1 << 25  # values that are looked at in one go
_RETENTION = ("van_genuchten_alpha", "van_genuchten_n", "residual_saturation")


@dataclass(frozen=True, kw_only=True)
class _Track:
    """One field over time: the datasets it runs through, its variable there, and the steps of each UTC day."""

    parts: Sequence[xr.Dataset]
    variable: str
    steps: Mapping[dt.date, list[tuple[int, int]]]
    convert: Conversion


class GriddedSource:
    """Days, weather and static fields of opened datasets; a PriorSource.

    ``parts`` are consecutive pieces of time of one run; ``others`` bring weather over time and static fields. Rows may
    run either way in the files. Soil moisture is a variable of its own, else saturation times porosity, which pressure
    and van Genuchten's parameters may give. Raises
    PriorSchemaError for missing variables, other units, unlike grids, and two files of one time.
    """

    def __init__(
        self,
        parts: Iterable[xr.Dataset],
        others: Iterable[xr.Dataset] = (),
        *,
        where: str,
        inputs: tuple[dict[str, Any], ...],
        notes: Iterable[str] = (),
    ) -> None:
        self._where = where
        self._inputs = inputs
        self._notes: list[str] = list(notes)
        self._parts = [self._placed(part) for part in parts]
        self._others = [self._placed(other) for other in others]
        for other in (*self._parts[1:], *self._others):
            check_same_grid(self._parts[0], other, where)
        self._wet = self._find_wet()
        self._tracks = {"soil_moisture": self._track(self._wet, self._parts)}
        for name in (*BELOW, "precipitation", "air_temperature"):
            found = [group for group in (self._parts, self._others) if self._variable(name, group)]
            if found:
                self._tracks[name] = self._track(name, found[0])
        self._tell_unread()

    def _placed(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset in metres with its south first; HydroFrame's own files set right."""
        if hydroframe.wrote(dataset):
            dataset, notes = hydroframe.set_right(dataset, self._where)
            self._notes += [note for note in notes if note not in self._notes]
        return south_up(dataset, self._where)

    def _variable(self, name: str, datasets: Sequence[xr.Dataset]) -> str | None:
        """The variable that holds a field over time in some of the datasets."""
        for data in datasets:
            present = {k: told for k, told in attributes_of(data).items() if "time" in data[k].dims}
            if variable := find_name(name, present):
                return variable
        return None

    def _find_wet(self) -> str:
        if self._variable("soil_moisture", self._parts):
            return "soil_moisture"
        if self._variable("saturation", self._parts) and "porosity" in self._static_names:
            return "saturation"
        if self._variable("pressure", self._parts) and {"porosity", *_RETENTION} <= self._static_names.keys():
            return "pressure"
        present = attributes_of(self._parts[0])
        timeless = find_name("soil_moisture", present)
        if timeless is not None:
            raise PriorSchemaError(
                f"Variable {timeless!r} of {self._where} has no axis named time",
                value=", ".join(map(str, self._parts[0][timeless].dims)),
                allowed="time, y, x",
                remedy="Rename the dimension of times to time.",
            )
        require("soil_moisture", None, present, self._where)
        raise AssertionError  # require has raised

    def _track(self, name: str, datasets: Sequence[xr.Dataset]) -> _Track:
        variable = self._variable(name, datasets)
        assert variable is not None
        parts = [data for data in datasets if variable in data and "time" in data[variable].dims]
        if datasets is self._parts and len(parts) < len(datasets):
            raise PriorSchemaError(
                f"Variable {variable!r} of {self._where} is missing or has no time axis in some files",
                value=f"{len(datasets) - len(parts)} of {len(datasets)} files lack it",
            )
        if name == "precipitation":
            for part in parts:
                require_zero(part[variable], self._where)
        units = [part[variable].attrs.get("units") for part in parts]
        if len({str(unit) for unit in units}) > 1:
            raise PriorSchemaError(
                f"Variable {variable!r} of {self._where} has several units", value=sorted(map(str, set(units)))
            )
        convert = self._conversion(name, variable, units[0])
        steps = self._index_days(parts, variable, states=name == self._wet)
        return _Track(parts=parts, variable=variable, steps=steps, convert=convert)

    def _conversion(self, name: str, variable: str, units: object) -> Conversion:
        if name in SHOWN_UNITS and units is None and name != "soil_moisture":
            self._notes.append(f"{variable} states no unit; {SHOWN_UNITS[name]} was taken.")
            return Conversion()
        if name in ("precipitation", "air_temperature"):
            return conversion(name, units, f"{self._where} ({variable})")
        check_units(name, variable, units, self._where)
        return Conversion()

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
        return tuple(self._tracks["soil_moisture"].steps)

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the available daily fields."""
        return tuple(self._tracks)

    @cached_property
    def _static_names(self) -> dict[str, tuple[xr.Dataset, str]]:
        found: dict[str, tuple[xr.Dataset, str]] = {}
        for number, dataset in enumerate((*self._others, *self._parts)):
            present = {k: a for k, a in attributes_of(dataset).items() if dataset[k].sizes.get("time", 1) == 1}
            for name in (*STATIC_NAMES, "mask"):
                variable = find_name(name, present)
                if variable is None:
                    continue
                if name in found and number > len(self._others):
                    continue  # a run's files may all repeat it
                if name in found:
                    self._notes.append(f"{name} is in several files; the first was taken ({found[name][1]}).")
                    continue
                check_units(name, variable, present[variable].get("units"), self._where)
                if name in ("elevation", "slope_x", "slope_y"):
                    require_zero(dataset[variable], self._where)
                found[name] = (dataset, variable)
        return found

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the available static fields."""
        return tuple(self._static_names)

    def _tell_unread(self) -> None:
        """Note the fields on the grid that nothing here reads."""
        used = {(id(part), track.variable) for track in self._tracks.values() for part in track.parts}
        used |= {(id(dataset), variable) for dataset, variable in self._static_names.values()}
        unread = sorted(
            {
                str(name)
                for data in (*self._parts, *self._others)
                for name in data.data_vars
                if {"y", "x"} <= set(data[name].dims) and (id(data), str(name)) not in used
            }
        )
        if unread:
            self._notes.append(f"Left unread: {', '.join(unread)}.")

    def read_days(self, name: str, days: slice, window: IJWindow) -> Array:
        """One daily field: [day, j, i]; states of one day are averaged, a series (time,) is uniform in space."""
        track, chosen = self._tracks[name], self.days[days]
        result = np.full((len(chosen), *window.shape), np.nan, dtype=np.float32)
        for row, day in enumerate(chosen):
            states = [self._read_state(track, part, step, window) for part, step in track.steps.get(day, ())]
            if states and name == "soil_moisture" and self._wet == "pressure":
                states = [self._from_pressure(state, window) for state in states]
            if states:
                stack = np.stack(states)
                result[row] = stack[0] if len(stack) == 1 else _mean_of_states(stack)
        result = np.asarray(track.convert(result), dtype=np.float32)
        if name in ("precipitation", "air_temperature"):
            check_weather(name, result, f"{self._where} ({track.variable})")
            return result
        if name == "soil_moisture" and self._wet != "soil_moisture":
            result *= self.read_static("porosity", window).astype(np.float32)
        if "mask" in self._static_names:
            result[:, ~(self.read_static("mask", window) > 0)] = np.nan
        return result

    def _from_pressure(self, pressure: Array, window: IJWindow) -> Array:
        """Saturation of a state's pressure head; a mean of pressures would be another."""
        alpha, n, residual = (self.read_static(name, window) for name in _RETENTION)
        return saturation(pressure.astype(np.float64), alpha, n, residual).astype(np.float32)

    def _read_state(self, track: _Track, part: int, step: int, window: IJWindow) -> Array:
        values = top_layer(track.parts[part][track.variable], self._where).isel(time=step)
        if "x" not in values.dims:
            return np.full(window.shape, values.values, dtype=np.float32)
        cut = values.transpose("y", "x").isel(y=window.j.slice, x=window.i.slice)
        return _without_fill(cut.values)

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field of the top layer: [j, i]."""
        dataset, variable = self._static_names[name]
        values = top_layer(dataset[variable], self._where)
        if "time" in values.dims:
            values = values.isel(time=0)
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
        for dataset in (*self._parts, *self._others):
            dataset.close()

    def _index_days(
        self, parts: Sequence[xr.Dataset], variable: str, *, states: bool
    ) -> dict[dt.date, list[tuple[int, int]]]:
        """For each day with data, the parts and steps that belong to it."""
        steps: dict[dt.date, list[tuple[int, int]]] = {}
        seen: dict[np.datetime64, int] = {}
        dropped, empty = 0, []
        for number, part in enumerate(parts):
            spinup = find_name("spinup", attributes_of(part)) if states else None
            skip = part[spinup].values.astype(bool) if spinup else np.zeros(part.sizes["time"], dtype=bool)
            filled = _steps_with_data(top_layer(part[variable], self._where)) if states else ~skip
            days = utc_days(part, self._where)
            self._check_once(part["time"].values, seen, number)
            for step, stamp in enumerate(days):
                dropped += int(skip[step])
                if not skip[step] and filled[step]:
                    steps.setdefault(stamp, []).append((number, step))
                elif not skip[step]:
                    empty.append(stamp.isoformat())
        if dropped:
            self._notes.append(f"{dropped} time steps flagged as spin-up were left out.")
        if lost := [day for day in empty if dt.date.fromisoformat(day) not in steps]:
            self._notes.append(f"{len(lost)} days without soil moisture were left out: {', '.join(lost[:5])}.")
        if not steps:
            raise PriorSchemaError(f"{self._where} contains no day with soil moisture", value="all missing or spin-up")
        return dict(sorted(steps.items()))

    def _check_once(self, times: NDArray[np.datetime64], seen: dict[np.datetime64, int], number: int) -> None:
        """Refuse the same time twice: two versions of a file would be averaged unseen."""
        for time in times:
            if time in seen:
                raise PriorSchemaError(
                    f"Two steps of {self._where} are of one time",
                    value=f"{time} in file {seen[time] + 1} and file {number + 1} by time",
                    allowed="each time once",
                    remedy="Take older copies of a file out of the folder.",
                )
            seen[time] = number


def _mean_of_states(stack: Array) -> Array:
    count = np.isfinite(stack).sum(axis=0)
    total = np.where(np.isfinite(stack), stack, 0).sum(axis=0)
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan).astype(np.float32)


def _without_fill(values: NDArray[Any]) -> Array:
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(wide) < 1e30, wide, np.nan).astype(np.float32)


def _is_number(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where there is a value: neither NaN nor ParFlow's -3.4e38."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values) < 1e30)


def _steps_with_data(values: xr.DataArray, most: int = _BLOCK) -> NDArray[np.bool_]:
    """Which time steps hold any number; read in blocks of whole fields, and a field too large for one in strips."""
    field = values.transpose("time", "y", "x")
    steps, height, width = field.shape
    days, rows = max(most // max(height * width, 1), 1), max(most // max(width, 1), 1)
    found = np.zeros(steps, dtype=bool)
    for start in range(0, steps, days):
        part, block = field.isel(time=slice(start, start + days)), found[start : start + days]
        for row in range(0, height, rows):
            block |= _is_number(part.isel(y=slice(row, row + rows)).values).any(axis=(1, 2))
            if block.all():
                break
    return found
