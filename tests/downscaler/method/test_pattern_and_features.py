"""Statistics of a prior's record and the predictors made from it."""

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from downscaler.errors import PriorSchemaError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09, M36
from downscaler.method.features import API_DECAY, FEATURES, MISSING, Ground, antecedent, available, matrix, with_gaps
from downscaler.method.pattern import pattern_statistics, ratio_to_m01, sensitivity


@pytest.fixture(scope="module")
def window():
    """Three M36 cells with a made pattern; the first ten columns are outside the model."""
    rng = np.random.default_rng(0)
    shape = (36, 108)
    active = np.ones(shape, bool)
    active[:, :10] = False
    level = rng.uniform(0.1, 0.4, shape)
    theta = level + 0.05 * rng.standard_normal(40)[:, None, None] * np.linspace(0.5, 1.5, 108)
    theta = np.where(active, theta, np.nan).astype(np.float32)
    fields = pattern_statistics(theta, active)
    fields |= {"active": active, "porosity": np.full(shape, 0.5), "residual": np.full(shape, 0.02)}
    fields |= {"elevation": rng.uniform(0, 500, shape), "slope_x": rng.normal(0, 0.01, shape), "slope_y": level * 0}
    return xr.Dataset({name: (("y", "x"), field) for name, field in fields.items()}), theta, active


def test_ratios():
    assert (ratio_to_m01(M09), ratio_to_m01(M36)) == (9, 36)


def test_sensitivity_recovers_a_made_slope_and_averages_one(window):
    _, theta, active = window
    slope = sensitivity(theta, active, 9)
    assert np.isnan(slope[~active]).all()
    np.testing.assert_allclose(block_mean(np.nan_to_num(slope), active, 9)[:, 2:], 1.0, atol=1e-5)
    column = np.linspace(0.5, 1.5, 108)
    expected = column[90:99] / column[90:99].mean()
    np.testing.assert_allclose(slope[:9, 90:99], np.broadcast_to(expected, (9, 9)), rtol=1e-3)


def test_statistics_match_the_obvious_twin(window):
    data, theta, active = window
    np.testing.assert_allclose(data["soil_moisture_level"].values[active], theta.mean(axis=0)[active], rtol=1e-5)
    np.testing.assert_allclose(data["soil_moisture_sd"].values[active], theta.std(axis=0)[active], rtol=1e-4)
    np.testing.assert_allclose(
        data["soil_moisture_p95"].values[active], np.quantile(theta, 0.95, axis=0)[active], rtol=1e-5
    )


def test_statistics_of_an_empty_record_are_missing_not_zero():
    found = pattern_statistics(np.full((3, 36, 36), np.nan), np.zeros((36, 36), bool))
    assert all(np.isnan(field).all() for field in found.values())


def test_features_are_declared_once_and_explained():
    names = [f.name for f in FEATURES]
    assert len(names) == len(set(names))
    assert all(f.units and f.why for f in FEATURES)


def test_ground_and_day_supply_only_declared_features_in_declared_order(window):
    data, _, active = window
    ground = Ground(data, M09)
    rain = {"precipitation": np.ones((40, 36, 108)), "air_temperature": np.full((40, 36, 108), 285.0)}
    fields = ground.fields | ground.day(np.full((4, 12), 0.25), dt.date(2020, 1, 1), rain)
    names = available(fields)
    assert set(fields) == set(names)
    assert list(names) == [f.name for f in FEATURES if f.name in fields]
    rows = matrix(fields, names, ground.active)
    assert rows.shape == (int(active.sum()), len(names))
    assert rows[:, names.index("precipitation_7d")] == pytest.approx(7.0)
    np.testing.assert_allclose(rows[:, names.index("precipitation_7d_departure")], 0.0, atol=1e-5)


def test_a_coarse_field_at_its_usual_level_is_no_anomaly(window):
    data, _, active = window
    ground = Ground(data, M09)
    fields = ground.day(ground.coarse_level, dt.date(2020, 7, 1), None)
    np.testing.assert_allclose(fields["coarse_anomaly"][active], 0.0, atol=1e-6)
    np.testing.assert_allclose(fields["response"][active], 0.0, atol=1e-6)


def test_the_quantile_pattern_is_exact_where_cells_rise_and_fall_together(window):
    data, _, active = window
    rng = np.random.default_rng(3)
    dry, rise = 0.10 + 0.05 * rng.random(active.shape), 0.02 + 0.10 * rng.random(active.shape)
    moments = np.linspace(0.0, 1.0, 41)
    theta = np.where(active, dry + moments[:, None, None] * rise, np.nan)
    statistics = {name: (("y", "x"), field) for name, field in pattern_statistics(theta, active).items()}
    ground = Ground(data.assign(statistics), M09)
    surface = ground.surface(block_mean(np.where(active, dry, 0.0), ground.active, ground.ratio))
    spread = ground.surface(block_mean(np.where(active, rise, 0.0), ground.active, ground.ratio))
    for moment in (0.05, 0.3, 0.5, 0.8, 0.95):
        found = surface + moment * spread + ground.quantile_pattern(surface + moment * spread)
        np.testing.assert_allclose(found[active], (dry + moment * rise)[active], atol=1e-5)


def test_the_quantile_pattern_keeps_bounds_far_outside_the_record(window):
    data, _, active = window
    ground = Ground(data, M09)
    for level in (0.0, 0.9):
        surface = np.full(active.shape, level)
        theta = surface + ground.quantile_pattern(surface)
        assert (theta >= ground.residual - 1e-9)[active].all()
        assert (theta <= ground.porosity + 1e-9)[active].all()


def test_slope_direction_points_downhill(window):
    data, _, _ = window
    flat = data.assign(slope_x=(("y", "x"), np.full((36, 108), 0.02)), slope_y=(("y", "x"), np.zeros((36, 108))))
    ground = Ground(flat, M36)
    np.testing.assert_allclose(ground.fields["eastness"], -1.0)  # rises to the east, so it falls to the west
    np.testing.assert_allclose(ground.fields["northness"], 0.0)


def test_antecedent_sums_and_index():
    rain = np.zeros((30, 2, 2))
    rain[-1], rain[-4] = 5.0, 10.0
    found = antecedent({"precipitation": rain})
    assert found["precipitation_1d"][0, 0] == 5.0
    assert found["precipitation_3d"][0, 0] == 5.0
    assert found["precipitation_7d"][0, 0] == 15.0
    assert found["precipitation_index"][0, 0] == pytest.approx(5.0 + 10.0 * API_DECAY**3)
    short = antecedent({"precipitation": rain[-10:]})
    assert np.isnan(short["precipitation_30d"]).all()
    assert np.isnan(short["precipitation_index"]).all()


def test_unknown_values_stand_as_one_number_and_come_back_as_gaps(window):
    _, _, active = window
    fields = {"a": np.where(active, 1.0, np.nan).astype(np.float32), "b": np.full(active.shape, np.nan, np.float32)}
    rows = matrix(fields, ["a", "b"], np.ones(active.shape, bool))
    assert np.isfinite(rows).all()
    assert (rows[:, 1] == MISSING).all()
    np.testing.assert_array_equal(np.isnan(with_gaps(rows))[:, 0], ~active.ravel())


def test_a_prior_without_statistics_is_refused(window):
    data, _, _ = window
    with pytest.raises(PriorSchemaError, match="soil_moisture_sd"):
        Ground(data.drop_vars("soil_moisture_sd"), M09)
