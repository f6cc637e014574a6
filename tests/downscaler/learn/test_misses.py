"""Factors of the analysis: normal errors have normal factors, and days of a record are judged by the others."""

import numpy as np
import pytest
import xarray as xr

from downscaler.ground.grid import M09
from downscaler.learn.judged import Judged, judged
from downscaler.learn.misses import Misses, expected
from downscaler.method.coarse.analysis import Memory


def normal(seed: int, made: float, told: float) -> Judged:
    rng = np.random.default_rng(seed)
    own, carried = np.full(3000, told), np.full(3000, 0.0)
    wet = rng.uniform(-2, 2, 3000)
    return Judged(
        fold=seed,
        coarse=rng.normal(0, made, 3000),
        coarse_told=own,
        fine=rng.normal(0, made, 3000),
        told=own,
        carried=carried,
        wet=wet,
        kept=rng.normal(0, made, 3000),
    )


def test_errors_told_too_small_are_inflated_and_intervals_widened() -> None:
    right, short = Misses([normal(1, 0.02, 0.02)]), Misses([normal(2, 0.03, 0.02)])
    assert right.applied(Memory()).inflation == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(np.array(right.applied(Memory()).stretch), 1.645, rtol=0.12)
    assert short.applied(Memory()).inflation == pytest.approx(1.5, rel=0.03)
    np.testing.assert_allclose(np.array(short.applied(Memory()).stretch), 1.5 * 1.645, rtol=0.12)


def test_both_ends_hold_what_errors_lean_to() -> None:
    day = normal(3, 0.02, 0.02)
    shifted = Misses([Judged(**{**vars(day), "fine": day.fine + 0.02})])
    below, above = np.array(shifted.applied(Memory()).stretch)
    np.testing.assert_array_equal(below, above)
    np.testing.assert_allclose(below, 2.29, rtol=0.06)  # 90 % of |N(1, 1)|


def test_fifths_that_differ_ask_for_more_than_their_days_together() -> None:
    alike = Misses([normal(seed, 0.02, 0.02) for seed in range(5)]).applied(Memory())
    apart = Misses([normal(seed, 0.01 + 0.005 * seed, 0.02) for seed in range(5)])
    pooled = np.quantile(np.abs(np.concatenate([day.fine for day in apart.days])) / 0.02, 0.9)
    assert np.mean(alike.stretch[0]) == pytest.approx(1.645, rel=0.06)
    assert np.mean(apart.applied(Memory()).stretch[0]) > 1.08 * pooled


def test_what_is_expected_is_judged_with_the_other_fifths() -> None:
    misses = Misses([normal(seed, 0.02, 0.02) for seed in range(4)] + [normal(9, 0.04, 0.02)])
    found = expected(misses, Memory())
    assert found["days"] == 5
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean([0.02**2] * 4 + [0.04**2])), rel=0.03)
    # four fifths alike, told wider for the fifth's sake; the fifth itself is missed by the others' factors
    assert 0.85 < found["coverage_90"] < 0.93
    assert len(found["coverage_of_classes"]) == 3
    assert found["within_90"] == pytest.approx(
        0.0391, rel=0.06
    )  # of a mixture of N(0, 0.02) and, in a fifth, N(0, 0.04)
    assert expected(Misses(), Memory()) == {}


def test_without_errors_nothing_changes() -> None:
    assert Misses().applied(Memory(amplitude=0.5)) == Memory(amplitude=0.5)


def test_days_of_a_record_are_judged_by_the_others(chain) -> None:
    window = chain.prior.domain.window()
    data: xr.Dataset = chain.prior.window(chain.prior.domain, window.relative_to(window)).load()
    misses = Misses()
    misses.add(judged(data, M09, Memory(), 20, np.random.default_rng(0)))
    days = misses.days
    if data.sizes["time"] < 90:
        assert days == []
        return
    assert 10 <= len(days) <= 25
    within, whole = (np.concatenate([getattr(day, name) for day in days]) for name in ("kept", "fine"))
    assert within.shape == whole.shape
    assert within.std() < whole.std()  # the coarse field is known
    memory = misses.applied(Memory())
    size = np.concatenate([day.fine / np.hypot(day.told, memory.inflation * day.carried) for day in days])
    assert 0.85 < np.mean(size < np.mean(memory.stretch[0])) < 1.0
