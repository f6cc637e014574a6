"""What happens in time: flash drought, days since a percentile was last above or below, and scores of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats

PENTAD = 5
FLASH_FROM, FLASH_TO, FLASH_PENTADS = 0.40, 0.20, 4


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
        raise ValueError(f"flash drought needs {PENTAD * (FLASH_PENTADS + 1)} days, got {len(percentiles)}")
    before = means[-1 - FLASH_PENTADS : -1]
    high = np.where(np.isfinite(before), before, -1.0).max(axis=0)
    return np.asarray((means[-1] <= FLASH_TO) & (high >= FLASH_FROM))


def flash_drought_probability(ensemble: Floats) -> Floats:
    """Share of an ensemble's members in which the last day ends a flash drought: [member, day, ...] to [...].

    A member is a series of percentiles whose values' errors are drawn with their memory (``error_series``).
    """
    return np.asarray(np.mean([flash_drought(member) for member in ensemble], axis=0))


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


def days_since(percentiles: Floats, threshold: float, *, above: bool) -> Floats:
    """Days since the percentile was last above (or below) a threshold: [day, ...] to [...]; 0 where it is today.

    NaN where it never was; unknown days count as days, not as crossings.
    """
    met = (percentiles > threshold) if above else (percentiles < threshold)
    back = np.argmax(met[::-1], axis=0)
    return np.asarray(np.where(met.any(axis=0), back, np.nan))


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
