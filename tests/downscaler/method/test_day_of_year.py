import datetime as dt

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler.method.day_of_year import (
    COEFFICIENTS,
    DAYS,
    HALF_WINDOW,
    HARMONICS,
    Climatology,
    coefficients,
    kernel,
    on_days,
    support,
)


def added(days: list[dt.date], values: np.ndarray) -> Climatology:
    doy = [d.timetuple().tm_yday for d in days]
    climatology = Climatology(np.bincount([d - 1 for d in doy], minlength=DAYS), values.shape[1:])
    for d, field in zip(doy, values, strict=True):
        climatology.add(d, field)
    return climatology


def run(days: list[dt.date], values: np.ndarray) -> np.ndarray:
    return added(days, values).mean()


def span(start: dt.date, count: int) -> list[dt.date]:
    return [start + dt.timedelta(days=n) for n in range(count)]


def slow_mean(days: list[dt.date], series: np.ndarray, doy: int) -> float:
    """One cell and day of year, straight from the definition."""
    total = weight = 0.0
    for day, value in zip(days, series, strict=True):
        distance = abs(day.timetuple().tm_yday - doy)
        w = max(0.0, 1 - min(distance, DAYS - distance) / (HALF_WINDOW + 1))
        if np.isfinite(value):
            total, weight = total + w * value, weight + w
    return total / weight


def test_the_mean_equals_the_definition():
    rng = np.random.default_rng(0)
    days = span(dt.date(2015, 3, 1), 800)
    values = rng.uniform(0.05, 0.45, (800, 2, 2)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    mean = run(days, values)
    for doy in (1, 60, 200, 366):
        assert mean[doy - 1, 0, 1] == pytest.approx(slow_mean(days, values[:, 0, 1], doy), abs=1e-6)


@settings(max_examples=examples(30))
@given(value=st.floats(0.01, 0.6), start=st.dates(dt.date(2003, 1, 1), dt.date(2020, 1, 1)), count=st.integers(1, 500))
def test_a_constant_has_itself_as_mean_on_all_days(value, start, count):
    mean = run(span(start, count), np.full((count, 1, 1), value, dtype=np.float32))
    np.testing.assert_allclose(mean, value, rtol=1e-5)


@settings(max_examples=examples(30))
@given(values=hnp.arrays(np.float32, (45, 1, 2), elements=st.floats(0, 0.5, width=32)), start=st.integers(0, 365))
def test_a_short_record_defines_every_day_within_its_own_range(values, start):
    mean = run(span(dt.date(2010, 1, 1) + dt.timedelta(days=start), 45), values)
    assert np.isfinite(mean).all()
    assert (mean >= values.min(axis=0) - 1e-6).all()
    assert (mean <= values.max(axis=0) + 1e-6).all()


def test_a_sine_of_the_year_comes_back():
    days = span(dt.date(2001, 1, 1), 365 * 4 + 1)
    phase = 2 * np.pi * np.array([d.timetuple().tm_yday for d in days]) / 365.25
    values = (0.25 + 0.1 * np.sin(phase)).astype(np.float32)[:, None, None]
    mean = run(days, values)
    expected = 0.25 + 0.1 * np.sin(2 * np.pi * np.arange(1, 367) / 365.25)
    np.testing.assert_allclose(mean[:, 0, 0], expected, atol=0.002)


@pytest.mark.parametrize("count", [40, 800])
def test_waves_made_at_once_are_those_of_the_table(count):
    rng = np.random.default_rng(1)
    values = rng.uniform(0.05, 0.45, (count, 3, 4)).astype(np.float32)
    values[:, 0, 0] = np.nan  # sea
    values[3, 1] = values[:9, 2, 2] = np.nan  # cells that lack days
    made = added(span(dt.date(2015, 12, 20), count), values)
    waves = made.waves()
    np.testing.assert_allclose(waves, coefficients(made.mean()), atol=2e-6)
    assert np.isnan(waves[:, 0, 0]).all()
    assert np.isfinite(waves[:, 0, 1:]).all()


def test_a_gap_in_the_year_is_bridged_between_its_ends():
    days = span(dt.date(2001, 1, 1), 100)
    mean = run(days, np.linspace(0.1, 0.3, 100, dtype=np.float32)[:, None, None])
    gap = mean[130:340, 0, 0]
    assert (np.diff(gap) < 0).all()  # from the wet end in April back to the dry start in January
    assert mean.min() >= 0.1
    assert mean.max() <= 0.3


def test_support_counts_effective_days_and_is_zero_in_a_gap():
    one_year = support(np.ones(DAYS, dtype=int))
    np.testing.assert_allclose(one_year, kernel()[0].sum() ** 2 / (kernel()[0] ** 2).sum(), rtol=1e-6)
    half = support((np.arange(DAYS) < 100).astype(int))
    assert half[50] == pytest.approx(one_year[50])
    assert (half[120:340] == 0).all()
    assert support(np.eye(DAYS, dtype=int)[0])[0] == pytest.approx(1)


def test_cells_without_any_data_stay_missing():
    values = np.full((40, 1, 2), 0.2, dtype=np.float32)
    values[:, 0, 1] = np.nan
    mean = run(span(dt.date(2001, 5, 1), 40), values)
    assert np.isfinite(mean[:, 0, 0]).all()
    assert np.isnan(mean[:, 0, 1]).all()


def test_waves_stand_for_the_table_exactly_where_it_is_made_of_them():
    rng = np.random.default_rng(4)
    numbers = rng.normal(0.0, 0.1, (COEFFICIENTS, 2, 3)).astype(np.float32)
    table = on_days(numbers, np.arange(1, DAYS + 1))
    np.testing.assert_allclose(coefficients(table), numbers, atol=1e-6)
    slow = numbers[0] + sum(
        numbers[2 * k - 1] * np.cos(2 * np.pi * k * 99 / DAYS) + numbers[2 * k] * np.sin(2 * np.pi * k * 99 / DAYS)
        for k in range(1, HARMONICS + 1)
    )
    np.testing.assert_allclose(on_days(numbers, np.array([100]))[0], slow, atol=1e-6)


def test_a_smoothed_year_loses_little_to_its_waves():
    """White noise is the roughest year there is; smoothed over a month it has next to nothing beyond 16 waves."""
    days = span(dt.date(2001, 1, 1), 365)
    values = np.random.default_rng(5).normal(0.25, 0.05, (365, 1, 8)).astype(np.float32)
    mean = run(days, values)
    off = on_days(coefficients(mean), np.arange(1, DAYS + 1)) - mean
    assert np.sqrt(np.mean(off**2)) < 0.15 * mean.std()
    assert np.isnan(coefficients(np.full((DAYS, 1, 1), np.nan, np.float32))).all()


def test_a_store_with_fewer_waves_is_read_as_it_is():
    numbers = np.random.default_rng(6).normal(0.0, 0.1, (25, 3)).astype(np.float32)
    padded = np.concatenate([numbers, np.zeros((COEFFICIENTS - 25, 3), np.float32)])
    days = np.array([1, 200, 366])
    np.testing.assert_allclose(on_days(numbers, days), on_days(padded, days), atol=1e-6)
