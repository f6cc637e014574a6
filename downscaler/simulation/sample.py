"""The simulated sample: a landscape and its weather, written in real formats.

Two runs of one model are made. The *nature* run is the truth: SMAP and the stations observe it. The *prior* run stands
in for ParFlow-CLM: it has the same land, but storms as an analysis misplaces them, its soils without their small-scale
detail, other conductivities and another evaporation. So the prior is not the truth, and a downscaling can be judged.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo import wh_, xy_
from pyproj import Transformer

from downscaler.errors import ConfigError
from downscaler.ground.grid import CRS, Domain
from downscaler.ground.lattice import CELL, CONUS1, Lattice
from downscaler.product import SIMULATED_LABEL
from downscaler.simulation.files.observed import ObservedWriter
from downscaler.simulation.files.stand_in import PriorWriter
from downscaler.simulation.hydrology import Run, Soil, State, initial_state, make_soil, simulate_day
from downscaler.simulation.landscape import Landscape, make_landscape
from downscaler.simulation.noise import Field
from downscaler.simulation.weather import Sky, Weather, day_weather, warm_season

DEFAULT_START = dt.date(2024, 5, 23)
DEFAULT_DAYS = 12
_MARGIN = 12  # lattice cells around the domain
_SPIN_UP = 90  # days before a run's first kept day
_README = "README.txt"
_PARTS = ("granules", "prior", "stations", "truth", _README)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SamplePaths:
    """Where the parts of a sample lie."""

    root: Path
    granules: Path
    prior: Path
    stations: Path
    truth: Path


@dataclass(frozen=True, kw_only=True)
class SampleLand:
    """The land under a sample: its lattice, its cell centres in km, its latitudes and what lies there."""

    lattice: Lattice
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    latitude: Field
    land: Landscape


@dataclass(frozen=True, kw_only=True)
class Day:
    """A simulated day: surface soil moisture at the end of each step, m3 m-3, the state after it and its weather."""

    date: dt.date
    moisture: list[Field]
    root: Field
    weather: Weather


def write_sample(
    out: Path,
    domain: Domain,
    *,
    days: int = DEFAULT_DAYS,
    start: dt.date = DEFAULT_START,
    seed: int = 0,
    history: int = 365,
    progress: Progress | None = None,
) -> SamplePaths:
    """Writes a simulated sample of ``days`` days from ``start`` for a domain, with ``history`` days of prior before.

    Args:
        out: folder; an older sample in it is replaced, anything else in it is refused.
        domain: what the granules, stations and truth cover; the prior has a margin around it.
        days: granules and days of truth.
        start: first of them.
        seed: of everything; the same arguments make the same bytes.
        history: days of prior before ``start``.
        progress: called with (days simulated, days in all).

    Raises:
        ConfigError: for less than one day, a negative history, or a folder that holds something else.
    """
    if days < 1 or history < 0:
        raise ConfigError("A sample needs at least one day", value=(days, history), allowed="days >= 1, history >= 0")
    _clear(out)
    world = make_world(domain, seed)
    tell = _Count(progress, history + 2 * days + 2 * _SPIN_UP)
    _write_prior(out / "prior", world, seed, start - dt.timedelta(days=history), history + days, tell)
    _write_observed(out, domain, world, seed, start, days, tell)
    _write_readme(out, domain, start, days, seed)
    return SamplePaths(root=out, **{name: out / name for name in ("granules", "prior", "stations", "truth")})


def sample_lattice(domain: Domain, margin: int = _MARGIN) -> Lattice:
    """The piece of CONUS1 (``drv_vegm`` registration) that holds a domain and ``margin`` cells around it.

    Where the domain leaves CONUS1, a lattice of the same projection and registration without ``ij_bounds``.
    """
    box = domain.geobox().extent.boundingbox
    edge = np.linspace(0.0, 1.0, 65)
    x, y = box.left + edge * (box.right - box.left), box.bottom + edge * (box.top - box.bottom)
    around_x = np.concatenate([x, x, np.full(65, box.left), np.full(65, box.right)])
    around_y = np.concatenate([np.full(65, box.bottom), np.full(65, box.top), y, y])
    east, north = Transformer.from_crs(CRS, CONUS1.crs, always_xy=True).transform(around_x, around_y)
    corner = CONUS1.registrations["drv_vegm"]
    i0, j0 = (int(np.floor((a.min() - c) / CELL)) - margin for a, c in ((east, corner.x), (north, corner.y)))
    i1, j1 = (int(np.ceil((a.max() - c) / CELL)) + margin for a, c in ((east, corner.x), (north, corner.y)))
    if i0 >= 0 and j0 >= 0 and i1 <= CONUS1.shape.x and j1 <= CONUS1.shape.y:
        return CONUS1.cut([i0, j0, i1, j1], "drv_vegm")
    return Lattice(
        name="custom",
        crs=CONUS1.crs,
        lower_left=xy_(corner.x + i0 * CELL, corner.y + j0 * CELL),
        shape=wh_(i1 - i0, j1 - j0),
    )


def make_world(domain: Domain, seed: int) -> SampleLand:
    """The land of a domain's sample."""
    lattice = sample_lattice(domain)
    y, x = lattice.y / CELL, lattice.x / CELL
    _, latitude = lattice.lonlat()
    return SampleLand(lattice=lattice, y=y, x=x, latitude=latitude.astype(np.float32), land=make_landscape(y, x, seed))


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


