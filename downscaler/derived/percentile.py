"""Where a value lies in the climatology of its pixel and season, and the probability of each drought class.

The climatology is a sample of what the true value may be on a day of the year: the archive's days of that season, and
while the archive is short the prior's, brought to the archive's mean and variance. Two things are not known of a
percentile: the value itself (its uncertainty), and the climatology, of which a few years are at hand. Both go into its
interval and into the probability of each class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import norm

from downscaler.ground.blocks import Floats

LONG_ENOUGH = 10.0  # years of archive from which on the prior has no say
SEASON = 15  # days before and after a day of the year that count as its season
INDEPENDENT = 15.0  # days between values of a season that tell of the climatology independently
DROUGHT = {"D0": (0.20, 0.30), "D1": (0.10, 0.20), "D2": (0.05, 0.10), "D3": (0.02, 0.05), "D4": (0.0, 0.02)}
"""Percentiles of the classes of the US Drought Monitor (Svoboda et al., 2002, doi:10.1175/1520-0477-83.8.1181)."""
WET = {f"W{name[1]}": (1.0 - high, 1.0 - low) for name, (low, high) in DROUGHT.items()}
"""The same, mirrored, for the wet side."""
_ENOUGH = 10  # values of the archive that a pixel needs for its mean and variance
_NODES = 15  # of the value's distribution
_STEPS = 200  # of a percentile in the table


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The climatology of a season: sample values [n, ...] of m3 m-3, their weights [n], and its years.

    ``years`` says how many years' worth it is: 0.5 for half a year's season.
    """

    values: Floats
    weights: Floats
    years: float

    @property
    def independent(self) -> float:
        """How many independent values it is worth: each year's season tells a little more than two things."""
        return self.years * (2 * SEASON + 1) / INDEPENDENT

    @cached_property
    def ranked(self) -> tuple[Floats, Floats]:
        """Sample values of each pixel in rising order, unknown ones last, and the weight below each: [pixel, n + 1].

        The last value is infinite; its weight is all there is.
        """
        values = np.array(self.values.reshape(len(self.values), -1).T, order="C")  # a pixel's values side by side
        number, one = values.shape[1], self.weights[0]
        values[~np.isfinite(values)] = np.inf
        if (self.weights == one).all():
            values.sort(axis=1)
            known = np.isfinite(values).sum(axis=1)
            below = np.minimum(np.arange(number + 1.0), known[:, None]) * one
        else:
            order = np.argsort(values, axis=1)
            values = np.take_along_axis(values, order, axis=1)
            below = np.zeros((len(values), number + 1))
            np.cumsum(np.where(np.isfinite(values), self.weights[order], 0.0), axis=1, out=below[:, 1:])
        return np.concatenate([values, np.full((len(values), 1), np.inf, values.dtype)], axis=1), below


def archive_share(years: float) -> float:
    """How much of the climatology is the archive's: a tenth for each year, all of it from ten years on."""
    return float(min(years / LONG_ENOUGH, 1.0))


def join(archive: Floats, sigma: Floats, archive_years: float, prior: Floats, prior_years: float) -> Reference:
    """The climatology of a season from the archive and from the prior matched to it.

    A best estimate varies less than the truth: var(truth) = var(estimate) + mean(uncertainty^2). So the archive's
    departures from its mean are widened to that variance, and the prior gets the same mean and variance. Since these
    are the archive's, a longer prior does not make the climatology worth more years than the archive has. Without any
    archive the prior stands as it is.

    Args:
        archive: analysed values of the season [n, ...], m3 m-3; NaN where there is none; n may be 0.
        sigma: their standard uncertainty.
        archive_years: seasons that they are of.
        prior: the prior's values of the season [m, ...], m3 m-3.
        prior_years: seasons that these are of.
    """
    if not len(archive):
        return Reference(values=prior, weights=np.full(len(prior), 1.0 / len(prior)), years=prior_years)
    share = archive_share(archive_years)
    mean, spread, count = _moments(archive)
    noise = _moments(sigma * sigma)[0]
    enough = count >= _ENOUGH  # elsewhere the prior stands as it is
    wide = np.sqrt(spread**2 + noise)
    years = min(share * archive_years + (1.0 - share) * prior_years, archive_years)
    if share == 1.0:
        own = _scaled(archive, mean, np.where(enough, mean, np.nan), _ratio(wide, spread))
        return Reference(values=own, weights=np.full(len(archive), 1.0 / len(archive)), years=years)
    level, own_spread, _ = _moments(prior)
    wide, middle = np.where(enough, wide, own_spread), np.where(enough, mean, level)
    counts = [share / len(archive)] * len(archive) + [(1.0 - share) / len(prior)] * len(prior)
    parts = [
        _scaled(archive, mean, np.where(enough, mean, np.nan), _ratio(wide, spread)),
        _scaled(prior, level, middle, _ratio(wide, own_spread)),
    ]
    return Reference(values=np.concatenate(parts), weights=np.asarray(counts), years=years)


