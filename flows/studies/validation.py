"""Runs a validation: find days, read stations, match, evaluate, write, publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from downscaler.errors import ValidationError
from flows.studies.analyses import every_day, passes_of, require_passes
from flows.studies.validation_job import ValidationJob

if TYPE_CHECKING:
    from catalog.reading.points import PublishedDay
    from downscaler.ground.grid import Domain
    from downscaler.ground.prior import Prior
    from downscaler.sources.gridded import Sample
    from downscaler.sources.insitu import FileReport
    from downscaler.validation.matchups import Matchups
    from downscaler.validation.sites import Site
    from downscaler.validation.summary import Extras, Findings
    from downscaler.validation.triple import Source

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What became of a validation: the folder of its report, the address of its item, and all its figures."""

    out: Path
    href: str | None
    document: dict[str, Any] = field(repr=False)


def run_validation(job: ValidationJob, tell: Tell = lambda _done, _total, _what: None) -> Validated:
    """Validate a catalogue against stations and publish what was found.

    Raises:
        ValidationError: nothing is published in the period, no station can be used, or too few pairs are left.
        VadoseError: the typed error of whatever input is wrong.
    """
    from catalog.publish.validation import publish_validation
    from catalog.reading.points import published_days
    from downscaler import product
    from downscaler.report.validation_files import relief, write_validation
    from downscaler.stores.prior import open_prior

    domain, third = product.domain(job.domain), third_of(job)
    prior = None if job.prior is None else open_prior(job.prior)
    if prior is not None:
        prior.require(domain)
    days = published_days(job.catalog, domain, job.period)
    if not days:
        raise ValidationError(
            "The catalogue has no published day to validate",
            value=f"{job.catalog}, {domain.name}, {job.days_asked}",
            remedy="Check --catalog, --domain, --start and --end; `vadose run` or `vadose backfill` make days.",
        )
    sites, reports = read_sites(job, domain, days, tell)
    matchups = match_up(job, domain, days, sites, prior, tell)
    extras = _extras(job, domain, days, matchups, prior, third, reports)
    more: dict[str, Any] = {"interval_coverage": _coverage(job, domain, days, matchups)}
    if product.is_analysis(domain.name):
        more["every_day"] = _every_day(job, domain, days, sites, prior)
    findings = _judge(job, domain, matchups, extras, more)
    write_validation(job.out, findings, extras.represented, relief(prior, domain) if prior else None)
    href = publish_validation(job.catalog, domain, job.out) if job.publish else None
    return Validated(out=job.out, href=href, document=findings.document)


def third_of(job: ValidationJob) -> Source | None:
    """The third source of a triplet; raises TripletError at once where it cannot be one."""
    from downscaler.validation.triple import PRODUCT_INPUTS, STATIONS, Source, require_independent

    if job.third is None:
        return None
    third = Source(name=Path(job.third.partition("::")[0]).stem, inputs=job.third_inputs)
    known = [Source(name="stations", inputs=(STATIONS,)), Source(name="product", inputs=PRODUCT_INPUTS)]
    require_independent([*known, third])
    return third


def read_sites(
    job: ValidationJob, domain: Domain, days: Sequence[PublishedDay], tell: Tell
) -> tuple[list[Site], list[FileReport]]:
    """Read all stations into one table of readings; the sites that they make, and the reports on their files.

    Raises ValidationError when not one sensor can be used.
    """
    from downscaler.report.validation_files import READINGS
    from downscaler.sources.insitu import read_stations, table
    from downscaler.validation.sites import sites_of

    reports: list[FileReport] = []

    def usable() -> Any:
        for number, source in enumerate(job.stations):
            tell(number, len(job.stations), "reading stations")
            period = (days[0].date, days[-1].date)
            for series, report in read_stations(source, domain=domain, period=period, deepest=job.deepest):
                reports.append(report)
                if series is not None:
                    yield series

    sensors = [series.sensor for series in table.write(job.out / READINGS, usable())]
    if not sensors:
        why = "; ".join(f"{report.file}: {report.problem}" for report in reports if report.problem)
        raise ValidationError(
            "No sensor can be used",
            value=why[:600] or "no station file",
            allowed=f"sensors in {domain.title}, not deeper than {job.deepest:g} m",
        )
    return sites_of(sensors, domain, days[-1].grid), reports


