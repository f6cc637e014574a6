"""Matched rain: as many wet days and as much rain as the prior has, from sources that are known to err."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler.method.weather.rain_matching import LEAST_DAYS, RATIOS, REGION, WET, RainMatching, RainTally

SHAPE = (36, 36)


def season(days: int, shape: tuple[int, int] = SHAPE, wet: float = 0.3, seed: int = 1) -> np.ndarray:
    """Rain of a prior: dry cells and days, and showers of 1 mm and more; a mean of 3 mm on wet ones."""
    rng = np.random.default_rng(seed)
    amount = 1.0 + rng.exponential(2.0, (days, *shape))
    return np.where(rng.random((days, *shape)) < wet, amount, 0.0)


def drizzling(rain: np.ndarray, factor: float, seed: int = 2) -> np.ndarray:
    """A source of the same showers times a factor, with a drizzle of 0.1 to 0.4 mm on half of the dry days."""
    rng = np.random.default_rng(seed)
    drizzle = np.where(rng.random(rain.shape) < 0.5, rng.uniform(0.1, 0.4, rain.shape), 0.0)
    return np.where(rain > 0, factor * rain, drizzle)


def fitted(source: np.ndarray, prior: np.ndarray, month: int = 7) -> RainMatching:
    tally = RainTally(prior.shape[1:])
    for fallen, own in zip(source, prior, strict=True):
        tally.add(month, fallen, own)
    return tally.fit()


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
def test_a_drizzling_source_gets_the_priors_wet_days_and_amounts(factor: float) -> None:
    prior = season(200)
    source = drizzling(prior, factor)
    found = fitted(source, prior)
    assert 0.4 <= found.threshold[6, 0, 0] <= 0.62  # above all drizzle, below the least shower of 0.6 mm
    assert found.wet_source[6, 0, 0] == pytest.approx(0.65, abs=0.01)
    assert found.wet_prior[6, 0, 0] == pytest.approx(0.30, abs=0.01)
    assert found.ratio[6, 0, 0] == pytest.approx(1 / factor, rel=1e-3)
    made = np.stack([found.apply(day, 7) for day in source])
    assert (made >= WET).mean() == pytest.approx((prior >= WET).mean(), abs=0.005)
    assert made.mean() == pytest.approx(prior.mean(), rel=2e-3)
    assert np.abs(made - prior).max() < 0.01 * prior.max()  # one factor throughout: the very field comes back


def test_the_same_record_is_left_as_it_is() -> None:
    prior = season(60)
    found = fitted(prior, prior)
    assert (found.threshold[6] == 0).all()
    assert np.allclose(found.apply(prior[5], 7), prior[5], rtol=1e-5)


def test_months_and_regions_without_both_records_are_untouched() -> None:
    shape = (36, 2 * REGION)
    prior = season(LEAST_DAYS, shape)
    prior[:, :, REGION:] = np.nan
    source = 2.0 * np.nan_to_num(prior, nan=5.0)
    found = fitted(source, prior)
    assert found.covers(7)
    assert not found.covers(8)
    assert np.isnan(found.ratio[6, 0, 1])
    made = found.apply(source[0], 7)
    assert np.allclose(made[:, :REGION], prior[0][:, :REGION], atol=1e-4)
    assert np.array_equal(made[:, REGION:], source[0][:, REGION:].astype(np.float32))
    assert np.array_equal(found.apply(source[0], 8), source[0].astype(np.float32))
    few = fitted(source[:-1], prior[:-1])
    assert not few.covers(7)


def test_a_month_of_few_days_leans_on_the_year() -> None:
    """Twin: the weighted mean written out, for one region and two months."""
    tally, rng = RainTally(SHAPE), np.random.default_rng(4)
    sums = {}
    for month, days, factor in ((1, 200, 1.0), (7, LEAST_DAYS, 2.0)):
        source = 1.0 + rng.exponential(2.0, (days, *SHAPE))
        for day in source:
            tally.add(month, day, factor * day)
        sums[month] = (source.sum(), factor * source.sum(), days)
    found = tally.fit()
    kept, total = (sum(part[n] for part in sums.values()) for n in (0, 1))
    weight = 20.0 * kept / sum(part[2] for part in sums.values())
    year = (total + weight * total / kept) / (kept + weight)
    for month, (own_kept, own_total, _) in sums.items():
        assert found.ratio[month - 1, 0, 0] == pytest.approx((own_total + weight * year) / (own_kept + weight))
    assert 1.0 < found.ratio[6, 0, 0] < 2.0
    assert found.ratio[0, 0, 0] == pytest.approx(1.0, abs=0.03)


def test_regions_pass_into_each_other_without_a_seam() -> None:
    shape = (36, 3 * REGION)
    prior = np.full((LEAST_DAYS * 20, *shape), 6.0)
    source = prior.copy()
    source[:, :, :REGION], source[:, :, 2 * REGION :] = 3.0, 12.0
    made = fitted(source, prior).apply(np.ones(shape), 7)
    steps = np.abs(np.diff(made[0]))
    assert steps.max() < 0.01
    assert made[0, 0] == pytest.approx(2.0, abs=0.1)
    assert made[0, -1] == pytest.approx(0.5, abs=0.1)


@given(st.floats(0.0, 1.0), st.floats(0.0, 5.0), st.integers(0, 99))
def test_never_below_zero_nor_beyond_the_limits_and_gaps_stay(wet: float, factor: float, seed: int) -> None:
    prior = season(LEAST_DAYS, (36, 36), wet, seed)
    source = drizzling(prior, factor, seed)
    source[:, :3] = np.nan
    found = fitted(source, prior)
    made = found.apply(source[0], 7)
    assert np.isnan(made[:3]).all()
    assert (made[3:] >= 0).all()
    assert (made[3:] <= source[0][3:] * RATIOS[1] + 1e-4).all()
    assert (found.threshold[6] <= 2.0).all()


def test_figures_go_through_a_file() -> None:
    prior = season(LEAST_DAYS, (36, 2 * REGION))
    prior[:, :, REGION:] = np.nan
    found = fitted(drizzling(np.nan_to_num(prior), 1.3), prior)
    again = RainMatching.of(json.loads(json.dumps(found.figures())))
    assert np.allclose(again.ratio, found.ratio, atol=1e-4, equal_nan=True)
    assert np.allclose(again.threshold, found.threshold, atol=1e-4, equal_nan=True)
    assert again.shape == found.shape
