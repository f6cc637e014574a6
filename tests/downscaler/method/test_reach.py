"""Whether points lie within reach: analytic answers, and a slow obvious twin at and around the border."""

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.method.reach import Reach


def twin(references, points, reach):
    """Every distance, one pair after the other, in float64."""
    return np.array([min(np.sqrt(((r - p) ** 2).sum()) for r in references) > reach for p in points])


@pytest.mark.parametrize("count", [1, 7, 8, 9, 600])
def test_a_ball_around_one_reference(count):
    reach = Reach.of(np.array([[3.0, 4.0, 0.0]]), 5.0)
    points = np.zeros((count, 3))
    assert not reach.beyond(points).any()  # at the distance itself
    points[-1] = [-1e-9, 0, 0]
    assert reach.beyond(points).tolist() == [False] * (count - 1) + [True]


def test_nothing_is_asked():
    assert Reach.of(np.zeros((4, 3)), 1.0).beyond(np.empty((0, 3))).shape == (0,)


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 30),
    count=st.integers(1, 60),
    spread=st.sampled_from([1e-6, 1.0, 1e3]),
    shift=st.sampled_from([0.0, 1.0, 1e5]),
    reach=st.floats(0.0, 3.0),
)
def test_agrees_with_the_twin(seed, width, count, spread, shift, reach):
    rng = np.random.default_rng(seed)
    references = (rng.standard_normal((count, width)) * rng.exponential(1.0, width) + shift) * spread
    points = references[rng.integers(0, count, 40)] + rng.standard_normal((40, width)) * rng.uniform(0, 2) * spread
    reach *= spread
    np.testing.assert_array_equal(Reach.of(references, reach).beyond(points), twin(references, points, reach))


@pytest.mark.parametrize("width", [2, 12, 40])
def test_the_border_is_exact(width):
    """Points at the border but for a ten-million-millionth, far too near for single precision."""
    rng = np.random.default_rng(width)
    references = rng.standard_normal((300, width))
    steps = rng.standard_normal((300, width))
    steps /= np.linalg.norm(steps, axis=1)[:, None]
    points = references + 0.01 * steps * (1.0 + rng.choice([-3, -2, -1, 1, 2, 3], 300)[:, None] * 1e-13)
    found = Reach.of(references, 0.01).beyond(points)
    np.testing.assert_array_equal(found, twin(references, points, 0.01))
    assert 0.2 < found.mean() < 0.8


def test_points_that_single_precision_cannot_hold_are_beyond():
    reach = Reach.of(np.random.default_rng(0).standard_normal((50, 4)), 1.0)
    points = np.zeros((9, 4))
    points[3], points[5] = 1e60, -1e150
    assert np.flatnonzero(reach.beyond(points)).tolist() == [3, 5]


def test_neighbours_that_do_not_share_a_reference_are_sought_alone():
    references = np.arange(500.0)[:, None] * [1.0, 0.0]
    points = references[np.random.default_rng(1).permutation(500)] + [0.0, 0.4]
    reach = Reach.of(references, 0.45)
    assert not reach.beyond(points).any()
    points[:, 1] = 0.5
    assert reach.beyond(points).all()