def match_up(
    job: ValidationJob,
    domain: Domain,
    days: Sequence[PublishedDay],
    sites: Sequence[Site],
    prior: Prior | None,
    tell: Tell,
) -> Matchups:
    """Product, SMAP, prior and stations at the same sites and days."""
    import numpy as np

    from catalog.reading.points import sample_days
    from downscaler import product
    from downscaler.report.validation_files import READINGS
    from downscaler.sources.insitu import table
    from downscaler.stores.prior.points import days_at
    from downscaler.validation.matchups import PRIOR, collocate, with_passes
    from downscaler.validation.sites import Gathered, cells

    rows, columns = cells(sites)
    sampled = sample_days(
        job.catalog, domain, days, rows, columns, progress=lambda done, total: tell(done, total, "reading days")
    )
    notes, others = [], {}
    if product.is_analysis(domain.name):
        passes = require_passes(passes_of(job, domain, rows, columns), job, domain)
        sampled = with_passes(sampled, passes)
        notes.append(
            "Analyses are judged on the days of SMAP's passes, at their time, beside their retrievals; all other days "
            "stand under Every day."
        )
    gathered = Gathered(sites=sites, dates=sampled.dates, observed=sampled.observed, window=job.window)
    for series, _ in table.read(job.out / READINGS):
        if series is not None:
            gathered.add(series)
    if len({day.grid.name for day in days}) > 1:
        notes.append("The period holds days from more than one SMAP grid.")
    if prior is not None:
        others[PRIOR], known = days_at(prior, domain, sampled.dates, rows, columns)
        missing = int(np.count_nonzero(~known))
        if missing:
            notes.append(
                f"The prior has no data of {missing} of {len(known)} days; its climatology stands in for it there."
            )
    return collocate(sites, sampled, gathered.values(), others, notes)


def _extras(
    job: ValidationJob,
    domain: Domain,
    days: Sequence[PublishedDay],
    matchups: Matchups,
    prior: Prior | None,
    third: Source | None,
    reports: Sequence[FileReport],
) -> Extras:
    import numpy as np

    from downscaler.sources.gridded import product_at
    from downscaler.stores.prior.points import ground_at
    from downscaler.validation.representativeness import represented
    from downscaler.validation.sites import cells
    from downscaler.validation.summary import Extras

    rows, columns = cells(matchups.sites)
    lon, lat = (np.array([getattr(site, name) for site in matchups.sites]) for name in ("lon", "lat"))
    labels = _labels(job.compare)
    sampled = {name: _other(source, domain, matchups) for name, source in zip(labels, job.compare, strict=True)}
    values = None if job.third is None else product_at(job.third, matchups.dates, lon, lat)
    return Extras(
        ground={} if prior is None else ground_at(prior, domain, rows, columns),
        represented=represented(prior, domain, matchups, min_pairs=job.min_pairs, seed=job.seed),
        others={name: one.theta for name, one in sampled.items()},
        notes=[note for one in sampled.values() for note in one.notes],
        third=None if third is None or values is None else (third, values),
        files=reports,
    )


def _labels(sources: Sequence[str]) -> list[str]:
    """A short name for each source: its file's or folder's, the whole source where that would not tell it apart."""
    paths = [Path(source.partition("::")[0].removesuffix("/catalog.json")) for source in sources]
    short = [f"{path.parent.name}/{path.name}" if path.name == "catalog" else path.stem for path in paths]
    taken = {"product", "smap", "prior"}
    return [
        name if short.count(name) == 1 and name not in taken else source
        for name, source in zip(short, sources, strict=True)
    ]


def _other(source: str, domain: Domain, matchups: Matchups) -> Sample:
    """Another product at the same sites and days: a catalogue of ours, or whatever xarray opens."""
    import numpy as np

    from catalog.reading.points import published_days, sample_days
    from downscaler.errors import ComparisonError
    from downscaler.sources.gridded import Sample, sample_product
    from downscaler.validation.sites import cells

    root = source.removesuffix("/catalog.json")
    if not (root.startswith(("s3://", "file://")) or (Path(root) / "catalog.json").is_file()):
        lon, lat = (np.array([getattr(site, name) for site in matchups.sites]) for name in ("lon", "lat"))
        return sample_product(source, matchups.dates, lon, lat)
    days = [day for day in published_days(root, domain) if day.date in set(matchups.dates)]
    if not days:
        raise ComparisonError(
            "The catalogue to compare with has none of these days", value=source, allowed=f"days of {domain.name}"
        )
    sampled = sample_days(root, domain, days, *cells(matchups.sites))
    values = np.full(matchups.stations.shape, np.nan)
    values[:, [matchups.dates.index(day) for day in sampled.dates]] = sampled.theta
    return Sample(theta=values)


def _coverage(job: ValidationJob, domain: Domain, days: Sequence[PublishedDay], matchups: Matchups) -> float | None:
    from catalog.reading.points import sample_interval
    from downscaler.validation.matchups import coverage
    from downscaler.validation.sites import cells

    return coverage(matchups, *sample_interval(job.catalog, domain, days, *cells(matchups.sites)))


def _every_day(
    job: ValidationJob, domain: Domain, days: Sequence[PublishedDay], sites: Sequence[Site], prior: Prior | None
) -> dict[str, Any]:
    try:
        return every_day(job, domain, days, sites, prior)
    except ValidationError as error:  # the other figures stand
        return {"refused": str(error)}


def _judge(job: ValidationJob, domain: Domain, matchups: Matchups, extras: Extras, more: dict[str, Any]) -> Findings:
    from downscaler.validation.summary import facts_of, summarise

    facts = facts_of(domain, window=job.window, deepest=job.deepest) | more
    return summarise(matchups, extras, facts=facts, min_pairs=job.min_pairs, seed=job.seed)
