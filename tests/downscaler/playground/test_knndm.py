"""kNNDM against a slow, obvious version, and what it is for: folds that match the distances of prediction."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler.errors import TrainingError
from downscaler.playground.knndm import (
    LARGEST_FOLD,
    cluster_numbers,
    fold_distances,
    knndm,
    prediction_distances,
    principal_axis,
    random_folds,
    w_statistic,
)


def slow_nearest(point, others):
    return min(float(np.hypot(*(point - other))) for other in others)


def slow_w(one, other):
    """Area between the two empirical distributions, step by step."""
    edges = sorted([*one, *other])
    area = 0.0
    for left, right in itertools.pairwise(edges):
        share = [sum(value <= left for value in sample) / len(sample) for sample in (one, other)]
        area += abs(share[0] - share[1]) * (right - left)
    return area


def slow_ward(points, clusters):
    """Merge the two groups whose union adds least to the sum of squares, until so many are left."""
    groups = [[index] for index in range(len(points))]

    def scatter(group):
        part = points[group]
        return float(((part - part.mean(axis=0)) ** 2).sum())

    while len(groups) > clusters:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a)]
        a, b = min(
            pairs, key=lambda p: scatter(groups[p[0]] + groups[p[1]]) - scatter(groups[p[0]]) - scatter(groups[p[1]])
        )
        groups[b] += groups.pop(a)
    return groups


def slow_knndm(stations, domain, folds, seed):
    wanted = [slow_nearest(point, stations) for point in domain]

    def w_of(fold):
        found = []
        for index, point in enumerate(stations):
            others = [stations[i] for i in range(len(stations)) if fold[i] != fold[index]]
            found.append(slow_nearest(point, others))
        return slow_w(found, wanted)

    candidates = [list(random_folds(len(stations), folds, seed))]
    axis = principal_axis(stations)
    for clusters in cluster_numbers(len(stations), folds):
        groups = sorted(slow_ward(stations, clusters), key=lambda group: np.mean([axis[i] for i in group]))
        fold = [0] * len(stations)
        for turn, group in enumerate(groups):
            for index in group:
                fold[index] = turn % folds
        largest = max(fold.count(name) for name in set(fold))
        if len(set(fold)) > 1 and largest <= LARGEST_FOLD * len(stations):
            candidates.append(fold)
    return min(candidates, key=w_of), min(w_of(fold) for fold in candidates)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_slow_version(seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 100, (3, 2))
    stations = centres[rng.integers(3, size=14)] + rng.normal(0, 3, (14, 2))
    domain = rng.uniform(0, 100, (80, 2))
    found = knndm(stations, domain, folds=4, seed=seed)
    fold, w = slow_knndm(stations, domain, 4, seed)
    assert found.w == pytest.approx(w, rel=1e-9)
    assert list(found.fold) == list(fold)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=15), st.lists(st.floats(0, 100), min_size=1, max_size=15))
def test_w_is_the_area_between_the_distributions(one, other):
    assert w_statistic(np.array(one), np.array(other)) == pytest.approx(slow_w(one, other), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_w_falls_against_random_folds_for_clustered_stations(seed):
    rng = np.random.default_rng(seed)
    stations = np.repeat(rng.uniform(0, 100, (6, 2)), 6, axis=0) + rng.normal(0, 2, (36, 2))
    domain = rng.uniform(0, 100, (2000, 2))
    chance = w_statistic(fold_distances(stations, random_folds(36, 5, seed)), prediction_distances(domain, stations))
    assert knndm(stations, domain, seed=seed).w < 0.7 * chance


def test_random_stations_need_no_clusters():
    rng = np.random.default_rng(1)
    stations, domain = rng.uniform(0, 100, (60, 2)), rng.uniform(0, 100, (3000, 2))
    wanted = prediction_distances(domain, stations)
    found = knndm(stations, domain, seed=1)
    assert found.w <= w_statistic(fold_distances(stations, random_folds(60, 5, 1)), wanted)
    assert found.w < 0.25 * wanted.mean()


def test_distances_are_those_of_a_line():
    stations = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    np.testing.assert_allclose(fold_distances(stations, np.array([0, 0, 1])), [5.0, 4.0, 4.0])
    np.testing.assert_allclose(prediction_distances(np.array([[2.0, 0.0], [5.0, 3.0]]), stations), [1.0, 3.0])


def test_folds_are_all_used_and_none_is_more_than_half():
    rng = np.random.default_rng(2)
    stations = np.concatenate([rng.normal(0, 1, (20, 2)), rng.normal(50, 1, (5, 2))])
    found = knndm(stations, rng.uniform(0, 60, (500, 2)), folds=5, seed=0)
    assert len(np.unique(found.fold)) >= 2
    assert np.bincount(found.fold).max() <= LARGEST_FOLD * 25


def test_fewer_stations_than_folds_are_refused():
    with pytest.raises(TrainingError, match="3 stations, 5 folds"):
        knndm(np.zeros((3, 2)), np.zeros((4, 2)), folds=5)
