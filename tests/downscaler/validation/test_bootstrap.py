"""The stationary bootstrap of days and networks: what it draws, and whether its intervals hold what they say."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm, t

from downscaler.skill.interval import interval, intervals
from downscaler.validation.bootstrap import block_length, day_draws, independent_blocks, make_draws
from downscaler.validation.metrics import moments


def autocorrelated(rng, days, phi):
    """A series of unit variance whose correlation from day to day is ``phi``."""
    noise = rng.standard_normal(days + 300) * np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise)[300:]


def test_draws_are_as_many_as_there_are_days_and_the_same_for_a_seed():
    weights = day_draws(200, 6.0, count=50, seed=3)
    assert weights.shape == (51, 200)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 200).all()
    np.testing.assert_array_equal(weights, day_draws(200, 6.0, count=50, seed=3))
    assert (weights != day_draws(200, 6.0, count=50, seed=4)).any()


def test_blocks_are_runs_of_days_of_the_mean_length_asked_for():
    """In long blocks a day is followed by the next: counts of neighbours are alike; in blocks of one they are not."""
    apart, together = (day_draws(400, b, count=200, seed=0)[1:] for b in (1.0, 40.0))
    r = [np.mean([np.corrcoef(w[:-1], w[1:])[0, 1] for w in weights]) for weights in (apart, together)]
    assert abs(r[0]) < 0.05
    assert r[1] > 0.8


def test_the_block_grows_with_the_autocorrelation_and_counts_days_not_observations():
    rng = np.random.default_rng(1)
    white, red = (np.stack([autocorrelated(rng, 900, phi) for _ in range(6)]) for phi in (0.0, 0.8))
    assert block_length(white) < 8 < block_length(red)
    every_third = np.full((6, 2700), np.nan)
    every_third[:, ::3] = red
    assert block_length(every_third) == pytest.approx(3 * block_length(red), rel=0.05)
    assert block_length(np.full((2, 40), np.nan)) == 5.0  # an eighth of a period too short to ask


def test_networks_are_drawn_whole():
    errors = np.random.default_rng(0).standard_normal((12, 60))
    networks = np.repeat([f"net-{n}" for n in range(6)], 2)
    draws = make_draws(errors, networks, count=100)
    assert draws.of_networks
    assert draws.units == 6
    assert (draws.sites[:, ::2] == draws.sites[:, 1::2]).all()
    assert (draws.sites[1:, ::2].sum(axis=1) == 6).all()


def test_with_few_networks_stations_stand_in_and_it_is_said():
    errors = np.random.default_rng(0).standard_normal((12, 60))
    draws = make_draws(errors, np.repeat(["a", "b"], 6), count=100)
    assert not draws.of_networks
    assert draws.units == 12


def test_the_interval_of_normal_samples_is_students():
    """Of samples spread as sqrt((n-1)/n) s / sqrt(n), as a bootstrap of n units gives them, the ends are Student's."""
    rng, n = np.random.default_rng(2), 8
    spread = np.sqrt((n - 1) / n)
    found = interval(np.r_[0.0, spread * rng.standard_normal(400_000)], n)
    assert found.high == pytest.approx(t.ppf(0.975, n - 1), rel=0.02)
    assert found.low == pytest.approx(-t.ppf(0.975, n - 1), rel=0.02)


def test_many_intervals_are_those_of_quantiles_one_by_one():
    rng = np.random.default_rng(6)
    samples = rng.standard_normal((5, 301))
    samples[1, 1:200] = np.nan
    samples[2, 1:] = np.nan
    samples[3, 0] = np.nan
    tail = norm.cdf(np.sqrt(9 / 8) * t.ppf(0.025, 8))
    value, low, high = intervals(samples, 9)
    for row in (0, 1, 4):
        known = samples[row, 1:][np.isfinite(samples[row, 1:])]
        assert (low[row], high[row]) == pytest.approx(tuple(np.quantile(known, [tail, 1 - tail])))
        one = interval(samples[row], 9)
        assert (one.value, one.low, one.high) == (value[row], low[row], high[row])
    assert np.isnan(low[[2, 3]]).all()


def test_no_interval_without_units_or_samples():
    assert np.isnan(interval(np.arange(9.0), 1).low)
    assert np.isnan(interval(np.r_[1.0, np.full(5, np.nan)], 9).high)
    assert np.isnan(interval(np.full(9, np.nan), 9).value)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say_where_an_iid_bootstrap_does_not():
    """500 series of 2500 days with a correlation of 0.6 from day to day: bias, RMSD and ubRMSD are known."""
    days, series, phi = 2500, 500, 0.6
    truth = {"bias": 0.02, "rmsd": np.hypot(0.02, 0.04), "ubrmsd": 0.04}
    held = {kind: dict.fromkeys(truth, 0) for kind in ("blocks", "iid")}
    for number in range(series):
        rng = np.random.default_rng(1_000_000 + number)
        y = 0.25 + 0.06 * autocorrelated(rng, days, phi)
        error = 0.02 + 0.04 * autocorrelated(rng, days, phi)
        block = block_length(error[None])
        for kind, length in (("blocks", block), ("iid", 1.0)):
            m = moments((y + error)[None], y[None], day_draws(days, length, count=500, seed=number))
            bias = m.mean_x - m.mean_y
            samples = {"bias": bias, "rmsd": np.sqrt(m.msd), "ubrmsd": np.sqrt(m.msd - bias**2)}
            for name, values in samples.items():
                found = interval(values[0], independent_blocks(days, length))
                held[kind][name] += found.low <= truth[name] <= found.high
    share = {kind: {name: count / series for name, count in counts.items()} for kind, counts in held.items()}
    print(share)
    for name in truth:
        assert 0.93 <= share["blocks"][name] <= 0.97, share
        assert share["iid"][name] < 0.90, share
