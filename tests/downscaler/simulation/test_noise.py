"""Noise depends on position alone and is standard normal."""

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.simulation.noise import Stream, fractal, smooth_noise

STREAM = Stream(seed=3, name="test")


@settings(max_examples=examples(25))
@given(
    y0=st.integers(-3000, 3000),
    x0=st.integers(-3000, 3000),
    dy=st.integers(0, 9),
    dx=st.integers(0, 9),
    wavelength=st.floats(1.0, 90.0),
)
def test_overlapping_windows_agree(y0, x0, dy, dx, wavelength):
    y, x = y0 + np.arange(20) + 0.25, x0 + np.arange(24) + 0.25
    whole = smooth_noise(y, x, wavelength, STREAM)
    part = smooth_noise(y[dy:], x[dx:], wavelength, STREAM)
    np.testing.assert_allclose(part, whole[dy:, dx:], atol=1e-4)


def test_axes_and_points_give_the_same_field():
    y, x = np.arange(-40, 35) + 0.5, np.arange(100, 160) + 0.5
    by_axis = smooth_noise(y, x, 7.3, STREAM, aspect=1.7)
    by_point = smooth_noise(*np.meshgrid(y, x, indexing="ij"), 7.3, STREAM, aspect=1.7)
    np.testing.assert_allclose(by_point, by_axis, atol=1e-5)


def test_field_is_standard_normal():
    field = smooth_noise(np.arange(800.0), np.arange(800.0), 4.0, STREAM)
    assert abs(field.mean()) < 0.02
    assert field.std() == pytest.approx(1.0, abs=0.03)
    rough = fractal(np.arange(800.0), np.arange(800.0), 16.0, STREAM)
    assert rough.std() == pytest.approx(1.0, abs=0.08)


def test_streams_and_seeds_are_independent():
    y = x = np.arange(300.0)
    first = smooth_noise(y, x, 3.0, STREAM).ravel()
    for other in (STREAM.child("a"), Stream(seed=4, name="test")):
        assert abs(np.corrcoef(first, smooth_noise(y, x, 3.0, other).ravel())[0, 1]) < 0.04
