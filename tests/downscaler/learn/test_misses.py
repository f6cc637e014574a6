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
    )


def test_errors_told_too_small_are_inflated_and_intervals_widened() -> None:
    right, short = Misses([normal(1, 0.02, 0.02)]), Misses([normal(2, 0.03, 0.02)])
    assert right.applied(Memory()).inflation == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(np.array(right.applied(Memory()).stretch), 1.645, rtol=0.12)
    assert short.applied(Memory()).inflation == pytest.approx(1.5, rel=0.03)
    np.testing.assert_allclose(np.array(short.applied(Memory()).stretch), 1.5 * 1.645, rtol=0.12)


def test_ends_are_found_apart() -> None:
    day = normal(3, 0.02, 0.02)
    shifted = Misses([Judged(**{**vars(day), "fine": day.fine + 0.02})])
    below, above = np.array(shifted.applied(Memory()).stretch)
    assert (below > 2.2).all()  # estimates too high reach down
    assert (above < 1.0).all()


def test_what_is_expected_is_judged_with_the_other_fifths() -> None:
    misses = Misses([normal(seed, 0.02, 0.02) for seed in range(4)] + [normal(9, 0.04, 0.02)])
    found = expected(misses, Memory())
    assert found["days"] == 5
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean([0.02**2] * 4 + [0.04**2])), rel=0.03)
    # four fifths alike, told wider for the fifth's sake; the fifth itself is missed by the others' factors
    assert 0.85 < found["coverage_90"] < 0.93
    assert len(found["coverage_of_classes"]) == 3
    assert expected(Misses(), Memory()) == {}


def test_without_errors_nothing_changes() -> None:
    assert Misses().applied(Memory(amplitude=0.5)) == Memory(amplitude=0.5)


def test_days_of_a_record_are_judged_by_the_others(chain) -> None:
    window = chain.prior.domain.window()
    data: xr.Dataset = chain.prior.window(chain.prior.domain, window.relative_to(window)).load()
    days = list(judged(data, M09, Memory(), 20, np.random.default_rng(0)))
    if data.sizes["time"] < 90:
        assert days == []
        return
    assert 10 <= len(days) <= 25
    misses = Misses(days)
    memory = misses.applied(Memory())
    size = np.concatenate([day.fine / np.hypot(day.told, memory.inflation * day.carried) for day in days])
    assert 0.85 < np.mean(size < np.mean(memory.stretch[0])) < 1.0
