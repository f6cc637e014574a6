"""How fast a SMAP retrieval ages: an autoregressive error of the prior, fitted on a record with gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TrainingError

Floats = NDArray[np.floating]
MAX_LAG = 10  # days over which the decay is estimated
MINIMUM_PAIRS = 100
RATES = np.linspace(0.2, 0.995, 319)
_ERROR_FLOOR = 0.002  # m3 m-3


@dataclass(frozen=True, kw_only=True)
class Decay:
    """How fast a retrieval loses its worth: fitted by ``fit_decay``.

    ``rate`` (d, per day) is the share of a departure from the prior that is left after a day; ``prior_error`` and
    ``observation_error`` are the standard deviations of the prior's and of a retrieval's error (m3 m-3); ``pairs`` how
    many pairs of days it is estimated from.
    """

    rate: float
    prior_error: float
    observation_error: float
    pairs: int = 0

    def weight(self, age: NDArray[np.integer] | int) -> Floats:
        """Share of the departure that is left at an age in days, d^a."""
        return np.asarray(self.rate ** np.asarray(age, dtype=np.float64))

    def spread(self, age: NDArray[np.integer] | int, observation_error: Floats | float | None = None) -> Floats:
        """Standard error of a value carried forward for ``age`` days, m3 m-3."""
        squared = self.weight(age) ** 2
        error = self.observation_error if observation_error is None else observation_error
        return np.asarray(np.sqrt(np.square(error) * squared + self.prior_error**2 * (1.0 - squared)))


def fit_decay(anomalies: Floats, *, observation_error: float | None = None, max_lag: int = MAX_LAG) -> Decay:
    """Estimate the decay from a record of departures from the prior.

    The rate is the weighted least-squares fit of s^2 d^a to the covariances at lags a = 1 ... ``max_lag``. The prior's
    error then follows from how far carrying forward missed the later retrievals, so that the spread is that of real
    errors also where they are not quite such a process.

    Args:
        anomalies: coarse retrievals in the prior's climatology less the prior [time, ...], one entry a day, NaN in
            gaps, m3 m-3. All cells share one decay.
        observation_error: standard deviation of a retrieval's error, m3 m-3, 0 for a record without noise; without
            it, what the covariances do not explain of the variance (the nugget).
        max_lag: days.

    Raises:
        TrainingError: fewer than ``MINIMUM_PAIRS`` pairs of days.
    """
    series = np.asarray(anomalies, dtype=np.float64).reshape(len(anomalies), -1)
    lags = np.arange(1, min(max_lag, len(series) - 1) + 1)
    products = [_finite(series[:-lag] * series[lag:]) for lag in lags]
    count = np.array([len(pairs) for pairs in products], dtype=np.float64)
    if count.sum() < MINIMUM_PAIRS:
        raise TrainingError(
            "Too few pairs of retrievals to estimate how they age",
            value=int(count.sum()),
            allowed=f"at least {MINIMUM_PAIRS} within {max_lag} days of each other",
            remedy="Use a longer record.",
        )
    covariance = np.array([pairs.mean() if len(pairs) else 0.0 for pairs in products])
    rate, variance = _rate(lags, count, covariance)
    nugget = float(np.mean(_finite(series) ** 2)) - variance
    error = float(np.sqrt(max(nugget, 0.0))) if observation_error is None else observation_error
    return Decay(
        rate=rate,
        prior_error=_prior_error(series, lags, rate, error),
        observation_error=error,
        pairs=int(count.sum()),
    )


def departures(record: Floats, *, stretches: int = 5) -> Floats:
    """Departures of a record from its climatological level, each stretch of time less the mean of all others.

    A level that holds the very days it is compared with makes the prior look better than it will be on new days.

    Args:
        record: [time, ...], NaN in gaps.
        stretches: contiguous parts of equal length.

    Returns:
        The same shape, in the same unit, for ``fit_decay`` where a climatology made from this record is the prior.
    """
    series = np.asarray(record, dtype=np.float64)
    result = np.full(series.shape, np.nan)
    known = np.isfinite(series)
    total, count = np.where(known, series, 0.0).sum(axis=0), known.sum(axis=0)
    for part in np.array_split(np.arange(len(series)), stretches):
        others = count - known[part].sum(axis=0)
        left = total - np.where(known[part], series[part], 0.0).sum(axis=0)
        result[part] = series[part] - left / np.where(others > 0, others, np.nan)
    return result


def _finite(values: Floats) -> Floats:
    return np.asarray(values[np.isfinite(values)])


def _rate(lags: NDArray[np.integer], count: Floats, covariance: Floats) -> tuple[float, float]:
    """Rate d and variance s^2 >= 0 that fit s^2 d^a to the covariances best."""
    curves = RATES[:, None] ** lags
    variance = np.maximum((curves * covariance * count).sum(axis=1) / (curves**2 * count).sum(axis=1), 0.0)
    misfit = (count * (covariance - variance[:, None] * curves) ** 2).sum(axis=1)
    best = int(np.argmin(misfit))
    return float(RATES[best]), float(variance[best])


def _prior_error(series: Floats, lags: NDArray[np.integer], rate: float, error: float) -> float:
    """The prior's error that makes the spread of all ages together that of the errors made."""
    missed, due = 0.0, 0.0
    for lag in lags:
        left = rate ** float(lag)
        residual = _finite(series[lag:] - left * series[:-lag])
        # the later retrieval errs too
        missed += float(np.sum(residual**2)) - len(residual) * error**2 * (1.0 + left**2)
        due += len(residual) * (1.0 - left**2)
    return max(float(np.sqrt(max(missed, 0.0) / due)), _ERROR_FLOOR)
