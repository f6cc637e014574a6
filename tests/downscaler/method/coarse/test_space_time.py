"""Space-time interpolation: exact answers of one cell, a dense twin, calibrated errors, and no seam between blocks."""

import numpy as np
import pytest

from downscaler.method.coarse.geometry import Component
from downscaler.method.coarse.observation import Observation
from downscaler.method.coarse.response import slow_weights
from downscaler.method.coarse.space_time import BLOCK, Passes, interpolate, log_likelihoods

WHITE = Observation(error=0.04, smooth_share=0.0)
ONE = (Component(share=1.0, days=10.0, km=50.0),)


def alone(value: float) -> np.ndarray:
    made = np.full((BLOCK, BLOCK), np.nan)
    made[1, 1] = value
    return made


def test_one_cell_seen_once_is_weighed_by_variance_and_age() -> None:
    spread = alone(0.05)
    made = interpolate(Passes(values=alone(0.10)[None], ages=np.array([3.0])), spread, ONE, WHITE, 9.0)
    left = np.exp(-3.0 / 10.0)
    gain = 0.05**2 * left / (0.05**2 + 0.04**2 + 1e-6)
    assert made.anomaly[1, 1] == pytest.approx(gain * 0.10)
    assert made.error[1, 1] == pytest.approx(np.sqrt(0.05**2 * (1 - left * gain)))
    assert np.isnan(made.anomaly[0, 0])


def test_without_a_pass_it_is_the_climatology_with_its_spread() -> None:
    spread = np.full((6, 7), 0.03)
    made = interpolate(Passes(values=np.empty((0, 6, 7)), ages=np.empty(0)), spread, ONE, WHITE, 9.0)
    np.testing.assert_array_equal(made.anomaly, 0.0)
    np.testing.assert_allclose(made.error, spread)


@pytest.mark.parametrize(("error", "close"), [(0.01, 1e-10), (0.03, 1e-6)])  # in double and in single precision
def test_a_block_alone_is_what_dense_linear_algebra_gives(error: float, close: float) -> None:
    rng = np.random.default_rng(2)
    ages, spread = np.array([0.0, 2.0, 5.0]), rng.uniform(0.02, 0.05, (BLOCK, BLOCK))
    seen = rng.normal(0.0, 0.04, (3, BLOCK, BLOCK))
    seen[1, :2] = np.nan
    parts = (Component(share=0.4, days=3.0, km=40.0), Component(share=0.6, days=30.0, km=200.0))
    model = Observation(error=error, smooth_share=0.6, smooth_km=60.0)
    made = interpolate(Passes(values=seen, ages=ages), spread, parts, model, 9.0)
    y, x = (axis.ravel() * 9.0 for axis in np.mgrid[:BLOCK, :BLOCK])
    away = np.hypot(y[:, None] - y, x[:, None] - x)
    use = np.isfinite(seen).reshape(3, -1)
    when, where = np.nonzero(use)
    lag = np.abs(ages[when][:, None] - ages[when])
    size = spread.ravel()
    signal = sum(p.share * np.exp(-lag / p.days) * np.exp(-away[np.ix_(where, where)] / p.km) for p in parts)
    signal = signal * np.outer(size[where], size[where])
    errors = model.smooth_variance * np.exp(-away[np.ix_(where, where)] / 60.0) * (lag == 0)
    errors += (model.white_variance + 1e-6) * np.eye(len(where))
    cross = sum(p.share * np.exp(-ages[when] / p.days) * np.exp(-away[:, where] / p.km) for p in parts)
    cross = cross * np.outer(size, size[where])
    wanted = cross @ np.linalg.solve(signal + errors, seen.reshape(3, -1)[use])
    np.testing.assert_allclose(made.anomaly.ravel(), wanted, atol=close)
    weights, past = slow_weights(150), np.arange(150)
    lagged = sum(
        p.share * (np.exp(-np.abs(ages[when][:, None] - past) / p.days) @ weights) * np.exp(-away[:, where] / p.km)
        for p in parts
    )
    lagged = lagged * np.outer(size, size[where])
    np.testing.assert_allclose(
        made.slow.ravel(), lagged @ np.linalg.solve(signal + errors, seen.reshape(3, -1)[use]), atol=close
    )
    apart = np.abs(past[:, None] - past)
    alone_slow = sum(p.share * (weights @ np.exp(-apart / p.days) @ weights) for p in parts) * size**2
    both = sum(p.share * (weights @ np.exp(-past / p.days)) for p in parts) * size**2
    gain = np.linalg.solve(signal + errors, lagged.T)
    np.testing.assert_allclose(made.slow_error.ravel() ** 2, alone_slow - (lagged * gain.T).sum(axis=1), atol=close)
    np.testing.assert_allclose(made.joint.ravel(), both - (cross * gain.T).sum(axis=1), atol=close)


def drawn(seed: int, shape: tuple[int, int], days: int) -> np.ndarray:
    """Anomalies [days, nyc, nxc] of unit spread with the memory and reach of ``ONE``."""
    rng = np.random.default_rng(seed)
    y, x = (axis.ravel() * 9.0 for axis in np.mgrid[: shape[0], : shape[1]])
    root = np.linalg.cholesky(np.exp(-np.hypot(y[:, None] - y, x[:, None] - x) / 50.0) + 1e-9 * np.eye(y.size))
    state, keep = root @ rng.standard_normal(y.size), np.exp(-1 / 10.0)
    made = []
    for _ in range(days):
        made.append(state.reshape(shape))
        state = keep * state + np.sqrt(1 - keep**2) * (root @ rng.standard_normal(y.size))
    return 0.03 * np.stack(made)


def test_errors_told_are_errors_made_and_neighbouring_blocks_agree() -> None:
    model, rng, misses, told, steps = Observation(error=0.03), np.random.default_rng(4), [], [], []
    for seed in range(12):
        truth = drawn(seed, (12, 12), 21)
        ages = np.array([0.0, 3.0, 5.0, 8.0, 10.0, 13.0])
        seen = np.stack([truth[20 - int(age)] + model.errors((12, 12), 9.0, rng) for age in ages])
        made = interpolate(Passes(values=seen, ages=ages), np.full((12, 12), 0.03), ONE, model, 9.0)
        misses.append(made.anomaly - truth[20])
        told.append(made.error)
        step = np.abs(np.diff(made.anomaly, axis=1))
        steps.append([step[:, 3::BLOCK].mean(), np.delete(step, [3, 7], axis=1).mean()])
    assert np.sqrt(np.mean(np.square(misses))) == pytest.approx(np.sqrt(np.mean(np.square(told))), rel=0.15)
    assert np.sqrt(np.mean(np.square(misses))) < 0.8 * 0.03  # it is worth more than the climatology
    across, within = np.mean(steps, axis=0)
    assert across == pytest.approx(within, rel=0.25)


def test_the_likeliest_error_is_the_one_that_was_drawn() -> None:
    rng, shape = np.random.default_rng(6), (5 * BLOCK, 5 * BLOCK)
    truth, ages = drawn(9, shape, 21), np.array([0.0, 3.0, 5.0, 8.0, 10.0])
    model = Observation(error=0.04)
    seen = np.stack([truth[20 - int(age)] + model.errors(shape, 9.0, rng) for age in ages])
    passes, spread = Passes(values=seen, ages=ages), np.full(shape, 0.03)
    errors = (0.01, 0.02, 0.04, 0.08)
    found = log_likelihoods(passes, spread, ONE, [Observation(error=e) for e in errors], 9.0)
    scores = dict(zip(errors, found, strict=True))
    assert max(scores, key=lambda e: scores[e]) == 0.04
