"""Errors of a season not seen: white ones are those of every day, levels that wander make a season worse."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from downscaler.ground.blocks import block_mean
from downscaler.learn.calibration import elsewhere, quantile
from downscaler.learn.lasting import kept_days, lasting_error, widened

RATIO, DAYS = 4, 200


@pytest.mark.parametrize(("drift", "low", "high"), [(0.0, 0.95, 1.15), (0.05, 3.0, 5.0)])
def test_errors_of_fifths_are_white_ones_and_what_levels_drift(drift: float, low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    active = np.ones((3 * RATIO, 3 * RATIO), bool)
    wave = 0.2 + 0.03 * np.sin(np.arange(DAYS) / 9.0)[:, None]
    slow = np.sin(np.arange(DAYS)[:, None] * 2 * np.pi / DAYS + rng.uniform(0, 2 * np.pi, active.sum()))
    fine = wave + 0.01 * rng.standard_normal((DAYS, active.sum())) + drift * slow
    coarse = block_mean(fine.reshape(DAYS, *active.shape), active, RATIO)
    kept = list(kept_days(fine, coarse, np.arange(DAYS), active, RATIO, 100))
    assert {day.fold for day in kept} == {0, 1, 2, 3, 4}
    assert low <= lasting_error(kept) / (norm.ppf(0.95) * 0.01) <= high
    assert lasting_error([]) == 0.0


def test_a_fold_not_seen_is_given_what_the_mean_may_be_short_of() -> None:
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 1.5, 2.0, 2.5])
    sizes = np.abs(np.concatenate([scale * rng.standard_normal(20_000) for scale in scales]))
    fold = np.repeat(np.arange(4), 20_000)
    wanted = norm.ppf(0.95) * (scales.mean() + t.ppf(0.9, 3) * scales.std(ddof=1) / 2)
    assert elsewhere(sizes, fold) == pytest.approx(wanted, rel=0.02)
    assert elsewhere(sizes[:20_000], fold[:20_000]) == quantile(sizes[:20_000], 0.9)


def test_an_interval_is_widened_by_what_fifths_err_more_and_never_narrowed(chain) -> None:
    branch = replace(next(iter(chain.model.branches.values())), stretch=(1.2, 1.2))
    wider, told = widened(branch, {"within_90": 0.02}, 0.03)
    np.testing.assert_allclose(wider.stretch, 1.8)
    assert told["lasting"] == 1.5
    assert widened(branch, {"within_90": 0.02}, 0.01)[0].stretch == branch.stretch
    assert widened(branch, {"within_90": 0.0}, 0.01)[0].stretch == branch.stretch
