"""Surfaces at listed cells are those of the whole window: the slow obvious twin is ``Surfaces`` itself."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.ground.blocks import block_mean
from downscaler.method.conserve import Surfaces, bilinear, ramp_weights
from downscaler.method.surfaces_at import SurfacesAt

RATIO = 3
KINDS = {"smooth": {}, "noise": {"weights": partial(ramp_weights, share=0.36)}}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), land=st.sampled_from([0.2, 0.7, 1.0]), gaps=st.sampled_from([0.0, 0.3]))
def test_it_is_the_surface_of_the_window(kind, seed, land, gaps):
    rng = np.random.default_rng(seed)
    shape = 6 * RATIO, 5 * RATIO
    active = rng.random(shape) < land
    coarse = np.stack([block_mean(rng.random(shape), active, RATIO) for _ in range(2)])
    coarse[:, rng.random(coarse.shape[1:]) < gaps] = np.nan
    row, column = np.nonzero(np.ones(shape, bool))
    surfaces = SurfacesAt(active, RATIO, **KINDS[kind])
    found = surfaces(coarse, surfaces.spots(row, column)).reshape(2, *shape)
    np.testing.assert_allclose(found, Surfaces(active, RATIO, **KINDS[kind])(coarse), atol=1e-13)


def test_without_corrections_it_is_bilinear():
    coarse = np.random.default_rng(0).random((4, 4))
    coarse[1, 2] = np.nan
    surfaces = SurfacesAt(np.ones((12, 12), bool), RATIO)
    chosen = np.array([0, 50, 143])
    row, column = np.divmod(chosen, 12)
    found = surfaces.at(coarse, surfaces.spots(row, column))
    np.testing.assert_allclose(found, bilinear(coarse, RATIO).ravel()[chosen], atol=1e-15)
