"""What the days of a job are made with: opened, checked against each other, and worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from downscaler.errors import ClimatologyError
from flows.day.jobs import DayJob

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain, EaseGrid
    from downscaler.ground.prior import Prior
    from downscaler.method.hybrid import Model
    from downscaler.method.matching import Matching
    from downscaler.method.seasonal import CoarseStatistics
    from downscaler.records import InputRecord


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """SMAP's climatology on the job's domain, and the matching with the prior's made from it."""

    smap: CoarseStatistics
    matching: Matching

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What shapes the numbers beside the climatology itself, and what a user has to know."""
        return {"method": self.matching.method, "climatology": self.smap.title, "notes": list(self.matching.notes)}


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Where a job's days are, and the records of what they are made with: all that tells a stale day."""

    domain: Domain
    records: tuple[InputRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Means(Basis):
    """What a job's days are made with, opened and checked against each other."""

    prior: Prior
    model: Model
    carrying: Carrying | None = None

    @property
    def matching(self) -> Matching | None:
        """SMAP into the prior's climatology, where a climatology is given."""
        return self.carrying.matching if self.carrying else None

    def require(self, grid: EaseGrid) -> None:
        """Raise ClimatologyError unless the SMAP climatology, where one is given, is of a day's grid."""
        if self.carrying and grid.name != self.carrying.smap.grid.name:
            raise ClimatologyError(
                "The SMAP climatology is of another grid than the day's granule",
                value=f"{self.carrying.smap.title}: {self.carrying.smap.grid.name}",
                allowed=grid.name,
                remedy="Build one from granules of the day's product (vadose climatology build --product NAME), or "
                "name the product to take with --smap-product.",
            )


def basis(job: DayJob) -> Basis:
    """Domain and records of a job, without loading what they are of; raises as the readers of prior and model do."""
    from downscaler import product
    from downscaler.stores.model import model_record
    from downscaler.stores.prior import open_prior

    records = [open_prior(job.prior).record(), model_record(job.model)]
    if job.climatology is not None:
        from downscaler.stores.climatology import statistics_record

        records.append(statistics_record(job.climatology))
    return Basis(domain=product.domain(job.domain), records=tuple(records))


def prepare(job: DayJob) -> Means:
    """Domain, prior, model and matching of a job; raises their typed errors before any expensive step.

    What was opened for the days before is kept, as long as nothing of it was replaced.
    """
    paths = [path for path in (job.prior, job.model, job.climatology) if path is not None]
    return _opened(job.domain, job.prior, job.model, job.climatology, job.matching, tuple(map(_state, paths)))


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a store, folder or file is replaced; nothing where it is not there."""
    files = [path, *(sorted(path.iterdir()) if path.is_dir() else ())]
    found = [file.stat() for file in files if file.exists()]
    return tuple(value for status in found for value in (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=2)
def _opened(
    domain_name: str,
    prior_path: Path,
    model_path: Path,
    climatology: Path | None,
    method: Literal["mean_std", "cdf"],
    _state: tuple[tuple[int, ...], ...],
) -> Means:
    from downscaler import product
    from downscaler.stores.model import load_model, model_record
    from downscaler.stores.prior import open_prior

    domain = product.domain(domain_name)
    prior = open_prior(prior_path)
    prior.require(domain)
    model = load_model(model_path)
    records = [prior.record(), model_record(model_path)]
    carrying = None
    if climatology is not None:
        from downscaler.stores.climatology import load_statistics, statistics_record

        smap = load_statistics(climatology).on(domain)
        records.append(statistics_record(climatology))
        pair = _Pair(records[0].sha256, records[-1].sha256, domain, method, prior, smap)
        carrying = Carrying(smap=smap, matching=_matched(pair))
    return Means(domain=domain, prior=prior, model=model, records=tuple(records), carrying=carrying)


@dataclass(frozen=True)
class _Pair:
    """A prior and a SMAP climatology, known by their checksums."""

    prior_sha256: str
    smap_sha256: str
    domain: Domain
    method: Literal["mean_std", "cdf"]
    prior: Prior = field(compare=False, repr=False)
    smap: CoarseStatistics = field(compare=False, repr=False)


@lru_cache(maxsize=2)
def _matched(pair: _Pair) -> Matching:
    """The matching of a pair; it takes a pass over the prior's whole record, so a job makes it once in a process."""
    from downscaler.method.coarse_prior import prior_statistics
    from downscaler.method.matching import match

    return match(pair.method, pair.smap, prior_statistics(pair.prior, pair.smap.grid).on(pair.domain))