def _scaled(values: Floats, level: Floats, wanted: Floats, ratio: Floats) -> Floats:
    """Departures from a level times a ratio, about another level; in the values' own type."""
    kind = values.dtype.type
    return np.asarray(kind(wanted) + (values - kind(level)) * kind(ratio))


def _moments(values: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Mean, standard deviation and number of known values over the first axis; 0 where none is known."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    all_known, number = bool(known.all()), np.maximum(count, 1)
    mean = (values if all_known else np.where(known, values, 0.0)).sum(axis=0, dtype=np.float64) / number
    away = values - mean.astype(values.dtype)
    if not all_known:
        away[~known] = 0.0
    away *= away
    return mean, np.sqrt(away.sum(axis=0, dtype=np.float64) / number), count


def _ratio(wanted: Floats, present: Floats) -> Floats:
    return np.asarray(np.where(present > 0, wanted / np.where(present > 0, present, 1.0), 1.0))


def percentile(value: Floats, reference: Reference) -> Floats:
    """Share of the climatology below a value, 0 to 1, counting ties half; NaN where either is unknown.

    Args:
        value: [...] or [k, ...], m3 m-3.
        reference: with values [n, ...].
    """
    values, weights = reference.ranked
    asked = value.reshape(-1, len(values)).astype(values.dtype, copy=False)
    total = weights[:, -1]
    first = _place(values, asked, np.less)
    below = np.take_along_axis(weights, first.T, axis=1)
    if (np.take_along_axis(values, first.T, axis=1) == asked.T).any():  # a tie, which is rare
        last = _place(values, asked, np.less_equal)
        below = (below + np.take_along_axis(weights, last.T, axis=1)) / 2
    with np.errstate(invalid="ignore"):
        share = below.T / np.where(total > 0, total, 1.0)
        return np.where(np.isfinite(asked) & (total > 0), share, np.nan).reshape(value.shape)


def _place(values: Floats, asked: Floats, before: np.ufunc) -> NDArray[np.intp]:
    """How many values of each pixel [pixel, n + 1], in rising order, lie before those asked [k, pixel]."""
    rows = np.arange(len(values))
    low, high = np.zeros(asked.shape, np.intp), np.full(asked.shape, values.shape[1] - 1, np.intp)
    for _ in range(values.shape[1].bit_length()):
        middle = (low + high) // 2
        right = before(values[rows, middle], asked) & (middle < high)
        low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
    return low


def anomaly(value: Floats, reference: Reference) -> Floats:
    """Departure of a value from the climatology's mean, m3 m-3; NaN where either is unknown."""
    known = np.isfinite(reference.values)
    if known.all():
        return np.asarray(value - np.tensordot(reference.weights, reference.values, 1) / reference.weights.sum())
    values, total = np.where(known, reference.values, 0.0), np.tensordot(reference.weights, known, 1)
    mean = np.tensordot(reference.weights, values, 1) / np.where(total > 0, total, 1.0)
    return np.asarray(np.where(total > 0, value - mean, np.nan))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where values stand in their climatology, 0 to 1: the estimate, its 90 % interval, and class probabilities."""

    percentile: Floats
    lower: Floats
    upper: Floats
    classes: dict[str, Floats]


def standing(value: Floats, sigma: Floats, reference: Reference, *, interval: float = 0.9) -> Standing:
    """Percentile of a best estimate with its interval, and the probability of each drought and wet class.

    The true value is normal about the estimate. Given it lies above a share p of the sample, its percentile in the
    climatology is Beta(n p + 1/2, n (1 - p) + 1/2), with n independent values behind the sample (Jeffreys' prior;
    Brown, Cai and DasGupta, 2001, doi:10.1214/ss/1009213286). Both are put together by quadrature.

    Args:
        value: analysed soil moisture [...], m3 m-3.
        sigma: its standard uncertainty.
        reference: climatology of the pixels and season.
        interval: probability that the interval shall hold.
    """
    nodes = norm.ppf((np.arange(_NODES) + 0.5) / _NODES)
    grid = np.linspace(0.0, 1.0, _STEPS + 1)
    table = sampling_table(reference.independent)  # [share of the sample, percentile]
    found = percentile(value + nodes.reshape(-1, *[1] * value.ndim) * sigma, reference)
    missing = ~np.isfinite(found).all(axis=0)
    places = np.rint(np.nan_to_num(found) * _STEPS).astype(np.intp)
    tails = (1.0 - interval) / 2
    edges = sorted({edge for bounds in (*DROUGHT.values(), *WET.values()) for edge in bounds})
    below = {edge: table[:, int(np.rint(edge * _STEPS))][places].mean(axis=0) for edge in edges}
    classes = {name: below[high] - below[low] for name, (low, high) in (DROUGHT | WET).items()}
    lower, upper = (_quantile(table, places, grid, tail) for tail in (tails, 1.0 - tails))
    blank, estimate = np.where(missing, np.nan, 0.0), percentile(value, reference)
    return Standing(
        percentile=estimate,
        lower=np.minimum(lower + blank, estimate),  # a driest value ever seen lies at 0, its interval would not
        upper=np.maximum(upper + blank, estimate),
        classes={name: shown + blank for name, shown in classes.items()},
    )


@lru_cache(maxsize=4)
def sampling_table(independent: float) -> NDArray[np.float64]:
    """Probability that a percentile is at most q, given a share p of the sample below: [p, q] in steps of 1/200."""
    share, q = np.linspace(0.0, 1.0, _STEPS + 1)[:, None], np.linspace(0.0, 1.0, _STEPS + 1)[None, :]
    table = np.asarray(betainc(independent * share + 0.5, independent * (1.0 - share) + 0.5, q))
    table.setflags(write=False)  # it is kept: each window of a day asks for the same
    return table


def _quantile(table: Floats, places: NDArray[np.intp], grid: Floats, probability: float) -> Floats:
    """The smallest percentile of the grid that is not exceeded with a probability, by bisection over the table."""
    low, high = np.zeros(places.shape[1:], np.intp), np.full(places.shape[1:], len(grid) - 1, np.intp)
    while np.any(low < high):
        middle = (low + high) // 2
        enough = table[places, middle].mean(axis=0) >= probability
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return grid[low]


def quantiles(reference: Reference, shares: Floats) -> Floats:
    """Values of the climatology below which shares of it lie: [share, ...], m3 m-3; NaN where nothing is known.

    The inverse of ``percentile``: the smallest sample value up to which at least the share lies.

    Args:
        reference: with values [n, ...].
        shares: 0 to 1, [k].
    """
    values, weights = reference.ranked
    total = weights[:, -1]
    wanted = np.multiply.outer(shares, total * (1.0 - 1e-12))
    place = _place(weights[:, 1:], wanted, np.less)
    found = np.take_along_axis(values, place.T, axis=1).T
    return np.where(total > 0, found, np.nan).reshape(len(shares), *reference.values.shape[1:])


def sample_shares(reference: Reference, true_percentile: float, levels: Floats) -> Floats:
    """Shares of the sample below a threshold whose true percentile is known: one for each level of doubt [k].

    ``levels`` are probabilities, 0 to 1; a climatology of few years puts the threshold far off at either end. The same
    relation as in ``standing``, read the other way.
    """
    below = sampling_table(reference.independent)[:, int(np.rint(true_percentile * _STEPS))]
    return np.asarray(np.interp(levels, below[::-1], np.linspace(1.0, 0.0, _STEPS + 1)))
