"""What validating analyses needs beside the analyses: SMAP's passes, and a judgement of the days between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from downscaler.errors import ValidationError
from flows.studies.validation_job import ValidationJob

if TYPE_CHECKING:
    from catalog.reading.points import PublishedDay
    from downscaler.ground.cells import Indices
    from downscaler.ground.grid import Domain
    from downscaler.ground.prior import Prior
    from downscaler.validation.matchups import Floats, ProductDays
    from downscaler.validation.sites import Site

_NOON = 719.0  # minutes after 00:00 UTC: with as many around it a UTC day


def passes_of(job: ValidationJob, domain: Domain, rows: Indices, columns: Indices) -> ProductDays | None:
    """The SMAP-conserving days of an analysis' ground at the same cells; None where the catalogue has none."""
    from catalog.reading.points import published_days, sample_days
    from downscaler import product

    ground = product.domain(domain.name.removeprefix(product.ANALYSIS))
    days = published_days(job.catalog, ground, job.period)
    return sample_days(job.catalog, ground, days, rows, columns) if days else None


def require_passes(passes: ProductDays | None, job: ValidationJob, domain: Domain) -> ProductDays:
    """The passes; raises ValidationError where there are none, since no retrieval stands beside an analysis then."""
    if passes is not None:
        return passes
    raise ValidationError(
        "The catalogue has no SMAP-conserving day beside the analyses, so SMAP's retrievals are not known",
        value=f"{job.catalog}, {domain.name}, {job.days_asked}",
        remedy="Judge the analyses alone: --every-day. Or make the others too: `products` with conserving, then "
        "vadose backfill.",
    )


def every_day(
    job: ValidationJob, domain: Domain, days: Sequence[PublishedDay], sites: Sequence[Site], prior: Prior | None
) -> dict[str, Any]:
    """Figures of analyses on every day, by age of the last retrieval, beside the last SMAP-conserving value.

    Raises:
        ValidationError: no site has enough pairs.
        CatalogError: a raster is missing or damaged.
    """
    import numpy as np

    from catalog.reading.points import sample_days, sample_interval, sample_rasters
    from downscaler import product
    from downscaler.stores.prior.points import days_at
    from downscaler.validation.every_day import judged
    from downscaler.validation.matchups import PRIOR, PRODUCT, Matchups, fit
    from downscaler.validation.sites import cells

    rows, columns = cells(sites)
    own = sample_days(job.catalog, domain, days, rows, columns)
    estimates = {PRODUCT: np.where(fit(own, between=True), own.theta, np.nan)}
    if prior is not None:
        estimates[PRIOR], _ = days_at(prior, domain, own.dates, rows, columns)
    matchups = Matchups(
        sites=tuple(sites),
        dates=own.dates,
        stations=_daily_means(job, own, sites),
        estimates=estimates,
        outside=np.zeros(own.theta.shape, bool),
        simulated=own.simulated,
    )
    (age,) = sample_rasters(job.catalog, domain, [day.keys for day in days], (product.SMAP_AGE.name,), rows, columns)
    return judged(
        matchups,
        np.where(age == product.SMAP_AGE.nodata, np.nan, age),
        sample_interval(job.catalog, domain, days, rows, columns),
        _before(passes_of(job, domain, rows, columns), own),
        min_pairs=job.min_pairs,
        seed=job.seed,
    )


def _daily_means(job: ValidationJob, own: ProductDays, sites: Sequence[Site]) -> Floats:
    """Means of the good readings of each UTC day [sites, days]; of networks of daily means the day's."""
    import numpy as np

    from downscaler.report.validation_files import READINGS
    from downscaler.sources.insitu import table
    from downscaler.validation.sites import Gathered

    noon = np.full(own.observed.shape, _NOON)
    gathered = Gathered(sites=sites, dates=own.dates, observed=noon, window=_NOON / 60)
    for series, _ in table.read(job.out / READINGS):
        if series is not None:
            gathered.add(series)
    return gathered.values()


def _before(passes: ProductDays | None, own: ProductDays) -> Floats | None:
    """The last SMAP-conserving value up to each day of the analyses [sites, days]."""
    import numpy as np

    from downscaler.validation.every_day import carried
    from downscaler.validation.matchups import fit

    if passes is None:
        return None
    dates = sorted({*passes.dates, *own.dates})
    place = {date: number for number, date in enumerate(dates)}
    values = np.full((own.theta.shape[0], len(dates)), np.nan)
    values[:, [place[date] for date in passes.dates]] = np.where(fit(passes), passes.theta, np.nan)
    made: Floats = carried(values)[:, [place[date] for date in own.dates]]
    return made
