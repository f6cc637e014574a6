"""How 1 km cells follow their SMAP cell: slopes found again, block means kept, errors of the size that was made."""

import numpy as np
import pytest

from downscaler.ground.blocks import block_mean, spread_blocks
from downscaler.ground.grid import M09
from downscaler.method.coarse.response import (
    SLOW_DAYS,
    Moves,
    fifths,
    left,
    response_names,
    responses,
    running_mean,
    slow_weights,
)

NOW, SLOW, ERROR = response_names(M09)
DAYS = np.arange(300)


def record(noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A record [300, 36, 36] whose cells have known slopes that block by block add up to (1, 0)."""
    rng = np.random.default_rng(seed)
    now, slow = rng.uniform(0.5, 1.5, (36, 36)), rng.uniform(-0.8, 0.8, (36, 36))
    everywhere = np.ones((36, 36), bool)
    now += 1.0 - spread_blocks(block_mean(now, everywhere, 9), 9)
    slow -= spread_blocks(block_mean(slow, everywhere, 9), 9)
    coarse = np.zeros((len(DAYS), 4, 4))
    for day in DAYS[1:]:
        coarse[day] = 0.9 * coarse[day - 1] + rng.normal(0, 0.01, (4, 4))
    coarse -= coarse.mean(axis=0)
    late = spread_blocks(running_mean(coarse, DAYS), 9)
    theta = rng.uniform(0.1, 0.3, (36, 36)) + now * spread_blocks(coarse, 9) + slow * late
    made = rng.normal(0, noise, theta.shape) if noise else np.zeros(theta.shape)
    made -= spread_blocks(block_mean(made, everywhere, 9), 9)
    return theta + made, now, slow


def test_slopes_are_found_again_and_keep_block_means() -> None:
    theta, now, slow = record(0.0)
    active = np.ones((36, 36), bool)
    found = responses(theta, DAYS, active)
    assert np.abs(found[NOW] - now).mean() < 0.1  # ridge draws them to (1, 0)
    assert np.corrcoef(found[SLOW].ravel(), slow.ravel())[0, 1] > 0.98
    np.testing.assert_allclose(block_mean(found[NOW], active, 9), 1.0, atol=1e-5)
    np.testing.assert_allclose(block_mean(found[SLOW], active, 9), 0.0, atol=1e-5)


def test_the_error_is_that_of_pieces_not_seen() -> None:
    theta, _, _ = record(0.02)
    found = responses(theta, DAYS, np.ones((36, 36), bool))[ERROR]
    assert np.sqrt((found**2).mean()) == pytest.approx(0.02, rel=0.15)


def test_cells_that_are_not_active_are_left_out() -> None:
    theta, _, _ = record(0.0)
    active = np.ones((36, 36), bool)
    active[:9, :12] = False
    theta[:, ~active] = np.nan
    found = responses(theta, DAYS, active)
    for values in found.values():
        assert np.isnan(values[~active]).all()
    assert np.isfinite(found[NOW][active]).all()


def test_a_short_record_and_empty_ground_tell_nothing() -> None:
    theta, _, _ = record(0.0)
    assert np.isnan(responses(theta[:40], DAYS[:40], np.ones((36, 36), bool))[NOW]).all()
    assert np.isnan(responses(theta, DAYS, np.zeros((36, 36), bool))[SLOW]).all()


def test_a_cell_whose_block_never_moves_follows_it() -> None:
    theta = np.full((100, 36, 36), 0.2)
    active = np.ones((36, 36), bool)
    coarse = block_mean(theta, active, 9)
    _, now, slow = Moves.of(coarse, DAYS[:100], active, 9, np.arange(100)).fit(theta[:, active])
    np.testing.assert_allclose(now, 1.0, atol=1e-6)
    np.testing.assert_allclose(slow, 0.0, atol=1e-6)


def test_the_running_mean_forgets_as_its_weights_do_and_passes_over_gaps() -> None:
    values = np.random.default_rng(1).normal(0, 1, (400, 2))
    weights = slow_weights(400)
    np.testing.assert_allclose(running_mean(values, np.arange(400))[-1], weights @ values[::-1], atol=1e-4)
    jump = np.array([[0.0], [1.0], [np.nan]])
    made = running_mean(jump, np.array([0, 6, 9]))
    np.testing.assert_allclose(made[:, 0], [0.0, 1 - np.exp(-6 / SLOW_DAYS), 1 - np.exp(-6 / SLOW_DAYS)])


def test_cells_a_few_at_a_time_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    theta, _, _ = record(0.01)
    active = np.random.default_rng(3).random((36, 36)) > 0.2
    fine, coarse = theta[:, active], block_mean(theta, active, 9)
    moves, pieces = Moves.of(coarse, DAYS, active, 9, DAYS[:250]), fifths(coarse, DAYS, active, 9)
    whole = [*moves.fit(fine), left(fine, pieces)]
    monkeypatch.setattr("downscaler.method.coarse.response._AT_ONCE", 90 * len(DAYS))
    rest = fine[:, 400:]
    for every, part in zip(whole, [*moves.fit(rest, 400), left(rest, pieces, 400)], strict=True):
        np.testing.assert_allclose(part, every[400:], rtol=1e-12)
