"""Block means, smooth surfaces and bounded redistribution."""

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler.ground.blocks import block_mean, block_sum, spread_blocks
from downscaler.method.conserve import HALO, Surfaces, bilinear, noise_surface, redistribute, smooth_surface
from downscaler.product import CONSERVATION_TOLERANCE

RATIOS = st.sampled_from([2, 3, 9])


def slow_block_mean(fine, active, ratio):
    """The obvious twin: one block after the other."""
    ny, nx = fine.shape[0] // ratio, fine.shape[1] // ratio
    out = np.full((ny, nx), np.nan)
    for i in range(ny):
        for j in range(nx):
            place = np.s_[i * ratio : (i + 1) * ratio, j * ratio : (j + 1) * ratio]
            if active[place].any():
                out[i, j] = fine[place][active[place]].mean()
    return out


@st.composite
def fields(draw):
    ratio = draw(RATIOS)
    ny, nx = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shape = (ny * ratio, nx * ratio)
    fine = draw(hnp.arrays(np.float64, shape, elements=st.floats(0.0, 0.6)))
    active = draw(hnp.arrays(np.bool_, shape))
    return fine, active, ratio


@given(fields())
def test_block_mean_is_the_mean_of_active_cells(case):
    fine, active, ratio = case
    hidden = np.where(active, fine, np.nan)
    np.testing.assert_allclose(block_mean(hidden, active, ratio), slow_block_mean(fine, active, ratio), atol=1e-12)


def test_block_sum_refuses_broken_blocks():
    with pytest.raises(ValueError, match="10 x 9"):
        block_sum(np.zeros((10, 9)), 9)


def test_spread_blocks_puts_each_value_on_its_own_block():
    spread = spread_blocks(np.array([[1, 2], [3, 4]]), 3)
    assert spread.shape == (6, 6)
    assert (spread[:3, 3:] == 2).all()
    assert (spread[3:, :3] == 3).all()


def test_bilinear_is_exact_on_a_plane_between_centres_and_flat_beyond():
    rows, columns = np.mgrid[0:4, 0:5].astype(float)
    surface = bilinear(0.1 * rows + 0.02 * columns, 9)
    y, x = np.mgrid[0:36, 0:45]
    plane = 0.1 * ((y + 0.5) / 9 - 0.5) + 0.02 * ((x + 0.5) / 9 - 0.5)
    np.testing.assert_allclose(surface[5:-5, 5:-5], plane[5:-5, 5:-5], atol=1e-12)
    assert surface[0, 20] == surface[3, 20]


def test_bilinear_leaves_missing_cells_out_of_the_weights():
    coarse = np.array([[0.2, np.nan, 0.4]])
    surface = bilinear(coarse, 9)
    assert np.nanmin(surface) == pytest.approx(0.2)
    assert np.nanmax(surface) == pytest.approx(0.4)


@settings(max_examples=examples(40))
@given(hnp.arrays(np.float64, (5, 6), elements=st.floats(0.05, 0.45)), st.integers(0, 4))
def test_smooth_surface_comes_closer_to_the_block_means_with_each_iteration(coarse, seed):
    active = np.random.default_rng(seed).random((45, 54)) > 0.3
    misfits = [
        np.nansum((block_mean(smooth_surface(coarse, active, 9, n), active, 9) - coarse) ** 2) for n in (0, 1, 3)
    ]
    assert misfits[2] <= misfits[1] + 1e-12 <= misfits[0] + 2e-12


def test_smooth_surface_keeps_a_constant_and_a_departure_of_it_is_zero():
    active = np.random.default_rng(1).random((36, 36)) > 0.5
    np.testing.assert_allclose(smooth_surface(np.full((4, 4), 0.3), active, 9), 0.3, atol=1e-12)


def slow_surface(coarse, active, ratio, weights):
    """The definition: what the block means of the surface lack is interpolated and added, three times."""

    def between(field):
        known = np.isfinite(field)
        share = weights[0] @ known.astype(float) @ weights[1].T
        total = weights[0] @ np.where(known, field, 0.0) @ weights[1].T
        return np.where(share > 1e-9, total / np.maximum(share, 1e-9), np.nan)

    surface, land = between(coarse), active.astype(float)
    count = block_sum(land, ratio)
    for _ in range(3):
        mean = block_sum(np.nan_to_num(surface) * land, ratio) / np.maximum(count, 1.0)
        surface = surface + np.nan_to_num(between(np.where(count > 0, coarse - mean, np.nan)))
    return surface


