"""Composites against a slow, obvious twin, and on errors whose size is known."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler import product
from downscaler.derived.composite import ErrorMemory, composite, error_autocorrelation, error_variance
from downscaler.ground.periods import days_of, periods
from downscaler.product import Flag

MEMORY = ErrorMemory(lasting=0.3, days=2.0)


def one_pixel(values, sigmas, flags, times, memory):
    """The definition, written out for one pixel."""
    kept = [i for i, value in enumerate(values) if math.isfinite(value)]
    if not kept:
        return None
    inverse = {i: 1 / sigmas[i] ** 2 for i in kept}
    total = sum(inverse.values())
    weight = {i: inverse[i] / total for i in kept}
    mean = sum(weight[i] * values[i] for i in kept)
    variance = sum(
        weight[i] * weight[j] * sigmas[i] * sigmas[j] * memory.rho(abs(times[i] - times[j])) for i in kept for j in kept
    )
    spread = math.sqrt(sum(weight[i] * (values[i] - mean) ** 2 for i in kept))
    common = sum(
        flag.value
        for flag in Flag
        if flag is not Flag.FILL and 2 * sum(bool(flags[i] & flag.value) for i in kept) >= len(kept)
    )
    return mean, math.sqrt(variance), spread, len(kept), common


@given(seed=st.integers(0, 10_000), days=st.integers(1, 9))
def test_a_composite_is_what_the_definition_says(seed: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.uniform(0.05, 0.5, (days, 3, 2))
    theta[rng.random(theta.shape) < 0.4] = np.nan
    sigma, flags = rng.uniform(0.01, 0.1, theta.shape), rng.integers(0, 2048, theta.shape).astype(np.uint16)
    times = np.cumsum(rng.integers(1, 4, days)).tolist()
    made = composite(theta, sigma, flags, times, MEMORY)
    for place in np.ndindex(3, 2):
        at = (slice(None), *place)
        expected = one_pixel(theta[at], sigma[at], flags[at], times, MEMORY)
        if expected is None:
            assert np.isnan(made["soil_moisture"][place])
            assert (made["days"][place], made["quality_flag"][place]) == (0, Flag.FILL)
            continue
        mean, error, spread, count, common = expected
        assert made["soil_moisture"][place] == pytest.approx(mean)
        assert made["uncertainty"][place] == pytest.approx(error)
        assert made["spread"][place] == pytest.approx(spread, abs=1e-9)
        assert (made["days"][place], made["quality_flag"][place]) == (count, common)
        assert made["lower"][place] == pytest.approx(max(mean - 1.6448536 * error, 0.0))


def test_independent_errors_average_out_and_lasting_ones_do_not() -> None:
    parts = np.full((4, 1), 0.25 * 0.04)  # four days of equal weight, 0.04 each
    independent = error_variance(parts, [0, 100, 200, 300], ErrorMemory(lasting=0.0, days=1.0))
    lasting = error_variance(parts, [0, 1, 2, 3], ErrorMemory(lasting=1.0, days=1.0))
    assert math.sqrt(independent[0]) == pytest.approx(0.04 / 2)
    assert math.sqrt(lasting[0]) == pytest.approx(0.04)


def test_the_stated_uncertainty_is_the_error_that_is_met() -> None:
    rng, days, pixels = np.random.default_rng(3), 7, 20_000
    correlation = np.array([[MEMORY.rho(abs(i - j)) for j in range(days)] for i in range(days)])
    sigma = np.linspace(0.02, 0.06, days)[:, None, None] * np.ones((1, pixels, 1))
    errors = np.einsum("ij,jpx->ipx", np.linalg.cholesky(correlation), rng.standard_normal((days, pixels, 1))) * sigma
    made = composite(0.25 + errors, sigma, np.zeros(sigma.shape, np.uint16), range(days), MEMORY)
    met = float(np.std(made["soil_moisture"] - 0.25))
    assert met == pytest.approx(float(made["uncertainty"][0, 0]), rel=0.02)
    inside = (made["lower"] <= 0.25) & (made["upper"] >= 0.25)
    assert inside.mean() == pytest.approx(product.INTERVAL, abs=0.01)


def test_the_autocorrelation_of_errors_is_found_again() -> None:
    rng, days, pixels = np.random.default_rng(5), 40, 4000
    correlation = np.array([[MEMORY.rho(abs(i - j)) for j in range(days)] for i in range(days)])
    errors = np.linalg.cholesky(correlation) @ rng.standard_normal((days, pixels))
    errors[rng.random(errors.shape) < 0.3] = np.nan
    found = error_autocorrelation(errors, 5)
    assert found == pytest.approx([MEMORY.rho(lag) for lag in range(6)], abs=0.02)
    assert math.isnan(error_autocorrelation(np.full((3, 2), np.nan), 0)[0])


def test_no_memory_outside_its_range() -> None:
    with pytest.raises(ValueError, match="lasting"):
        ErrorMemory(lasting=1.2, days=1.0)


@given(date=st.dates(dt.date(2015, 3, 31), dt.date(2040, 1, 1)), kind=st.sampled_from(list(product.COMPOSITES)))
def test_periods_part_the_days(date: dt.date, kind: str) -> None:
    length = product.COMPOSITES[kind].length
    days = days_of(length, date)
    assert date in days
    assert days_of(length, days[0]) == days == days_of(length, days[-1])
    after = days[-1] + dt.timedelta(days=1)
    assert periods(length, days[0], after) == [days[0], after]
    assert product.last_day(f"{kind}_demo", days[0]) == days[-1]
    if kind == "weekly":
        assert (days[0].isocalendar().week, len(days)) == (days[-1].isocalendar().week, 7)
