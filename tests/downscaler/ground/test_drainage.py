"""Drainage against slow, obvious twins."""

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.ground.drainage import drain, fill_pits
from downscaler.simulation.rivers import incise, relief

seeds = st.integers(0, 2**32 - 1)


def rough(seed, shape=(13, 17)):
    return np.random.default_rng(seed).normal(0.0, 50.0, shape)


def slow_fill(z, rise):
    """Lowers a flood from above until each cell stands just over its lowest neighbour."""
    w = np.full(z.shape, np.inf)
    w[[0, -1]], w[:, [0, -1]] = z[[0, -1]], z[:, [0, -1]]
    for _ in range(z.size):
        before = w.copy()
        for i in range(1, z.shape[0] - 1):
            for j in range(1, z.shape[1] - 1):
                around = w[i - 1 : i + 2, j - 1 : j + 2].copy()
                around[1, 1] = np.inf
                w[i, j] = max(z[i, j], around.min() + rise)
        if np.array_equal(w, before):
            return w
    return w


@settings(max_examples=examples(8))
@given(seed=seeds)
def test_pits_are_filled_as_a_slow_flood_fills_them(seed):
    z = rough(seed, (9, 10))
    np.testing.assert_allclose(fill_pits(z, np.full(z.shape, 0.02)), slow_fill(z, 0.02), atol=1e-9)


@settings(max_examples=examples(30))
@given(seed=seeds)
def test_all_water_leaves_over_the_rim(seed):
    drainage = drain(fill_pits(rough(seed)))
    outlets = np.flatnonzero(drainage.receiver == np.arange(drainage.receiver.size))
    rows, columns = np.unravel_index(outlets, drainage.shape)
    assert ((rows == 0) | (rows == 12) | (columns == 0) | (columns == 16)).all()
    assert drainage.area[outlets].sum() == drainage.receiver.size
    assert sorted(np.concatenate(drainage.levels)) == list(range(drainage.receiver.size))


@settings(max_examples=examples(20))
@given(seed=seeds)
def test_upslope_area_counts_the_cells_whose_path_passes(seed):
    drainage = drain(fill_pits(rough(seed)))
    counted = np.zeros(drainage.receiver.size)
    for cell in range(counted.size):
        here = cell
        counted[here] += 1
        while drainage.receiver[here] != here:
            here = drainage.receiver[here]
            counted[here] += 1
    np.testing.assert_array_equal(drainage.area, counted)


def test_a_plane_drains_straight_down():
    plane = np.repeat(np.arange(8.0)[:, None] * 10.0, 5, axis=1)
    drainage = drain(plane)
    np.testing.assert_array_equal(drainage.area.reshape(8, 5), np.repeat(np.arange(8, 0, -1.0)[:, None], 5, axis=1))
    np.testing.assert_allclose(drainage.drop.reshape(8, 5)[1:], 0.01)
    assert drainage.wetness()[0, 2] == pytest.approx(np.log(8 * 1000.0 / 1e-4))


def test_rivers_cut_valleys_and_leave_no_pit():
    z = rough(5, (40, 40)).cumsum(axis=0) + 500.0
    carved = incise(z, np.full(z.shape, 0.1), np.full(z.shape, 0.05), steps=6)
    drainage = drain(carved)
    river = drainage.area.reshape(carved.shape) > 40
    assert relief(carved, 3.0)[river].mean() < relief(carved, 3.0)[~river].mean()
    np.testing.assert_allclose(fill_pits(carved, np.zeros(z.shape)), carved)
