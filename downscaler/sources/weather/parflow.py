"""ParFlow's own forcing in a folder: ``CW3E.APCP.000001_to_000024.pfb``, kg m-2 s-1, a plane an hour.

``weather.toml`` in the folder (or the run's ``prior.toml``) tells the grid, the start and the files, in the words of
``prior.toml``: [grid], [time], [files] precipitation and air_temperature, and [units] where they are not ParFlow's.

Source: ParFlow user manual, section "CLM": number 1 is the first hour after the start.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from pathlib import Path

import numpy as np
from odc.geo import wh_

from downscaler.errors import WeatherGapError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.parflow.native.description import FILE_NAME as PRIOR_FILE
from downscaler.sources.parflow.native.description import Description, read_description
from downscaler.sources.parflow.native.schedule import FORCING, Days, Piece, schedule
from downscaler.sources.parflow.pfb import PfbHeader, read_header, read_layers
from downscaler.sources.parflow.units import Conversion, conversion
from downscaler.sources.weather.files import as_weather
from downscaler.sources.weather.source import Array, WeatherDay, checked

FILE_NAME = "weather.toml"
_OWN = {"precipitation": "mm s-1", "air_temperature": "K"}
_DAY = dt.timedelta(days=1)


class ParflowForcing:
    """Forcing planes by UTC day, as a WeatherSource; every file is held against its header when it is opened."""

    name, title = "parflow", "ParFlow forcing (.pfb)"

    def __init__(self, folder: Path) -> None:
        with as_weather():
            name = FILE_NAME if (folder / FILE_NAME).is_file() or not (folder / PRIOR_FILE).is_file() else PRIOR_FILE
            self._about: Description = read_description(folder, name=name, ways=(("precipitation",),))
            self._headers: dict[str, dict[Path, PfbHeader]] = {
                field: {path: read_header(path) for path in sorted(folder.glob(self._about.files[field]))}
                for field in FORCING
                if field in self._about.files
            }
            self._by_day = {field: self._schedule(field, folder) for field in self._headers}
            self._units = {field: self._conversion(field) for field in self._headers}

    @property
    def forcing(self) -> str | None:
        """HydroFrame's name of the forcing that the files' names tell: CW3E or NLDAS2."""
        names = {path.name.split(".")[0].upper() for path in self._headers["precipitation"]}
        known = {"CW3E": "CW3E", "NLDAS": "NLDAS2", "NLDAS2": "NLDAS2"}
        return known.get(names.pop()) if len(names) == 1 else None

    @cached_property
    def lattice(self) -> Lattice:
        """As the description places the files; raises WeatherUnreadableError where it does not fit them."""
        sizes = {(h.nx, h.ny) for headers in self._headers.values() for h in headers.values()}
        if len(sizes) > 1:
            raise WeatherUnreadableError("The .pfb files have different lattices", value=sorted(sizes))
        with as_weather():
            return self._about.lattice(wh_(*sizes.pop()))

    @property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days with a plane of precipitation."""
        return tuple(sorted(self._by_day["precipitation"]))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """Mean rate and temperature of the day's planes; raises as ``WeatherSource.read``."""
        fields = {field: self._mean(field, day, window) for field in self._by_day}
        files = sorted({piece.file for pieces in self._by_day.values() for piece in pieces[day]})
        made = WeatherDay(
            precipitation=fields["precipitation"],
            air_temperature=fields.get("air_temperature"),
            latency="final",
            version=self.forcing or "",
            inputs=tuple(file_input(file) for file in files),
        )
        return checked(made, f"{self._about.path.parent}, {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""

    def _mean(self, field: str, day: dt.date, window: IJWindow) -> Array:
        pieces = self._by_day[field].get(day, [])
        planes, whole = sum(map(_count, pieces)), self._whole(field)
        if planes != whole:
            raise WeatherGapError(
                f"{day} of {field.replace('_', ' ')} is incomplete in {self._about.path.parent}",
                value=f"{planes} of {whole} planes",
            )
        total = np.zeros(window.shape)
        with as_weather():
            for piece in pieces:
                layers = read_layers(piece.file, window)
                total += layers[list(piece.planes)].sum(axis=0) if piece.planes is not None else layers.sum(axis=0)
        return np.asarray(self._units[field](total / whole), dtype=np.float32)

    def _whole(self, field: str) -> int:
        """Planes of a whole day: as the step tells, else as many as the fullest day has."""
        if any(re.search(r"\d_to_\d", path.name) for path in self._headers[field]) and self._about.clock.step:
            return round(_DAY / self._about.clock.step)
        return max(sum(map(_count, pieces)) for pieces in self._by_day[field].values())

    def _schedule(self, field: str, folder: Path) -> Days:
        counts = {path: header.nz for path, header in self._headers[field].items()}
        if not counts:
            raise WeatherUnreadableError(f"No file of {field} was found", value=folder / self._about.files[field])
        return schedule(field, counts, folder, self._about.clock, frozenset())[0]

    def _conversion(self, field: str) -> Conversion:
        told = self._about.units.get(field)
        if told is None and field == "precipitation" and any(".APCP." not in p.name for p in self._headers[field]):
            raise WeatherUnreadableError(
                f"The unit of {field} is not told in {self._about.path}",
                allowed="mm day-1, mm h-1 or mm s-1 (ParFlow's own NAME.APCP files are in mm s-1)",
                remedy=f'Say it under [units]: {field} = "mm s-1".',
            )
        return conversion(field, told or _OWN[field], str(self._about.path))


def open_parflow(path: Path) -> ParflowForcing:
    """ParFlow's forcing below a folder with a ``weather.toml``; raises WeatherUnreadableError."""
    return ParflowForcing(path)


def _count(piece: Piece) -> int:
    return 1 if piece.planes is None else len(piece.planes)
