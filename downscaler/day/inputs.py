"""The inputs of a day besides its granules: prior, model and optional SMAP climatology, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from downscaler.errors import ClimatologyError
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.ground.prior import Prior
from downscaler.method.coarse_prior import prior_statistics
from downscaler.method.hybrid import Model
from downscaler.method.matching import Matching, Method, match
from downscaler.method.seasonal import CoarseStatistics
from downscaler.records import InputRecord
from downscaler.stores.weather import Weather


@dataclass(frozen=True, kw_only=True)
class Climatologies:
    """SMAP's climatology on a domain, and the matching with the prior's made from it."""

    smap: CoarseStatistics
    matching: Matching

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What shapes the numbers beside the climatology itself, and what a user has to know."""
        return {"method": self.matching.method, "climatology": self.smap.title, "notes": list(self.matching.notes)}


def matched(smap: CoarseStatistics, prior: Prior, domain: Domain, method: Method) -> Climatologies:
    """SMAP's climatology matched to the prior's on a domain; takes a pass over the prior's whole record.

    Raises ClimatologyError where the two do not fit each other.
    """
    own = prior_statistics(prior, smap.grid).on(domain)
    return Climatologies(smap=smap, matching=match(method, smap, own))


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Where days are, and the records of what they are made with: all that tells a stale day."""

    domain: Domain
    records: tuple[InputRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Inputs(Basis):
    """What days are made with, opened and checked against each other."""

    prior: Prior
    model: Model
    climatologies: Climatologies | None = None
    weather: Weather | None = None

    @property
    def matching(self) -> Matching | None:
        """SMAP into the prior's climatology, where a climatology is given."""
        return self.climatologies.matching if self.climatologies else None

    def require(self, grid: EaseGrid) -> None:
        """Raise ClimatologyError unless the SMAP climatology, where one is given, is of a day's grid."""
        if self.climatologies and grid.name != self.climatologies.smap.grid.name:
            raise ClimatologyError(
                "The SMAP climatology has another grid than the day's granule",
                value=f"{self.climatologies.smap.title}: {self.climatologies.smap.grid.name}",
                allowed=grid.name,
                remedy="Build one from granules of the day's product (vadose climatology build --product NAME), or "
                "name the product to take with --smap-product.",
            )
