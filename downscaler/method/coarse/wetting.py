"""How a coarse cell answers to the rain and warmth of the weeks before, in units that hold from place to place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats

DECAYS = (0.5, 0.8, 0.92, 0.97)  # d-1, of the antecedent precipitation indices (Kohler & Linsley 1951)
WARMTH_DAYS = 14  # days that air temperature is averaged over
HISTORY = 60  # days before the first day wanted that indices are begun from
_KELVIN = 10.0  # one unit of the temperature predictor
_LEAST_RAIN = 0.05  # mm day-1, mean below which a place is taken to be as dry as that


def wetting(rain: Floats, warmth: Floats | None, rain_level: Floats, warmth_level: Floats | None) -> Floats:
    """Predictors of each day [days, ..., len(DECAYS) + 1], 1; a day without weather is taken to be usual.

    The square root of each index of rain over the mean rain, and how much warmer than usual the last
    ``WARMTH_DAYS`` were, in 10 K (0 where no temperature is known).

    Args:
        rain: mm day-1 [days, ...], every day up to the last one, NaN unknown.
        warmth: air temperature, K, likewise; None where there is none.
        rain_level: mean of the record, mm day-1 [...].
        warmth_level: K [...].
    """
    level = np.maximum(np.nan_to_num(np.asarray(rain_level, np.float64)), _LEAST_RAIN)
    fallen = np.where(np.isfinite(rain), rain, level) / level
    state = np.ones((len(DECAYS), *level.shape))
    keep = np.asarray(DECAYS).reshape(-1, *([1] * level.ndim))
    made = np.zeros((len(fallen), *level.shape, len(DECAYS) + 1))
    for day, amount in enumerate(fallen):
        state = keep * state + (1.0 - keep) * np.maximum(amount, 0.0)
        made[day, ..., :-1] = np.moveaxis(np.sqrt(state), 0, -1)
    if warmth is not None and warmth_level is not None:
        excess = np.nan_to_num((np.asarray(warmth, np.float64) - warmth_level) / _KELVIN)
        total = np.cumsum(excess, axis=0)
        before = np.concatenate([np.zeros((WARMTH_DAYS, *level.shape)), total])[: len(total)]
        count = np.minimum(np.arange(1, len(total) + 1), WARMTH_DAYS).reshape(-1, *([1] * level.ndim))
        made[..., -1] = (total - before) / count
    return np.asarray(made)


def fit_answer(
    predictors: Floats, anomalies: Floats, *, ridge: float = 0.01
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and centres of the linear answer of anomalies [n] in units of their spread to predictors [n, k]."""
    centre = predictors.mean(axis=0)
    x = predictors - centre
    square = x.T @ x
    square += ridge * np.trace(square) / len(square) * np.eye(len(square))
    return np.linalg.solve(square, x.T @ anomalies), centre
