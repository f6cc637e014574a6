"""The job and the outcome of a day: small frozen records that cross process and task boundaries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from downscaler.errors import ConfigError, PeriodError
from downscaler.sources.earthdata import Endpoints, credentials_at_hand

if TYPE_CHECKING:
    from flows.settings import Settings

Product = Literal["conserving", "analysis"]
Status = Literal["published", "current", "no-coverage", "claimed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Download:
    """How granules are brought from Earthdata: addresses, collection version, cache and its limit in bytes."""

    endpoints: Endpoints
    cache: Path
    limit: int
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class DayJob:
    """What is the same for all days of a run: where, from what, into which catalogue.

    ``granules`` names files outright; without any they are looked for in ``folder``, or with ``download`` in NASA's
    archive. A day's granule is awaited for ``latency`` hours after its end. ``force`` publishes anew even when the
    catalogue already holds the day from the same inputs. With ``climatology`` SMAP is matched to the prior's;
    ``second_source`` is the model taken for days on which SMAP has no retrieval at all. ``products`` are what is made
    of a day: that which keeps SMAP's retrievals, the analysis, or one after the other. ``model_sha256`` pins the
    model. No credential is ever part of a job.
    """

    domain: str
    prior: Path
    model: Path
    catalog: str
    granules: tuple[Path, ...] = ()
    folder: Path | None = None
    smap_product: str | None = None
    download: Download | None = None
    near_real_time: bool = False
    second_source: str | None = None
    latency: float = 50.0
    climatology: Path | None = None
    weather: Path | None = None
    matching: Literal["mean_std", "cdf"] = "mean_std"
    force: bool = False
    products: tuple[Product, ...] = ("conserving",)
    model_sha256: str | None = None

    @property
    def is_analysis(self) -> bool:
        """Whether the job's days are analyses."""
        from downscaler.product import is_analysis

        return is_analysis(self.domain)

    def each(self) -> list[DayJob]:
        """A job for each product alone: that of the analysis is published under the domain's second name."""
        from downscaler.product import ANALYSIS

        if len(self.products) == 1 and (self.products[0] == "conserving" or self.is_analysis):
            return [self]
        names = {"conserving": self.domain, "analysis": f"{ANALYSIS}{self.domain}"}
        return [replace(self, domain=names[product], products=(product,)) for product in self.products]


@dataclass(frozen=True, kw_only=True)
class DayOutcome:
    """What became of one day; ``error`` is the class and ``exit_code`` the code of what stopped it.

    A day is ``claimed`` where another run was making it, and nobody waited for that. ``product`` is what was made of
    the day, where runs of several tell of each. ``stages`` are the seconds that a
    published day took, from the observation on, by stage (``flows.days.metrics``).
    """

    date: dt.date
    status: Status
    href: str | None = None
    reason: str = ""
    error: str | None = None
    exit_code: int = 0
    seconds: float = 0.0
    product: Product = "conserving"
    stages: Mapping[str, float] = field(default_factory=dict)


def job_of(settings: Settings, granules: Sequence[Path] | None = None, *, force: bool = False) -> DayJob:
    """The job that the settings describe; raises ConfigError where a prior or model is missing."""
    if settings.prior is None:
        raise ConfigError(
            "No prior is given",
            remedy="Build one with `vadose prior build --domain NAME --source netcdf PATH --out PRIOR`, then give "
            "--prior PRIOR or set `prior` in vadose.toml. `vadose demo` shows the whole chain.",
        )
    if settings.model is None:
        raise ConfigError(
            "No model is given",
            remedy="Train one with `vadose train --prior PRIOR --out MODEL`, then give --model MODEL or set `model` in "
            "vadose.toml.",
        )
    source = _source(settings)
    return DayJob(
        domain=settings.domain,
        prior=settings.prior,
        model=settings.model,
        catalog=settings.catalog,
        granules=tuple(granules or ()),
        folder=None if source == "earthdata" else settings.granules,
        smap_product=settings.smap_product,
        download=_download(settings) if source == "earthdata" else None,
        near_real_time=settings.near_real_time,
        second_source=settings.second_source,
        latency=settings.smap_latency,
        climatology=settings.climatology,
        weather=settings.weather,
        matching=settings.matching,
        force=force,
        products=settings.products,
        model_sha256=settings.model_sha256,
    )


def _source(settings: Settings) -> str | None:
    """Where granules come from; raises ConfigError for settings that do not go together."""
    if settings.near_real_time and settings.smap_product is not None:
        raise ConfigError(
            "The near-real-time stream cannot be combined with smap_product",
            value=f"smap_product = {settings.smap_product}",
            remedy="Unset `smap_product` or `near_real_time`.",
        )
    if settings.second_source and settings.climatology is not None:
        raise ConfigError(
            "A second source cannot be combined with a SMAP climatology",
            value=f"second_source = {settings.second_source}, climatology = {settings.climatology}",
            remedy="Unset one: the climatology is of SMAP's retrievals, and would carry the model wrongly.",
        )
    if settings.smap_source or settings.granules is not None:
        return settings.smap_source or "folder"
    return "earthdata" if credentials_at_hand(settings.earthdata_login) else None


def _download(settings: Settings) -> Download:
    return Download(
        endpoints=Endpoints(
            cmr=settings.earthdata_cmr, login=settings.earthdata_login, timeout=settings.earthdata_timeout
        ),
        cache=settings.cache,
        limit=int(settings.cache_limit * 1e9),
        version=settings.smap_version,
    )


def days_between(start: dt.date, end: dt.date) -> list[dt.date]:
    """All days from start to end, both included; raises PeriodError when end is earlier."""
    if end < start:
        raise PeriodError("The period ends before it starts", value=f"{start} to {end}", allowed="START <= END")
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
