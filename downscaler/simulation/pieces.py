"""One piece of a sample: its land, the prior run and the nature run on it, day by day, and what its stations read.

A lattice wider than ``WHOLE`` cells is cut into squares of ``PIECE`` cells that know nothing of each other: sky, rock
and plants follow from position alone, and rivers end at a square's rim, where the terrain stays as it was. So a
continent takes as little memory as a county, and squares can be made at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from downscaler.ground.grid import Span
from downscaler.ground.lattice import CELL, IJWindow, Lattice
from downscaler.simulation.hydrology import Run, Soil, State, initial_state, make_soil, saturation, simulate_day
from downscaler.simulation.landscape import Landscape, make_landscape
from downscaler.simulation.noise import Field
from downscaler.simulation.scene import choose_sites
from downscaler.simulation.weather import STEPS, Sky, Weather, day_weather, warm_season

SPIN_UP = 90  # days before a run's first kept day
WHOLE, PIECE = 512, 256  # lattice cells along an edge
PRIOR = ("soil_moisture", "precipitation", "air_temperature")
# Soil moisture and rain of the day, then each at SMAP's two overpasses, and the air temperature.
NATURE = ("mean", "rain", "am", "am_rain", "pm", "pm_rain", "temperature")
NOON = STEPS // 2 - 1  # the step that ends at 12 UTC
Tick = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a station stands, degrees, and what it is called."""

    network: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all pieces of a sample share.

    ``days`` granules from ``start``, ``history`` days of prior before; ``states`` of the prior's newest days are kept
    whole; ``places`` of stations, None to choose them by chance.
    """

    lattice: Lattice
    seed: int
    start: dt.date
    days: int
    history: int
    spin_up: int = SPIN_UP
    states: int = 0
    places: tuple[Place, ...] | None = None

    @property
    def first(self) -> dt.date:
        """The prior's first day."""
        return self.start - dt.timedelta(days=self.history)

    @property
    def dates(self) -> list[dt.date]:
        """The prior's days."""
        return [self.first + dt.timedelta(days=n) for n in range(self.history + self.days)]

    @property
    def simulated(self) -> int:
        """Days that are simulated of each piece, those before the first kept one included."""
        return self.history + 2 * self.days + 2 * self.spin_up


@dataclass(frozen=True, kw_only=True)
class Day:
    """A simulated day: surface soil moisture at the end of each step, m3 m-3, the state after it and its weather."""

    date: dt.date
    moisture: list[Field]
    root: Field
    weather: Weather


@dataclass(frozen=True, kw_only=True)
class Site:
    """A station and the land under it; ``placed`` where its coordinates were given and are not the cell's centre."""

    network: str
    name: str
    placed: bool
    latitude: float
    longitude: float
    elevation: float
    land_cover: int
    saturation: float
    clay: float
    sand: float


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is told of a made piece: its stations, and soil moisture of both layers there [readings, 2, sites]."""

    window: IJWindow
    sites: list[Site]
    truth: NDArray[np.float64]


def pieces(lattice: Lattice) -> list[IJWindow]:
    """The lattice whole where it is small, else squares of it, from the south-west."""
    height, width = lattice.window.shape
    size = PIECE if max(height, width) > WHOLE else WHOLE
    rows, columns = (
        [Span(start=n, stop=min(n + size, length)) for n in range(0, length, size)] for length in (height, width)
    )
    return [IJWindow(i=i, j=j) for j in rows for i in columns]


def make_piece(plan: Plan, window: IJWindow, folder: Path, tick: Tick = lambda: None) -> Made:
    """Simulate both runs on a window of the lattice.

    Leaves in ``folder``: ``land.npz``, the rasters by name; ``prior.f4`` and ``nature.f4``, days of the fields named in
    ``PRIOR`` and ``NATURE``; ``states.f4``, saturation of the prior's newest days by layer. ``tick`` hears of each day.
    """
    y, x = plan.lattice.y[window.j.slice] / CELL, plan.lattice.x[window.i.slice] / CELL
    land = make_landscape(y, x, plan.seed)
    latitude = _lonlat(plan.lattice, window)[1].astype(np.float32)
    np.savez(folder / "land.npz", allow_pickle=False, **land.rasters())
    ground = _Ground(land=land, y=y, x=x, latitude=latitude)
    _prior(plan, ground, folder, tick)
    sites, cells = _sites(plan, window, land)
    return Made(window=window, sites=sites, truth=_nature(plan, ground, cells, folder, tick))


def nature_settings(seed: int) -> tuple[Run, Sky]:
    """The truth: soils vary within their class."""
    run = Run(seed=seed, name="nature", conductivity_spread=0.8, porosity_spread=0.08, canopy_spread=0.12)
    return run, Sky(seed=seed, name="nature")


def prior_settings(seed: int) -> tuple[Run, Sky]:
    """The stand-in for ParFlow-CLM: storms some 7 km out of place, a fifth missed, amounts off by half, too dry.

    A model run errs in its forcing and its evaporation more than in where the valleys lie; without such errors the
    sample's prior would be better than any satellite, and prove nothing.
    """
    run = Run(
        seed=seed,
        name="prior",
        conductivity_spread=0.5,
        canopy_spread=0.05,
        evaporation_factor=1.35,
        capillary_days=1.9,
    )
    return run, Sky(seed=seed, name="prior", shift=7.0, missed=0.2, spread=0.5, warmth=0.5)


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """A piece's land, its cell centres in km and its latitudes."""

    land: Landscape
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    latitude: Field


