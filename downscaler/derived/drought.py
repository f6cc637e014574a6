"""What happens in time: flash drought, days since a percentile was last above or below, and scores of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.derived.composite import ErrorMemory, error_variance
from downscaler.derived.percentile import Reference, quantiles, sample_shares
from downscaler.ground.blocks import Floats

PENTAD = 5
FLASH_FROM, FLASH_TO, FLASH_PENTADS = 0.40, 0.20, 4
FLASH_DAYS = PENTAD * (FLASH_PENTADS + 1)
_MEMBERS, _LEVELS = 64, 8  # drawn errors, and doubts of the climatology with each


def pentads(daily: Floats) -> Floats:
    """Means of five days, counted back from the last day: [day, ...] to [pentad, ...]; an odd rest at the front goes.

    A pentad with fewer than three known days is NaN.
    """
    count = len(daily) // PENTAD
    parts = daily[len(daily) - count * PENTAD :].reshape(count, PENTAD, *daily.shape[1:])
    known = np.isfinite(parts)
    number = known.sum(axis=1)
    mean = np.where(known, parts, 0.0).sum(axis=1) / np.maximum(number, 1)
    return np.asarray(np.where(number >= 3, mean, np.nan))


def flash_drought(percentiles: Floats) -> NDArray[np.bool_]:
    """Whether the last day ends a flash drought: the percentile fell from 40 or more to 20 or less in 20 days.

    Pentad means are looked at: the last is at most the 20th percentile, and one of the four before at least the 40th.

    Args:
        percentiles: daily percentiles [day, ...], 0 to 1, of the last 25 days or more.

    Raises:
        ValueError: fewer than 25 days.

    Source: Ford and Labosier (2017), Meteorological conditions associated with the onset of flash drought in the
    Eastern United States, doi:10.1016/j.agrformet.2017.08.031.
    """
    means = pentads(percentiles)
    if len(means) <= FLASH_PENTADS:
        raise ValueError(f"flash drought needs {FLASH_DAYS} days, got {len(percentiles)}")
    before = means[-1 - FLASH_PENTADS : -1]
    high = np.where(np.isfinite(before), before, -1.0).max(axis=0)
    return np.asarray((means[-1] <= FLASH_TO) & (high >= FLASH_FROM))


def flash_drought_probability(
    theta: Floats, sigma: Floats, now: Reference, before: Reference, memory: ErrorMemory
) -> Floats:
    """Probability that the last day ends a flash drought: [day, ...] to [...], 0 to 1; NaN where it cannot be told.

    Members of an ensemble draw the errors of the five pentad means, with their memory, and how far off a climatology of
    few years may be; each member is judged by ``flash_drought``'s definition. All pixels share the members' numbers, so
    that the result does not depend on how a domain is cut into windows.

    Args:
        theta: soil moisture of the last 25 days [25, ...], m3 m-3; NaN where a day has no value.
        sigma: its standard uncertainty.
        now: climatology of the last day's season.
        before: climatology of the season of the four pentads before.
        memory: autocorrelation of the errors.

    Raises:
        ValueError: another number of days.
    """
    if len(theta) != FLASH_DAYS:
        raise ValueError(f"flash drought needs {FLASH_DAYS} days, got {len(theta)}")
    means, errors = pentads(theta), _pentad_errors(theta, sigma, memory)
    high = np.where(np.isfinite(means[:-1]), means[:-1], -np.inf)
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    low_edge = quantiles(now, sample_shares(now, FLASH_TO, levels))
    high_edge = quantiles(before, sample_shares(before, FLASH_FROM, levels))
    hits = np.zeros(theta.shape[1:])
    for draw in _draws(memory):
        drawn = draw.reshape(-1, *[1] * (theta.ndim - 1)) * errors
        last, highest = means[-1] + drawn[-1], (high + drawn[:-1]).max(axis=0)
        hits += ((last <= low_edge) & (highest >= high_edge)).sum(axis=0)
    told = np.isfinite(means[-1]) & np.isfinite(high).any(axis=0) & np.isfinite(low_edge[0] + high_edge[0])
    return np.asarray(np.where(told, hits / (_MEMBERS * _LEVELS), np.nan))


def _pentad_errors(theta: Floats, sigma: Floats, memory: ErrorMemory) -> Floats:
    """Standard deviation of each pentad mean's error [pentad, ...]; 0 where no day is known."""
    found = []
    for part in range(FLASH_PENTADS + 1):
        days = slice(part * PENTAD, (part + 1) * PENTAD)
        known = np.isfinite(theta[days])
        share = known * np.nan_to_num(sigma[days]) / np.maximum(known.sum(axis=0), 1)
        found.append(np.sqrt(error_variance(share, range(PENTAD), memory)))
    return np.stack(found)


def _draws(memory: ErrorMemory) -> Floats:
    """Standardised errors of the pentads [member, pentad]; averaging over a pentad leaves more of what lasts."""
    lags = np.abs(np.subtract.outer(np.arange(PENTAD), np.arange(PENTAD)))
    fading = (1.0 - memory.lasting) * float(np.exp(-lags / memory.days).mean())
    lasting = memory.lasting / (memory.lasting + fading) if memory.lasting + fading else 0.0
    unit = np.ones((FLASH_PENTADS + 1, 1))
    half = error_series(unit, lasting, memory.days / PENTAD, _MEMBERS // 2, seed=0)[..., 0]
    return np.concatenate([half, -half])  # in pairs, so that their mean is none


def error_series(sigma: Floats, lasting: float, days: float, members: int, seed: int) -> Floats:
    """Errors with standard deviation ``sigma`` [day, ...] and autocorrelation lasting + (1 - lasting) exp(-lag / days).

    Returns [member, day, ...]; the same seed gives the same numbers.
    """
    rng, fade = np.random.default_rng(seed), np.exp(-1.0 / days)
    shape = (members, *sigma.shape[1:])
    constant, state, found = rng.standard_normal(shape), rng.standard_normal(shape), []
    for part in sigma:
        found.append((np.sqrt(lasting) * constant + np.sqrt(1.0 - lasting) * state) * part)
        state = fade * state + np.sqrt(1.0 - fade**2) * rng.standard_normal(shape)
    return np.stack(found, axis=1)


def days_since(met: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Days since something last held: [day, ...] to [...]; 0 where it holds on the last day.

    Where it never did, the number of days.
    """
    back = np.argmax(met[::-1], axis=0)
    return np.asarray(np.where(met.any(axis=0), back, len(met)))


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Forecast probabilities against what happened.

    ``forecast`` and ``observed`` are means by bin of equal count; ``brier`` is the mean squared error, ``climatology``
    that of always forecasting the event's frequency, ``skill`` one less their ratio.
    """

    forecast: Floats
    observed: Floats
    brier: float
    climatology: float

    @property
    def skill(self) -> float:
        """Brier skill score: 1 is perfect, 0 no better than the frequency."""
        return 1.0 - self.brier / self.climatology


def reliability(probability: Floats, happened: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Reliability diagram and Brier score of probabilities [n] of an event that happened or not [n].

    Source: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, bins)
    frequency = float(happened.mean())
    return Reliability(
        forecast=np.array([probability[part].mean() for part in parts]),
        observed=np.array([happened[part].mean() for part in parts]),
        brier=float(((probability - happened) ** 2).mean()),
        climatology=frequency * (1.0 - frequency),
    )
