"""Simulated weather: fronts that cross the country, storms smaller than a SMAP cell, seasons, cold mountains.

A day's weather follows from its number and from position, so every window of a sample sees the same sky. The *prior*
sky is the nature sky as an analysis would have it: storms out of place by kilometres, some missed, amounts wrong.

Source: rain of a moving Gaussian cell after Rodriguez-Iturbe and Eagleson (1987, doi:10.1029/WR023i001p00181), here
integrated in closed form; extraterrestrial radiation of Allen et al. (1998, FAO-56, eq. 21); potential
evapotranspiration of Oudin et al. (2005, doi:10.1016/j.jhydrol.2004.08.026).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.special import erf

from downscaler.simulation.noise import Field, Stream, fractal, smooth_noise

STEPS = 4  # per day, of six hours, the first from 00 UTC
_EPOCH = dt.date(2015, 1, 1)
_TILE = 160.0  # km, storms are drawn tile by tile
_REACH = 1  # tiles a storm may travel
_COARSE = 16.0  # km, fronts are drawn at this spacing and interpolated
_ZONAL = 620.0  # km day-1, how fast fronts move eastward
_MOST = 300.0  # mm in six hours: where a continent's storms meet chance would have it rain more than ever was seen


@dataclass(frozen=True, kw_only=True)
class Storm:
    """One rain cell: a Gaussian of ``along`` x ``across`` km that moves ``speed`` km h-1 toward ``heading`` (rad)."""

    y: float
    x: float
    heading: float
    speed: float
    hours: float
    along: float
    across: float
    peak: float  # mm h-1
    step: int  # of the day


@dataclass(frozen=True, kw_only=True)
class Sky:
    """How a run sees the weather.

    ``shift`` km by which storms and fronts are misplaced, ``missed`` share of storms left out, ``spread`` standard
    deviation of the logarithm of amounts, ``warmth`` K added to the air temperature.
    """

    seed: int
    name: str
    shift: float = 0.0
    missed: float = 0.0
    spread: float = 0.0
    warmth: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Weather:
    """A day: ``rain`` mm per step [STEPS, y, x], ``temperature`` K and ``evaporation`` (potential, mm day-1) [y, x]."""

    rain: Field
    temperature: Field
    evaporation: Field


def warm_season(date: dt.date) -> float:
    """1 in high summer, 0 in midwinter."""
    return float(0.5 - 0.5 * np.cos(2 * np.pi * (date.timetuple().tm_yday - 20) / 365.25))


def day_weather(
    date: dt.date, y: NDArray[np.float64], x: NDArray[np.float64], *, elevation: Field, latitude: Field, sky: Sky
) -> Weather:
    """The weather of a date at cell centres ``y``, ``x`` (km, south to north, west to east)."""
    number = (date - _EPOCH).days
    nature = Stream(seed=sky.seed, name="weather")
    error = Stream(seed=sky.seed, name=f"sky/{sky.name}/{number}")
    front = front_rain(number, y, x, nature, error=error, sky=sky)
    rain = front[None] * _share(nature.child("shares", number))[:, None, None]
    for storm in storms(date, y, x, nature, error=error, sky=sky):
        rows, columns = under(storm, y, x)
        if rows.start < rows.stop and columns.start < columns.stop:  # most of them pass by
            rain[storm.step, rows, columns] += storm_rain(storm, y[rows], x[columns])
    rain *= texture(number, y, x, nature, error=error, sky=sky)
    rain[rain < 0.05] = 0.0
    np.minimum(rain, _MOST, out=rain)
    total = rain.sum(axis=0)
    temperature = _temperature(date, y, x, nature, elevation=elevation, latitude=latitude)
    temperature = temperature - 3.0 * (1.0 - np.exp(-total / 8.0)) + sky.warmth
    return Weather(
        rain=np.asarray(rain, np.float32),
        temperature=np.asarray(temperature, np.float32),
        evaporation=potential_evaporation(date, latitude, temperature, total),
    )


def _share(stream: Stream) -> NDArray[np.float64]:
    return stream.generator().dirichlet(np.full(STEPS, 2.0))


def front_rain(
    number: int, y: NDArray[np.float64], x: NDArray[np.float64], nature: Stream, *, error: Stream, sky: Sky
) -> NDArray[np.float64]:
    """Daily rain of fronts, mm: bands hundreds of kilometres long that lean north-east and move east."""
    dy, dx = sky.shift * error.child("front").generator().normal(size=2) * 2.0
    knots = tuple(np.arange(np.floor(a[0] / _COARSE), np.ceil(a[-1] / _COARSE) + 2) * _COARSE for a in (y, x))
    yy, xx = np.meshgrid(knots[0] + dy, knots[1] + dx, indexing="ij")
    across = smooth_noise(0.35 * yy, xx - 0.7 * yy - _ZONAL * number, 430.0, nature.child("fronts"), aspect=1.2)
    between = RegularGridInterpolator(knots, across)(np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1))
    return np.asarray(15.0 * np.clip(between - 0.75, 0.0, None) ** 1.3, np.float64)


def texture(
    number: int, y: NDArray[np.float64], x: NDArray[np.float64], nature: Stream, *, error: Stream, sky: Sky
) -> NDArray[np.float64]:
    """Factor of mean about 1 that gives rain its streaks and cores; the analysis' own amounts err smoothly."""
    fine = fractal(y, x * 0.6, 13.0, nature.child("texture", number), octaves=3, gain=0.6)
    factor = np.exp(0.7 * fine - 0.25)
    if sky.spread > 0:
        wrong = fractal(y, x, 40.0, error.child("amounts"), octaves=3, gain=0.7)
        factor = factor * np.exp(sky.spread * wrong - 0.5 * sky.spread**2)
    return np.asarray(factor, np.float64)


