"""Fits how a source's rain is matched to a prior's, on the days that both have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from downscaler.errors import WeatherError
from downscaler.ground.grid import M01, Span, Window
from downscaler.ground.prior import Prior
from downscaler.method.forcing import RAIN, own_days
from downscaler.method.weather.rain_matching import RainTally
from downscaler.sources.parflow.hydrodata.datasets import RUNS
from downscaler.sources.weather import WeatherSource
from downscaler.stores.weather.bring import OnGrid
from downscaler.stores.weather.matching import Kept, keep_matching
from downscaler.stores.weather.store import open_weather

MOST_DAYS = 40  # of a month of the year, evenly spaced: more tell little more


def fit_matching(path: Path, source: WeatherSource, prior: Prior) -> Kept | None:
    """Match a source's rain to a prior's on the days that both have, and keep it in the store at ``path``.

    Returns:
        What is kept; None, and nothing is, where no month has enough days in both records.

    Raises:
        PriorCoverageError: the prior does not cover the store's domain.
        WeatherUnreadableError: no store is at ``path``.
    """
    domain = open_weather(path).domain
    prior.require(domain)
    shape = domain.shape(M01)
    whole = Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x))
    there, bring, tally = own_days(prior.data), OnGrid(source, domain), RainTally((shape.y, shape.x))
    place = {day.item(): n for n, day in enumerate(there)}
    used = []
    for day in _chosen(set(source.days) & place.keys()):
        try:
            fallen = bring.rain(day)
        except WeatherError:  # such a day is told when it is added
            continue
        own = prior.window(domain, whole)[RAIN].isel(time=place[day]).values
        tally.add(day.month, fallen, own)
        used.append(day)
    found = tally.fit()
    if not any(found.covers(month) for month in range(1, 13)):
        return None
    kept = Kept(rain=found, prior=prior.title, days=len(used), first=used[0], last=used[-1])
    keep_matching(path, source.name, kept)
    return kept


def is_own_forcing(source: WeatherSource, prior: Prior) -> bool:
    """Whether a source is the forcing that HydroFrame's runs on the prior's lattice were made with."""
    forcing = getattr(source, "forcing", None)
    return forcing is not None and any(
        run.forcing == forcing and run.parent.name == prior.lattice for run in RUNS.values()
    )


def _chosen(days: Iterable[dt.date]) -> list[dt.date]:
    """At most ``MOST_DAYS`` days of each month of the year, evenly spaced, ascending."""
    months: dict[int, list[dt.date]] = {}
    for day in sorted(days):
        months.setdefault(day.month, []).append(day)
    picked = []
    for of_month in months.values():
        at = np.unique(np.linspace(0, len(of_month) - 1, min(MOST_DAYS, len(of_month))).round().astype(int))
        picked += [of_month[n] for n in at]
    return sorted(picked)
