"""A folder of ParFlow's own .pfb output with its ``prior.toml``, as a source of days and static fields."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo import Shape2d, wh_

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.parflow.description import STATE_FILES, Description, read_description
from downscaler.sources.parflow.names import STATIC_NAMES
from downscaler.sources.parflow.pfb import read_header, read_layers, read_top, surface_soil_moisture
from downscaler.sources.parflow.source import DAILY_NAMES, SourceInfo, file_inputs
from downscaler.sources.parflow.vegm import VegetationTable, check_place, read_vegm

_NUMBER = re.compile(r"(\d+)(?=\D*$)")


class NativeSource:
    """Days and static fields of a folder of .pfb files; a PriorSource.

    Every file is held against its header when the folder is opened. Raises PriorUnreadableError for missing, cut-short
    or damaged files, PriorSchemaError for sizes or a description that do not fit.
    """

    def __init__(self, folder: Path) -> None:
        self._about: Description = read_description(folder)
        self._folder = folder
        self._states = {name: self._numbered(name) for name in STATE_FILES if name in self._about.files}
        self._single = {name: self._one(name) for name in (*STATIC_NAMES, "mask") if name in self._about.files}
        self._shape = self._check_sizes()
        self._columns: dict[IJWindow, NDArray[np.bool_]] = {}
        self._wet = "soil_moisture" if "soil_moisture" in self._states else "saturation"

    @cached_property
    def lattice(self) -> Lattice:
        """Lattice of the arrays, from ``prior.toml``."""
        lattice = self._about.lattice(self._shape)
        if self._table is not None:
            check_place(lattice, self._table, str(self._folder))
        return lattice

    @cached_property
    def _table(self) -> VegetationTable | None:
        """CLM's vegetation table, where land cover is given by one."""
        file = self._single.get("land_cover")
        return read_vegm(file) if file is not None and file.suffix == ".dat" else None

    @cached_property
    def info(self) -> SourceInfo:
        """Title, model and notes from ``prior.toml``; every file is an input."""
        source = self._about.source
        files = [self._about.path, *self._single.values(), *(f for s in self._states.values() for f in s.values())]
        return SourceInfo(
            title=str(source.get("title", self._folder.name)),
            model=str(source.get("model", "ParFlow-CLM")),
            simulated=bool(source.get("simulated", False)),
            notes=(str(source["note"]),) if source.get("note") else (),
            inputs=file_inputs(files),
        )

    @cached_property
    def _by_day(self) -> dict[str, dict[dt.date, list[Path]]]:
        result: dict[str, dict[dt.date, list[Path]]] = {}
        for name, states in self._states.items():
            days: dict[dt.date, list[Path]] = {}
            for number, file in sorted(states.items()):
                days.setdefault((self._about.start + number * self._about.step).date(), []).append(file)
            result[name] = days
        return result

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with a state of soil moisture."""
        return tuple(sorted(self._by_day[self._wet]))

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the available daily fields."""
        return tuple(n for n in DAILY_NAMES if n == "soil_moisture" or n in self._states)

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the available static fields."""
        constant = ["residual_saturation"] if self._about.residual_saturation is not None else []
        return tuple(dict.fromkeys([*self._single, *constant]))

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """One daily field: [day, j, i]; the states of a day are averaged, forcing planes within a file too."""
        chosen = self.days[days]
        result = np.full((len(chosen), *window.shape), np.nan, dtype=np.float32)
        for row, day in enumerate(chosen):
            if name == "soil_moisture":
                result[row] = np.mean([self._soil_moisture(f, window) for f in self._by_day[self._wet][day]], axis=0)
            elif files := self._by_day[name].get(day):
                result[row] = np.mean([read_layers(file, window).mean(axis=0) for file in files], axis=0)
        return result

    def _soil_moisture(self, file: Path, window: IJWindow) -> NDArray[np.float64]:
        top = read_top(file, window)
        if self._wet == "saturation":
            top = surface_soil_moisture(top, read_top(self._single["porosity"], window))
        return np.where(self._active(window), top, np.nan)

    def _active(self, window: IJWindow) -> NDArray[np.bool_]:
        """Columns of the model's domain: by the mask, else where every layer of the first state is active.

        Above the deepest layer ParFlow may write residual saturation outside its domain.
        """
        if window not in self._columns:
            if "mask" in self._single:
                self._columns[window] = np.asarray(read_top(self._single["mask"], window) > 0)
            else:
                first = min(self._states[self._wet].items())[1]
                self._columns[window] = np.asarray(np.isfinite(read_layers(first, window)).all(axis=0))
        return self._columns[window]

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field of the top layer: [j, i]."""
        if name == "residual_saturation" and name not in self._single:
            return np.full(window.shape, self._about.residual_saturation)
        if name == "land_cover" and self._table is not None:
            return self._table.land_cover[window.slices].astype(np.float64)
        return read_top(self._single[name], window)

    def close(self) -> None:
        """Does nothing: no file is kept open."""

    def _matching(self, pattern: str) -> list[Path]:
        """Files of a pattern, which counts from the folder unless it is absolute."""
        path = Path(pattern)
        if path.is_absolute():
            return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        return sorted(self._folder.glob(pattern))

    def _numbered(self, name: str) -> dict[int, Path]:
        """Files of a pattern by the number in their name."""
        pattern = self._about.files[name]
        files: dict[int, Path] = {}
        for file in self._matching(pattern):
            found = _NUMBER.search(file.stem)
            if found is None or int(found[1]) in files:
                raise PriorSchemaError(
                    f"Files of {name} in {self._about.path} have no distinct step numbers",
                    value=file.name,
                    allowed="names that end in a step number, each once",
                )
            files[int(found[1])] = file
        if not files:
            raise PriorUnreadableError(f"No file of {name} was found", value=self._folder / pattern)
        return files

    def _one(self, name: str) -> Path:
        files = self._matching(self._about.files[name])
        if len(files) != 1:
            raise PriorUnreadableError(
                f"{name} in {self._about.path} must be one file",
                value=f"{len(files)} files match {self._folder / self._about.files[name]}",
            )
        return files[0]

    def _check_sizes(self) -> Shape2d:
        """Walk every file once; all must have the same lattice."""
        files = [*self._single.values(), *(f for states in self._states.values() for f in states.values())]
        sizes = {file: read_header(file) for file in files if file.suffix == ".pfb"}
        first = next(iter(sizes.values()))
        for file, size in sizes.items():
            if (size.nx, size.ny) != (first.nx, first.ny):
                raise PriorSchemaError(
                    "The .pfb files have different lattices",
                    value=f"{file.name}: {size.nx} x {size.ny}",
                    allowed=f"{first.nx} x {first.ny}, as {next(iter(sizes)).name}",
                )
        return wh_(first.nx, first.ny)
