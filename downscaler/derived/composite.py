"""The mean of a period's days, weighted by their error variance, with an uncertainty that knows errors are correlated.

The days of a pixel are x_i with error standard deviations s_i. With weights w_i = s_i^-2 / sum s^-2 the mean is
sum w_i x_i, and its error variance sum_ij w_i w_j s_i s_j rho(|t_i - t_j|): with independent errors that is the usual
1 / sum s^-2, with errors that never change it hardly falls below a day's own (Taylor, 1997, An Introduction to Error
Analysis, eq. 9.9, for weighted means of correlated values).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from downscaler import product
from downscaler.ground.blocks import Floats
from downscaler.product import Flag

_LEAST = 1e-4  # m3 m-3, the step of stored uncertainties: one of 0 would weigh infinitely
_STRIP = 128  # rows that are worked on at once: what is made of them stays in the processor's cache
_SHARE = 0.5  # of the days that must bear a flag for the mean to bear it


@dataclass(frozen=True, kw_only=True)
class ErrorMemory:
    """Autocorrelation of errors after ``lag`` days: lasting + (1 - lasting) exp(-lag / days)."""

    lasting: float
    days: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.lasting <= 1.0 and self.days > 0.0):
            raise ValueError(f"no autocorrelation: lasting {self.lasting} (0 to 1), days {self.days} (above 0)")

    @classmethod
    def of(cls, domain_name: str) -> ErrorMemory:
        """That of a domain's days: of analyses, which carry errors on, or of SMAP-conserving ones."""
        lasting, days = product.ERROR_MEMORY["analysis" if product.is_analysis(domain_name) else "conserving"]
        return cls(lasting=lasting, days=days)

    def rho(self, lag: float) -> float:
        """Correlation of the errors of two days that lie ``lag`` days apart."""
        return float(self.lasting + (1.0 - self.lasting) * np.exp(-lag / self.days))


def composite(
    theta: Floats,
    sigma: Floats,
    flags: NDArray[np.integer],
    times: Sequence[int],
    memory: ErrorMemory,
) -> dict[str, NDArray[np.generic]]:
    """The rasters of ``product.COMPOSITE_VARIABLES`` from a period's days.

    Args:
        theta: soil moisture [day, y, x], m3 m-3; NaN where a day has no value.
        sigma: its standard uncertainty [day, y, x], m3 m-3.
        flags: its quality flags [day, y, x].
        times: number of each day, rising; gaps count as lags.
        memory: autocorrelation of the errors.

    Returns:
        By name, [y, x]: NaN (0 days, flag FILL) where no day has a value.
    """
    strips = [slice(top, top + _STRIP) for top in range(0, max(theta.shape[1], 1), _STRIP)]
    parts = [_composite(theta[:, rows], sigma[:, rows], flags[:, rows], times, memory) for rows in strips]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _composite(
    theta: Floats, sigma: Floats, flags: NDArray[np.integer], times: Sequence[int], memory: ErrorMemory
) -> dict[str, NDArray[np.generic]]:
    """``composite`` of some rows."""
    known = np.isfinite(theta)
    count = known.sum(axis=0)
    deviation = np.where(np.isnan(sigma), product.THETA_MAX, np.maximum(sigma, _LEAST))
    weights = known / (deviation * deviation)
    total = weights.sum(axis=0)
    weights /= np.where(total > 0, total, 1.0)
    values = np.where(known, theta, 0.0)
    mean = (weights * values).sum(axis=0)
    values -= mean
    spread = np.sqrt((weights * values * values).sum(axis=0))
    error = np.sqrt(error_variance(weights * deviation, times, memory))
    none = count == 0
    reach = NormalDist().inv_cdf(0.5 + product.INTERVAL / 2) * error

    def shown(field: Floats) -> Floats:
        return np.asarray(np.where(none, np.nan, np.clip(field, product.THETA_MIN, product.THETA_MAX)))

    return {
        "soil_moisture": shown(mean),
        "uncertainty": shown(error),
        "lower": shown(mean - reach),
        "upper": shown(mean + reach),
        "quality_flag": common_flags(flags, known),
        "days": count.astype(np.float64),
        "spread": shown(spread),
    }


def error_variance(parts: Floats, times: Sequence[int], memory: ErrorMemory) -> Floats:
    """Variance of a weighted sum whose errors are correlated in time: sum_ij u_i u_j rho(|t_i - t_j|), u = w s.

    One pass over the days, as the exponential part carries on from day to day.

    Args:
        parts: weight times error standard deviation [day, ...], 0 where a day does not count.
        times: number of each day, rising.
        memory: autocorrelation of the errors.
    """
    fading, carried = np.zeros(parts.shape[1:]), np.zeros(parts.shape[1:])
    for number, part in enumerate(parts):
        if number:
            carried = carried * np.exp(-(times[number] - times[number - 1]) / memory.days)
        fading += part * (part + 2.0 * carried)
        carried = carried + part
    return np.asarray(memory.lasting * parts.sum(axis=0) ** 2 + (1.0 - memory.lasting) * fading)


def common_flags(flags: NDArray[np.integer], known: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Flags [y, x] that at least half of the days with a value bear; FILL where no day has one."""
    count = known.sum(axis=0)
    result = np.zeros(count.shape, np.uint16)
    present = int(np.bitwise_or.reduce(flags, axis=None))  # most flags are nowhere in a window
    for flag in Flag:
        if flag is not Flag.FILL and present & flag:
            bearing = (((flags & flag.value) != 0) & known).sum(axis=0)
            result |= np.where((count > 0) & (bearing >= _SHARE * count), flag.value, 0).astype(np.uint16)
    return np.where(count > 0, result, np.uint16(Flag.FILL.value))


def error_autocorrelation(errors: Floats, most: int) -> list[float]:
    """Autocorrelation of errors by lag 0 to ``most``, over all pixels.

    Args:
        errors: standardised errors [day, ...] of consecutive days, (value - truth) / uncertainty; NaN where unknown.
        most: longest lag, days.

    Returns:
        mean(e_t e_t+lag) / mean(e^2), about zero mean (a lasting bias of a pixel is an error too); NaN for a lag
        without pairs.
    """
    found = []
    for lag in range(most + 1):
        early, late = errors[: len(errors) - lag], errors[lag:]
        both = np.isfinite(early) & np.isfinite(late)
        if not both.any():
            found.append(float("nan"))
            continue
        a, b = early[both], late[both]
        found.append(float((a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean())))
    return found
