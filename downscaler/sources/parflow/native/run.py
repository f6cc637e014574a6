"""A folder of ParFlow's own .pfb output with its ``prior.toml``, as a source of days and static fields."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo import Shape2d, wh_

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.folders import left_unread
from downscaler.sources.parflow.names import STATIC_NAMES
from downscaler.sources.parflow.native.description import RETENTION, STATE_FILES, Description, read_description
from downscaler.sources.parflow.native.schedule import FORCING, Days, Piece, schedule
from downscaler.sources.parflow.pfb import PfbHeader, read_header, read_layers, read_top, surface_soil_moisture
from downscaler.sources.parflow.retention import saturation
from downscaler.sources.parflow.source import DAILY_NAMES, SourceInfo, file_inputs
from downscaler.sources.parflow.units import Conversion, check_weather, conversion
from downscaler.sources.parflow.vegm import VegetationTable, check_place, read_vegm

_LAYERS = {"CONUS1": 5, "CONUS2": 10}
_OWN_FORCING = {"precipitation": ("mm s-1", ".APCP."), "air_temperature": ("K", "")}
"""Units that ParFlow's manual fixes for CLM's forcing files, and what their names have in common."""


class NativeSource:
    """Days and static fields of a folder of .pfb files; a PriorSource.

    Every file is held against its header when the folder is opened. Raises PriorUnreadableError for missing, cut-short
    or damaged files, PriorSchemaError for sizes or a description that do not fit.
    """

    def __init__(self, folder: Path) -> None:
        self._about: Description = read_description(folder)
        self._folder = folder
        self._states = {name: self._several(name) for name in STATE_FILES if name in self._about.files}
        self._single = {name: self._one(name) for name in (*STATIC_NAMES, "mask") if name in self._about.files}
        self._headers = self._check_sizes()
        first = next(iter(self._headers.values()))
        self._shape: Shape2d = wh_(first.nx, first.ny)
        self._columns: dict[IJWindow, NDArray[np.bool_]] = {}
        self._wet = next(n for n in ("soil_moisture", "saturation", "pressure") if n in self._states)
        self._units, self._notes = self._conversions()
        self._by_day = self._schedule()

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
        return read_vegm(file) if file is not None and file.suffix.lower() == ".dat" else None

    @cached_property
    def info(self) -> SourceInfo:
        """Title, model and notes from ``prior.toml``; every file is an input."""
        source = self._about.source
        files = [self._about.path, *self._single.values(), *(f for s in self._states.values() for f in s)]
        return SourceInfo(
            title=str(source.get("title", self._folder.name)),
            model=str(source.get("model", "ParFlow-CLM")),
            simulated=bool(source.get("simulated", False)),
            notes=(*((str(source["note"]),) if source.get("note") else ()), *dict.fromkeys(self._notes)),
            inputs=file_inputs(files),
        )

    def _schedule(self) -> dict[str, Days]:
        layered = self._layer_counts()
        result: dict[str, Days] = {}
        for name in (self._wet, *(n for n in FORCING if n in self._states)):
            counts = {file: self._headers[file].nz for file in self._states[name]}
            result[name], notes = schedule(name, counts, self._folder, self._about.clock, layered)
            self._notes += notes
        unused = [name for name in self._states if name not in result]
        if unused:
            self._notes.append(f"Left unread, since {self._wet} tells more: {', '.join(unused)}.")
        self._notes += left_unread(self._folder, {*self._headers, *self._single.values()})
        return result

    def _layer_counts(self) -> frozenset[int]:
        """Numbers of layers that the run's own lattice and static files bear out."""
        found = {self._headers[f].nz for f in self._single.values() if f in self._headers} - {1}
        parent = _LAYERS.get(str(self._about.grid["lattice"]))
        return frozenset(found | ({parent} if parent else set()))

    def _conversions(self) -> tuple[dict[str, Conversion], list[str]]:
        """Unit of each forcing as ``[units]`` tells it, else as ParFlow's manual fixes it for its own forcing files."""
        found, notes = {}, []
        for name in (n for n in FORCING if n in self._states):
            where = str(self._about.path)
            told = self._about.units.get(name)
            if told is None:
                told, mark = _OWN_FORCING[name]
                if any(mark not in file.name for file in self._states[name]):
                    raise PriorSchemaError(
                        f"The unit of {name} is not told in {where}",
                        value=self._states[name][0].name,
                        allowed="mm day-1, mm h-1 or mm s-1 (ParFlow's own NAME.APCP files are in mm s-1)",
                        remedy=f'Say it under [units]: {name} = "mm s-1".',
                    )
                notes.append(f"No unit of {name} is told: {told} was taken, as ParFlow defines its forcing.")
            found[name] = conversion(name, told, where)
        return found, notes

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
            pieces = self._by_day[self._wet if name == "soil_moisture" else name].get(day, [])
            planes = [plane for piece in pieces for plane in self._planes(name, piece, window)]
            if planes:
                result[row] = np.mean(planes, axis=0)
        if name in self._units:
            result = self._units[name](result)
            check_weather(name, result, str(self._folder))
        return result

    def _planes(self, name: str, piece: Piece, window: IJWindow) -> list[NDArray[np.float64]]:
        """The states or forcing planes of one file that are of the day."""
        if name != "soil_moisture":
            layers = read_layers(piece.file, window)
            return [layers[n] for n in (piece.planes if piece.planes is not None else range(len(layers)))]
        if piece.planes is not None:
            layers = read_layers(piece.file, window)
            return [self._soil_moisture(layers[n], window) for n in piece.planes]
        return [self._soil_moisture(read_top(piece.file, window), window)]

    def _soil_moisture(self, top: NDArray[np.float64], window: IJWindow) -> NDArray[np.float64]:
        if self._wet == "pressure":
            alpha, n = (self.read_static(name, window) for name in RETENTION)
            top = saturation(top, alpha, n, self.read_static("residual_saturation", window))
        if self._wet != "soil_moisture":
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
                first = self._by_day[self._wet][self.days[0]][0].file
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
        # unlike Path.glob it follows links to folders, and passes over the ._ files of Macs
        found = glob(pattern, root_dir=self._folder, recursive=True)  # noqa: PTH207
        return sorted(path for name in found if (path := self._folder / name).is_file())

    def _several(self, name: str) -> list[Path]:
        pattern = self._about.files[name]
        files = self._matching(pattern)
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

    def _check_sizes(self) -> dict[Path, PfbHeader]:
        """Walk every file once; all must have the same lattice."""
        files = [*(f for states in self._states.values() for f in states), *self._single.values()]
        sizes = {file: read_header(file) for file in files if file.suffix.lower() == ".pfb"}
        first = next(iter(sizes.values()))
        for file, size in sizes.items():
            if (size.nx, size.ny) != (first.nx, first.ny):
                raise PriorSchemaError(
                    "The .pfb files have different lattices",
                    value=f"{file.name}: {size.nx} x {size.ny}",
                    allowed=f"{first.nx} x {first.ny}, as {next(iter(sizes)).name}",
                )
        return sizes
