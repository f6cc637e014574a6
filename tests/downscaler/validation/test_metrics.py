"""Metrics against analytic cases, slow obvious twins and pytesmo."""

import numpy as np
import pandas as pd
import pytesmo.metrics as pm
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pytesmo.time_series.anomaly import calc_anomaly
from pytesmo.time_series.filtering import moving_average
from scipy.signal import lfilter

from downscaler.validation.metrics import METRICS, anomalies, correlation, downscaling_gain, metrics, moments, ranks

DAYS = np.arange("2023-01-01", "2024-07-01", dtype="datetime64[D]")


@pytest.fixture
def pairs():
    """Five sites of autocorrelated readings and a product with gain, offset and noise, a third of it missing."""
    rng = np.random.default_rng(4)
    shape = (5, DAYS.size)
    y = 0.25 + 0.06 * lfilter([0.5], [1, -0.85], rng.standard_normal(shape), axis=1)
    x = 0.03 + 0.8 * y + 0.02 * rng.standard_normal(shape)
    x[rng.random(shape) < 0.3] = np.nan
    y[rng.random(shape) < 0.1] = np.nan
    return x, y


def once(count=1):
    return np.ones((count, DAYS.size))


def test_every_metric_equals_pytesmo(pairs):
    x, y = pairs
    found = metrics(x, y, DAYS, once())
    for site in range(len(x)):
        both = np.isfinite(x[site]) & np.isfinite(y[site])
        a, b = x[site, both], y[site, both]
        index = pd.DatetimeIndex(DAYS[both])
        own = [calc_anomaly(pd.Series(v, index=index), window_size=35).to_numpy() for v in (a, b)]
        expected = {
            "bias": pm.bias(a, b),
            "rmsd": pm.rmsd(a, b),
            "ubrmsd": pm.ubrmsd(a, b),
            "r": pm.pearson_r(a, b),
            "spearman": pm.spearman_r(a, b),
            "anomaly_r": pm.pearson_r(*own),
            "msd_correlation": pm.mse_corr(a, b),
            "msd_variance": pm.mse_var(a, b),
            "msd_bias": pm.mse_bias(a, b),
        }
        assert set(expected) == set(METRICS)
        for name, value in expected.items():
            assert found[name][site, 0] == pytest.approx(float(value), rel=1e-9, abs=1e-12), name


def test_analytic_case():
    """A pure offset is bias alone; a pure gain splits into variance; a mirrored series has R = -1."""
    y = np.tile([0.1, 0.2, 0.3, 0.2], DAYS.size // 4 + 1)[None, : DAYS.size]
    m = metrics(y + 0.05, y, DAYS, once())
    assert [m[k][0, 0] for k in ("bias", "rmsd", "ubrmsd", "r")] == pytest.approx([0.05, 0.05, 0.0, 1.0], abs=1e-7)
    assert m["msd_bias"][0, 0] == pytest.approx(0.0025)
    m = metrics(2 * y, y, DAYS, once())
    assert m["msd_variance"][0, 0] == pytest.approx(np.var(y))
    assert m["msd_correlation"][0, 0] == pytest.approx(0.0, abs=1e-9)
    assert metrics(0.4 - y, y, DAYS, once())["r"][0, 0] == pytest.approx(-1.0)


@settings(max_examples=examples(40))
@given(st.integers(0, 10_000), st.floats(-0.3, 0.3), st.floats(0.2, 3.0))
def test_the_split_adds_up_and_offsets_change_bias_alone(seed, offset, gain):
    rng = np.random.default_rng(seed)
    y = rng.uniform(0.05, 0.45, (2, 40))
    x = gain * y + rng.normal(0, 0.03, y.shape)
    x[:, rng.random(40) < 0.2] = np.nan
    days = DAYS[:40]
    one, two = (metrics(x + shift, y, days, np.ones((1, 40))) for shift in (0.0, offset))
    parts = sum(one[f"msd_{part}"] for part in ("correlation", "variance", "bias"))
    np.testing.assert_allclose(parts, one["rmsd"] ** 2, atol=1e-12)
    np.testing.assert_allclose(two["bias"] - one["bias"], offset, atol=1e-9)
    for name in ("ubrmsd", "r", "spearman", "msd_variance"):
        np.testing.assert_allclose(two[name], one[name], atol=1e-7)


def test_drawing_a_day_twice_is_having_it_twice(pairs):
    x, y = pairs
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, (3, DAYS.size)).astype(float)
    found = moments(x, y, weights)
    for draw, counts in enumerate(weights.astype(int)):
        again = moments(np.repeat(x, counts, axis=1), np.repeat(y, counts, axis=1), np.ones((1, counts.sum())))
        for name in ("n", "mean_x", "mean_y", "var_x", "var_y", "cov", "msd"):
            np.testing.assert_allclose(getattr(found, name)[:, draw], getattr(again, name)[:, 0], rtol=1e-9)


