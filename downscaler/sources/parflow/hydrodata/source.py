"""A folder of fetched months as a PriorSource."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorUnreadableError
from downscaler.ground.grid import Domain, Span
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources.parflow.hydrodata.fetch import Request, fetch, parts
from downscaler.sources.parflow.hydrodata.files import MANIFEST, load, opened, static_path
from downscaler.sources.parflow.hydrodata.place import REGISTRATION
from downscaler.sources.parflow.hydrodata.volume import check_volume, volume
from downscaler.sources.parflow.source import SourceInfo, file_inputs

_TABLE_NOTE = (
    "Porosity, permeability, van Genuchten parameters and residual saturation are looked up from the soil unit by the "
    "table of HydroFrame's own CONUS2 run scripts."
)
_RATE_NOTE = "Soil moisture is the daily mean of hourly saturation of the top 0.1 m times porosity."


def open_hydrodata(
    folder: Path,
    domain: Domain,
    dataset: str | None,
    period: tuple[dt.date | None, dt.date | None],
    *,
    forcing: bool = True,
    hourly: bool = False,
    most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HydrodataSource:
    """Download what the folder lacks, then open it; raises as ``Request.of``, ``fetch`` and HydrodataSource.

    Raises:
        ConfigError: more than ``most`` bytes are still to come; nothing was asked for yet.
    """
    request = Request.of(dataset, domain, *period, forcing=forcing, hourly=hourly)
    check_volume(volume(request, folder), most)
    fetch(request, folder, progress)
    return HydrodataSource(request, folder)


def _other_ways(request: Request) -> str | None:
    """What else may be asked for where a run's days, or its weather, are not there."""
    ways = ["--hourly (the run's hours may be all that is kept)"] if request.run.hourly and not request.hourly else []
    ways += [f"--no-forcing (its weather, {request.run.forcing}, may begin later)"] if request.forcing else []
    return f"Try {' or '.join(ways)}, into another folder." if ways else None


class HydrodataSource:
    """Days and static fields of a fetched folder; a PriorSource. Raises PriorUnreadableError when no month is there."""

    def __init__(self, request: Request, folder: Path) -> None:
        self._request, self._folder = request, folder
        self._months = list(parts(request, folder))
        if not self._months:
            raise PriorUnreadableError(
                f"No month of {request.run.dataset} is in {folder}",
                value="; ".join(self._absent) or "nothing downloaded",
                allowed=f"months of {request.start} to {request.end}",
                remedy=_other_ways(request),
            )

    @cached_property
    def lattice(self) -> Lattice:
        """The window's place on the continental lattice."""
        return self._request.run.parent.cut(self._request.window.bounds, REGISTRATION)

    @property
    def _absent(self) -> list[str]:
        there = {month for month, _ in self._months}
        return [f"{month[0]:%Y-%m}" for month in self._request.months if month not in there]

    @cached_property
    def info(self) -> SourceInfo:
        """Title and notes; every fetched file is an input."""
        run = self._request.run
        files = [self._folder / MANIFEST, *(static_path(self._folder, b) for b in self._request.blocks)]
        files += [file for _, month in self._months for file in month]
        told = {str(note) for _, month in self._months for file in month for note in _load(file, "notes")}
        notes = [_RATE_NOTE] if self._request.hourly else []
        notes += [_TABLE_NOTE] if run.by_table else []
        notes += sorted(told)
        if self._absent:
            notes.append(f"{len(self._absent)} months are not at HydroFrame: {', '.join(self._absent[:6])}.")
        return SourceInfo(title=run.title, notes=tuple(notes), inputs=file_inputs(files))

    @cached_property
    def days(self) -> tuple[dt.date, ...]:
        """UTC days of the months that are there."""
        return tuple(
            first + dt.timedelta(days=n) for (first, last), _ in self._months for n in range((last - first).days + 1)
        )

    @property
    def daily(self) -> tuple[str, ...]:
        """Names of the available daily fields."""
        return self._request.fields

    @property
    def statics(self) -> tuple[str, ...]:
        """Names of the available static fields."""
        with opened(static_path(self._folder, self._request.blocks[0])) as file:
            return tuple(file.files)

    def read_days(self, name: str, days: slice, window: IJWindow) -> NDArray[np.float32]:
        """One daily field: [day, j, i], row 0 in the south, NaN where masked."""
        wanted = self.days[days]
        result = np.full((len(wanted), *window.shape), np.nan, dtype=np.float32)
        for (first, last), files in self._months:
            rows = [n for n, day in enumerate(wanted) if first <= day <= last]
            if rows:
                at = [(wanted[n] - first).days for n in rows]
                for file, target, source in self._meeting(files, window):
                    result[rows[0] : rows[-1] + 1, target[0], target[1]] = _load(file, name)[
                        at[0] : at[-1] + 1, *source
                    ]
        return result

    def read_static(self, name: str, window: IJWindow) -> NDArray[np.float64]:
        """One static field of the top layer: [j, i]."""
        result = np.full(window.shape, np.nan)
        files = [static_path(self._folder, block) for block in self._request.blocks]
        for file, target, source in self._meeting(files, window):
            result[target] = _load(file, name)[source]
        return result

    def close(self) -> None:
        """Does nothing: no file is kept open."""
        _load.cache_clear()

    def _meeting(
        self, files: list[Path], window: IJWindow
    ) -> list[tuple[Path, tuple[slice, slice], tuple[slice, slice]]]:
        """Blocks that meet a window of this lattice: file, place in the window, place in the block."""
        corner = self._request.window
        found = []
        for file, block in zip(files, self._request.blocks, strict=True):
            j = _common(window.j, block.j.shifted(-corner.j.start))
            i = _common(window.i, block.i.shifted(-corner.i.start))
            if j and i:
                found.append((file, (j[0], i[0]), (j[1], i[1])))
        return found


def _common(window: Span, block: Span) -> tuple[slice, slice] | None:
    """Where two spans meet, counted from the start of each."""
    start, stop = max(window.start, block.start), min(window.stop, block.stop)
    if stop <= start:
        return None
    return slice(start - window.start, stop - window.start), slice(start - block.start, stop - block.start)


@lru_cache(maxsize=32)  # about 8 MB each
def _load(file: Path, name: str) -> NDArray[np.float32]:
    return load(file, name)
