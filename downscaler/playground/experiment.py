"""The experiment as a table of independent cells: a layout of n stations, one replicate, all that is measured of it.

A cell's numbers depend on the world, the design and the cell's own name alone, never on the order or the place in
which cells are worked out: so they may be spread over processes and machines, and kept one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.playground.evaluations import EVALUATIONS, TRUE, Skill, apparent, at_stations, geometry, wall_to_wall
from downscaler.playground.method import Lesson, Method
from downscaler.playground.methods import METHODS, learning_from
from downscaler.playground.physics import PhysicsEverywhere
from downscaler.playground.place import Index, station_key
from downscaler.playground.sensor import Identity, Scene, Sensor, look, read_stations
from downscaler.playground.stations.layouts import Land, Network, Siting, cells_of_network, draw, is_exact
from downscaler.playground.stations.siting import GIVEN, Propensity, fit_propensity
from downscaler.playground.world import World
from downscaler.product import ALGORITHM_VERSION
from downscaler.simulation.noise import Stream

PHYSICS = "everywhere"  # stands for a layout in the cells of methods that learn from no station
CURVE = (10, 30, 100, 300)  # numbers of stations of the learning curves
CURVE_LAYOUTS = ("random", "biased")
LARGEST_SHARE = 0.1  # of a domain's cells may hold stations
REVISION = 1  # of this experiment; raised when its numbers change for another reason than the algorithm's version


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is asked of an experiment.

    ``stations`` and ``replicates`` of each of ``layouts``; ``curve`` further numbers of stations; ``sensor`` and
    ``siting`` of the simulated observations; ``days`` to learn from and to be judged on; ``seed`` of everything.
    """

    stations: int = 30
    replicates: int = 20
    layouts: tuple[str, ...] = ("random", "stratified", "clustered", "biased")
    curve: tuple[int, ...] = CURVE
    sensor: Sensor = field(default_factory=Sensor)
    siting: Siting = field(default_factory=Siting)
    days: tuple[int, int] = (60, 30)
    seed: int = 0


