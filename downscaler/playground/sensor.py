"""Simulated observations of the truth: a coarse satellite sensor and stations."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from downscaler.ground.blocks import Bools, Floats
from downscaler.playground.world import Index, Rows, World
from downscaler.product import THETA_MAX, THETA_MIN
from downscaler.simulation.noise import Stream, smooth_noise
from downscaler.simulation.orbit import observe

COARSE_NAMES = ("coarse", "coarse_gradient_x", "coarse_gradient_y")
SEASON_NAMES = ("season_sin", "season_cos")
_CELL_KM = 9.008
_SMOOTH_KM, _SMOOTH_SHARE = 60.0, 2.0 / 3.0  # of the error's variance is smooth within a pass
_GAP_DAYS = 4  # learning days that a station's outage lasts


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A coarse sensor and the stations' instruments.

    Attributes:
        own: share of a cell's value that comes from the cell itself; the rest is from the antenna's footprint. 1 is
            the plain block mean.
        footprint: width of the antenna's gain at half power, km.
        noise: standard deviation of a retrieval's error, m3 m-3, two thirds of its variance smooth over 60 km.
        revisit: whether a day holds only what SMAP's AM or PM swath covers.
        reading_noise: standard deviation of a station's daily reading, m3 m-3.
        gaps: share of a station's days without a reading, in outages of several days.
    """

    own: float = 0.55
    footprint: float = 36.0
    noise: float = 0.03
    revisit: bool = True
    reading_noise: float = 0.02
    gaps: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One realisation of the coarse sensor.

    ``coarse`` [days, nyc, nxc] in m3 m-3, NaN where not seen; ``seen`` [days, cells]; ``predictors``
    [days, cells, 3] by ``COARSE_NAMES``; ``season`` [days, 2]; ``error`` the retrievals' standard error.
    """

    world: World
    coarse: Floats
    seen: Bools
    predictors: Rows
    season: Rows
    error: float

    def rows(self, day: Index, cell: Index, *, coarse: bool) -> Rows:
        """Predictors [n, k] of days and cells, named by ``names``."""
        parts = [self.world.statics[cell], self.world.weather[day, cell], self.season[day]]
        return np.concatenate([self.predictors[day, cell], *parts] if coarse else parts, axis=1)

    def names(self, *, coarse: bool) -> tuple[str, ...]:
        """Names of the columns of ``rows``."""
        own = (*self.world.static_names, *self.world.weather_names, *SEASON_NAMES)
        return (*COARSE_NAMES, *own) if coarse else own


def look(world: World, sensor: Sensor, stream: Stream) -> Scene:
    """What the coarse sensor makes of the truth; the same stream gives the same errors."""
    place = world.place
    coarse = np.stack([_retrieve(world, day, sensor, stream.child(str(date))) for day, date in enumerate(world.dates)])
    seen = np.stack([place.seen(field) for field in coarse])
    predictors = np.full((*world.theta.shape, len(COARSE_NAMES)), np.nan, np.float32)
    season = np.empty((len(world.dates), len(SEASON_NAMES)), np.float32)
    for day, date in enumerate(world.dates):
        fields = place.day(coarse[day], date, (*COARSE_NAMES, *SEASON_NAMES))
        predictors[day] = np.stack([fields[name] for name in COARSE_NAMES], axis=1)
        season[day] = [fields[name][0] for name in SEASON_NAMES]
    return Scene(world=world, coarse=coarse, seen=seen, predictors=predictors, season=season, error=sensor.noise)


def _retrieve(world: World, day: int, sensor: Sensor, stream: Stream) -> Floats:
    mean = world.place.truth(world.theta, day)
    value = sensor.own * mean + (1.0 - sensor.own) * smeared(mean, sensor.footprint)
    if sensor.noise:
        y, x = (np.arange(size) * _CELL_KM for size in mean.shape)
        smooth = smooth_noise(y, x, _SMOOTH_KM, stream.child("smooth"))
        white = stream.child("white").generator().normal(size=mean.shape)
        value = value + sensor.noise * (np.sqrt(_SMOOTH_SHARE) * smooth + np.sqrt(1.0 - _SMOOTH_SHARE) * white)
    value = np.clip(value, THETA_MIN, THETA_MAX)
    return np.where(_swaths(Identity(world))[day], value, np.nan) if sensor.revisit else value


def smeared(mean: Floats, footprint: float) -> Floats:
    """Coarse cells seen through a Gaussian antenna of a width at half power (km), over the cells that have land."""
    sigma = footprint / 2.3548 / _CELL_KM
    land = np.isfinite(mean)
    total, weight = (gaussian_filter(field, sigma) for field in (np.where(land, mean, 0.0), land.astype(np.float64)))
    with np.errstate(invalid="ignore", divide="ignore"):
        value: Floats = np.where(land, total / weight, np.nan)
    return value


class Identity:
    """A world as a cache's key: itself, and no other that looks alike."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __hash__(self) -> int:
        return id(self.world)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.world is self.world


@lru_cache(maxsize=2)
def _swaths(of: Identity) -> Bools:
    """What is seen on each of a world's days [days, nyc, nxc]: the same for all replicates."""
    return np.stack([swath(date, of.world.coarse_lonlat) for date in of.world.dates])


def swath(date: dt.date, lonlat: Floats) -> Bools:
    """Which points the AM or the PM overpass of a day sees."""
    seen: Bools = np.any([observe(date, lonlat[1], lonlat[0], name).seen for name in ("AM", "PM")], axis=0)
    return seen


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Station readings on learning days: position of ``day``, ``cell``, ``value`` (m3 m-3), each [n]."""

    day: Index
    cell: Index
    value: NDArray[np.float32]

    def where(self, chosen: Bools) -> Readings:
        """Those of the readings."""
        return Readings(day=self.day[chosen], cell=self.cell[chosen], value=self.value[chosen])


def read_stations(scene: Scene, stations: Index, sensor: Sensor, stream: Stream) -> Readings:
    """What the stations in some cells read on the learning days that the coarse sensor saw them.

    A cell's readings do not depend on which other cells have a station, nor on which others are held.
    """
    world = scene.world
    days = world.learning
    found = []
    for cell in stations:
        rng = stream.child(int(cell if world.sample is None else world.sample.number[cell])).generator()
        noise = rng.normal(0.0, sensor.reading_noise, len(days))
        starts = rng.random(len(days)) < sensor.gaps / _GAP_DAYS
        out = np.convolve(starts, np.ones(_GAP_DAYS))[: len(days)] > 0
        kept = scene.seen[days, cell] & ~out
        value = np.clip(world.theta[days[kept], cell] + noise[kept], THETA_MIN, THETA_MAX)
        found.append((days[kept], np.full(int(kept.sum()), cell, np.intp), value.astype(np.float32)))
    day, cells, value = (np.concatenate(part) for part in zip(*found, strict=True))
    return Readings(day=day, cell=cells, value=value)