def simulate(world: SampleLand, run: Run, sky: Sky, *, first: dt.date, days: int) -> Iterator[tuple[Day, Soil]]:
    """Days of a run, spin-up included, one at a time: memory does not grow with their number."""
    soil = make_soil(world.land, world.y, world.x, run)
    state: State = initial_state(soil)
    for number in range(-_SPIN_UP, days):
        date = first + dt.timedelta(days=number)
        weather = day_weather(date, world.y, world.x, elevation=world.land.elevation, latitude=world.latitude, sky=sky)
        moisture = simulate_day(state, soil, weather, warm_season(date), run)
        yield Day(date=date, moisture=moisture, root=state.root, weather=weather), soil


@dataclass
class _Count:
    """Tells a progress function how many days are done."""

    progress: Progress | None
    total: int
    done: int = 0

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _write_prior(folder: Path, world: SampleLand, seed: int, first: dt.date, days: int, tell: _Count) -> None:
    run, sky = prior_settings(seed)
    with PriorWriter(folder, world.lattice, world.land, first, days) as writer:
        for day, soil in simulate(world, run, sky, first=first, days=days):
            tell()
            if day.date >= first:
                writer.add(day.date, day.moisture, day.root, day.weather, soil)


def _write_observed(
    out: Path, domain: Domain, world: SampleLand, seed: int, start: dt.date, days: int, tell: _Count
) -> None:
    run, sky = nature_settings(seed)
    before = None
    with ObservedWriter(out, domain, world.lattice, world.land, seed) as writer:
        for day, soil in simulate(world, run, sky, first=start, days=days):
            tell()
            if day.date >= start:
                writer.add(day.date, before, day.moisture, day.root, day.weather, soil)
            before = day.moisture[-1]


def _clear(out: Path) -> None:
    """Makes way for a sample; what no sample put there is not touched but refused."""
    readme = out / _README
    known = readme.is_file() and SIMULATED_LABEL in readme.read_text(encoding="utf-8", errors="replace")
    if out.exists() and any(out.iterdir()) and not known:
        raise ConfigError(
            "The folder for the sample contains other files", value=out, remedy="Choose an empty or new folder."
        )
    for name in _PARTS:
        part = out / name
        if part.is_dir():
            shutil.rmtree(part)
    for name in _PARTS[:-1]:
        (out / name).mkdir(parents=True)
    readme.write_text(f"vadose {SIMULATED_LABEL}, being written.\n", encoding="utf-8")


def _write_readme(out: Path, domain: Domain, start: dt.date, days: int, seed: int) -> None:
    text = f"""vadose {SIMULATED_LABEL}
{"=" * (7 + len(SIMULATED_LABEL))}
Nothing here was observed: landscape, weather, soil moisture, satellite and stations are simulated.

domain {domain.name} ({domain.title}), {days} days from {start}, seed {seed}
granules/  SPL3SMP_E HDF5 in the current layout, root attribute vadose_simulated = "true"
prior/     a light stand-in for ParFlow-CLM on a CONUS1 lattice: daily.nc and static.nc (whole period), .pfb states
           of the newest days at 12 UTC with prior.toml
stations/  an ISMN archive (header + values): SIM-MESONET on open level ground, SIM-RANDOM anywhere
truth/     truth.nc: the 1 km truth that SMAP and the stations saw; for evaluation only, never an input

The prior is another run than the truth: its storms are out of place, some are missed, its soils err.
"""
    (out / _README).write_text(text, encoding="utf-8")