def _simulate(
    ground: _Ground, run: Run, sky: Sky, *, first: dt.date, days: int, spin_up: int
) -> Iterator[tuple[Day, Soil]]:
    """Days of a run, those before ``first`` included, one at a time: memory does not grow with their number."""
    soil = make_soil(ground.land, ground.y, ground.x, run)
    state: State = initial_state(soil)
    for number in range(-spin_up, days):
        date = first + dt.timedelta(days=number)
        weather = day_weather(
            date, ground.y, ground.x, elevation=ground.land.elevation, latitude=ground.latitude, sky=sky
        )
        moisture = simulate_day(state, soil, weather, warm_season(date), run)
        yield Day(date=date, moisture=moisture, root=state.root, weather=weather), soil


def _prior(plan: Plan, ground: _Ground, folder: Path, tick: Tick) -> None:
    run, sky = prior_settings(plan.seed)
    newest = plan.start + dt.timedelta(days=plan.days - plan.states)
    days = _simulate(ground, run, sky, first=plan.first, days=plan.history + plan.days, spin_up=plan.spin_up)
    with (folder / "prior.f4").open("wb") as file, (folder / "states.f4").open("wb") as states:
        for day, soil in days:
            tick()
            if day.date >= plan.first:
                _append(file, _mean(day), day.weather.rain.sum(axis=0), day.weather.temperature)
            if day.date >= newest:
                _append(states, saturation(day.moisture[NOON], day.root, soil))


def _nature(
    plan: Plan, ground: _Ground, cells: tuple[NDArray[np.intp], NDArray[np.intp]], folder: Path, tick: Tick
) -> NDArray[np.float64]:
    run, sky = nature_settings(plan.seed)
    before, readings = None, []
    with (folder / "nature.f4").open("wb") as file:
        for day, soil in _simulate(ground, run, sky, first=plan.start, days=plan.days, spin_up=plan.spin_up):
            tick()
            moisture, rain = day.moisture, day.weather.rain
            if day.date >= plan.start:
                am, pm = (moisture[NOON], rain[NOON]), (moisture[0] if before is None else before, rain[0])
                _append(file, _mean(day), rain.sum(axis=0), *am, *pm, day.weather.temperature)
                deep = soil.residual[cells] + day.root[cells] * (soil.porosity - soil.residual)[cells]
                readings += [np.stack([field[cells], deep]) for field in moisture]
            before = moisture[-1]
    return np.array(readings, np.float64)


def _mean(day: Day) -> Field:
    return np.asarray(np.mean(np.stack(day.moisture), axis=0))


def _append(file: BinaryIO, *fields: Field) -> None:
    for field in fields:
        file.write(np.ascontiguousarray(field, np.float32).tobytes())


def _lonlat(lattice: Lattice, window: IJWindow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitudes and latitudes of a window's cell centres, [j, i] each, degrees."""
    centres = np.meshgrid(lattice.x[window.i.slice], lattice.y[window.j.slice])
    lon, lat = Transformer.from_crs(lattice.crs, "EPSG:4326", always_xy=True).transform(*centres)
    return np.asarray(lon), np.asarray(lat)


def _sites(
    plan: Plan, window: IJWindow, land: Landscape
) -> tuple[list[Site], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Stations on the active land of a window, and their rows and columns there."""
    found = _placed(plan, window, land) if plan.places is not None else _chosen(plan, window, land)
    longitude, latitude = _lonlat(plan.lattice, window)
    sites = [
        Site(
            network=network,
            name="" if place is None else place.name,
            placed=place is not None,
            latitude=float(latitude[row, column]) if place is None else place.latitude,
            longitude=float(longitude[row, column]) if place is None else place.longitude,
            elevation=float(land.elevation[row, column]),
            land_cover=int(land.land_cover[row, column]),
            saturation=float(land.porosity[row, column]),
            clay=float(land.clay[row, column]),
            sand=float(land.sand[row, column]),
        )
        for network, row, column, place in found
    ]
    cells = np.array([(row, column) for _, row, column, _ in found], np.intp).reshape(-1, 2)
    return sites, (cells[:, 0], cells[:, 1])


_Found = list[tuple[str, int, int, Place | None]]


def _chosen(plan: Plan, window: IJWindow, land: Landscape) -> _Found:
    """Stations by chance: a piece of many has two or three."""
    statics = {name: getattr(land, name) for name in ("land_cover", "active", "slope_x", "slope_y")}
    whole = window.bounds == plan.lattice.window.bounds
    chosen = choose_sites(statics, plan.seed) if whole else choose_sites(statics, plan.seed, most=1, of=window.bounds)
    return [(network, *cell, None) for network, cells in chosen.items() for cell in cells]


def _placed(plan: Plan, window: IJWindow, land: Landscape) -> _Found:
    """Stations where they are told to be; none stands in a lake."""
    found: _Found = []
    places = plan.places or ()
    to_lattice = Transformer.from_crs("EPSG:4326", plan.lattice.crs, always_xy=True)
    x, y = to_lattice.transform([p.longitude for p in places], [p.latitude for p in places])
    corner = plan.lattice.lower_left
    for place, east, north in zip(places, x, y, strict=True):
        column = int((east - corner.x) // plan.lattice.cell) - window.i.start
        row = int((north - corner.y) // plan.lattice.cell) - window.j.start
        inside = 0 <= row < len(window.j) and 0 <= column < len(window.i)
        if inside and land.active[row, column]:
            found.append((place.network, row, column, place))
    return found
