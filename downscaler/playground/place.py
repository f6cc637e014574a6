"""Where a playground's cells lie: a whole window in memory, or cells listed from a domain of any size.

Everything that needs the ground around a cell is asked of a place: coarse means, surfaces through coarse values, whole
SMAP cells for the hybrid. A ``Sample`` says what its cells stand for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, spread_blocks
from downscaler.method.baselines import baselines
from downscaler.method.features import Ground
from downscaler.method.hybrid import Branch, estimate

Values = NDArray[np.float32]
Index = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Look:
    """A day as the hybrid sees it: coarse field [nyc, nxc], its standard ``error``, weather of all cells by name."""

    date: dt.date
    coarse: Floats
    error: float
    weather: Mapping[str, Values]


class Place(Protocol):
    """The ground of a playground's cells [cells], and of the coarse cells around them [nyc, nxc]."""

    def truth(self, theta: Values, day: int) -> Floats:
        """True block means of a day [nyc, nxc], m3 m-3, from all days' values of the cells [days, cells]."""

    def seen(self, coarse: Floats) -> Bools:
        """Which cells lie under a coarse value [cells]."""

    def day(self, coarse: Floats, date: dt.date, names: tuple[str, ...]) -> dict[str, Values]:
        """Predictors of a coarse field by name [cells]."""

    def rival(self, name: str, coarse: Floats, cell: Index) -> Floats:
        """One of ``baselines.baselines`` at cells [n]; the prior's day is its mean."""

    def hybrid(self, branch: Branch, look: Look, cell: Index) -> Floats:
        """The product's own prediction at cells [n], m3 m-3."""


@dataclass(frozen=True)
class Whole:
    """A window that is held as it is."""

    ground: Ground

    def truth(self, theta: Values, day: int) -> Floats:
        """See ``Place``."""
        return block_mean(self.field(theta[day]), self.ground.active, self.ground.ratio)

    def seen(self, coarse: Floats) -> Bools:
        """See ``Place``."""
        found: Bools = np.isfinite(spread_blocks(coarse, self.ground.ratio))[self.ground.active]
        return found

    def day(self, coarse: Floats, date: dt.date, names: tuple[str, ...]) -> dict[str, Values]:
        """See ``Place``."""
        fields = self.ground.day(coarse, date, None)
        return {name: fields[name][self.ground.active] for name in names}

    def rival(self, name: str, coarse: Floats, cell: Index) -> Floats:
        """See ``Place``."""
        field: Floats = baselines(coarse, self.ground, self.ground.level)[name]
        return field[self.ground.active][cell]

    def hybrid(self, branch: Branch, look: Look, cell: Index) -> Floats:
        """See ``Place``."""
        ground, coarse = self.ground, look.coarse
        error = np.full(coarse.shape, look.error)
        signal, noise = ground.split(coarse, error, branch.roughness, pattern=True)
        weather = {name: self.field(values).astype(np.float32) for name, values in look.weather.items()}
        fields = ground.fields | ground.day(signal, look.date, None) | weather
        made: Floats = estimate(branch, ground, fields, coarse, error, noise=noise).soil_moisture
        return made[ground.active][cell]

    def field(self, values: NDArray[np.floating]) -> Floats:
        """Values of the cells [cells] on the window [ny, nx], NaN elsewhere."""
        window = np.full(self.ground.active.shape, np.nan)
        window[self.ground.active] = values
        return window


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How a world's cells stand for a larger domain; see ``sampling``.

    Attributes:
        total: active cells of the domain.
        number: of each cell among them, row by row from the north-west [cells].
        judged: of each replicate, the cells that it is judged on [n] and how many of the domain each stands for [n].
        stations: cells with a station, by ``station_key``.
        everywhere: places that stand for all of the domain's cells [m, 2], km, each as likely as the other.
        whole: whether all active cells of its SMAP cell are at hand too [cells].
    """

    total: int
    number: Index
    judged: tuple[tuple[Index, Floats], ...]
    stations: Mapping[str, Index]
    everywhere: Floats
    whole: Bools

    @property
    def weight(self) -> Floats:
        """How many cells of the domain each cell stands for over all replicates [cells]; 0 where none is judged."""
        found = np.zeros(len(self.number))
        for cell, weight in self.judged:
            found[cell] += weight / len(self.judged)
        return found


def station_key(layout: str, count: int, replicate: int) -> str:
    """Name of one draw of a layout."""
    return f"{layout}/{count}/{replicate}"
