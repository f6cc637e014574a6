"""How a coarse cell answers to the rain and warmth of the weeks before, in units that hold from place to place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats

# Share of the variance left on fifths of two seasons of the Upper Verde (year, eight months), rain in error as a coarse
# product's: 0.49 and 0.62 without snow, 0.35 and 0.57 with it, 0.32 and 0.54 with a loss that doubles every 10 K, 0.29
# and 0.47 with the longest index and a ridge of 0.05 (``learn.memory``).
DECAYS = (0.5, 0.8, 0.92, 0.97, 0.985)  # d-1, of the antecedent precipitation indices (Kohler & Linsley 1951)
PREDICTORS = len(DECAYS) + 1
WARMTH_DAYS = 14  # days that air temperature is averaged over
HISTORY = 60  # days before the first day wanted that indices are begun from
MELT = 2.0  # mm K-1 day-1, degree-day factor of snow at the low end of Hock (2003), doi:10.1016/S0022-1694(03)00257-9
_FREEZING, _SNOW, _RAIN = 273.15, 272.65, 274.65  # K; all falls as snow below the second, as rain above the third
_LOSS = 2.0  # loss of water in air 10 K warmer, as saturation vapour pressure
_KELVIN = 10.0  # one unit of the temperature predictor
_LEAST_RAIN = 0.05  # mm day-1, mean below which a place is taken to be as dry as that


def wetting(rain: Floats, warmth: Floats | None, rain_level: Floats, warmth_level: Floats | None) -> Floats:
    """Predictors of each day [days, ..., PREDICTORS]; a day without weather is taken to be usual.

    The square root of each index of rain and snow melt over the mean rain, lost the faster the warmer, and how much
    warmer than usual the last ``WARMTH_DAYS`` were, in 10 K (0 where no temperature is known).

    Args:
        rain: mm day-1 [days, ...], every day up to the last one, NaN unknown.
        warmth: air temperature, K, likewise; None where there is none.
        rain_level: mean of the record, mm day-1 [...].
        warmth_level: K [...].
    """
    level = np.maximum(np.nan_to_num(np.asarray(rain_level, np.float64)), _LEAST_RAIN)
    fallen = np.maximum(np.where(np.isfinite(rain), rain, level), 0.0)
    excess = np.zeros(fallen.shape)
    if warmth is not None and warmth_level is not None:
        air = np.asarray(warmth, np.float64)
        excess = np.nan_to_num((air - warmth_level) / _KELVIN)
        fallen = liquid(fallen, np.where(np.isfinite(air), air, warmth_level))
    state = np.ones((len(DECAYS), *level.shape))
    keep = np.asarray(DECAYS).reshape(-1, *([1] * level.ndim))
    made = np.zeros((len(fallen), *level.shape, PREDICTORS))
    for day, amount in enumerate(fallen / level):
        state = keep ** (_LOSS ** excess[day]) * state + (1.0 - keep) * amount
        made[day, ..., :-1] = np.moveaxis(np.sqrt(state), 0, -1)
    total = np.cumsum(excess, axis=0)
    before = np.concatenate([np.zeros((WARMTH_DAYS, *level.shape)), total])[: len(total)]
    count = np.minimum(np.arange(1, len(total) + 1), WARMTH_DAYS).reshape(-1, *([1] * level.ndim))
    made[..., -1] = (total - before) / count
    return made


def liquid(fallen: Floats, air: Floats) -> Floats:
    """Rain and snow melt, mm day-1, from precipitation (mm day-1) and air temperature (K; NaN is mild), [days, ...].

    Snow gathers from the first day on and melts by degree-days.
    """
    air = np.nan_to_num(np.asarray(air, np.float64), nan=_RAIN + _KELVIN)
    snow = fallen * np.clip((_RAIN - air) / (_RAIN - _SNOW), 0.0, 1.0)
    able = MELT * np.maximum(air - _FREEZING, 0.0)
    made = fallen - snow
    pack = np.zeros(fallen.shape[1:])
    for day in range(len(fallen)):
        pack = pack + snow[day]
        melt = np.minimum(pack, able[day])
        pack = pack - melt
        made[day] += melt
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
