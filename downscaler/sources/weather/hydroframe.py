"""The forcing of HydroFrame's CONUS runs, CW3E and NLDAS2: daily sums by hf_hydrodata, kept in a folder by day.

It is the very weather that the runs of ``hydrodata.datasets`` were made with, on their own lattice.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from downscaler.errors import AbsentDataError, ConfigError, WeatherGapError, WeatherUnreadableError
from downscaler.ground.grid import Domain, Span
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.records import file_input
from downscaler.sources.parflow.hydrodata.datasets import RUNS, Run
from downscaler.sources.parflow.hydrodata.files import load, part_path, store, sweep, write
from downscaler.sources.parflow.hydrodata.place import REGISTRATION, window_of
from downscaler.sources.parflow.hydrodata.series import forcing_days
from downscaler.sources.weather.files import as_weather
from downscaler.sources.weather.source import WeatherDay, checked

FORCINGS: dict[str, Run] = {"cw3e": RUNS["conus2_baseline"], "hydroframe-nldas2": RUNS["conus1_baseline_mod"]}
MANIFEST = "weather.json"
BLOCK = 1400  # cells: a day of one variable is then about 16 MB
_NAME = re.compile(r"(\d{8})-\1_i\d+-\d+_j\d+-\d+\.npz")


class HydroframeForcing:
    """Days of one forcing that were fetched into a folder, as a WeatherSource."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._run, self._folder, self.name = FORCINGS[kind], folder, kind
        self.title = f"{self.forcing} on {self._run.parent.name} (HydroFrame)"
        self._window, self._blocks = _manifest(folder, self._run)
        found = {match[1] for path in folder.glob("*.npz") if (match := _NAME.fullmatch(path.name))}
        days = sorted(dt.date(int(t[:4]), int(t[4:6]), int(t[6:])) for t in found)
        self._days = tuple(day for day in days if all(path.is_file() for path in self._files(day)))
        if not self._days:
            raise WeatherUnreadableError(
                f"No day of {self.title} was found", value=folder, remedy="Download some: --fetch --start --end."
            )

    @property
    def forcing(self) -> str:
        """HydroFrame's name."""
        return self._run.forcing

    @cached_property
    def lattice(self) -> Lattice:
        """The window of the run's lattice that was fetched."""
        return self._run.parent.cut(self._window.bounds, REGISTRATION)

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Days that are whole."""
        return self._days

    def read(self, day: dt.date, window: IJWindow) -> WeatherDay:
        """The day's sum and mean; raises as ``WeatherSource.read``."""
        if day not in self._days:
            raise WeatherGapError(f"{self.title} of {day} is missing", remedy="Download it: --fetch.")
        whole = {name: np.full(self._window.shape, np.nan, np.float32) for name in ("precipitation", "air_temperature")}
        with as_weather():
            for block, path in zip(self._blocks, self._files(day), strict=True):
                j, i = (span.shifted(-corner.start).slice for span, corner in _axes(block, self._window))
                for name, target in whole.items():
                    target[j, i] = load(path, name)[0]
        made = WeatherDay(
            precipitation=whole["precipitation"][window.slices],
            air_temperature=whole["air_temperature"][window.slices],
            latency="final",
            version=self.forcing,
            inputs=tuple(file_input(path) for path in self._files(day)),
        )
        return checked(made, f"{self.title} of {day}")

    def close(self) -> None:
        """Does nothing: no file is kept open."""

    def _files(self, day: dt.date) -> list[Path]:
        return [part_path(self._folder, (day, day), block) for block in self._blocks]


def fetch_hydroframe(kind: str, folder: Path, days: Iterable[dt.date], domain: Domain) -> dict[dt.date, int]:
    """Download the days of a forcing that ``folder`` lacks, on what the domain needs of the run's lattice.

    Returns:
        The days that HydroFrame does not have (yet), each with 0.

    Raises:
        ConfigError: another forcing than ``FORCINGS``.
        WeatherUnreadableError: the folder holds another domain or forcing.
        AbsentDataError: HydroFrame has none of the days.
        AcquisitionError: and its kin; what was brought before stays.
    """
    if kind not in FORCINGS:
        raise ConfigError("This weather source is not HydroFrame's", value=kind, allowed=FORCINGS)
    run, wanted = FORCINGS[kind], sorted(set(days))
    _claim(folder, run, window_of(run.parent, domain))
    blocks = _manifest(folder, run)[1]
    absent: dict[dt.date, AbsentDataError] = {}
    for day in wanted:
        for block in blocks:
            path = part_path(folder, (day, day), block)
            if not path.is_file() and day not in absent:
                try:
                    with as_weather():
                        store(path, forcing_days(run, (day, day), block))
                except AbsentDataError as error:
                    absent[day] = error
    if len(absent) == len(wanted):
        raise next(iter(absent.values()))
    return dict.fromkeys(absent, 0)


def openers() -> dict[str, Callable[[Path], HydroframeForcing]]:
    """How a folder of each forcing is opened."""
    return {kind: partial(HydroframeForcing, kind) for kind in FORCINGS}


def _claim(folder: Path, run: Run, window: IJWindow) -> None:
    """Say what a folder is for, or hold it against what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    told = {"forcing": run.forcing, "grid": run.grid, "ij_bounds": list(window.bounds)}
    if not (folder / MANIFEST).is_file():
        write(folder / MANIFEST, lambda stream: stream.write(json.dumps(told).encode() + b"\n"))
    if _manifest(folder, run)[0] != window:
        raise WeatherUnreadableError(
            f"{folder} contains the weather of another domain", allowed=told, remedy="Choose another folder."
        )


def _manifest(folder: Path, run: Run) -> tuple[IJWindow, Sequence[IJWindow]]:
    """The window that a folder is of, and its blocks; raises WeatherUnreadableError."""
    file = folder / MANIFEST
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        forcing, bounds = (str(told["forcing"]), str(told["grid"])), told["ij_bounds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeatherUnreadableError(
            "Not a folder of HydroFrame's weather",
            value=f"{file}: {error}",
            remedy="Download days into a new folder: --fetch --start DATE --end DATE.",
        ) from error
    if forcing != (run.forcing, run.grid):
        raise WeatherUnreadableError(f"{folder} contains another forcing", value=forcing, allowed=run.forcing)
    with as_weather():
        window = IJWindow.from_bounds(bounds)
    rows, columns = (
        [Span(start=at, stop=min(at + BLOCK, span.stop)) for at in range(span.start, span.stop, BLOCK)]
        for span in (window.j, window.i)
    )
    return window, [IJWindow(i=i, j=j) for j in rows for i in columns]


def _axes(block: IJWindow, whole: IJWindow) -> tuple[tuple[Span, Span], tuple[Span, Span]]:
    return (block.j, whole.j), (block.i, whole.i)
