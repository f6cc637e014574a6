"""The simulated sample: a landscape and its weather, written in real formats.

Two runs of one model are made. The *nature* run is the truth: SMAP and the stations observe it. The *prior* run stands
in for ParFlow-CLM: it has the same land, but storms as an analysis misplaces them, its soils without their small-scale
detail, other conductivities and another evaporation. So the prior is not the truth, and a downscaling can be judged.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo import wh_, xy_
from pyproj import Transformer

from downscaler.errors import ConfigError
from downscaler.ground.grid import CRS, Domain
from downscaler.ground.lattice import CELL, CONUS1, CONUS2, IJWindow, Lattice, Parent
from downscaler.product import SIMULATED_LABEL
from downscaler.simulation.files.observed import ObservedWriter
from downscaler.simulation.files.prior import THICKNESS
from downscaler.simulation.files.readings import write_readings
from downscaler.simulation.files.stand_in import PriorWriter, states_kept
from downscaler.simulation.pieces import NATURE, PRIOR, SPIN_UP, WHOLE, Made, Place, Plan, make_piece, pieces

DEFAULT_START = dt.date(2024, 5, 23)
DEFAULT_DAYS = 12
_MARGIN = 12  # lattice cells around the domain
_BLOCK = 128  # cells along an edge of the blocks that a lattice of many pieces is kept in
_README, _SCRATCH = "README.txt", ".pieces"
_PARTS = ("granules", "prior", "stations", "truth", _README, _SCRATCH)
_KEPT = _PARTS[:4]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SamplePaths:
    """Where the parts of a sample lie."""

    root: Path
    granules: Path
    prior: Path
    stations: Path
    truth: Path


def write_sample(
    out: Path,
    domain: Domain,
    *,
    days: int = DEFAULT_DAYS,
    start: dt.date = DEFAULT_START,
    seed: int = 0,
    history: int = 365,
    spin_up: int = SPIN_UP,
    places: Sequence[Place] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> SamplePaths:
    """Writes a simulated sample of ``days`` days from ``start`` for a domain, with ``history`` days of prior before.

    A large land is simulated piece by piece: memory does not grow with it, nor with the number of days.

    Args:
        out: folder; an older sample in it is replaced, anything else in it is refused.
        domain: what the granules, stations and truth cover; the prior has a margin around it.
        days: granules and days of truth.
        start: first of them.
        seed: of everything; the same arguments make the same bytes.
        history: days of prior before ``start``.
        spin_up: days that each run simulates before its first kept day.
        places: where the stations stand; None chooses them by chance.
        workers: processes that simulate pieces at once; the bytes do not depend on them.
        progress: called with (days of pieces simulated, days of all pieces).

    Raises:
        ConfigError: for less than one day, a negative history or spin-up, or a folder that holds something else.
    """
    if days < 1 or history < 0 or spin_up < 0:
        raise ConfigError(
            "A sample needs at least one day",
            value=(days, history, spin_up),
            allowed="days >= 1, history >= 0, days before them >= 0",
        )
    _clear(out)
    lattice = sample_lattice(domain)
    whole = len(pieces(lattice)) == 1
    plan = Plan(
        lattice=lattice,
        seed=seed,
        start=start,
        days=days,
        history=history,
        spin_up=spin_up,
        states=states_kept(lattice, history + days) if whole else 0,
        places=None if places is None else tuple(places),
    )
    try:
        _write(out, domain, plan, workers, progress)
    finally:
        shutil.rmtree(out / _SCRATCH, ignore_errors=True)
    _write_readme(out, domain, plan)
    return SamplePaths(root=out, **{name: out / name for name in _KEPT})


def sample_lattice(domain: Domain, margin: int = _MARGIN) -> Lattice:
    """The piece of CONUS1 (``drv_vegm`` registration) that holds a domain and ``margin`` cells around it.

    Where the domain leaves CONUS1, what it shares with CONUS2; where that is less than half of it, a lattice of
    CONUS1's projection and registration without ``ij_bounds``.
    """
    bounds = _bounds(domain, CONUS1, "drv_vegm", margin)
    if _clipped(bounds, CONUS1) == bounds:
        return CONUS1.cut(bounds, "drv_vegm")
    wanted = _bounds(domain, CONUS2, "hydrodata", margin)
    shared = _clipped(wanted, CONUS2)
    if 2 * _cells(shared) >= _cells(wanted):
        return CONUS2.cut(shared, "hydrodata")
    corner, (i0, j0, i1, j1) = CONUS1.registrations["drv_vegm"], bounds
    return Lattice(
        name="custom",
        crs=CONUS1.crs,
        lower_left=xy_(corner.x + i0 * CELL, corner.y + j0 * CELL),
        shape=wh_(i1 - i0, j1 - j0),
    )


def _bounds(domain: Domain, parent: Parent, registration: str, margin: int) -> list[int]:
    """A domain with a margin on a parent lattice, [i0, j0, i1, j1], also beyond it."""
    box = domain.geobox().extent.boundingbox
    edge = np.linspace(0.0, 1.0, 65)
    x, y = box.left + edge * (box.right - box.left), box.bottom + edge * (box.top - box.bottom)
    around_x = np.concatenate([x, x, np.full(65, box.left), np.full(65, box.right)])
    around_y = np.concatenate([np.full(65, box.bottom), np.full(65, box.top), y, y])
    east, north = Transformer.from_crs(CRS, parent.crs, always_xy=True).transform(around_x, around_y)
    corner = parent.registrations[registration]
    i0, j0 = (int(np.floor((a.min() - c) / CELL)) - margin for a, c in ((east, corner.x), (north, corner.y)))
    i1, j1 = (int(np.ceil((a.max() - c) / CELL)) + margin for a, c in ((east, corner.x), (north, corner.y)))
    return [i0, j0, i1, j1]


def _clipped(bounds: list[int], parent: Parent) -> list[int]:
    i0, j0, i1, j1 = bounds
    return [max(i0, 0), max(j0, 0), min(i1, parent.shape.x), min(j1, parent.shape.y)]


def _cells(bounds: list[int]) -> int:
    i0, j0, i1, j1 = bounds
    return max(i1 - i0, 0) * max(j1 - j0, 0)


class _Count:
    """Tells a progress function how much is done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, more: int = 1) -> None:
        self._done += more
        if self._progress is not None and more:
            self._progress(self._done, self._total)


