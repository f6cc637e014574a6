"""Rain and temperature of days on SMAP's cells: the prior's own, else a weather store's, each day averaged once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.ground.grid import Domain, EaseGrid, Window
from downscaler.ground.prior import Prior, read_days
from downscaler.method.coarse_prior import coarse_means
from downscaler.method.pattern import ratio_to_m01

NAMES = ("precipitation", "air_temperature")
Fields = dict[str, NDArray[np.float32]]


class Weather(Protocol):
    """Weather beside the prior: which days there are, and how they are read on a window of a domain."""

    @property
    def days(self) -> Sequence[dt.date]:
        """Days with precipitation."""
        ...

    @property
    def versions(self) -> Mapping[dt.date, str]:
        """What changes with a day's numbers, for days that may be kept."""
        ...

    @property
    def read(self) -> Callable[[str, Sequence[dt.date], Domain, Window], Floats]:
        """A variable of some days on an M01 window of a domain [n, y, x], NaN without one."""
        ...


class Shelf(Protocol):
    """Where arrays are kept under names that tell what they were made of."""

    def __hash__(self) -> int: ...

    def find(self, name: str) -> Mapping[str, NDArray[Any]] | None:
        """What is kept; None without."""
        ...

    def put(self, name: str, made: Mapping[str, NDArray[Any]]) -> None:
        """Keep some arrays."""
        ...


def coarse_weather(
    prior: Prior,
    domain: Domain,
    grid: EaseGrid,
    dates: Sequence[dt.date],
    weather: Weather | None,
    shelf: Shelf | None = None,
) -> tuple[Floats, Floats]:
    """Rain (mm) and air temperature (K) of days [n, nyc, nxc]: the prior's own days first, else the weather's.

    NaN for days and cells without. Means of the weather's days are kept on ``shelf``, for the analyses of later days.
    """
    shape = domain.shape(grid)
    made: Fields = {name: np.full((len(dates), shape.y, shape.x), np.nan, np.float32) for name in NAMES}
    days = np.asarray(dates, dtype="datetime64[D]")
    stored = prior.data["time"].values.astype("datetime64[D]")
    held = set(weather.days) if weather is not None else set()
    is_own = np.isin(days, stored)
    own = np.flatnonzero(is_own)
    other = [n for n, date in enumerate(dates) if not is_own[n] and date in held]
    versions = weather.versions if weather is not None and shelf is not None else {}
    names = {n: f"{grid.name}-{dates[n]}-{versions[dates[n]]}" for n in other if dates[n] in versions}
    new = [n for n in other if not _found(shelf, names.get(n), made, n)]
    if len(own) or new:
        _read(prior, domain, grid, made, (own, np.searchsorted(stored, days[own])), (new, dates), weather)
    for n in new:
        if shelf is not None and n in names:
            shelf.put(names[n], {name: field[n] for name, field in made.items()})
    return made["precipitation"], made["air_temperature"]


def _found(shelf: Shelf | None, name: str | None, made: Fields, n: int) -> bool:
    """Whether a day is kept; if so it is in its place of ``made`` then."""
    kept = shelf.find(name) if shelf is not None and name is not None else None
    if kept is None or any(kept.get(each, np.empty(0)).shape != field[n].shape for each, field in made.items()):
        return False
    for each, field in made.items():
        field[n] = kept[each]
    return True


def _read(
    prior: Prior,
    domain: Domain,
    grid: EaseGrid,
    made: Fields,
    own: tuple[NDArray[np.intp], NDArray[np.intp]],
    other: tuple[Sequence[int], Sequence[dt.date]],
    weather: Weather | None,
) -> None:
    """Fill in the prior's own days (places, positions in the record) and others (places among dates), tile by tile."""
    (places, at), (new, dates) = own, other
    for window in domain.blocks():
        data, part = prior.window(domain, window), window.coarser(ratio_to_m01(grid))
        active = data["active"].values.astype(bool)
        if not active.any():
            continue
        for name, target in made.items():
            if len(places) and name in data:
                target[(places, *part.index)] = coarse_means(read_days(data[name], at), active, grid)
            if new and weather is not None:
                fine = weather.read(name, [dates[n] for n in new], domain, window)
                target[(new, *part.index)] = coarse_means(np.asarray(fine, np.float32), active, grid)
