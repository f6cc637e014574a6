"""Skill over stations: averages with intervals, and the headline, paired differences at the same stations and days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import ValidationError
from downscaler.skill.interval import Interval, interval
from downscaler.validation.bootstrap import BOOTSTRAPS, Draws, make_draws
from downscaler.validation.matchups import PRIOR, PRODUCT, SMAP, Matchups
from downscaler.validation.metrics import METRICS, Metrics, downscaling_gain, metrics, moments

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MIN_PAIRS = 20
GAINS: dict[str, str] = {
    "rmsd": "root mean square difference of the baseline less that of the product, m3 m-3",
    "ubrmsd": "the same without bias, m3 m-3",
    "abs_bias": "size of the baseline's bias less that of the product's, m3 m-3",
    "r": "correlation of the product less that of the baseline",
    "spearman": "rank correlation of the product less that of the baseline",
    "anomaly_r": "anomaly correlation of the product less that of the baseline",
    "merlin": "downscaling gain of Merlin et al. (2015), -1 to 1",
}
"""Differences, positive where the product is better."""
SHARES = ("rmsd", "ubrmsd", "r")
_LOWER_IS_BETTER = ("rmsd", "ubrmsd")


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """Estimates judged at the same pairs with the same draws.

    Attributes:
        estimates: by name [sites, days], m3 m-3; one of them ``product``.
        stations: [sites, days], m3 m-3.
        pairs: which count [sites, days].
        days: dates of the columns.
        draws: of days and sites.
        min_pairs: sites with fewer are no part of averages.
    """

    estimates: Mapping[str, Floats]
    stations: Floats
    pairs: Bools
    days: NDArray[np.datetime64]
    draws: Draws
    min_pairs: int = MIN_PAIRS

    @cached_property
    def enough(self) -> Bools:
        """Sites with enough pairs [sites]."""
        return np.asarray(self.pairs.sum(axis=1) >= self.min_pairs)

    @cached_property
    def truth(self) -> Floats:
        """Station values of the pairs [sites, days]."""
        return np.asarray(np.where(self.pairs, self.stations, np.nan))

    @cached_property
    def metrics(self) -> dict[str, Metrics]:
        """All metrics of all estimates [sites, 1 + draws], NaN at sites with too few pairs."""
        return {
            name: {
                metric: np.where(self.enough[:, None], values, np.nan)
                for metric, values in metrics(self._shown(name), self.truth, self.days, self.draws.days).items()
            }
            for name in self.estimates
        }

    def _shown(self, name: str) -> Floats:
        return np.asarray(np.where(self.pairs, self.estimates[name], np.nan))

    def gains(self, baseline: str) -> Metrics:
        """Paired differences of product and a baseline at each site [sites, 1 + draws], positive where it is better."""
        return self._gains[baseline]

    @cached_property
    def _gains(self) -> dict[str, Metrics]:
        return {name: self._gains_over(name) for name in self.estimates if name != PRODUCT}

    def _gains_over(self, baseline: str) -> Metrics:
        ours, theirs = self.metrics[PRODUCT], self.metrics[baseline]
        made = {name: theirs[name] - ours[name] for name in _LOWER_IS_BETTER}
        made["abs_bias"] = np.abs(theirs["bias"]) - np.abs(ours["bias"])
        made |= {name: ours[name] - theirs[name] for name in ("r", "spearman", "anomaly_r")}
        parts = [moments(self._shown(name), self.truth, self.draws.days) for name in (PRODUCT, baseline)]
        made["merlin"] = np.where(self.enough[:, None], downscaling_gain(*parts), np.nan)
        return made

    def average(self, samples: Floats, *, keep: Bools | None = None, weights: Floats | None = None) -> Interval:
        """Mean over sites with its interval.

        Args:
            samples: at each site [sites, 1 + draws], NaN where unknown.
            keep: sites of a stratum [sites]; all by default.
            weights: of the sites [sites]; alike by default.
        """
        count = self.draws.sites.T * (1.0 if weights is None else weights[:, None])
        use = np.isfinite(samples) & (True if keep is None else keep[:, None])
        count = np.where(use, count, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(use, samples, 0.0) * count
            made = mean.sum(axis=0) / count.sum(axis=0)
        return interval(made, self.units(use[:, 0]))

    def units(self, sites: Bools) -> float:
        """Independent units behind a mean over sites [sites]: blocks of days or networks (stations), the fewest.

        Of a single network, or station, there is nothing to draw but days.
        """
        drawn = np.unique(self.draws.unit[sites]).size
        return min(self.draws.blocks, drawn) if drawn > 1 else self.draws.blocks

    def share(self, gain: Floats, *, keep: Bools | None = None) -> Interval:
        """Share of sites that the product improves; its interval is over sites alone."""
        better = np.where(np.isfinite(gain[:, :1]), gain[:, :1] > 0, np.nan)
        return self.average(np.broadcast_to(better, gain.shape), keep=keep)

    def averages(self, *, keep: Bools | None = None, weights: Floats | None = None) -> dict[str, dict[str, Interval]]:
        """All metrics of all estimates, averaged over sites."""
        return {
            name: {metric: self.average(values[metric], keep=keep, weights=weights) for metric in METRICS}
            for name, values in self.metrics.items()
        }

    def average_gains(
        self, baseline: str, *, keep: Bools | None = None, weights: Floats | None = None
    ) -> dict[str, Interval]:
        """All paired differences against a baseline averaged over sites, and shares of sites improved."""
        gains = self.gains(baseline)
        made = {name: self.average(gains[name], keep=keep, weights=weights) for name in GAINS}
        return made | {f"share_{name}": self.share(gains[name], keep=keep) for name in SHARES}


def contest(
    matchups: Matchups,
    *,
    min_pairs: int = MIN_PAIRS,
    seed: int = 0,
    count: int = BOOTSTRAPS,
) -> Contest:
    """Product, SMAP and prior at their common pairs.

    Args:
        matchups: all sites.
        min_pairs: pairs that a site needs to count in averages.
        seed: of the bootstrap.
        count: its draws.

    Raises:
        ValidationError: no site has enough pairs.
    """
    pairs = matchups.pairs
    enough = pairs.sum(axis=1) >= min_pairs
    if not enough.any():
        most = int(pairs.sum(axis=1).max(initial=0))
        raise ValidationError(
            "No station has enough pairs with the product",
            value=f"{most} pairs at most, {len(matchups.sites)} sites, {len(matchups.dates)} days",
            allowed=f"{min_pairs} or more at one site",
            remedy="Publish more days, give more stations, or lower --min-pairs.",
        )
    errors = np.where(pairs, matchups.estimates[PRODUCT] - matchups.stations, np.nan)
    # stations of two networks in one cell are drawn with the first: apart they would count as a third network
    networks = np.array([site.network.partition("+")[0] for site in matchups.sites])
    draws = make_draws(errors[enough], networks[enough], count=count, seed=seed)
    spread = np.ones((len(draws.sites), len(networks)))  # sites that do not count are drawn once, to no effect
    spread[:, enough] = draws.sites
    unit = np.zeros(len(networks), np.intp)
    unit[enough] = draws.unit
    return Contest(
        estimates={name: matchups.estimates[name] for name in (PRODUCT, SMAP, PRIOR) if name in matchups.estimates},
        stations=matchups.stations,
        pairs=pairs,
        days=matchups.days,
        draws=replace(draws, sites=spread, unit=unit),
        min_pairs=min_pairs,
    )


def together(held: Contest, others: Mapping[str, Floats]) -> Contest:
    """All products at the pairs that every one of them has, with the same draws: one scorecard."""
    common = np.isfinite(np.stack(list(others.values()))).all(axis=0)
    return Contest(
        estimates={**held.estimates, **others},
        stations=held.stations,
        pairs=held.pairs & common,
        days=held.days,
        draws=held.draws,
        min_pairs=held.min_pairs,
    )


def within(held: Contest, where: Bools) -> Contest:
    """The same contest on a part of its pairs [sites, days], with the same draws."""
    return Contest(
        estimates=held.estimates,
        stations=held.stations,
        pairs=held.pairs & where,
        days=held.days,
        draws=held.draws,
        min_pairs=held.min_pairs,
    )


def against(held: Contest, name: str, values: Floats) -> Contest:
    """Product, SMAP and another product at the pairs that this one has too, with the same draws."""
    return Contest(
        estimates={PRODUCT: held.estimates[PRODUCT], SMAP: held.estimates[SMAP], name: values},
        stations=held.stations,
        pairs=held.pairs & np.isfinite(values),
        days=held.days,
        draws=held.draws,
        min_pairs=held.min_pairs,
    )
