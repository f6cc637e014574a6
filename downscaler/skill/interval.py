"""The 95 % interval of every report: one recipe, for resampled figures and for means of replicates.

Expanded percentile interval (Hesterberg 2015, doi:10.1080/00031305.2015.1089789): the percentiles of a bootstrap at
which a t interval of n - 1 degrees of freedom ends, n the independent units that were resampled, since percentiles
alone are too narrow by just that. Of a mean of independent replicates the percentiles are known without drawing: they
are the ends of Student's interval (``mean_interval``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from downscaler.errors import TrainingError

Floats = NDArray[np.float64]
LEVEL = 0.95
METHOD = "95 % expanded percentile interval (Hesterberg 2015)"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def interval(samples: Floats, units: float) -> Interval:
    """The figure itself (first sample) and its interval from the others, widened for few units.

    NaN ends with fewer than two units or no finite sample.

    Args:
        samples: [1 + B], the first of them the figure of the sample itself.
        units: independent units, blocks of days or networks, that the figure rests on.

    Example:
        >>> import numpy as np
        >>> found = interval(np.r_[1.0, np.linspace(0.0, 2.0, 1001)], units=30)
        >>> f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        '1.00 [0.04, 1.96]'
    """
    value, low, high = (float(part[0]) for part in intervals(np.asarray(samples)[None], units))
    return Interval(value=value, low=low, high=high)


def intervals(samples: Floats, units: float) -> tuple[Floats, Floats, Floats]:
    """The same of many figures at once: values, low and high ends, all [n], of samples [n, 1 + B]."""
    value, drawn = samples[:, 0], np.sort(np.where(np.isfinite(samples[:, 1:]), samples[:, 1:], np.nan), axis=1)
    known = np.isfinite(drawn).sum(axis=1)  # NaN stands last
    fit = np.isfinite(value) & (known > 0) & (units >= 2)
    if not fit.any():
        return value, np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    tail = norm.cdf(np.sqrt(units / (units - 1.0)) * t.ppf((1.0 - LEVEL) / 2.0, units - 1.0))
    ends = []
    for share in (tail, 1.0 - tail):
        at = share * np.maximum(known - 1, 0)
        below = np.floor(at).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(known - 1, 0))
        low, high = (np.take_along_axis(drawn, index[:, None], axis=1)[:, 0] for index in (below, above))
        ends.append(np.where(fit, low + (high - low) * (at - below), np.nan))
    return value, ends[0], ends[1]


def mean_interval(values: Iterable[float]) -> Interval:
    """Mean of independent replicates and its interval, without drawing; without width where they are all alike.

    A bootstrap of n replicates spreads their mean by sqrt((n - 1) / n) s / sqrt(n), so the expanded percentiles of its
    normal limit are the mean +- t s / sqrt(n), Student's. Raises TrainingError with fewer than two.
    """
    x = np.asarray(list(values), dtype=np.float64)
    if len(x) < 2:
        raise TrainingError("An interval needs replicates", value=len(x), allowed="at least 2")
    half = t.ppf(0.5 + LEVEL / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return Interval(value=float(x.mean()), low=float(x.mean() - half), high=float(x.mean() + half))


def replicates_needed(found: Interval, replicates: int, most: int = 1000) -> int | None:
    """Independent replicates whose ``mean_interval`` would leave 0 out, were mean and spread as they are.

    Args:
        found: a mean's interval.
        replicates: that it rests on.
        most: None beyond so many.
    """
    half = t.ppf(0.5 + LEVEL / 2, replicates - 1)
    spread = (found.high - found.value) * np.sqrt(replicates) / half
    counts = np.arange(2, most + 1)
    enough = t.ppf(0.5 + LEVEL / 2, counts - 1) * spread / np.sqrt(counts) < abs(found.value)
    return int(counts[enough.argmax()]) if enough.any() else None
