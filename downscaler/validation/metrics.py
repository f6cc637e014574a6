"""Metrics of pairs at many sites and for all bootstrap draws at once, from weighted sums.

Every metric is a function of weighted means of 1, x, y, x², y² and xy, so a draw of days is a product of matrices.
``pytesmo`` has the same metrics for one series at a time; tests hold the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
ANOMALY_WINDOW = 35  # days
LEAST_IN_WINDOW = 5  # pairs in it, as Albergel et al. (2009, doi:10.5194/hess-13-115-2009) ask for
LEAST = 3  # pairs, below which no metric is given
METRICS: dict[str, str] = {
    "bias": "mean of product minus station, m3 m-3",
    "rmsd": "root mean square difference, m3 m-3",
    "ubrmsd": "the same after the bias is taken off, m3 m-3",
    "r": "Pearson's correlation in time",
    "spearman": "Spearman's rank correlation in time",
    "anomaly_r": f"correlation of what a {ANOMALY_WINDOW}-day moving mean leaves, of longer periods",
    "msd_correlation": "part of the mean square difference from lacking correlation, m6 m-6",
    "msd_variance": "part from unequal standard deviations, m6 m-6",
    "msd_bias": "part from unequal means, m6 m-6",
}
UNITS = {name: text.rsplit(", ", 1)[1] if ", m" in text else "" for name, text in METRICS.items()}
Metrics = dict[str, Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Weighted sums of pairs: all arrays [sites, draws]."""

    n: Floats
    mean_x: Floats
    mean_y: Floats
    var_x: Floats
    var_y: Floats
    cov: Floats
    msd: Floats


def moments(x: Floats, y: Floats, weights: Floats) -> Moments:
    """Moments of the pairs in which both are finite.

    Deviations are taken from each site's own mean first, so that nothing is lost to rounding.

    Args:
        x: product [sites, days], m3 m-3.
        y: stations [sites, days], m3 m-3.
        weights: of the days [draws, days].

    Returns:
        [sites, draws], NaN with fewer than ``LEAST`` pairs or distinct days; population variances (divided by n), as
        the split of the mean square difference has them.
    """
    both = np.isfinite(x) & np.isfinite(y)
    count = np.maximum(both.sum(axis=1, keepdims=True), 1)
    u, v = (np.where(both, f, 0.0) for f in (x, y))
    at_x, at_y = u.sum(axis=1, keepdims=True) / count, v.sum(axis=1, keepdims=True) / count
    u, v = np.where(both, u - at_x, 0.0), np.where(both, v - at_y, 0.0)
    present = both.astype(float)
    n, su, sv, suu, svv, suv = (term @ weights.T for term in (present, u, v, u * u, v * v, u * v))
    distinct = present @ (weights > 0).T.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        good = np.where((n >= LEAST) & (distinct >= LEAST), n, np.nan)
        mu, mv = su / good, sv / good
        vx, vy = np.maximum(suu / good - mu**2, 0.0), np.maximum(svv / good - mv**2, 0.0)
        cov = suv / good - mu * mv
        bias = mu + at_x - mv - at_y
        msd = np.maximum(vx + vy - 2 * cov, 0.0) + bias**2
    return Moments(n=n, mean_x=mu + at_x, mean_y=mv + at_y, var_x=vx, var_y=vy, cov=cov, msd=msd)


def correlation(m: Moments) -> Floats:
    """Pearson's R [sites, draws]; NaN where either does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(m.var_x * m.var_y)
        return np.asarray(np.where(spread > 1e-15, np.clip(m.cov / spread, -1.0, 1.0), np.nan))


def metrics(x: Floats, y: Floats, days: NDArray[np.datetime64], weights: Floats) -> Metrics:
    """All of ``METRICS`` at every site for every draw, each [sites, draws].

    bias = mean(x) - mean(y); ubRMSD = sqrt(MSD - bias^2); MSD = 2 sx sy (1 - R) + (sx - sy)^2 + (mx - my)^2 (Gupta et
    al. 2009, doi:10.1016/j.jhydrol.2009.08.003). Ranks and anomalies are made once from all pairs, then drawn.

    Args:
        x: product [sites, days], m3 m-3, NaN where there is none.
        y: stations [sites, days], m3 m-3.
        days: dates of the columns [days].
        weights: of the days [draws, days]; the first row is ones.
    """
    m = moments(x, y, weights)
    r = correlation(m)
    sx, sy, bias = np.sqrt(m.var_x), np.sqrt(m.var_y), m.mean_x - m.mean_y
    pair = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(pair, x, np.nan), np.where(pair, y, np.nan)
    return {
        "bias": bias,
        "rmsd": np.sqrt(m.msd),
        "ubrmsd": np.sqrt(np.maximum(m.msd - bias**2, 0.0)),
        "r": r,
        "spearman": correlation(moments(ranks(x), ranks(y), weights)),
        "anomaly_r": correlation(moments(anomalies(x, days), anomalies(y, days), weights)),
        "msd_correlation": 2 * sx * sy * (1 - np.where(np.isnan(r) & np.isfinite(m.msd), 0.0, r)),
        "msd_variance": (sx - sy) ** 2,
        "msd_bias": bias**2,
    }


def ranks(x: Floats) -> Floats:
    """Ranks along days, ties averaged, NaN where NaN [sites, days]."""
    return np.asarray(np.where(np.isfinite(x), rankdata(x, axis=1, nan_policy="omit"), np.nan))


def anomalies(x: Floats, days: NDArray[np.datetime64]) -> Floats:
    """What is left of each series after its 35-day moving mean is taken off [sites, days].

    NaN where fewer than ``LEAST_IN_WINDOW`` pairs stand in the window: beside a gap a value is its own mean, and its
    anomaly nothing. All NaN where a site's pairs span less than the window: the mean would be the period's own.
    """
    left = np.full(x.shape, np.nan)
    index = pd.DatetimeIndex(days)
    for site, series in enumerate(x):
        known = np.flatnonzero(np.isfinite(series))
        if known.size >= LEAST and (index[known[-1]] - index[known[0]]).days >= ANOMALY_WINDOW:
            own = pd.Series(series[known], index=index[known])
            near = own.rolling(f"{ANOMALY_WINDOW}D", center=True, closed="both", min_periods=LEAST_IN_WINDOW)
            left[site, known] = (own - near.mean()).to_numpy()
    return left


def downscaling_gain(fine: Moments, coarse: Moments) -> Floats:
    """Merlin's gain of downscaling at every site for every draw [sites, draws], -1 to 1, positive where it helps.

    Mean of the relative gains in efficiency, |1 - S| with S the slope of the regression on the station, in precision,
    |1 - R|, and in accuracy, |bias|: (coarse - fine) / (coarse + fine) of each.

    Source: Merlin et al. (2015, doi:10.3390/rs70403783).
    """
    parts = []
    for f, c in zip(_distances(fine), _distances(coarse), strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(np.where(c + f > 0, (c - f) / (c + f), np.where(np.isfinite(c + f), 0.0, np.nan)))
    return np.asarray(np.mean(parts, axis=0))


def _distances(m: Moments) -> tuple[Floats, Floats, Floats]:
    """How far slope, correlation and bias are from their ideals."""
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(m.var_y > 1e-15, m.cov / m.var_y, np.nan)
    return np.abs(1.0 - slope), np.abs(1.0 - correlation(m)), np.abs(m.mean_x - m.mean_y)
