"""Percentiles and classes against slow twins, and class probabilities against a truth that is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, norm

from downscaler.derived.composite import ErrorMemory
from downscaler.derived.drought import (
    days_since,
    error_series,
    flash_drought,
    flash_drought_probability,
    pentads,
    reliability,
)
from downscaler.derived.percentile import (
    DROUGHT,
    WET,
    Reference,
    archive_share,
    join,
    percentile,
    quantiles,
    sampling_table,
    standing,
)


@given(seed=st.integers(0, 10_000), members=st.integers(1, 12))
def test_a_percentile_counts_what_lies_below(seed: int, members: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (members, 2)) / 10.0
    values[rng.random(values.shape) < 0.2] = np.nan
    weights, value = rng.uniform(0.1, 1, members), rng.integers(0, 6, 2) / 10.0
    found = percentile(value, Reference(values=values, weights=weights, years=1.0))
    for pixel in range(2):
        pairs = [(w, v) for w, v in zip(weights, values[:, pixel], strict=True) if np.isfinite(v)]
        if not pairs:
            assert np.isnan(found[pixel])
            continue
        below = sum(w for w, v in pairs if v < value[pixel]) + sum(w for w, v in pairs if v == value[pixel]) / 2
        assert found[pixel] == pytest.approx(below / sum(w for w, _ in pairs))


def test_classes_and_interval_are_those_of_a_simulation() -> None:
    rng, years = np.random.default_rng(1), 6.0
    reference = Reference(values=rng.uniform(0.1, 0.4, (300, 1)), weights=np.full(300, 1 / 300), years=years)
    value, sigma = np.array([0.16]), np.array([0.02])
    found = standing(value, sigma, reference)
    n, draws = reference.independent, value + 0.02 * rng.standard_normal(40_000)
    shares = percentile(draws[:, None], reference)[:, 0]
    truths = beta.rvs(n * shares + 0.5, n * (1 - shares) + 0.5, random_state=rng)
    for name, (low, high) in (DROUGHT | WET).items():
        assert found.classes[name][0] == pytest.approx(float(((truths > low) & (truths <= high)).mean()), abs=0.01)
    assert found.lower[0] == pytest.approx(float(np.quantile(truths, 0.05)), abs=0.015)
    assert found.upper[0] == pytest.approx(float(np.quantile(truths, 0.95)), abs=0.015)
    assert 0.0 < found.percentile[0] < 0.4


def test_three_years_do_not_know_the_lowest_class() -> None:
    values = np.linspace(0.1, 0.4, 93)[:, None]
    short, long = (Reference(values=values, weights=np.full(93, 1 / 93), years=years) for years in (3.0, 60.0))
    at = standing(np.array([0.1]), np.array([0.001]), short), standing(np.array([0.1]), np.array([0.001]), long)
    assert at[0].upper[0] > 0.2 > at[1].upper[0]
    assert at[0].classes["D4"][0] < 0.7 < 0.85 < at[1].classes["D4"][0]


def test_the_archive_takes_over_as_it_grows() -> None:
    rng = np.random.default_rng(2)
    truth, prior = rng.normal(0.25, 0.05, (900, 4)), rng.normal(0.15, 0.02, (900, 4))
    sigma = np.full(truth.shape, 0.03)
    shrunken = 0.25 + (truth - 0.25) * np.sqrt(0.05**2 - 0.03**2) / 0.05
    alone = join(shrunken[:0], sigma[:0], 0.0, prior, 3.0)
    assert (archive_share(0), archive_share(5), archive_share(20)) == (0.0, 0.5, 1.0)
    np.testing.assert_array_equal(alone.values, prior)
    half = join(shrunken, sigma, 5.0, prior, 3.0)
    assert half.weights[:900].sum() == pytest.approx(0.5) == half.weights[900:].sum()
    assert half.years == 4.0
    for part in (half.values[:900], half.values[900:]):
        assert part.mean(axis=0) == pytest.approx(np.full(4, 0.25), abs=0.01)
        assert part.std(axis=0) == pytest.approx(np.full(4, 0.05), abs=0.005)
    whole = join(shrunken, sigma, 12.0, prior, 3.0)
    assert whole.weights[900:].sum() == 0.0


def test_an_unknown_value_has_no_class() -> None:
    reference = Reference(values=np.ones((3, 2)), weights=np.full(3, 1 / 3), years=1.0)
    found = standing(np.array([np.nan, 1.0]), np.array([0.1, 0.1]), reference)
    assert np.isnan(found.percentile[0])
    assert np.isnan(found.lower[0])
    assert np.isnan(found.classes["D1"][0])
    assert found.percentile[1] == 0.5


def test_class_probabilities_are_reliable_and_better_than_their_frequency() -> None:
    """Truth is drawn from a climatology of which a few years are seen; estimates are its posterior means."""
    rng, pixels, spread, noise, years = np.random.default_rng(7), 12_000, 0.05, 0.025, 8
    share = spread**2 / (spread**2 + noise**2)
    sigma = np.full(pixels, np.sqrt(share) * noise)

    def estimate(truth):
        return 0.25 + share * (truth - 0.25 + noise * rng.standard_normal(truth.shape))

    truth = rng.normal(0.25, spread, pixels)
    seen = rng.normal(0.25, spread, (2 * years, pixels))  # two independent values a season
    prior = rng.normal(0.18, 0.03, (2 * years, pixels))
    reference = join(estimate(seen), np.broadcast_to(sigma, seen.shape), years, prior, years)
    found = standing(estimate(truth), sigma, reference)
    true_percentile = norm.cdf((truth - 0.25) / spread)
    dry = sum(found.classes[name] for name in ("D1", "D2", "D3", "D4"))
    scores = reliability(dry, true_percentile <= 0.20)
    assert np.abs(scores.forecast - scores.observed).max() < 0.07
    assert scores.skill > 0.4
    inside = (true_percentile >= found.lower) & (true_percentile <= found.upper)
    assert 0.86 < inside.mean() < 0.96
    severe = reliability(found.classes["D3"] + found.classes["D4"], true_percentile <= 0.05)
    assert np.abs(severe.forecast - severe.observed).max() < 0.09
    assert severe.skill > 0.1


def test_brier_scores_of_sure_and_of_idle_forecasts() -> None:
    happened = np.arange(100) < 30
    assert reliability(happened.astype(float), happened).skill == 1.0
    assert reliability(np.full(100, 0.3), happened).skill == pytest.approx(0.0)


def test_flash_drought_falls_from_forty_to_twenty_in_twenty_days() -> None:
    level = np.repeat([0.5, 0.45, 0.38, 0.30, 0.25, 0.18], 5)  # pentads: 0.45 lies four before the last
    assert flash_drought(level)
    assert not flash_drought(np.repeat([0.6, 0.39, 0.38, 0.30, 0.25, 0.18], 5)), "0.6 was 25 days before"
    assert not flash_drought(np.repeat([0.5, 0.45, 0.38, 0.30, 0.25, 0.21], 5))
    with pytest.raises(ValueError, match="25 days"):
        flash_drought(level[:24])
    assert np.isnan(pentads(np.array([0.1, 0.1, np.nan, np.nan, np.nan]))[0])


@given(seed=st.integers(0, 10_000), members=st.integers(1, 12), share=st.floats(0.01, 0.99))
def test_quantiles_are_the_percentiles_read_the_other_way(seed: int, members: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.uniform(0.1, 0.4, (members, 2)), rng.uniform(0.1, 1, members)
    values[1:][rng.random((members - 1, 2)) < 0.2] = np.nan
    (found,) = quantiles(Reference(values=values, weights=weights, years=1.0), np.array([share]))
    for pixel in range(2):
        pairs = sorted((v, w) for w, v in zip(weights, values[:, pixel], strict=True) if np.isfinite(v))
        below = np.cumsum([w for _, w in pairs]) / sum(w for _, w in pairs)
        assert found[pixel] == next(v for (v, _), b in zip(pairs, below, strict=True) if b >= share * (1 - 1e-12))


def test_a_flash_drought_is_as_likely_as_in_a_simulation() -> None:
    """Errors and climatology are drawn day by day, and each draw is judged by the definition itself."""
    rng, memory, years = np.random.default_rng(3), ErrorMemory(lasting=0.5, days=4.0), 20.0
    reference = Reference(values=np.linspace(0.1, 0.4, 301)[:, None], weights=np.full(301, 1 / 301), years=years)
    level = 0.1 + 0.3 * np.repeat([0.46, 0.40, 0.34, 0.26, 0.20], 5)[:, None]
    sigma = np.full(level.shape, 0.02)
    found = flash_drought_probability(level, sigma, reference, reference, memory)
    errors = error_series(sigma, memory.lasting, memory.days, 4000, seed=5)[..., 0]
    table = sampling_table(reference.independent)
    hits = 0
    for error in errors:
        doubt = rng.random()
        edges = {q: np.interp(doubt, table[::-1, round(200 * q)], np.linspace(1, 0, 201)) for q in (0.2, 0.4)}
        means = (level[:, 0] + error).reshape(5, 5).mean(axis=1)
        hits += means[-1] <= 0.1 + 0.3 * edges[0.2] and means[:-1].max() >= 0.1 + 0.3 * edges[0.4]
    assert found[0] == pytest.approx(hits / 4000, abs=0.05)
    assert 0.1 < found[0] < 0.9
    sure = flash_drought_probability(0.1 + 0.3 * np.repeat([0.9, 0.8, 0.6, 0.3, 0.02], 5)[:, None], sigma / 50,
                                     reference, reference, memory)  # fmt: skip
    assert sure[0] == 1.0
    level[-5:-2] = np.nan
    assert np.isnan(flash_drought_probability(level, sigma, reference, reference, memory)[0]), "two days are no mean"
    with pytest.raises(ValueError, match="25 days"):
        flash_drought_probability(level[1:], sigma[1:], reference, reference, memory)


def test_flash_drought_probabilities_are_reliable_and_better_than_their_frequency() -> None:
    """Best estimates fall or not over 25 days; the truth is off them by errors that last."""
    rng, pixels, memory = np.random.default_rng(11), 4000, ErrorMemory(lasting=0.5, days=4.0)
    seen = rng.normal(0.25, 0.05, (60, pixels))
    reference = Reference(values=seen, weights=np.full(60, 1 / 60), years=60 / (31 / 15))
    start, fall = rng.uniform(0.24, 0.30, pixels), rng.uniform(-0.01, 0.11, pixels)
    analysis = start - fall * np.linspace(0, 1, 25)[:, None]
    sigma = np.full(analysis.shape, 0.015)
    truth = analysis + error_series(sigma, memory.lasting, memory.days, 1, seed=2)[0]
    happened = flash_drought(norm.cdf((truth - 0.25) / 0.05))
    scores = reliability(flash_drought_probability(analysis, sigma, reference, reference, memory), happened, bins=5)
    assert 0.05 < happened.mean() < 0.5
    assert scores.skill > 0.4
    assert np.abs(scores.forecast - scores.observed).max() < 0.08


def test_errors_have_their_memory() -> None:
    errors = error_series(np.full((6, 2000), 0.1), lasting=0.3, days=2.0, members=4, seed=1)
    assert errors.std() == pytest.approx(0.1, rel=0.03)
    lagged = float((errors[:, 0] * errors[:, 3]).mean() / (errors**2).mean())
    assert lagged == pytest.approx(0.3 + 0.7 * np.exp(-1.5), abs=0.04)


def test_days_since() -> None:
    met = np.array([[True, False, False], [False, False, False], [False, False, True]])
    np.testing.assert_array_equal(days_since(met), [2, 3, 0])
