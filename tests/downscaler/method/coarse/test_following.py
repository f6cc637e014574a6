"""The analysis at 1 km: analytic values, errors against a drawn twin, intervals that widen as they should."""

import numpy as np
import pytest
import xarray as xr

from downscaler.ground.grid import M09
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.following import CENTRES, Response, Usual, deviation, follow, settled
from downscaler.method.coarse.response import response_names
from downscaler.method.features import Ground
from downscaler.method.pattern import pattern_statistics

SHAPE = (36, 36)


def ground(seed: int = 0) -> Ground:
    rng = np.random.default_rng(seed)
    theta = rng.uniform(0.1, 0.3, SHAPE) + rng.normal(0, 0.03, (60, 1, 1)) + rng.normal(0, 0.01, (60, *SHAPE))
    active = np.ones(SHAPE, bool)
    fields = pattern_statistics(theta, active) | {
        "active": active,
        "porosity": np.full(SHAPE, 0.5),
        "residual": np.full(SHAPE, 0.01),
    }
    return Ground(xr.Dataset({name: (("y", "x"), field) for name, field in fields.items()}), M09)


def surfaces(place: Ground, today: float, slow: float) -> dict[str, np.ndarray]:
    nothing = np.zeros(SHAPE)
    made = {"value": place.smooth_level + today, "slow": nothing + slow}
    return made | dict.fromkeys(("variance", "slow_variance", "joint"), nothing)


def usual(place: Ground) -> Usual:
    return Usual(level=place.level, smooth_level=place.smooth_level, smooth_sd=place.smooth_sd)


def test_a_cell_is_its_level_and_what_it_makes_of_both_departures() -> None:
    place, rng = ground(), np.random.default_rng(1)
    response = Response(now=rng.uniform(0.5, 1.5, SHAPE), slow=rng.normal(0, 1, SHAPE), error=np.full(SHAPE, 0.01))
    made = follow(usual(place), response, surfaces(place, 0.03, -0.01), Memory())
    np.testing.assert_allclose(made.soil_moisture, place.level + 0.03 * response.now - 0.01 * response.slow, atol=1e-9)
    np.testing.assert_allclose(made.below, 1.6448536 * 0.01, rtol=1e-6)
    np.testing.assert_allclose(made.above, made.below)


def test_the_error_is_that_of_drawn_coarse_errors() -> None:
    rng = np.random.default_rng(2)
    covariance = np.array([[0.02**2, 0.0001], [0.0001, 0.01**2]])
    drawn = rng.multivariate_normal([0, 0], covariance, 200_000)
    now, slow, own = 1.3, -0.7, 0.012
    errors = now * drawn[:, 0] + slow * drawn[:, 1] + rng.normal(0, own, len(drawn))
    response = Response(now=np.array(now), slow=np.array(slow), error=np.array(own))
    told = deviation(response, np.array(0.02**2), np.array(0.01**2), np.array(0.0001))
    assert float(told) == pytest.approx(errors.std(), rel=0.01)


def test_factors_follow_wetness_without_steps() -> None:
    place = ground()
    flat = Response(now=np.ones(SHAPE), slow=np.zeros(SHAPE), error=np.full(SHAPE, 0.01))
    memory = Memory(amplitude=1.0, stretch=((1.0, 2.0, 4.0), (3.0, 2.0, 1.0)))
    spread = place.smooth_sd
    for at, below, above in ((-2.0, 1.0, 3.0), (0.0, 2.0, 2.0), (0.5, 3.0, 1.5), (9.0, 4.0, 1.0)):
        made = follow(usual(place), flat, surfaces(place, at * float(spread.mean()), 0.0), memory)
        middle = np.s_[16:20, 16:20]
        np.testing.assert_allclose(made.below[middle] / 0.01, below, rtol=0.12)
        np.testing.assert_allclose(made.above[middle] / 0.01, above, rtol=0.12)
    assert len(CENTRES) == 3


def test_a_store_without_responses_has_none_and_a_cell_without_follows_its_block() -> None:
    names, shape = response_names(M09), (9, 9)
    assert Response.of(xr.Dataset(), M09) is None
    nothing = xr.Dataset({name: (("y", "x"), np.full(shape, np.nan)) for name in names})
    nothing["active"] = (("y", "x"), np.ones(shape, bool))
    assert Response.of(nothing, M09) is None
    some = nothing.copy(deep=True)
    for name, value in zip(names, (1.2, 0.3, 0.02), strict=True):
        some[name][0, 0] = value
    found = Response.of(some, M09)
    assert found is not None
    assert (found.now[1, 1], found.slow[1, 1], found.error[1, 1]) == (1.0, 0.0, pytest.approx(0.02))


def test_errors_are_drawn_half_way_to_those_around() -> None:
    active = np.ones(SHAPE, bool)
    active[:9, :9] = False
    even = settled(np.full(SHAPE, 0.02), active, 9)
    np.testing.assert_allclose(even, 0.02)
    one = np.full(SHAPE, 0.01)
    one[22, 22] = 0.05  # the middle of a SMAP cell, where the surface has the cell's own mean
    mean = (80 * 0.01**2 + 0.05**2) / 81
    drawn = settled(one, active, 9)
    assert drawn[22, 22] == pytest.approx(np.sqrt((0.05**2 + mean) / 2))
    assert drawn[23, 22] > one[23, 22]
    alone = settled(one, np.zeros(SHAPE, bool), 9)
    np.testing.assert_array_equal(alone, one)  # no land around: its own
