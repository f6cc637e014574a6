"""Layouts of stations: random, stratified, clustered, biased and real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from downscaler.ground.blocks import Floats
from downscaler.playground.place import Index
from downscaler.playground.stations.siting import GIVEN, Propensity
from downscaler.simulation.noise import Stream

CLUSTER_KM, PER_CLUSTER = 4.0, 6
ANNEALING = 2000  # proposals of the Latin hypercube's annealing
_COOLING = 0.998
_EXACT = 10  # stations in the domain from which on a real network stands where it stands
_SNAP_KM = 1.5  # a station further than this from any active cell is outside
_AT_ONCE = 250_000  # cells of a large domain that are looked at together


@dataclass(frozen=True, kw_only=True)
class Network:
    """A real network's stations: EASE-Grid 2.0 coordinates [n, 2] in km, and its name; see ``place``."""

    name: str
    xy: Floats


@dataclass(frozen=True, kw_only=True)
class Siting:
    """What layouts are drawn from besides the domain."""

    propensity: Propensity = GIVEN
    network: Network | None = None
    covariates: tuple[str, ...] = field(default=("elevation", "slope", "topographic_wetness", "stream_distance"))


class Land(Protocol):
    """Ground that stations may stand on: a world, or the frame that one is sampled from."""

    @property
    def cells(self) -> int:
        """Number of active cells."""

    @property
    def siting(self) -> Mapping[str, Floats]:
        """What decides where stations are put [cells] by name."""

    @property
    def xy(self) -> Floats:
        """Cell centres [cells, 2], km."""


Draw = Callable[[Land, int, Siting, np.random.Generator], Index]


