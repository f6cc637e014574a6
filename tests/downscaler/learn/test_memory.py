"""What is held of a long record: the answer to weather from sums of days, quantiles from tails, strips in pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler.learn.memory import HISTORY, RIDGE, _fit, _quantiles, _sums
from downscaler.learn.samples import _of_strip
from downscaler.method.coarse.wetting import PREDICTORS, fit_answer
from downscaler.method.pattern import pattern_statistics


def test_sums_of_days_give_the_answer_of_their_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(1.0, 0.3, (HISTORY + 40, 4, 3, PREDICTORS))
    z = x @ np.linspace(-1, 1, PREDICTORS) + rng.normal(0, 0.2, x.shape[:-1])
    z[HISTORY + 3, 1], x[HISTORY + 5, 2, 2, 1] = np.nan, np.nan
    use = np.isfinite(z) & np.isfinite(x).all(axis=-1)
    use[:HISTORY] = False
    sums = _sums(x, z).sum(axis=0)
    assert sums[0, 0] == use.sum()
    weights, centre = _fit(sums)
    expected = fit_answer(x[use], z[use], ridge=RIDGE)
    np.testing.assert_allclose(weights, expected[0], rtol=1e-9)
    np.testing.assert_allclose(centre, expected[1], rtol=1e-12)
    miss = np.concatenate([[centre @ weights], -weights, [1.0]])
    assert miss @ sums @ miss == pytest.approx(((z[use] - (x[use] - centre) @ weights) ** 2).sum(), rel=1e-9)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30).filter(any))
def test_quantiles_of_counted_positions(counts: list[int]) -> None:
    shares = np.arange(1, 5) / 5
    every = np.repeat(np.arange(len(counts)), counts)
    np.testing.assert_allclose(_quantiles(np.array(counts), shares), np.quantile(every, shares), atol=1e-9)


def test_a_strip_in_pieces_has_the_statistics_of_the_whole_strip() -> None:
    rng = np.random.default_rng(5)
    theta = rng.uniform(0.05, 0.4, (30, 36, 180)).astype(np.float32)
    land = rng.random((36, 180)) > 0.1
    land[:, 72:150] = False  # a piece without land
    theta[:, ~land], theta[4, 3, np.flatnonzero(land[3])[0]] = np.nan, np.nan
    found, expected = _of_strip(theta, land), pattern_statistics(theta, land)
    for name, field in expected.items():
        np.testing.assert_array_equal(found[name], field)