@pytest.mark.parametrize("make", [smooth_surface, noise_surface])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (5, 3), (7, 8)])
def test_surfaces_are_their_slow_twin_whatever_is_missing(make, rows, columns):
    rng = np.random.default_rng(rows)
    unit = [
        np.stack([make(row, np.ones((size * 9, 9), bool), 9, 0)[:, 0] for row in np.eye(size)[:, :, None]], axis=1)
        for size in (rows, columns)
    ]
    for land in (1.0, 0.4, 0.02):
        for seen in (1.0, 0.6):
            active = rng.random((rows * 9, columns * 9)) < land
            coarse = np.where(rng.random((rows, columns)) < seen, rng.random((rows, columns)), np.nan)
            expected = slow_surface(coarse, active, 9, unit)
            np.testing.assert_allclose(make(coarse, active, 9), expected, rtol=0, atol=1e-13)


def test_a_part_of_a_surface_is_cut_from_the_whole_and_gaps_change_from_field_to_field():
    rng = np.random.default_rng(5)
    active = rng.random((36, 45)) < 0.5
    surfaces, part = Surfaces(active, 9), np.s_[9:30, 4:40]
    for _ in range(6):
        coarse = np.where(rng.random((4, 5)) < 0.7, rng.random((4, 5)), np.nan)
        np.testing.assert_allclose(surfaces(coarse, part), smooth_surface(coarse, active, 9)[part], atol=1e-14)


def test_smooth_surface_does_not_depend_on_the_tiling():
    rng = np.random.default_rng(2)
    coarse = rng.uniform(0.05, 0.45, (20, 20))
    coarse[rng.random((20, 20)) < 0.2] = np.nan
    active = rng.random((180, 180)) > 0.1
    whole = smooth_surface(coarse, active, 9)
    grown = np.s_[8 - HALO : 12 + HALO]
    fine = np.s_[(8 - HALO) * 9 : (12 + HALO) * 9]
    part = smooth_surface(coarse[grown, grown], active[fine, fine], 9)
    inner = np.s_[HALO * 9 : (HALO + 4) * 9]
    np.testing.assert_allclose(part[inner, inner], whole[72:108, 72:108], atol=1e-12)


@settings(max_examples=examples(60))
@given(fields(), st.integers(0, 1000))
def test_redistribution_keeps_means_and_bounds(case, seed):
    fine, active, ratio = case
    rng = np.random.default_rng(seed)
    lower, upper = np.full(fine.shape, 0.02), rng.uniform(0.3, 0.5, fine.shape)
    low, high = (slow_block_mean(f, active, ratio) for f in (lower, upper))
    target = low + rng.random(low.shape) * (high - low)
    target[rng.random(target.shape) < 0.2] = np.nan
    theta, clipped = redistribute(fine, target, active, lower, upper, ratio)
    published = active & np.isfinite(spread_blocks(target, ratio))
    assert np.array_equal(np.isfinite(theta), published)
    mean = slow_block_mean(np.nan_to_num(theta), published, ratio)
    np.testing.assert_allclose(mean, np.where(np.isfinite(mean), target, np.nan), atol=CONSERVATION_TOLERANCE / 100)
    assert (theta[published] >= 0.02 - 1e-9).all()
    assert (theta[published] <= upper[published] + 1e-9).all()
    assert not clipped[~published].any()


def test_redistribution_changes_nothing_that_is_already_right():
    fine = np.random.default_rng(3).uniform(0.1, 0.3, (18, 18))
    active = np.ones(fine.shape, bool)
    theta, clipped = redistribute(fine, block_mean(fine, active, 9), active, fine * 0, fine * 0 + 0.5, 9)
    np.testing.assert_allclose(theta, fine, atol=1e-12)
    assert not clipped.any()


def test_a_retrieval_above_porosity_outranks_the_bound_and_is_flagged():
    fine = np.full((9, 9), 0.3)
    active = np.ones((9, 9), bool)
    theta, clipped = redistribute(fine, np.array([[0.5]]), active, fine * 0, fine * 0 + 0.4, 9)
    assert theta.mean() == pytest.approx(0.5, abs=1e-9)
    assert clipped.all()


def test_redistribution_matches_the_analytic_shift_with_one_cell_at_its_bound():
    # cells 0.1 and 0.4 (upper 0.45), mean wanted 0.4: the second stops at 0.45, the first takes 0.35
    fine, active = np.array([[0.1, 0.4], [0.1, 0.4]]), np.ones((2, 2), bool)
    theta, clipped = redistribute(fine, np.array([[0.4]]), active, fine * 0, fine * 0 + 0.45, 2)
    np.testing.assert_allclose(theta, [[0.35, 0.45], [0.35, 0.45]], atol=1e-9)
    assert clipped.tolist() == [[False, True], [False, True]]
