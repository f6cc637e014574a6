"""Siting of stations: a propensity per cell, given or fitted to a real network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from downscaler.errors import ConfigError
from downscaler.ground.blocks import Floats
from downscaler.playground.place import Index

COVARIATES = ("elevation", "slope", "topographic_wetness", "stream_distance", "forest")
LEAST_STATIONS = 10  # to learn a propensity from
_BACKGROUND = 250_000  # cells that stand for all of a large domain
_CLASSES = frozenset({"forest"})


@dataclass(frozen=True, kw_only=True)
class Propensity:
    """Log-odds of a station by covariate, per standard deviation over the domain (``forest``: of being forest).

    ``origin`` says where the coefficients come from.
    """

    coefficients: Mapping[str, float]
    origin: str = "given"

    def weights(self, covariates: Mapping[str, Floats]) -> Floats:
        """Relative probability of a station in each cell [cells], summing to 1; covariates not at hand count nothing.

        Raises:
            ConfigError: a coefficient of an unknown covariate.
        """
        unknown = [name for name in self.coefficients if name not in COVARIATES]
        if unknown:
            raise ConfigError("The propensity names an unknown covariate", value=", ".join(unknown), allowed=COVARIATES)
        size = len(next(iter(covariates.values()))) if covariates else 0
        log_odds = np.zeros(size)
        for name, coefficient in self.coefficients.items():
            if name in covariates:
                log_odds += coefficient * _standard(name, covariates[name])
        odds = np.exp(log_odds - log_odds.max(initial=-np.inf))
        weights: Floats = odds / odds.sum()
        return weights


GIVEN = Propensity(
    coefficients={"slope": -1.5, "elevation": -1.0, "stream_distance": -0.5, "forest": -1.5},
    origin="given: level, low and open ground near the valleys, as siting guides ask for (WMO-No. 8; NOAA's guide of "
    "the U.S. Climate Reference Network); signs are theirs, sizes are assumed",
)


def fit_propensity(covariates: Mapping[str, Floats], stations: Index) -> Propensity:
    """The propensity by which the cells of real stations differ from the domain.

    Logistic regression of presence against all cells as background, ridge penalty 1: its slopes estimate those of
    the log intensity of the stations (Fithian & Hastie 2013, doi:10.1214/13-AOAS667).

    Args:
        covariates: [cells] by name.
        stations: cells of the real stations.

    Raises:
        ConfigError: fewer than ``LEAST_STATIONS`` stations.
    """
    if len(stations) < LEAST_STATIONS:
        raise ConfigError(
            "Too few stations to estimate their siting",
            value=len(stations),
            allowed=f"at least {LEAST_STATIONS} in the domain",
            remedy="Give a propensity instead (--propensity FILE).",
        )
    names = [name for name in COVARIATES if name in covariates]
    columns = {name: _standard(name, covariates[name]) for name in names}
    present = np.stack([column[stations] for column in columns.values()], axis=1)
    every = -(-len(columns[names[0]]) // _BACKGROUND)
    table = np.stack([column[every // 2 :: every] for column in columns.values()], axis=1)
    rows = np.concatenate([present, table])
    real = np.concatenate([np.ones(len(stations)), np.zeros(len(table))])
    # background rows share the weight of the presences times 100: rare events, whose odds are their intensity
    weight = np.where(real > 0, 1.0, 100.0 * len(stations) / len(table))
    slopes = LogisticRegression(C=1.0, max_iter=1000).fit(rows, real, sample_weight=weight).coef_[0]
    coefficients = {name: float(slope) for name, slope in zip(names, slopes, strict=True)}
    return Propensity(coefficients=coefficients, origin=f"fitted to {len(stations)} real stations in the domain")


def _standard(name: str, values: Floats) -> Floats:
    deviation = values.std()
    standard: Floats = values if name in _CLASSES or deviation == 0 else (values - values.mean()) / deviation
    return standard