def storms(
    date: dt.date, y: NDArray[np.float64], x: NDArray[np.float64], nature: Stream, *, error: Stream, sky: Sky
) -> Iterator[Storm]:
    """Rain cells of the day that may touch the window, in clusters of a few, most of them on summer afternoons."""
    number = (date - _EPOCH).days
    rows, columns = (range(int(a[0] // _TILE) - _REACH, int(a[-1] // _TILE) + _REACH + 1) for a in (y, x))
    tiles = [0.4 * row for row in rows], [column - 3.2 * number for column in columns]
    unrest = smooth_noise(*tiles, 3.0, nature.child("unrest"))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            random = nature.child("storms", number, row, column).generator()
            wrong = error.child("storms", row, column).generator()
            rate = (0.2 + 1.5 * warm_season(date) ** 1.5) * np.exp(1.3 * float(unrest[i, j]) - 0.5)
            for _ in range(int(random.poisson(rate))):
                centre = np.array([row + random.random(), column + random.random()]) * _TILE
                yield from _as_seen(list(_cluster(centre, random)), wrong, sky)


def _cluster(centre: NDArray[np.float64], random: np.random.Generator) -> Iterator[Storm]:
    heading = random.normal(0.45, 0.5)
    step = int(random.choice(STEPS, p=[0.25, 0.1, 0.15, 0.5]))
    for _ in range(2 + int(random.poisson(3.0))):
        y, x = centre + random.normal(0.0, 16.0, 2)
        along = float(np.clip(random.lognormal(np.log(4.2), 0.45), 2.2, 11.0))
        yield Storm(
            y=float(y),
            x=float(x),
            heading=float(heading + random.normal(0.0, 0.12)),
            speed=float(random.uniform(8.0, 30.0)),
            hours=float(random.uniform(0.8, 3.2)),
            along=along,
            across=along * float(random.uniform(0.65, 1.0)),
            peak=float(np.clip(random.lognormal(np.log(24.0), 0.5), 5.0, 75.0)),
            step=step,
        )


def _as_seen(cluster: list[Storm], wrong: np.random.Generator, sky: Sky) -> Iterator[Storm]:
    """The cluster through an analysis: displaced as one and cell by cell, amounts scaled, some cells missed."""
    together = wrong.normal(size=2)
    for storm in cluster:
        missed, own, amount = wrong.random() < sky.missed, wrong.normal(size=2), wrong.normal()
        if not missed:
            dy, dx = sky.shift * (0.7 * together + 0.7 * own)
            factor = np.exp(sky.spread * amount - 0.5 * sky.spread**2)
            yield replace(storm, y=storm.y + dy, x=storm.x + dx, peak=storm.peak * float(factor))


def under(storm: Storm, y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[slice, slice]:
    """Rows and columns of cell centres (km) that a storm may rain on."""
    reach, length = 3.5 * max(storm.along, storm.across), storm.speed * storm.hours
    moves = ((y, storm.y, np.sin(storm.heading)), (x, storm.x, np.cos(storm.heading)))
    rows, columns = (
        slice(
            int(np.searchsorted(axis, start + min(0.0, unit * length) - reach)),
            int(np.searchsorted(axis, start + max(0.0, unit * length) + reach)),
        )
        for axis, start, unit in moves
    )
    return rows, columns


def storm_rain(storm: Storm, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rain in mm that a moving Gaussian cell leaves at cell centres ``y``, ``x`` (km), [ny, nx].

    With s along and c across the track, the depth is
    P sqrt(pi/2) (a/v) [erf(s / (sqrt2 a)) - erf((s - v T) / (sqrt2 a))] exp(-c^2 / (2 b^2)).
    """
    length, uy, ux = storm.speed * storm.hours, np.sin(storm.heading), np.cos(storm.heading)
    dy, dx = (y - storm.y)[:, None], (x - storm.x)[None, :]
    s, c = dy * uy + dx * ux, dy * ux - dx * uy
    width = np.sqrt(2.0) * storm.along
    passing = storm.along / storm.speed * np.sqrt(np.pi / 2.0) * (erf(s / width) - erf((s - length) / width))
    return np.asarray(storm.peak * passing * np.exp(-0.5 * (c / storm.across) ** 2))


def _temperature(
    date: dt.date,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    nature: Stream,
    *,
    elevation: Field,
    latitude: Field,
) -> NDArray[np.float64]:
    """Daily mean 2 m air temperature, K: latitude, season (late by a month), air masses, 6.5 K per km."""
    number = (date - _EPOCH).days
    season = np.cos(2 * np.pi * (date.timetuple().tm_yday - 201) / 365.25)
    mass = smooth_noise(y, x - _ZONAL * number, 500.0, nature.child("air"))
    warm = 291.0 - 0.75 * (latitude - 34.5) + (11.5 + 0.25 * (latitude - 34.5)) * season
    return np.asarray(warm + 3.5 * mass - 0.0065 * (elevation - 250.0), np.float64)


def potential_evaporation(date: dt.date, latitude: Field, temperature: Field, rain: Field) -> Field:
    """Potential evapotranspiration in mm day-1 (Oudin et al. 2005), less under rain clouds."""
    day, phi = date.timetuple().tm_yday, np.deg2rad(latitude)
    near = 1.0 + 0.033 * np.cos(2 * np.pi * day / 365.0)
    declination = 0.409 * np.sin(2 * np.pi * day / 365.0 - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    radiation = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    radiation = 24.0 * 60.0 / np.pi * 0.0820 * near * radiation  # MJ m-2 day-1
    clouds = 1.0 - 0.5 * (1.0 - np.exp(-rain / 5.0))
    return np.asarray(radiation / 2.45 * np.clip(temperature - 268.15, 0.0, None) / 100.0 * clouds, np.float32)