def test_nothing_is_said_of_too_few_pairs_or_of_what_does_not_vary():
    y = np.full((2, 10), np.nan)
    y[0, :2], y[1] = 0.2, 0.3
    x = np.tile(np.linspace(0.1, 0.3, 10), (2, 1))
    m = moments(x, y, np.ones((1, 10)))
    assert np.isnan(m.msd[0, 0])
    assert np.isfinite(m.msd[1, 0])
    assert np.isnan(correlation(m)).all()
    drawn_once = np.zeros((1, 10))
    drawn_once[0, 3] = 10.0
    assert np.isnan(moments(x, y, drawn_once).msd).all()  # ten times the same day


def test_ranks_have_ties_in_the_middle_and_gaps_left_out():
    np.testing.assert_array_equal(ranks(np.array([[0.3, np.nan, 0.1, 0.1]])), [[3.0, np.nan, 1.5, 1.5]])


def test_a_period_shorter_than_the_window_has_no_anomaly():
    assert np.isnan(anomalies(np.ones((1, 20)), DAYS[:20])).all()


def test_a_value_beside_a_gap_has_no_anomaly_and_neither_has_a_site_with_a_short_period():
    """A lonely pair is its own mean: its anomaly would be nothing in product and station alike."""
    x = np.full((2, DAYS.size), np.nan)
    x[0, :100] = np.sin(np.arange(100))
    x[0, 200] = 0.4
    x[0, [300, 305, 310, 315, 320]] = 0.1, 0.2, 0.3, 0.2, 0.2
    x[1, 50:80] = 0.3
    found = anomalies(x, DAYS)
    assert np.isfinite(found[0, :100]).all()
    assert np.isnan(found[0, 200])
    np.testing.assert_allclose(found[0, 310], 0.1)  # five in its window
    assert np.isnan(found[0, 300])  # four: from 300 to 315
    assert np.isnan(found[1]).all()


def test_the_downscaling_gain_of_known_slopes_correlations_and_biases(pairs):
    """The formula of Merlin et al. (2015) written out at one site, and its ends: perfect 1, spoiled -1, alike 0."""
    x, y = pairs
    worse = 0.7 * x + 0.1 + 0.02 * np.random.default_rng(9).standard_normal(x.shape)
    fine, coarse = (moments(v, y, once()) for v in (x, worse))
    gain = downscaling_gain(fine, coarse)
    both = np.isfinite(x[0]) & np.isfinite(y[0])

    def distances(v):
        slope = np.polyfit(y[0, both], v[0, both], 1)[0]
        r = np.corrcoef(v[0, both], y[0, both])[0, 1]
        return np.array([abs(1 - slope), abs(1 - r), abs(np.mean(v[0, both] - y[0, both]))])

    f, c = distances(x), distances(worse)
    assert gain[0, 0] == pytest.approx(np.mean((c - f) / (c + f)), rel=1e-6)
    truth = moments(y, y, once())
    np.testing.assert_allclose(downscaling_gain(truth, coarse), 1.0, atol=1e-6)
    np.testing.assert_allclose(downscaling_gain(coarse, truth), -1.0, atol=1e-6)
    np.testing.assert_allclose(downscaling_gain(coarse, coarse), 0.0)


def test_the_moving_mean_equals_pytesmo_s_where_days_are_missing(pairs):
    """Day for day, also beside gaps longer than the window and where fewer than the least pairs stand in it."""
    x = pairs[0].copy()
    x[:, 100:150] = np.nan
    x[1, 150:400] = np.where(np.arange(250) % 9 == 0, x[1, 150:400], np.nan)
    found = anomalies(x, DAYS)
    for site, series in enumerate(x):
        known = np.isfinite(series)
        own = pd.Series(series[known], index=pd.DatetimeIndex(DAYS[known]))
        expected = own - moving_average(own, window_size=35, min_obs=5)
        assert np.array_equal(np.isfinite(found[site, known]), np.isfinite(expected))
        np.testing.assert_allclose(found[site, known], expected, rtol=0, atol=1e-12)
        assert np.isnan(found[site, ~known]).all()
