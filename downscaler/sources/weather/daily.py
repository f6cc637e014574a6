"""Files of one product in one grid of degrees: found by their names, each UTC day from a file, or from one an hour."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import WeatherGapError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.weather.files import (
    below,
    date_in,
    latlon_field,
    named,
    opened,
    require_time,
    require_units,
    require_variables,
)
from downscaler.sources.weather.source import Array, Latency, WeatherDay, checked


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a product lays its files out.

    ``file`` matches a file's name: group 1 is the day as YYYYMMDD, group ``release`` the version (of two the later one
    counts), group ``hour`` the hour where a day has 24 files. ``rain`` and ``warmth`` name the variables, ``units`` are
    those in which rain is a sum over the file's time in mm. ``known`` gives where a file holds an estimate at all;
    ``notes`` what a version's user has to know.
    """

    name: str
    title: str
    short: str
    lattice: Lattice
    file: re.Pattern[str]
    example: str
    rain: str
    units: tuple[str, ...]
    latency: Latency
    late: str
    warmth: str | None = None
    hour: str | None = None
    release: str | None = None
    version: str = ""
    known: Callable[[xr.Dataset, IJWindow, Path], NDArray[np.bool_]] | None = None
    notes: Callable[[str], tuple[str, ...]] = lambda _version: ()

    @property
    def per_day(self) -> int:
        """Files that make a day."""
        return 24 if self.hour else 1


class DailyFiles:
    """A product's files below a folder, as a WeatherSource."""

    def __init__(self, layout: Layout, paths: Iterable[Path]) -> None:
        self._layout, self.name, self.title = layout, layout.name, layout.title
        self._files: dict[dt.datetime, list[tuple[str, Path]]] = {}
        for path, match in sorted(named(paths, layout.file).items()):
            day, hour = date_in(match[1]), int(match[layout.hour]) if layout.hour else 0
            if day is not None and hour < 24:
                start = dt.datetime.combine(day, dt.time(hour), dt.UTC)
                release = match[layout.release] if layout.release else layout.version
                self._files.setdefault(start, []).append((release, path))

    @property
    def lattice(self) -> Lattice:
        """The product's grid."""
        return self._layout.lattice

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Days of which a file is there."""
        return tuple(sorted({start.date() for start in self._files}))

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """Sum and mean of a day's files; raises as ``WeatherSource.read``."""
        found = [self._newest(start) for start in self._starts(day)]
        rain, warmth = np.zeros(window.shape), np.zeros(window.shape) if self._layout.warmth else None
        for start, (_, path) in zip(self._starts(day), found, strict=True):
            fallen, air = self._read_file(path, start, window)
            rain += fallen
            if warmth is not None:
                warmth += air
        version = found[-1][0]
        made = WeatherDay(
            precipitation=rain.astype(np.float32),
            air_temperature=None if warmth is None else (warmth / len(found)).astype(np.float32),
            latency=self._layout.latency,
            version=version,
            inputs=tuple(file_input(path) for _, path in found),
            notes=self._layout.notes(version),
        )
        return checked(made, f"{self._layout.short} of {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""

    def _starts(self, day: dt.date) -> list[dt.datetime]:
        """When the files of a day begin; raises WeatherGapError that names those that are missing."""
        midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
        starts = [midnight + dt.timedelta(hours=n) for n in range(self._layout.per_day)]
        lacking = [f"{start:%H}00" for start in starts if start not in self._files]
        if lacking:
            whole = len(lacking) == len(starts)
            raise WeatherGapError(
                f"{self._layout.short} of {day} is missing"
                if whole
                else f"Hours of {self._layout.short} are missing on {day}",
                value=None if whole else f"{', '.join(lacking)} ({len(lacking)} of {len(starts)})",
                remedy=f"Download the files, or wait until they are published ({self._layout.late}).",
            )
        return starts

    def _newest(self, start: dt.datetime) -> tuple[str, Path]:
        """Release and file of a time; raises WeatherUnreadableError where a release is there twice, unlike."""
        release = max(version for version, _ in self._files[start])
        same = [path for version, path in self._files[start] if version == release]
        if len(same) > 1 and len({_content(path)["sha256"] for path in same}) > 1:
            raise WeatherUnreadableError(
                f"{same[0].name} is there more than once, with other values",
                value=", ".join(str(path) for path in same),
                remedy="Keep one of them: delete the others.",
            )
        return release, same[0]

    def _read_file(self, path: Path, start: dt.datetime, window: IJWindow) -> tuple[Array, Array | float]:
        layout = self._layout
        names = tuple(name for name in (layout.rain, layout.warmth) if name)
        with opened(path) as data:
            require_variables(data, names, path)
            require_units(data[layout.rain], layout.units, path)
            if layout.warmth:
                require_units(data[layout.warmth], ("K", "kelvin", "Kelvin"), path)
            require_time(data, start, path, hour=layout.hour is not None)
            rain = latlon_field(data[layout.rain], layout.lattice, window, path)
            if layout.known is not None:
                rain = np.where(layout.known(data, window, path), rain, np.float32(np.nan))
            air = latlon_field(data[layout.warmth], layout.lattice, window, path) if layout.warmth else 0.0
        return rain, air


def _content(path: Path) -> Mapping[str, Any]:
    try:
        return file_input(path)
    except OSError as error:
        raise WeatherUnreadableError("A weather file cannot be read", value=f"{path}: {error.strerror}") from error


def open_daily(layout: Layout, path: Path) -> DailyFiles:
    """A product's files below a folder; raises WeatherUnreadableError where there is none."""
    source = DailyFiles(layout, below(path))
    if not source.days:
        raise WeatherUnreadableError(f"No file of {layout.short} was found", value=path, allowed=layout.example)
    return source
