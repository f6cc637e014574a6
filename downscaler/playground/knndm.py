"""k-fold nearest neighbour distance matching: folds whose held-out stations are as far from the others as the map is.

Source: Mila et al. (2022, doi:10.1111/2041-210X.13851) for the matching, Linnenbrink et al. (2024,
doi:10.5194/gmd-17-5897-2024) for k folds. Distances are in geographic space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Floats

LARGEST_FOLD = 0.5  # share of the stations
_CANDIDATES = 50  # numbers of clusters that are tried


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Fold of each station [n], the statistic W of these folds (km), and how many clusters they were merged from.

    ``clusters`` is the number of stations where random folds match best.
    """

    fold: NDArray[np.intp]
    w: float
    clusters: int


def prediction_distances(domain: Floats, stations: Floats) -> Floats:
    """Distance of each point of the domain [m, 2] to its nearest station [n, 2]; in the units given."""
    distance: Floats = cKDTree(stations).query(domain)[0]
    return distance


def fold_distances(stations: Floats, fold: NDArray[np.intp]) -> Floats:
    """Distance of each station [n, 2] to the nearest one of the other folds: what cross-validation predicts over."""
    distance = np.empty(len(stations))
    for held in np.unique(fold):
        out = fold == held
        distance[out] = cKDTree(stations[~out]).query(stations[out])[0]
    return distance


def w_statistic(one: Floats, other: Floats) -> float:
    """Wasserstein distance of two samples of distances: the area between their cumulative distributions."""
    return float(wasserstein_distance(one, other))


def knndm(stations: Floats, domain: Floats, *, folds: int = 5, seed: int = 0) -> Matched:
    """The folds with the smallest W between held-out and prediction distances.

    Candidates are random folds and, for ever fewer clusters of stations (Ward 1963, hierarchical), the clusters
    merged into folds in turn along their first principal axis; folds of more than half of the stations are refused.
    Linnenbrink et al. take random folds by a test of the distributions beforehand; here they compete with the others.

    Args:
        stations: coordinates [n, 2] of different places.
        domain: where predictions are wanted [m, 2].
        folds: number of folds.
        seed: of the random folds.

    Raises:
        TrainingError: fewer than two folds or fewer stations than folds.
    """
    count = len(stations)
    if not 2 <= folds <= count:
        raise TrainingError("kNNDM needs at least one station per fold", value=f"{count} stations, {folds} folds")
    wanted = prediction_distances(domain, stations)
    chance = random_folds(count, folds, seed)
    best = Matched(fold=chance, w=w_statistic(fold_distances(stations, chance), wanted), clusters=count)
    tree = linkage(stations, "ward")
    axis = principal_axis(stations)
    for clusters in cluster_numbers(count, folds):
        fold = merged(fcluster(tree, clusters, "maxclust"), axis, folds)
        if len(np.unique(fold)) < 2 or np.bincount(fold).max() > LARGEST_FOLD * count:
            continue
        w = w_statistic(fold_distances(stations, fold), wanted)
        if w < best.w:
            best = Matched(fold=fold, w=w, clusters=clusters)
    return best


def random_folds(count: int, folds: int, seed: int) -> NDArray[np.intp]:
    """Random folds of equal size, within one."""
    return np.random.default_rng(seed).permutation(np.arange(count) % folds)


def cluster_numbers(count: int, folds: int) -> list[int]:
    """Numbers of clusters to try: from the most to as many as folds, ever closer."""
    spaced = np.geomspace(folds, count - 1, _CANDIDATES) if count - 1 > folds else np.array([folds])
    return sorted({int(number) for number in spaced.round()}, reverse=True)


def principal_axis(stations: Floats) -> Floats:
    """Position of each station along the direction in which they are spread most [n]."""
    centred = stations - stations.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    direction = direction * np.sign(direction[np.abs(direction).argmax()])
    position: Floats = centred @ direction
    return position


def merged(cluster: NDArray[np.integer], axis: Floats, folds: int) -> NDArray[np.intp]:
    """Clusters dealt out to folds in turn, in the order of their mean position along an axis."""
    names, number = np.unique(cluster, return_inverse=True)
    mean = np.bincount(number, weights=axis) / np.bincount(number)
    turn = np.empty(len(names), np.intp)
    turn[np.argsort(mean, kind="stable")] = np.arange(len(names)) % folds
    fold: NDArray[np.intp] = turn[number]
    return fold