def random(land: Land, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Any cells, each as likely as the other."""
    return _weighted(np.ones(land.cells), count, rng)


def biased(land: Land, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells by the propensity of station siting."""
    return _weighted(siting.propensity.weights(land.siting), count, rng)


def clustered(land: Land, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """A few random clusters some kilometres across, as around research catchments; siting inside them is random."""
    parents = land.xy[rng.choice(land.cells, max(2, -(-count // PER_CLUSTER)), replace=False)]
    parts = (land.xy[first : first + _AT_ONCE] for first in range(0, land.cells, _AT_ONCE))
    squares = (((part[:, None] - parents) ** 2).sum(axis=2) for part in parts)
    weights = np.concatenate([np.exp(-squared / (2 * CLUSTER_KM**2)).sum(axis=1) for squared in squares])
    return _weighted(np.maximum(weights, 1e-12), count, rng)


def stratified(land: Land, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells that stand for all covariates, see ``latin_hypercube``; of a large domain, of some drawn at random."""
    names = [name for name in siting.covariates if name in land.siting]
    if not names:
        return random(land, count, siting, rng)
    few = slice(None) if land.cells <= _AT_ONCE else np.sort(rng.choice(land.cells, _AT_ONCE, replace=False))
    chosen = latin_hypercube(np.stack([land.siting[name][few] for name in names], axis=1), count, rng)
    return chosen if isinstance(few, slice) else few[chosen]


def real(land: Land, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells of a real network, ``count`` of them at most, or its point pattern where it has too few in the domain.

    The pattern is carried over by mapping the network's bounding box onto the domain's, turned and mirrored at random,
    each station to the nearest active cell: its geometry is real, its siting is not. See ``is_exact``.
    """
    assert siting.network is not None
    inside = cells_of_network(land, siting.network)
    if len(inside) >= _EXACT:
        return np.sort(rng.permutation(inside)[:count])
    return transferred(land, siting.network.xy, count, rng)


LAYOUTS: dict[str, Draw] = {
    "random": random,
    "stratified": stratified,
    "clustered": clustered,
    "biased": biased,
    "real": real,
}


def draw(layout: str, land: Land, count: int, siting: Siting, stream: Stream) -> Index:
    """Station cells of a layout, ascending; a larger count of random or biased ones holds the smaller."""
    return np.sort(ranked(layout, land, count, siting, stream))


def ranked(layout: str, land: Land, count: int, siting: Siting, stream: Stream) -> Index:
    """The same in the order of the draw: of random or biased ones the first few are those of a smaller count."""
    return LAYOUTS[layout](land, count, siting, stream.child("layout", layout).generator())


def cells_of_network(land: Land, network: Network) -> Index:
    """The cells that hold a network's stations, each once; stations outside the domain are left out."""
    near = _near(land.xy, network.xy)
    if near is not None and not len(near):
        return np.zeros(0, np.intp)
    distance, cell = cKDTree(land.xy if near is None else land.xy[near]).query(network.xy)
    cell = cell[distance <= _SNAP_KM]
    found: Index = np.unique(cell if near is None else near[cell]).astype(np.intp)
    return found


def _near(xy: Floats, stations: Floats) -> Index | None:
    """Cells that any of the stations may stand in, of many cells ordered by row from the north; None for all of few."""
    if len(xy) <= _AT_ONCE:
        return None
    found, south = [], -xy[:, 1]
    for x, y in stations:
        first, last = np.searchsorted(south, [-y - _SNAP_KM, -y + _SNAP_KM])
        found.append(first + np.flatnonzero(np.abs(xy[first:last, 0] - x) <= _SNAP_KM))
    return np.unique(np.concatenate(found))


def is_exact(land: Land, network: Network) -> bool:
    """Whether enough of a network's stations lie in the domain for it to stand where it stands."""
    return len(cells_of_network(land, network)) >= _EXACT


def transferred(land: Land, xy: Floats, count: int, rng: np.random.Generator) -> Index:
    """A point pattern's geometry on the domain, in ``count`` different cells at most."""
    unit = (xy - xy.min(axis=0)) / np.maximum(np.ptp(xy, axis=0), 1e-9)
    unit = unit[:, ::-1] if rng.random() < 0.5 else unit
    unit = np.where(rng.random(2) < 0.5, 1.0 - unit, unit)
    low, size = land.xy.min(axis=0), np.ptp(land.xy, axis=0)
    _, cell = cKDTree(land.xy).query(low + unit[rng.permutation(len(unit))] * size)
    _, first = np.unique(cell, return_index=True)
    chosen: Index = cell[np.sort(first)][:count].astype(np.intp)
    return chosen


def _weighted(weights: Floats, count: int, rng: np.random.Generator) -> Index:
    """Cells without replacement, each draw by weight among those left: the largest of log weight + Gumbel noise."""
    keys = np.log(np.maximum(weights, 1e-300)) + rng.gumbel(size=len(weights))
    if len(keys) > _AT_ONCE:
        best = np.sort(np.argpartition(-keys, count)[:count])
        return best[np.argsort(-keys[best], kind="stable")]
    order: Index = np.argsort(-keys, kind="stable")[:count].astype(np.intp)
    return order


def latin_hypercube(covariates: Floats, count: int, rng: np.random.Generator) -> Index:
    """Conditioned Latin hypercube sample (Minasny & McBratney 2006, doi:10.1016/j.cageo.2005.12.009).

    Simulated annealing on sum |stations in a quantile stratum - 1| + sum |correlation - that of the domain|.

    Args:
        covariates: [cells, k].
        count: cells to choose.
        rng: random numbers.
    """
    cells = len(covariates)
    ranks = np.argsort(np.argsort(covariates + 1e-9 * rng.random(covariates.shape), axis=0), axis=0)
    strata = (ranks * count // cells).astype(np.intp)
    wanted: Floats = np.atleast_2d(np.corrcoef(covariates, rowvar=False))
    chosen, rest = np.split(rng.permutation(cells), [count])
    cost, temperature = _misfit(strata, covariates, chosen, wanted), 1.0
    for _ in range(ANNEALING):
        out, into = rng.integers(count), rng.integers(len(rest))
        chosen[out], rest[into] = rest[into], chosen[out]
        new = _misfit(strata, covariates, chosen, wanted)
        if new > cost and rng.random() >= np.exp((cost - new) / temperature):
            chosen[out], rest[into] = rest[into], chosen[out]
        else:
            cost = new
        temperature *= _COOLING
    return np.asarray(chosen, np.intp)


def _misfit(strata: Index, covariates: Floats, chosen: Index, wanted: Floats) -> float:
    count, number = len(chosen), strata.shape[1]
    flat = strata[chosen] + count * np.arange(number)
    uneven = np.abs(np.bincount(flat.ravel(), minlength=count * number) - 1).sum()
    if number < 2 or count < 3:
        return float(uneven)
    part = covariates[chosen] - covariates[chosen].mean(axis=0)
    scale = np.sqrt((part**2).sum(axis=0))
    found = (part.T @ part) / np.maximum(np.outer(scale, scale), 1e-12)
    return float(uneven + np.abs(found - wanted).sum())
