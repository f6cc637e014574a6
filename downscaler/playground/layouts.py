"""Layouts of stations: random, stratified, clustered, biased and real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from downscaler.ground.blocks import Floats
from downscaler.playground.siting import GIVEN, Propensity
from downscaler.playground.world import Index, World
from downscaler.simulation.noise import Stream

CLUSTER_KM, PER_CLUSTER = 4.0, 6
ANNEALING = 2000  # proposals of the Latin hypercube's annealing
_COOLING = 0.998
_EXACT = 10  # stations in the domain from which on a real network stands where it stands
_SNAP_KM = 1.5  # a station further than this from any active cell is outside


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


Draw = Callable[[World, int, Siting, np.random.Generator], Index]


def random(world: World, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Any cells, each as likely as the other."""
    return _weighted(np.ones(world.cells), count, rng)


def biased(world: World, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells by the propensity of station siting."""
    return _weighted(siting.propensity.weights(world.siting), count, rng)


def clustered(world: World, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """A few random clusters some kilometres across, as around research catchments; siting inside them is random."""
    parents = rng.choice(world.cells, max(2, -(-count // PER_CLUSTER)), replace=False)
    squared = ((world.xy[:, None] - world.xy[parents]) ** 2).sum(axis=2)
    weights = np.exp(-squared / (2 * CLUSTER_KM**2)).sum(axis=1)
    return _weighted(np.maximum(weights, 1e-12), count, rng)


def stratified(world: World, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells that stand for all covariates: see ``latin_hypercube``."""
    names = [name for name in siting.covariates if name in world.siting]
    if not names:
        return random(world, count, siting, rng)
    return latin_hypercube(np.stack([world.siting[name] for name in names], axis=1), count, rng)


def real(world: World, count: int, siting: Siting, rng: np.random.Generator) -> Index:
    """Cells of a real network, ``count`` of them at most, or its point pattern where it has too few in the domain.

    The pattern is carried over by mapping the network's bounding box onto the domain's, turned and mirrored at random,
    each station to the nearest active cell: its geometry is real, its siting is not. See ``is_exact``.
    """
    assert siting.network is not None
    inside = cells_of_network(world, siting.network)
    if len(inside) >= _EXACT:
        return np.sort(rng.permutation(inside)[:count])
    return transferred(world, siting.network.xy, count, rng)


LAYOUTS: dict[str, Draw] = {
    "random": random,
    "stratified": stratified,
    "clustered": clustered,
    "biased": biased,
    "real": real,
}


def draw(layout: str, world: World, count: int, siting: Siting, stream: Stream) -> Index:
    """Station cells of a layout, ascending; a larger count of random or biased ones holds the smaller."""
    return np.sort(LAYOUTS[layout](world, count, siting, stream.child("layout", layout).generator()))


def cells_of_network(world: World, network: Network) -> Index:
    """The cells that hold a network's stations, each once; stations outside the domain are left out."""
    distance, cell = cKDTree(world.xy).query(network.xy)
    found: Index = np.unique(cell[distance <= _SNAP_KM]).astype(np.intp)
    return found


def is_exact(world: World, network: Network) -> bool:
    """Whether enough of a network's stations lie in the domain for it to stand where it stands."""
    return len(cells_of_network(world, network)) >= _EXACT


def transferred(world: World, xy: Floats, count: int, rng: np.random.Generator) -> Index:
    """A point pattern's geometry on the domain, in ``count`` different cells at most."""
    unit = (xy - xy.min(axis=0)) / np.maximum(np.ptp(xy, axis=0), 1e-9)
    unit = unit[:, ::-1] if rng.random() < 0.5 else unit
    unit = np.where(rng.random(2) < 0.5, 1.0 - unit, unit)
    low, size = world.xy.min(axis=0), np.ptp(world.xy, axis=0)
    _, cell = cKDTree(world.xy).query(low + unit[rng.permutation(len(unit))] * size)
    _, first = np.unique(cell, return_index=True)
    chosen: Index = cell[np.sort(first)][:count].astype(np.intp)
    return chosen


def _weighted(weights: Floats, count: int, rng: np.random.Generator) -> Index:
    """Cells without replacement, each draw by weight among those left: the largest of log weight + Gumbel noise."""
    keys = np.log(np.maximum(weights, 1e-300)) + rng.gumbel(size=len(weights))
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
