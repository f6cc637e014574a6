"""A day's antecedent weather on the tiles of a domain: each tile's is made once, and serves its neighbours' surfaces.

What weather is beyond its smooth coarse mean (its ``_departure``) needs the block means around a tile, not the
cells: so no tile reads the days of another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_sum
from downscaler.ground.grid import Domain, Window
from downscaler.method.conserve import Surfaces
from downscaler.method.features import antecedent
from downscaler.method.forcing import RAIN, WARMTH, HeldWeather, forcing_until
from downscaler.method.tile.land import Arrays, Land
from downscaler.method.weather.antecedent import Antecedent


@dataclass(frozen=True)
class DaysOfWeather:
    """Weather beside the prior for a day: which days there are, and how they are read on a window of a domain.

    ``antecedent`` gives what is kept of the last day's predictors, by variable; None where days have to be read.
    ``key`` changes with the numbers, ``versions`` with those of each day; ``preliminary`` are those of the days whose
    rain is to be superseded; ``told`` is what a model card says of it.
    """

    days: tuple[dt.date, ...]
    read: Callable[[str, Sequence[dt.date], Domain, Window], Floats] = field(compare=False, repr=False)
    antecedent: Callable[[Domain, Window], Mapping[str, Antecedent] | None] | None = field(
        default=None, compare=False, repr=False
    )
    key: str = ""
    versions: Mapping[dt.date, str] = field(default_factory=dict, compare=False, repr=False)
    preliminary: frozenset[dt.date] = frozenset()
    told: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def on(self, domain: Domain, window: Window) -> HeldWeather:
        """The same on one tile."""
        return lambda name, dates: self.read(name, dates, domain, window)

    def kept_on(self, domain: Domain, window: Window) -> KeptWeather:
        """What is kept of the last day on one tile."""
        return lambda: None if self.antecedent is None else self.antecedent(domain, window)


KeptWeather = Callable[[], Mapping[str, Antecedent] | None]


def nothing_kept() -> None:
    """What is kept where nothing is."""


def tile_weather(
    data: xr.Dataset,
    active: Bools,
    date: dt.date,
    ratio: int,
    held: HeldWeather | None = None,
    days: Sequence[dt.date] = (),
    kept: KeptWeather = nothing_kept,
) -> dict[str, NDArray[Any]]:
    """Antecedent weather of one tile: of its active cells, and block means; empty where it is not known.

    Args:
        data: the prior on the tile.
        active: its cells with a record [ny, nx].
        date: the day.
        ratio: product cells along one edge of a SMAP cell.
        held: weather beside the prior; None without.
        days: those that ``held`` has.
        kept: what is kept of the day's predictors, for days whose run is not the prior's own (``forcing.all_beside``).

    Returns:
        ``names`` [k] of the predictors, ``fine`` [k, n] of the active cells row by row, ``coarse`` [k, nyc, nxc], and
        ``known`` [k, n] where any cell lacks any.
    """
    fields = _fields(data, date, active, held, days, kept) if active.any() else None
    if fields is None:
        return {}
    listed = np.stack(list(fields.values()))
    known = np.isfinite(listed)
    made = {"names": np.array(list(fields)), "fine": listed, "coarse": _means(listed, known, active, ratio)}
    return made if known.all() else made | {"known": known}


def _means(listed: Floats, known: Bools, active: Bools, ratio: int) -> Floats:
    """Block means [k, nyc, nxc] of fields of the active cells [k, n] over those that are known."""

    def sums(values: NDArray[Any]) -> Floats:
        whole = np.zeros((len(values), *active.shape))
        whole[:, active] = values
        return block_sum(whole, ratio)

    count = block_sum(active.astype(np.float64), ratio) if known.all() else sums(known)
    total = sums(listed if known.all() else np.where(known, listed, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _fields(
    data: xr.Dataset,
    date: dt.date,
    active: Bools,
    held: HeldWeather | None,
    days: Sequence[dt.date],
    kept: KeptWeather,
) -> dict[str, Floats] | None:
    """The predictors of the active cells [n]: from what is kept, as far as that tells all, else from the days."""
    ready = kept()
    rain = ready[RAIN].on(active) if ready else None
    if ready is None or rain is None:
        forcing = forcing_until(data, date, held, days)
        return None if forcing is None else antecedent({name: values[:, active] for name, values in forcing.items()})
    if RAIN in data and WARMTH not in data:
        return rain
    warmth = ready[WARMTH].on(active)
    if warmth is None:
        forcing = forcing_until(data, date, held, days, names=(WARMTH,))
        if forcing is None:
            return None
        warmth = antecedent({name: values[:, active] for name, values in forcing.items()})
    return {**rain, **warmth}


class WeatherOfDay:
    """Antecedent weather of a domain, put together from its tiles' (``add``), then read tile by tile (``on``)."""

    def __init__(self, domain: Domain, ratio: int, active: Bools) -> None:
        self._shape, self._ratio, self._active = domain.shape(), ratio, active
        self._coarse: dict[str, Floats] = {}
        self._known: dict[str, Bools] = {}

    def add(self, window: Window, made: Arrays) -> None:
        """Take in what one tile's surroundings need of it."""
        shape = (self._shape.y // self._ratio, self._shape.x // self._ratio)
        for number, name in enumerate(made["names"] if made else ()):
            coarse = self._coarse.setdefault(str(name), np.full(shape, np.nan))
            coarse[window.coarser(self._ratio).index] = made["coarse"][number]
            if "known" in made and not made["known"][number].all():
                known = self._known.setdefault(str(name), self._active.copy())
                here = np.zeros(self._active[window.index].shape, bool)
                here[self._active[window.index]] = made["known"][number]
                known[window.index] = here

    def on(self, window: Window, grown: Window, land: Land, made: Arrays) -> dict[str, Floats] | None:
        """Predictors of a tile's land cells [n] by name, with their departures; None where none is known.

        Args:
            window: the tile.
            grown: the same with the halo that its surfaces draw on.
            land: its land.
            made: its own antecedent weather, as ``tile_weather`` gave it.
        """
        if not made:
            return None
        inner = window.relative_to(grown)
        names, fine = [str(name) for name in made["names"]], made["fine"]
        active = np.flatnonzero(self._active[window.index])
        if not np.array_equal(active, land.cells):
            fine = fine[:, np.searchsorted(active, land.cells)]
        fields = dict(zip(names, fine, strict=True))
        near = np.stack([self._coarse[name][grown.coarser(self._ratio).index] for name in names])
        for alike in _missing_alike(near, [name in self._known for name in names]):
            surface = land.surface
            if (known := self._known.get(names[alike[0]])) is not None:
                surface = Surfaces(land.active & known[grown.index], self._ratio)
            smooth = surface(near[alike], inner.index).reshape(len(alike), -1)[:, land.cells]
            fields |= {f"{names[n]}_departure": fine[n] - each for n, each in zip(alike, smooth, strict=True)}
        return fields


def _missing_alike(fields: Floats, alone: Sequence[bool]) -> list[list[int]]:
    """Numbers of the fields [k, y, x] that miss the same values, in groups; some stay ``alone``."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    for number, each in enumerate(fields):
        key = (number if alone[number] else -1, np.isfinite(each).tobytes())
        groups.setdefault(key, []).append(number)
    return list(groups.values())
