"""The stand-in for ParFlow-CLM keeps its bounds and does what water does."""

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.simulation import hydrology
from downscaler.simulation.hydrology import Run, initial_state, make_soil, simulate_day
from downscaler.simulation.landscape import WATER, make_landscape
from downscaler.simulation.weather import STEPS, Weather

RUN = Run(seed=0, name="test", conductivity_spread=0.3, porosity_spread=0.05)
Y, X = np.arange(-480.0, -420.0), np.arange(100.0, 170.0)


@pytest.fixture(scope="module")
def land():
    return make_landscape(Y, X, 0)


@pytest.fixture(scope="module")
def soil(land):
    return make_soil(land, Y, X, RUN)


def day(soil, rain, evaporation=3.0):
    shape = soil.porosity.shape
    return Weather(
        rain=np.full((STEPS, *shape), rain, np.float32),
        temperature=np.full(shape, 290.0, np.float32),
        evaporation=np.full(shape, evaporation, np.float32),
    )


@settings(max_examples=examples(15))
@given(rain=st.lists(st.floats(0.0, 150.0), min_size=1, max_size=6), evaporation=st.floats(0.0, 15.0))
def test_moisture_stays_between_residual_and_porosity(soil, rain, evaporation):
    state = initial_state(soil)
    for amount in rain:
        for theta in simulate_day(state, soil, day(soil, amount, evaporation), 1.0, RUN):
            assert np.isfinite(theta).all()
            assert (theta >= soil.residual - 1e-6).all()
            assert (theta <= soil.porosity + 1e-6).all()


def test_gravity_drainage_is_the_exact_solution(soil):
    start = np.full_like(soil.porosity, 0.9)
    slow, steps = start.astype(np.float64), 200_000
    k = soil.conductivity.astype(np.float64) * 6.0 / soil.root_pores / steps
    cell = (slice(0, 60, 12), slice(0, 70, 14))
    s, c = slow[cell], soil.exponent[cell].astype(np.float64)
    for _ in range(steps):
        s = s - k[cell] * s**c
    np.testing.assert_allclose(hydrology._gravity(start, soil, soil.root_pores)[cell], s, atol=2e-3)


def test_rain_wets_and_days_dry(soil):
    state = initial_state(soil)
    for _ in range(30):
        before = simulate_day(state, soil, day(soil, 0.0), 1.0, RUN)[-1]
    wet = simulate_day(state, soil, day(soil, 6.0), 1.0, RUN)[-1]
    assert (wet >= before - 1e-6).all()
    assert (wet - before).mean() > 0.05
    course = [simulate_day(state, soil, day(soil, 0.0, 5.0), 1.0, RUN)[-1].mean() for _ in range(8)]
    assert (np.diff([wet.mean(), *course]) < 0).all()
    assert wet.mean() - course[4] > 0.5 * (wet - before).mean()


def test_rivers_are_wet_and_ridges_dry(land, soil):
    state = initial_state(soil)
    for number in range(90):
        theta = simulate_day(state, soil, day(soil, 3.0 if number % 6 == 0 else 0.0), 0.8, RUN)[-1]
    river, ridge = land.upslope > 60, land.upslope <= 2
    assert river.any()
    assert theta[river].mean() - theta[ridge].mean() > 0.05


def test_runs_differ_where_they_should(land, soil):
    other = make_soil(land, Y, X, Run(seed=0, name="other", conductivity_spread=0.3))
    assert not np.allclose(other.conductivity, soil.conductivity)
    np.testing.assert_array_equal(other.receiver, soil.receiver)
    np.testing.assert_array_equal(other.porosity, land.porosity)


def test_landscape_is_whole(land):
    for name, values in land.rasters().items():
        assert values.shape == (60, 70), name
        assert np.isfinite(values).all(), name
    assert (land.land_cover[~land.active] == WATER).all()
    assert set(np.unique(land.indicator)) <= set(range(1, 13))
    assert (land.residual < land.porosity).all()
    np.testing.assert_allclose(land.slope_x[:, :-1], np.diff(land.elevation, axis=1) / 1000.0, atol=1e-6)


def test_landscape_follows_from_position_and_seed():
    again, other = make_landscape(Y, X, 0), make_landscape(Y, X, 1)
    first = make_landscape(Y, X, 0)
    for name, values in first.rasters().items():
        np.testing.assert_array_equal(values, again.rasters()[name])
    assert not np.allclose(first.elevation, other.elevation)
