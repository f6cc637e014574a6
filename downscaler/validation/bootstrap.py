"""Bootstrap draws for autocorrelated series: stationary blocks in time, whole networks in space."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BOOTSTRAPS = 1000
LEAST_NETWORKS = 5  # below, whole networks cannot be resampled to any purpose and stations stand in
_LEAST_SERIES = 20  # observations for a block length of its own
_STRETCH = 2.0  # of the length that is best for a variance
_SERIES = 200  # sites asked for the block length


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """The same draws for every figure, so that differences are paired.

    Attributes:
        days: how often each day is drawn [1 + B, days]; row 0 is the sample itself.
        sites: how often each site counts [1 + B, sites]; row 0 is the sample itself.
        block: mean block length, days.
        blocks: independent blocks that the period holds.
        unit: number of the network, or station, that each site is drawn with [sites].
        units: how many of them there are.
        of_networks: whether whole networks are.
    """

    days: Floats
    sites: Floats
    block: float
    blocks: float
    unit: NDArray[np.intp]
    units: int
    of_networks: bool


def block_length(errors: NDArray[np.floating]) -> float:
    """Mean block length in days for the stationary bootstrap: the median of what suits each site's series of errors.

    Twice the length that is best for a variance (Politis & White 2004, doi:10.1081/ETC-120028836; corrected by
    Patton, Politis & White 2009, doi:10.1080/07474930802459016; as in ``arch``), in observations, times the mean step
    between observations. Shorter blocks give intervals that are too narrow: of 500 series of 1500 days with a
    correlation of 0.6 from day to day, intervals of the bias held the truth in 93.6 % with once, in 95.2 % with twice
    that length, of ubRMSD in 91.8 and 94.2 % (of 500 series of 365 days with twice: 94.2 and 93.6 %). At least one
    day, at most a third of the period; a week, or an eighth of a shorter period, where no site has 20 observations.

    Args:
        errors: product minus station [sites, days], NaN where there is no pair.
    """
    days = errors.shape[1]
    known = np.isfinite(errors)
    rich = np.flatnonzero(known.sum(axis=1) >= _LEAST_SERIES)
    rich = rich[np.linspace(0, rich.size - 1, min(_SERIES, rich.size)).astype(int)] if rich.size else rich
    lengths = []
    for site in rich:
        at = np.flatnonzero(known[site])
        series = errors[site, at].astype(float)
        if np.ptp(series) > 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of series too short for the lags it would look at
                best = float(optimal_block_length(series)["stationary"].iloc[0])
            step = (at[-1] - at[0]) / (at.size - 1)
            lengths.append(_STRETCH * best * step if np.isfinite(best) else np.nan)
    found = float(np.nanmedian(lengths)) if np.isfinite(lengths).any() else min(7.0, days / 8)
    return float(np.clip(found, 1.0, max(days / 3, 1.0)))


def independent_blocks(days: int, block: float) -> float:
    """How many blocks a period holds as a day sees them.

    Lengths are geometric, so the block that a day lies in is 2 b - 1 days long on average, not b.
    """
    return days / max(2.0 * block - 1.0, 1.0)


def day_draws(days: int, block: float, *, count: int = BOOTSTRAPS, seed: int = 0) -> Floats:
    """How often each day is drawn [1 + count, days] by the stationary bootstrap; row 0 is ones.

    Politis & Romano (1994, doi:10.1080/01621459.1994.10476870): blocks of geometric length, wrapped at the end.
    Days, not pairs, are drawn, alike for all sites: what the sites share on a day stays shared.
    """
    bootstrap = StationaryBootstrap(max(1, round(block)), np.arange(days), seed=np.random.default_rng(seed))
    weights = np.ones((1 + count, days))
    for number, ((drawn,), _) in enumerate(bootstrap.bootstrap(count), start=1):
        weights[number] = np.bincount(drawn, minlength=days)
    return weights


def make_draws(
    errors: NDArray[np.floating], networks: NDArray[np.str_], *, count: int = BOOTSTRAPS, seed: int = 0
) -> Draws:
    """Draws of days and of whole networks for all figures of a validation.

    Both are drawn at once (Owen 2007, doi:10.1214/07-AOAS122), so an interval holds the chance of the period and of
    the networks. With fewer than ``LEAST_NETWORKS`` networks stations are drawn: their intervals say nothing on what
    another network would show.

    Args:
        errors: product minus station [sites, days], NaN where there is no pair.
        networks: of each site [sites].
        count: draws.
        seed: of the draws.
    """
    sites, days = errors.shape
    names, of_site = np.unique(networks, return_inverse=True)
    of_networks = names.size >= LEAST_NETWORKS
    unit = of_site if of_networks else np.arange(sites)
    units = int(unit.max()) + 1 if sites else 0
    block = block_length(errors)
    random = np.random.default_rng([seed, 1])
    drawn = random.multinomial(units, np.full(units, 1.0 / units), size=count)
    return Draws(
        days=day_draws(days, block, count=count, seed=seed),
        sites=np.vstack([np.ones(sites), drawn[:, unit]]).astype(float),
        block=block,
        blocks=independent_blocks(days, block),
        unit=np.asarray(unit, dtype=np.intp),
        units=units,
        of_networks=of_networks,
    )