def _write(out: Path, domain: Domain, plan: Plan, workers: int, progress: Progress | None) -> None:
    windows, scratch, lattice = pieces(plan.lattice), out / _SCRATCH, plan.lattice
    tell = _Count(progress, len(windows) * plan.simulated + len(list(domain.blocks())))
    edge = WHOLE if len(windows) == 1 else _BLOCK
    made: list[Made] = []
    observed = ObservedWriter(out, domain, lattice, plan.start, plan.days, plan.seed, scratch)
    with PriorWriter(out / "prior", lattice, plan.first, plan.history + plan.days, edge) as prior:
        for folder, piece in _made(plan, windows, scratch, workers, tell):
            made.append(piece)
            with np.load(folder / "land.npz") as rasters:
                land = dict(rasters)
            shape = piece.window.shape
            prior.add(piece.window, land, _fields(folder / "prior.f4", (-1, len(PRIOR), *shape)))
            observed.add(piece.window, land, _fields(folder / "nature.f4", (-1, len(NATURE), *shape)))
            if plan.states:
                prior.add_states(land, _fields(folder / "states.f4", (-1, len(THICKNESS), *shape)))
            shutil.rmtree(folder)
    observed.write(tell)
    truth = np.concatenate([piece.truth for piece in made if piece.sites] or [made[0].truth], axis=2)
    sites = [site for piece in made for site in piece.sites]
    write_readings(out / "stations", sites, truth, plan.start, plan.seed)


def _fields(file: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.memmap(file, np.float32, "r").reshape(shape)


def _made(
    plan: Plan, windows: Sequence[IJWindow], scratch: Path, workers: int, tell: _Count
) -> Iterator[tuple[Path, Made]]:
    """Each piece in order, with the folder that it was made in; few are ahead of the one that is asked for."""
    folders = [scratch / f"{number:04d}" for number in range(len(windows))]
    if workers == 1 or len(windows) == 1:
        for folder, window in zip(folders, windows, strict=True):
            folder.mkdir()
            yield folder, make_piece(plan, window, folder, tell)
        return
    todo = iter(zip(folders, windows, strict=True))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: list[tuple[Path, Future[Made]]] = []
        while True:
            while len(ahead) < workers + 2 and (following := next(todo, None)):
                following[0].mkdir()
                ahead.append((following[0], pool.submit(make_piece, plan, following[1], following[0])))
            if not ahead:
                return
            folder, piece = ahead.pop(0)
            yield folder, piece.result()
            tell(plan.simulated)


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
    for name in (*_KEPT, _SCRATCH):
        (out / name).mkdir(parents=True)
    readme.write_text(f"vadose {SIMULATED_LABEL}, being written.\n", encoding="utf-8")


def _write_readme(out: Path, domain: Domain, plan: Plan) -> None:
    files = "daily.nc and static.nc (whole period)"
    files += ", .pfb states\n           of the newest days at 12 UTC with prior.toml" if plan.states else ""
    networks = sorted({place.network for place in plan.places or ()})
    where = f"{', '.join(networks)} at given coordinates" if networks else ""
    where = where or "SIM-MESONET on open level ground, SIM-RANDOM anywhere"
    text = f"""vadose {SIMULATED_LABEL}
{"=" * (7 + len(SIMULATED_LABEL))}
Nothing here was observed: landscape, weather, soil moisture, satellite and stations are simulated.

domain {domain.name} ({domain.title}), {plan.days} days from {plan.start}, seed {plan.seed}
granules/  SPL3SMP_E HDF5 in the current layout, root attribute vadose_simulated = "true"
prior/     a light stand-in for ParFlow-CLM on a {plan.lattice.name} lattice: {files}
stations/  an ISMN archive (header + values): {where}
truth/     truth.nc: the 1 km truth that SMAP and the stations saw; for evaluation only, never an input

The prior is another run than the truth: its storms are out of place, some are missed, its soils err.
"""
    (out / _README).write_text(text, encoding="utf-8")