@dataclass(frozen=True, order=True, kw_only=True)
class Cell:
    """One cell of the table; ``full`` where cross-validation is done too, not the wall-to-wall truth alone."""

    replicate: int
    layout: str
    stations: int
    full: bool

    @property
    def key(self) -> str:
        """Name of the cell's record."""
        return f"{self.layout}-{self.stations:05d}-{self.replicate:04d}-{'full' if self.full else 'true'}"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was measured in a cell.

    Attributes:
        cell: which one.
        scores: rows of method, layout, evaluation and ``FIGURES``.
        geometry: W of the folds by evaluation, km.
        stations: cells with a station.
        errors: RMSE by method and cell [cells], float32 m3 m-3.
    """

    cell: Cell
    scores: tuple[Mapping[str, Any], ...]
    geometry: Mapping[str, float]
    stations: NDArray[np.intp]
    errors: Mapping[str, NDArray[np.float32]]


def table(design: Design, cells: int) -> list[Cell]:
    """All cells of an experiment on so many cells of ground; sizes that would fill it are left out."""
    largest = int(LARGEST_SHARE * cells)
    found = []
    for replicate in range(design.replicates):
        found.append(Cell(replicate=replicate, layout=PHYSICS, stations=design.stations, full=True))
        for layout in design.layouts:
            found.append(Cell(replicate=replicate, layout=layout, stations=design.stations, full=True))
            for count in design.curve if layout in CURVE_LAYOUTS else ():
                if count != design.stations and count <= largest:
                    found.append(Cell(replicate=replicate, layout=layout, stations=count, full=False))
    return found


def fingerprint(design: Design, prior_digest: str, cells: int | None = None) -> str:
    """What all records of an experiment have in common; other numbers of replicates or curve points change nothing.

    With ``cells``, of a sample of so many, they do: the sample is shared out among them.
    """
    network = design.siting.network
    same = {
        "prior": prior_digest,
        "versions": [ALGORITHM_VERSION, REVISION],
        "layouts": design.layouts,
        "methods": [method.name for method in METHODS],
        "sensor": asdict(design.sensor),
        "propensity": dict(sorted(design.siting.propensity.coefficients.items())),
        "network": None if network is None else hashlib.sha256(np.round(network.xy, 3).tobytes()).hexdigest(),
        "days": design.days,
        "seed": design.seed,
    }
    if cells is not None:
        same["sample"] = [cells, design.replicates, design.stations, design.curve]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]


def fit_physics(world: World, design: Design) -> tuple[Method, ...]:
    """The methods that learn from no station, fitted once on a realisation of the sensor that no replicate has."""
    scene = look(world, design.sensor, Stream(seed=design.seed, name="playground/physics"))
    found = []
    for make in learning_from("physics", "nothing"):
        method = make()
        method.fit(Lesson(scene=scene, seed=design.seed))
        found.append(method)
    return tuple(found)


def run_cell(world: World, design: Design, physics: Sequence[Method], cell: Cell) -> Record:
    """Work out one cell of the table; a pure function of its arguments."""
    stream = stream_of(design, cell.replicate)
    scene = _scene(Identity(world), design.sensor, stream)
    if cell.layout == PHYSICS:
        return _physics_cell(scene, design, physics, cell)
    stations = _stations(world, design, cell.layout, cell)
    readings = read_stations(scene, stations, design.sensor, stream.child("readings"))
    scores, errors = [], {}
    for make in learning_from("stations"):
        method = make()
        method.fit(Lesson(scene=scene, readings=readings, seed=cell.replicate))
        skill, error = wall_to_wall(method, scene, cell.replicate)
        scores.append(_row(make, cell.layout, TRUE, skill))
        if cell.full:
            errors[make.name] = error
            for evaluation in EVALUATIONS:
                found = apparent(make, scene, readings, stations, evaluation, cell.replicate)
                scores += [] if found is None else [_row(make, cell.layout, evaluation.name, found)]
    w = geometry(world, stations, cell.replicate) if cell.full else {}
    return Record(cell=cell, scores=tuple(scores), geometry=w, stations=stations, errors=errors)


def stream_of(design: Design, replicate: int) -> Stream:
    """Random numbers of a replicate."""
    return Stream(seed=design.seed, name=f"playground/replicate/{replicate}")


def _stations(world: World, design: Design, layout: str, cell: Cell) -> Index:
    """Stations of a layout: drawn here, or when the world's cells were sampled."""
    if world.sample is not None:
        return world.sample.stations[station_key(layout, cell.stations, cell.replicate)]
    return draw(layout, world, cell.stations, design.siting, stream_of(design, cell.replicate))


def _physics_cell(scene: Scene, design: Design, physics: Sequence[Method], cell: Cell) -> Record:
    """True skill of the methods that learn from no station, and what a test at each layout's stations makes of it."""
    scores, errors = [], {}
    sample = scene.world.sample
    places = {name: _stations(scene.world, design, name, cell) for name in design.layouts}
    for method in physics:
        skill, errors[method.name] = wall_to_wall(method, scene, cell.replicate)
        scores.append(_row(type(method), PHYSICS, TRUE, skill))
        for layout, stations in places.items():
            if sample is not None and isinstance(method, PhysicsEverywhere) and not sample.whole[stations].all():
                continue  # it keeps block means, so it needs the whole SMAP cells around the stations
            scores.append(_row(type(method), layout, "leave_station_out", at_stations(method, scene, stations)))
    return Record(cell=cell, scores=tuple(scores), geometry={}, stations=np.array([], np.intp), errors=errors)


def _row(method: type[Method], layout: str, evaluation: str, skill: Skill) -> dict[str, Any]:
    return {"method": method.name, "layout": layout, "evaluation": evaluation, **skill}


@lru_cache(maxsize=2)
def _scene(of: Identity, sensor: Sensor, stream: Stream) -> Scene:
    """The replicate's scene, kept for its next cells."""
    return look(of.world, sensor, stream.child("sensor"))


def sited(design: Design, land: Land, network: Network | None, given: Propensity | None) -> Design:
    """The design with a real network as a layout, and the propensity of siting.

    A given propensity holds; else it is fitted to the network where enough of it lies in the domain; else it is
    ``siting.GIVEN``.
    """
    propensity = given or GIVEN
    if network is not None:
        cells = cells_of_network(land, network)
        propensity = given or (fit_propensity(land.siting, cells) if is_exact(land, network) else GIVEN)
    layouts = tuple(name for name in design.layouts if name != "real") + (() if network is None else ("real",))
    return replace(design, layouts=layouts, siting=Siting(propensity=propensity, network=network))
