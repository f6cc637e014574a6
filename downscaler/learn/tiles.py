"""A prior's tiles for training: one in memory at a time, whatever the size of the domain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.ground.grid import EaseGrid, Window
from downscaler.ground.prior import Prior
from downscaler.learn.samples import Statistics, TileRecord, record_statistics
from downscaler.method.forcing import HeldWeather
from downscaler.method.hybrid import TILE
from downscaler.method.tile.weather import DaysOfWeather
from downscaler.parts import Parts

_AT_ONCE = 16_000_000  # values of daily fields that a tile holds at once; a longer record is read day by day
_FILE = "statistics.npz"


class Tiles(Sequence[TileRecord]):
    """The tiles with active cells, each made when it is asked for; the last one is kept.

    Args:
        prior: the record.
        grid: coarse grid.
        known: positions of the days whose statistics may be used.
        parts: where the statistics of a tile are kept, so that they are worked out once.
        tile: M36 cells along one edge.
        weather: rain and temperature beside the record; None for the record's own alone.
    """

    def __init__(
        self,
        prior: Prior,
        grid: EaseGrid,
        known: NDArray[np.intp],
        parts: Parts,
        *,
        tile: int = TILE,
        weather: DaysOfWeather | None = None,
    ) -> None:
        self._weather = weather
        self._prior, self._grid, self._known, self._parts = prior, grid, known, parts
        self.windows: list[Window] = [
            window for window in prior.domain.blocks(tile) if bool(prior.window(prior.domain, window)["active"].any())
        ]
        self._last: tuple[int, TileRecord] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to read tiles of its own; nothing that was read goes along."""
        return {**self.__dict__, "_last": None, "_prior": replace(self._prior)}

    def __len__(self) -> int:
        return len(self.windows)

    @overload
    def __getitem__(self, tile: int) -> TileRecord: ...
    @overload
    def __getitem__(self, tile: slice) -> Sequence[TileRecord]: ...
    def __getitem__(self, tile: int | slice) -> TileRecord | Sequence[TileRecord]:
        if isinstance(tile, slice):
            return [self[number] for number in range(*tile.indices(len(self)))]
        if not 0 <= tile < len(self):
            raise IndexError(tile)
        if self._last is None or self._last[0] != tile:
            self._last = None  # let the old one go before the new one is made
            self._last = (tile, self._make(tile))
        return self._last[1]

    def __iter__(self) -> Iterator[TileRecord]:
        return (self[tile] for tile in range(len(self)))

    def _make(self, tile: int) -> TileRecord:
        with self._prior.reading(self.windows[tile]):
            return self._read(tile)

    def _read(self, tile: int) -> TileRecord:
        data = _daily(self._prior.window(self._prior.domain, self.windows[tile]))
        kept = self._parts.part(f"{tile:05d}", lambda folder: _save(folder, record_statistics(data, self._known)))
        with np.load(kept / _FILE, allow_pickle=False) as stored:
            return TileRecord(data, self._grid, self._known, dict(stored), self._held(tile))

    def _held(self, tile: int) -> tuple[HeldWeather, Sequence[dt.date]] | None:
        """The weather beside the record on a tile; each of its days is read once while there is room."""
        if self._weather is None:
            return None
        read, window = self._weather.on(self._prior.domain, self.windows[tile]), self.windows[tile]
        most = max(1, _AT_ONCE // (window.shape.x * window.shape.y))

        @lru_cache(maxsize=most)
        def one(name: str, day: dt.date) -> Floats:
            return np.asarray(read(name, [day])[0])

        return lambda name, dates: np.stack([one(name, day) for day in dates]), self._weather.days


def _daily(data: xr.Dataset) -> xr.Dataset:
    """A tile without its climatology, which training does not read; short records are read at once."""
    data = data.drop_dims("harmonic", errors="ignore")
    daily = sum(field.size for field in data.data_vars.values() if "time" in field.dims)
    return data.load() if daily <= _AT_ONCE else data


def _save(folder: Path, statistics: Statistics) -> None:
    np.savez(folder / _FILE, allow_pickle=False, **statistics)


def days_with_data(prior: Prior) -> NDArray[np.intp]:
    """Positions of the days with soil moisture; a day is sought in tile after tile until one has it."""
    found = np.zeros(prior.data.sizes["time"], bool)
    for window in prior.domain.blocks():
        if found.all():
            break
        field = prior.window(prior.domain, window)["soil_moisture"].isel(y=slice(None, None, 8))
        for day in np.flatnonzero(~found):
            found[day] = bool(np.isfinite(field.isel(time=day).values).any())
    return np.flatnonzero(found)
