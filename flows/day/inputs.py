"""What the days of a job are made with: opened, checked against each other, and worked out once in a process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flows import light
from flows.day.jobs import DayJob

if TYPE_CHECKING:
    from downscaler.day.inputs import Basis, Climatologies, Inputs
    from downscaler.ground.grid import Domain
    from downscaler.ground.prior import Prior
    from downscaler.method.seasonal import CoarseStatistics


def basis(job: DayJob) -> Basis:
    """Domain and records of a job, without loading what they are of; raises as the readers of prior and model do."""
    light.load()
    from downscaler import product
    from downscaler.day.inputs import Basis
    from downscaler.stores.model import model_record
    from downscaler.stores.prior import open_prior

    records = [open_prior(job.prior).record(), model_record(job.model)]
    if job.climatology is not None:
        from downscaler.stores.climatology import statistics_record

        records.append(statistics_record(job.climatology))
    return Basis(domain=product.domain(job.domain), records=tuple(records))


def prepare(job: DayJob) -> Inputs:
    """Domain, prior, model and matching of a job; raises their typed errors before any expensive step.

    What was opened for the days before is kept, as long as nothing of it was replaced.
    """
    light.load()
    paths = [path for path in (job.prior, job.model, job.climatology) if path is not None]
    model = job.model, job.model_sha256
    opened = _opened(job.domain, job.prior, model, job.climatology, job.matching, tuple(map(_state, paths)))
    if job.weather is None:
        return opened
    from downscaler.stores.weather import open_weather

    weather = open_weather(job.weather)  # anew each time: it grows from day to day
    weather.require(opened.domain)
    return replace(opened, weather=weather)


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a store, folder or file is replaced; nothing where it is not there."""
    files = [path, *(sorted(path.iterdir()) if path.is_dir() else ())]
    found = [file.stat() for file in files if file.exists()]
    return tuple(value for status in found for value in (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=2)
def _opened(
    domain_name: str,
    prior_path: Path,
    pinned_model: tuple[Path, str | None],
    climatology: Path | None,
    method: Literal["mean_std", "cdf"],
    _state: tuple[tuple[int, ...], ...],
) -> Inputs:
    from downscaler import product
    from downscaler.day.inputs import Inputs
    from downscaler.stores.model import load_model, model_record
    from downscaler.stores.prior import open_prior

    domain = product.domain(domain_name)
    prior = open_prior(prior_path)
    prior.require(domain)
    model = load_model(*pinned_model)
    records = [prior.record(), model_record(pinned_model[0])]
    climatologies = None
    if climatology is not None:
        from downscaler.stores.climatology import load_statistics, statistics_record

        smap = load_statistics(climatology).on(domain)
        records.append(statistics_record(climatology))
        climatologies = _matched(_Pair(records[0].sha256, records[-1].sha256, domain, method, prior, smap))
    return Inputs(domain=domain, prior=prior, model=model, records=tuple(records), climatologies=climatologies)


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
def _matched(pair: _Pair) -> Climatologies:
    """The matching of a pair; it takes a pass over the prior's whole record, so a job makes it once in a process."""
    from downscaler.day.inputs import matched

    return matched(pair.smap, pair.prior, pair.domain, pair.method)
