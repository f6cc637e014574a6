"""Intervals for a fold not seen, of numbers that are counted, and trees' widened for a season not seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from downscaler.learn.calibration import _Counted, elsewhere, quantile
from downscaler.learn.lasting import widened


def test_a_fold_not_seen_is_given_what_the_mean_may_be_short_of() -> None:
    each = np.array([1.0, 1.5, 2.0, 2.5])
    assert elsewhere(each) == pytest.approx(1.75 + t.ppf(0.9, 3) * each.std(ddof=1) / 2)
    assert elsewhere(each[:1]) == 1.0
    assert elsewhere(np.full(5, 1.3)) == pytest.approx(1.3)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_counted_numbers_have_the_quantiles_of_numbers_that_are_kept(share: float) -> None:
    rng, counted = np.random.default_rng(1), _Counted(1e-3)
    parts = [np.abs(rng.standard_normal(n)) for n in (100, 3, 5000)]
    for part in parts:
        counted.add(part)
    wanted = quantile(np.concatenate(parts), share)
    assert counted.quantile(share) == pytest.approx(wanted, abs=3e-3)
    assert _Counted(1e-3).quantile(share) == 0.0


def test_an_interval_is_widened_by_what_fifths_err_more_and_never_narrowed(chain) -> None:
    branch = replace(next(iter(chain.model.branches.values())), stretch=(1.2, 1.2))
    wider, told = widened(branch, {"within_90": 0.02}, 0.03)
    np.testing.assert_allclose(wider.stretch, 1.8)
    assert told["lasting"] == 1.5
    assert widened(branch, {"within_90": 0.02}, 0.01)[0].stretch == branch.stretch
    assert widened(branch, {"within_90": 0.0}, 0.01)[0].stretch == branch.stretch
