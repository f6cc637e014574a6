"""Judges a catalogue's analyses alone, on every day: no SMAP-conserving day is needed."""

from __future__ import annotations

from typing import Any

from downscaler.errors import ValidationError
from flows import console
from flows.studies.analyses import every_day
from flows.studies.validation import Tell, read_sites
from flows.studies.validation_job import ValidationJob

FILE = "every_day.json"


def validate_every_day(job: ValidationJob, tell: Tell = lambda _done, _total, _what: None) -> dict[str, Any]:
    """Judge analyses on every day against daily means of good readings, as a document that ``job.out`` gets too.

    Args:
        job: of an analysis, or of the ground that it is of; ``window``, ``compare`` and ``publish`` play no part.
        tell: called with (done, of, what).

    Raises:
        ValidationError: no analysis is published in the period, no sensor can be used, or too few pairs.
        VadoseError: the typed error of whatever input is wrong.
    """
    from catalog.reading.points import published_days
    from downscaler import product
    from downscaler.stores.prior import open_prior

    named = product.domain(job.domain)
    domain = named if product.is_analysis(named.name) else product.analysis_of(named)
    prior = None if job.prior is None else open_prior(job.prior)
    days = published_days(job.catalog, domain, job.period)
    if not days:
        raise ValidationError(
            "The catalogue has no published analysis to validate",
            value=f"{job.catalog}, {domain.name}, {job.days_asked}",
            remedy="Check --catalog, --domain, --start and --end; `vadose run` or `vadose backfill` make days.",
        )
    sites, _ = read_sites(job, domain, days, tell)
    document = every_day(job, domain, days, sites, prior) | {
        "title": domain.title,
        "period": [str(days[0].date), str(days[-1].date)],
        "simulated": any(day.simulated for day in days),
    }
    (job.out / FILE).write_text(console.as_json(document) + "\n", encoding="utf-8")
    return document
