"""Judges a layer of the published root zones against sensors in the ground, beside what is simpler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from downscaler.errors import ValidationError
from flows import console
from flows.studies.validation_job import ValidationJob

if TYPE_CHECKING:
    import numpy as np

    from catalog.reading.stack import StackedDay
    from downscaler.ground.grid import Domain
    from downscaler.sources.insitu import Series
    from downscaler.validation.matchups import Floats, Matchups
    from downscaler.validation.sites import Site

BOUNDS = {"layer2": (0.1, 0.4), "layer3": (0.4, 1.0)}
"""Depths between which a sensor counts for a layer, m; one on a border counts for the layer above it."""
SURFACE, CALENDAR = "surface", "calendar"
_NOON = 719.0  # minutes after 00:00 UTC
_REACH = 1.6448536269514722  # standard deviations to either end of a 90 % interval


def validate_layer(job: ValidationJob, layer: str) -> dict[str, Any]:
    """Figures of a layer against daily means of good readings, as a document that is written to ``job.out`` too.

    Compared are the layer, the analysis of the surface as it stands (``surface``), and with a prior that holds the
    layer its mean and one wave of the year (``calendar``), all at the same sites and days.

    Args:
        job: catalogue, stations, period and bootstrap; its ``deepest``, ``window`` and ``publish`` play no part.
        layer: layer2 or layer3.

    Raises:
        ValidationError: no root zone is published in the period, no sensor stands in the layer, or too few pairs.
        StationError: station data are missing.
    """
    from catalog.reading.stack import span_of, stacked_days
    from downscaler import product

    ground = product.domain(job.domain)
    target, source = product.under(product.ROOT_ZONE, ground), product.analysis_of(ground)
    names = (layer, f"{layer}_uncertainty")
    dates = _dates(job.period or span_of(job.catalog, target))
    days = stacked_days(job.catalog, target, dates, names)
    if not days:
        raise ValidationError(
            "The catalogue has no published root zone to validate",
            value=f"{job.catalog}, {target.name}",
            remedy="Make them first: vadose rootzone make.",
        )
    surface = stacked_days(job.catalog, source, [day.date for day in days], ("soil_moisture",))
    sensors = _sensors(job, ground, days, BOUNDS[layer])
    sites = _sites(sensors, ground, layer)
    matchups, sigma = _matchups(job, target, days, names, sites, sensors)
    others = {SURFACE: _surface(job, source, days, surface, sites)}
    if (calendar := _calendar(job, ground, layer, days, sites)) is not None:
        others[CALENDAR] = calendar
    document = _judged(job, matchups, sigma, others) | {
        "title": target.title,
        "layer": layer,
        "what": f"Layer from {BOUNDS[layer][0]:g} to {BOUNDS[layer][1]:g} m against sensors in it, m3 m-3",
        "period": [str(days[0].date), str(days[-1].date)],
        "simulated": any(day.simulated for day in days),
    }
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / f"{layer}.json").write_text(console.as_json(document) + "\n", encoding="utf-8")
    return document


def _dates(period: tuple[Any, Any]) -> list[Any]:
    from flows.day.jobs import days_between

    return days_between(*period)


def _sensors(
    job: ValidationJob, ground: Domain, days: Sequence[StackedDay], bounds: tuple[float, float]
) -> list[Series]:
    """Sensors whose middle lies in a layer."""
    from downscaler.sources.insitu import read_stations

    top, bottom = bounds
    period = (days[0].date, days[-1].date)
    found = []
    for stations in job.stations:
        for series, _ in read_stations(stations, domain=ground, period=period, deepest=bottom):
            if series is not None and top < (series.sensor.depth_from + series.sensor.depth_to) / 2 <= bottom:
                found.append(series)
    return found


def _sites(sensors: Sequence[Series], ground: Domain, layer: str) -> list[Site]:
    from downscaler.ground.grid import M09
    from downscaler.validation.sites import sites_of

    sites = sites_of([series.sensor for series in sensors], ground, M09)
    if not sites:
        top, bottom = BOUNDS[layer]
        raise ValidationError(
            "No sensor stands in the layer", value=layer, allowed=f"sensors between {top:g} and {bottom:g} m"
        )
    return sites


def _matchups(
    job: ValidationJob,
    target: Domain,
    days: Sequence[StackedDay],
    names: tuple[str, str],
    sites: Sequence[Site],
    sensors: Sequence[Series],
) -> tuple[Matchups, Floats]:
    """The layer and the stations' daily means, and the layer's standard uncertainty [sites, days]."""
    import numpy as np

    from catalog.reading.points import sample_rasters
    from downscaler.validation.matchups import PRODUCT, Matchups
    from downscaler.validation.sites import Gathered, cells

    value, sigma = sample_rasters(job.catalog, target, [day.keys for day in days], names, *cells(sites))
    dates = tuple(day.date for day in days)
    noon = np.full((len(days), len(sites)), _NOON)  # with the window: from 00:00 to 23:58 of the UTC day
    gathered = Gathered(sites=sites, dates=dates, observed=noon, window=_NOON / 60)
    for series in sensors:
        gathered.add(series)
    return (
        Matchups(
            sites=tuple(sites),
            dates=dates,
            stations=gathered.values(),
            estimates={PRODUCT: value},
            outside=np.zeros(value.shape, bool),
            simulated=any(day.simulated for day in days),
        ),
        sigma,
    )


def _surface(
    job: ValidationJob,
    source: Domain,
    days: Sequence[StackedDay],
    surface: Sequence[StackedDay],
    sites: Sequence[Site],
) -> Floats:
    """The analysis of the surface on the same days [sites, days]; NaN on days without one."""
    import numpy as np

    from catalog.reading.points import sample_rasters
    from downscaler.validation.sites import cells

    place = {day.date: number for number, day in enumerate(days)}
    made: np.ndarray = np.full((len(sites), len(days)), np.nan)
    (found,) = sample_rasters(job.catalog, source, [day.keys for day in surface], ("soil_moisture",), *cells(sites))
    made[:, [place[day.date] for day in surface]] = found
    return made


def _calendar(
    job: ValidationJob, ground: Domain, layer: str, days: Sequence[StackedDay], sites: Sequence[Site]
) -> Floats | None:
    from downscaler.stores.prior import open_prior
    from downscaler.stores.prior.points import calendar_at
    from downscaler.validation.sites import cells

    if job.prior is None:
        return None
    dates = [day.date for day in days]
    return calendar_at(open_prior(job.prior), ground, f"soil_moisture_{layer}", dates, *cells(sites))


def _judged(job: ValidationJob, matchups: Matchups, sigma: Floats, others: dict[str, Floats]) -> dict[str, Any]:
    """Averages over sites and paired gains, with 95 % intervals, and the share of readings inside the interval."""
    from dataclasses import asdict

    import numpy as np

    from downscaler.skill.interval import METHOD
    from downscaler.validation.matchups import PRODUCT
    from downscaler.validation.skill import contest, together

    held = together(contest(matchups, min_pairs=job.min_pairs, seed=job.seed), others)
    away = np.abs(matchups.stations - matchups.estimates[PRODUCT])
    used = held.pairs & np.isfinite(sigma)
    averages = {name: {m: asdict(v) for m, v in row.items()} for name, row in held.averages().items()}
    gains = {name: {m: asdict(v) for m, v in held.average_gains(name).items()} for name in others}
    return {
        "pairs": int(held.pairs.sum()),
        "sites": int(held.enough.sum()),
        "estimates": averages,
        "gains": gains,
        "coverage": float((away <= _REACH * sigma)[used].mean()) if used.any() else float("nan"),
        "interval": METHOD,
        "min_pairs": job.min_pairs,
    }
