"""Systematic samples: every stratum has its share, whatever is drawn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from downscaler.learn.sampling import choose_cells, choose_days, systematic

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 500), st.integers(1, 600), SEEDS)
def test_every_run_of_the_list_has_its_share(size: int, count: int, seed: int) -> None:
    order = np.arange(size)
    chosen = systematic(order, count, np.random.default_rng(seed))
    assert len(np.unique(chosen)) == len(chosen) == min(size, count)
    for start in range(0, size, 50):
        run = np.sum((chosen >= start) & (chosen < start + 50))
        assert abs(run - min(50, size - start) * min(count / size, 1.0)) <= 1.0 + 1e-9


@given(st.integers(1, 400), SEEDS)
def test_every_smap_cell_gives_its_share_of_cells(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random((36, 45)) < 0.6
    chosen = choose_cells(allowed, count, 9, rng)
    assert chosen.sum() == min(count, allowed.sum())
    assert not (chosen & ~allowed).any()
    blocks = [a.reshape(4, 9, 5, 9).sum(axis=(1, 3)) for a in (chosen, allowed)]
    assert (np.abs(blocks[0] - blocks[1] * min(count / allowed.sum(), 1.0)) <= 1.0 + 1e-9).all()


def test_every_season_and_wetness_gives_its_share_of_days() -> None:
    rng = np.random.default_rng(3)
    days = np.arange(1000, 1730)
    of_year = (days * 1) % 365
    wetness = rng.gamma(2.0, 0.1, len(days))
    chosen = choose_days(days, of_year, wetness, 80, rng)
    assert len(np.unique(chosen)) == 80
    at = chosen - 1000
    assert np.ptp(np.bincount((of_year[at] // 91.5).astype(int), minlength=4)) <= 3
    wet = wetness > np.quantile(wetness, 0.9)
    assert abs(int(wet[at].sum()) - 8) <= 4  # at most one off in each season
    assert not np.array_equal(chosen, np.sort(chosen))  # so that every other one with noise is a random half
    assert set(choose_days(days, of_year, wetness, 5000, rng)) == set(days)


def test_nothing_is_drawn_where_nothing_is_allowed() -> None:
    rng = np.random.default_rng(1)
    assert not choose_cells(np.zeros((9, 9), bool), 5, 9, rng).any()
