"""Match-ups of product, SMAP, prior and stations at the same cells and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from downscaler.ground.cells import cells_of
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain
from downscaler.product import Flag
from downscaler.validation.sites import Site

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PRODUCT, SMAP, PRIOR = "product", "smap", "prior"
_UNFIT = Flag.FILL | Flag.SMAP_NOT_RECOMMENDED | Flag.FROZEN_OR_SNOW | Flag.GAP_FILLED | Flag.SMAP_L4


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductDays:
    """A catalogue's days at the sites' cells.

    Attributes:
        dates: of the days [days].
        theta: the product [sites, days], m3 m-3, NaN where nothing is published.
        smap: the retrieval of the SMAP cell [sites, days], m3 m-3.
        flags: the product's quality flags [sites, days].
        observed: minutes from 00:00 UTC of the day to SMAP's observation [days, sites], NaN where there is none.
        simulated: whether any day is of a simulated sample.
    """

    dates: tuple[dt.date, ...]
    theta: Floats
    smap: Floats
    flags: NDArray[np.uint16]
    observed: Floats
    simulated: bool


def fit(days: ProductDays, *, between: bool = False) -> Bools:
    """Where a value may be a pair: not frozen or under snow, not refused, not carried forward [sites, days].

    ``between`` counts values without a retrieval of the day too, as analyses have between passes.
    """
    unfit = _UNFIT & ~(Flag.GAP_FILLED | Flag.SMAP_L4) if between else _UNFIT
    return np.asarray((days.flags & unfit) == 0)


def with_passes(analyses: ProductDays, passes: ProductDays) -> ProductDays:
    """Analyses with the retrievals and times of the same days' SMAP-conserving days, NaN where these have none.

    An analysis keeps no retrieval: the mean of its cells is its own, and its time that of the last pass, which may be
    weeks before.

    Args:
        analyses: at some sites.
        passes: of the same ground at the same sites, on any days.
    """
    smap, observed = np.full(analyses.smap.shape, np.nan), np.full(analyses.observed.shape, np.nan)
    place, good = {date: number for number, date in enumerate(passes.dates)}, fit(passes)
    for number, date in enumerate(analyses.dates):
        if (at := place.get(date)) is not None:
            smap[:, number] = np.where(good[:, at], passes.smap[:, at], np.nan)
            observed[number] = np.where(good[:, at], passes.observed[at], np.nan)
    return replace(analyses, smap=smap, observed=observed, simulated=analyses.simulated or passes.simulated)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matchups:
    """All pairs of a validation: sites in rows, days in columns, NaN where there is no pair.

    ``stations`` and every one of ``estimates`` (by name; ``product`` and ``smap`` always, ``prior`` where one is
    given) are [sites, days] in m3 m-3; ``outside`` tells where the product is outside its area of applicability.
    """

    sites: tuple[Site, ...]
    dates: tuple[dt.date, ...]
    stations: Floats
    estimates: Mapping[str, Floats]
    outside: Bools
    simulated: bool = False
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The dates as numpy has them [days]."""
        return np.array(self.dates, dtype="datetime64[D]")

    @property
    def pairs(self) -> Bools:
        """Where station, product, SMAP and prior all have a value: all are judged on the same pairs [sites, days]."""
        fields = [self.stations, *(self.estimates[name] for name in (PRODUCT, SMAP, PRIOR) if name in self.estimates)]
        return np.asarray(np.isfinite(np.stack(fields)).all(axis=0))

    def select(self, keep: Bools) -> Matchups:
        """The same with the sites in ``keep`` [sites] alone."""
        return Matchups(
            sites=tuple(site for site, kept in zip(self.sites, keep, strict=True) if kept),
            dates=self.dates,
            stations=self.stations[keep],
            estimates={name: values[keep] for name, values in self.estimates.items()},
            outside=self.outside[keep],
            simulated=self.simulated,
            notes=self.notes,
        )

    def table(self) -> pd.DataFrame:
        """One row a pair: network, station, place, date, station, product, SMAP and all other estimates."""
        site, day = np.nonzero(self.pairs)
        facts = {name: [getattr(s, name) for s in self.sites] for name in ("network", "station", "lat", "lon")}
        columns = {name: np.array(values)[site] for name, values in facts.items()}
        columns |= {"date": self.days[day].astype("datetime64[s]"), "in_situ": self.stations[site, day]}
        columns |= {name: values[site, day] for name, values in self.estimates.items()}
        return pd.DataFrame(columns | {"outside_applicability": self.outside[site, day]})


def collocate(
    sites: Sequence[Site],
    days: ProductDays,
    stations: Floats,
    others: Mapping[str, Floats] | None = None,
    notes: Sequence[str] = (),
) -> Matchups:
    """Pairs of a catalogue's days with station values.

    What is frozen or under snow by SMAP's word, not recommended, carried forward from an earlier day, or a model's
    where SMAP was silent, is no pair.

    Args:
        sites: the rows.
        days: product and SMAP at the sites.
        stations: [sites, days], m3 m-3.
        others: prior and other products by name [sites, days], m3 m-3.
        notes: what a reader must know.
    """
    good = fit(days)
    estimates = {PRODUCT: np.where(good, days.theta, np.nan), SMAP: np.where(good, days.smap, np.nan)}
    return Matchups(
        sites=tuple(sites),
        dates=days.dates,
        stations=stations,
        estimates=estimates | dict(others or {}),
        outside=(days.flags & Flag.OUTSIDE_APPLICABILITY) > 0,
        simulated=days.simulated,
        notes=tuple(notes),
    )


def coverage(matchups: Matchups, lower: Floats, upper: Floats, *, where: Bools | None = None) -> float | None:
    """Share of the station values of all pairs that lie in the published interval, ends included.

    Stations are points and the product is a mean over a cell: where both are right, fewer than the interval's
    probability lie inside.

    Args:
        matchups: with their pairs.
        lower: [sites, days], m3 m-3.
        upper: [sites, days], m3 m-3.
        where: pairs that count [sites, days]; all by default.

    Returns:
        A fraction; None without a pair that has an interval.
    """
    used = (matchups.pairs if where is None else where) & np.isfinite(lower) & np.isfinite(upper)
    inside = (matchups.stations >= lower) & (matchups.stations <= upper)
    return float(inside[used].mean()) if used.any() else None


def retrievals_at(day: CoarseDay, lon: Sequence[float], lat: Sequence[float]) -> pd.DataFrame:
    """What one day of SMAP says of given places, straight from its granule.

    Args:
        day: as the SMAP reader gives it.
        lon: degrees east [n].
        lat: degrees north [n].

    Returns:
        ``soil_moisture`` (m3 m-3, NaN without a retrieval), ``recommended`` and ``observation_time`` (UTC) [n]; all
        missing for places outside the day's domain.
    """
    rows, columns, inside = cells_of(day.domain, lon, lat, day.grid)
    found = {
        name: day.data[name].to_numpy()[rows, columns] for name in ("soil_moisture", "recommended", "observation_time")
    }
    return pd.DataFrame(
        {
            "soil_moisture": np.where(inside, found["soil_moisture"], np.nan),
            "recommended": inside & found["recommended"],
            "observation_time": np.where(inside, found["observation_time"], np.datetime64("NaT")),
        }
    )


def in_period(domain: Domain, dates: Sequence[dt.date]) -> str:
    """Domain and period in words."""
    return f"{domain.title}, {min(dates)} to {max(dates)}" if dates else domain.title
