"""SMAP's observation model: footprints against a slow twin, errors of the size and reach that are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.errors import ObservationError
from downscaler.ground.blocks import block_mean
from downscaler.method.coarse.observation import CELL_KM, Observation, seen_through, smear, smeared


def slow_footprint(fine: np.ndarray, active: np.ndarray, ratio: int, width: float) -> np.ndarray:
    """Every cell's Gaussian mean, one after the other."""
    sigma = width / np.sqrt(8 * np.log(2))
    y, x = np.mgrid[: fine.shape[0], : fine.shape[1]] * CELL_KM
    made = np.full((fine.shape[0] // ratio, fine.shape[1] // ratio), np.nan)
    for row, column in np.ndindex(*made.shape):
        away = (y - (row * ratio + ratio // 2) * CELL_KM) ** 2 + (x - (column * ratio + ratio // 2) * CELL_KM) ** 2
        weight = np.exp(-away / (2 * sigma**2)) * active
        made[row, column] = (weight * np.where(active, fine, 0.0)).sum() / weight.sum()
    return made


def test_a_footprint_is_the_gaussian_mean_of_active_cells() -> None:
    rng = np.random.default_rng(1)
    fine, active = rng.uniform(0.05, 0.45, (45, 54)), rng.random((45, 54)) > 0.2
    made = seen_through(np.where(active, fine, np.nan), active, 9, 12.0)
    np.testing.assert_allclose(made, slow_footprint(fine, active, 9, 12.0), atol=2e-4)  # the filter ends at 4 sigma


def test_without_a_footprint_a_retrieval_is_its_cells_mean_where_half_is_active() -> None:
    fine = np.arange(18.0 * 9).reshape(9, 18) / 1000
    active = np.ones((9, 18), bool)
    active[:, 9:14] = False
    made = Observation().coarse(fine, active, 9)
    np.testing.assert_allclose(made[0, 0], block_mean(fine, active, 9)[0, 0])
    assert np.isnan(made[0, 1])


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.4), st.floats(9.0, 60.0))
def test_a_uniform_field_is_seen_as_it_is(value: float, width: float) -> None:
    active = np.random.default_rng(3).random((36, 36)) > 0.3
    np.testing.assert_allclose(seen_through(np.full((36, 36), value), active, 9, width), value)


def test_weights_of_a_footprint_add_up_to_one_and_halve_at_its_half_width() -> None:
    weights = smear(np.zeros((5, 5)), 9.0, 36.0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    centre = weights[12]
    np.testing.assert_allclose(centre[12 + 2] / centre[12], 0.5, rtol=1e-6)  # 18 km off


def test_coarse_fields_are_smeared_over_the_land_alone() -> None:
    rng = np.random.default_rng(9)
    fields, land = rng.normal(0.0, 0.03, (2, 12, 14)), rng.random((12, 14)) > 0.2
    fields[:, ~land] = np.nan
    weights = smear(np.zeros(land.shape), 9.0, 36.0) * land.ravel()
    weights /= weights.sum(axis=1, keepdims=True)
    wanted = (np.nan_to_num(fields).reshape(2, -1) @ weights.T).reshape(fields.shape)
    made = smeared(fields, land, 9.0, 36.0)
    np.testing.assert_allclose(made[:, land], wanted[:, land], atol=2e-4)  # the filter ends at 4 sigma
    np.testing.assert_array_equal(smeared(fields, land, 9.0, 0.0), np.where(land, fields, 0.0))


def test_errors_have_the_variance_and_the_correlation_that_are_asked_for() -> None:
    model = Observation(error=0.04, smooth_share=0.75, smooth_km=60.0)
    rng = np.random.default_rng(5)
    drawn = np.stack([model.errors((6, 6), 9.0, rng) for _ in range(1500)])
    assert drawn.std() == pytest.approx(0.04, rel=0.05)
    near = (drawn[:, :, :-2] * drawn[:, :, 2:]).mean() / 0.04**2
    assert near == pytest.approx(0.75 * np.exp(-18.0 / 60.0), abs=0.04)


def test_passes_fall_on_their_days_of_five() -> None:
    assert [day for day in range(10) if Observation().sees(day)] == [0, 2, 5, 7]


@pytest.mark.parametrize("wrong", [{"footprint": -1.0}, {"error": 2.0}, {"smooth_share": 1.5}, {"revisit": (7,)}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ObservationError):
        Observation(**wrong)  # type: ignore[arg-type]
