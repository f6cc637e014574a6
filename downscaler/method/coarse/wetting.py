"""How a coarse cell answers to the rain and warmth of the weeks before, in units that hold from place to place."""

from __future__ import annotations

from collections.abc import Iterator

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
    return np.stack(list(wetting_by_day(rain, warmth, rain_level, warmth_level)))


def wetting_by_day(
    rain: Floats, warmth: Floats | None, rain_level: Floats, warmth_level: Floats | None
) -> Iterator[Floats]:
    """``wetting`` one day [..., PREDICTORS] after the other, so that memory is that of a day."""
    level: Floats = np.maximum(np.nan_to_num(np.asarray(rain_level, np.float64)), _LEAST_RAIN)
    keep = np.asarray(DECAYS).reshape(-1, *([1] * level.ndim))
    nothing: Floats = np.zeros(level.shape)
    state, pack, recent = np.ones((len(DECAYS), *level.shape)), nothing, nothing
    for day, fell in enumerate(rain):
        amount: Floats = np.maximum(np.where(np.isfinite(fell), fell, level), 0.0)
        excess = nothing
        if warmth is not None and warmth_level is not None:
            air = np.where(np.isfinite(warmth[day]), warmth[day], warmth_level)
            amount, pack = thaw(amount, air, pack)
            excess = _excess(warmth[day], warmth_level)
            recent = recent + excess
            if day >= WARMTH_DAYS:
                recent = recent - _excess(warmth[day - WARMTH_DAYS], warmth_level)
        state = np.exp(np.log(keep) * _LOSS**excess) * state + (1.0 - keep) * (amount / level)
        mean = recent / min(day + 1, WARMTH_DAYS)
        yield np.moveaxis(np.concatenate([np.sqrt(state), mean[None]]), 0, -1)


def _excess(warmth: Floats, usual: Floats) -> Floats:
    """How much warmer than usual, in 10 K; 0 where that is not known."""
    return np.asarray(np.nan_to_num((np.asarray(warmth, np.float64) - usual) / _KELVIN))


def thaw(fallen: Floats, air: Floats, pack: Floats) -> tuple[Floats, Floats]:
    """A day's rain and snow melt, and the snow left (mm), from precipitation (mm), air temperature and snow before.

    Melt goes by degree-days; air is K, NaN is mild.
    """
    air = np.nan_to_num(np.asarray(air, np.float64), nan=_RAIN + _KELVIN)
    snow = fallen * np.clip((_RAIN - air) / (_RAIN - _SNOW), 0.0, 1.0)
    melt = np.minimum(pack + snow, MELT * np.maximum(air - _FREEZING, 0.0))
    return np.asarray(fallen - snow + melt), np.asarray(pack + snow - melt)


def fit_answer(
    predictors: Floats, anomalies: Floats, *, ridge: float = 0.01
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and centres of the linear answer of anomalies [n] in units of their spread to predictors [n, k]."""
    centre = predictors.mean(axis=0)
    x = predictors - centre
    square = x.T @ x
    square += ridge * np.trace(square) / len(square) * np.eye(len(square))
    return np.linalg.solve(square, x.T @ anomalies), centre
