"""Validates downscaled days against stations, without a catalogue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from downscaler.errors import ValidationError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import Domain, domain_of
from downscaler.method.pattern import ratio_to_m01
from downscaler.product import COARSE_GRIDS, Flag
from downscaler.sources.insitu import FileReport, Series, read_stations
from downscaler.validation.matchups import ProductDays, collocate
from downscaler.validation.sites import DEEPEST, WINDOW_HOURS, Gathered, Site, cells, sites_of
from downscaler.validation.skill import MIN_PAIRS
from downscaler.validation.summary import Extras, Findings, facts_of, summarise


def validate(
    days: xr.Dataset | Sequence[xr.Dataset],
    stations: str | Path | Sequence[str | Path],
    *,
    deepest: float = DEEPEST,
    window: float = WINDOW_HOURS,
    min_pairs: int = MIN_PAIRS,
    seed: int = 0,
) -> Findings:
    """Judge downscaled days, and SMAP on its own grid, at stations.

    Args:
        days: as ``downscale`` gives them, of one domain.
        stations: ISMN archives, USCRN files, tables of readings, folders of them, ``scan`` or ``snotel``.
        deepest: m; sensors that reach deeper are left out.
        window: hours before and after SMAP's observation in which readings count.
        min_pairs: pairs that a site needs to count in averages.
        seed: of the bootstrap behind the intervals.

    Returns:
        ``document`` with all figures (m3 m-3) and their 95 % intervals, ``sites`` with one row a site.

    Raises:
        ValidationError: no day, days of several domains, no usable sensor, or too few pairs.
        StationError: a station source is not there.

    Source: metrics of Entekhabi et al. (2010, doi:10.1175/2010JHM1223.1), gains of Merlin et al. (2015,
    doi:10.1016/j.rse.2015.02.020).
    """
    fields = sorted([days] if isinstance(days, xr.Dataset) else days, key=lambda field: field["time"].values)
    domain = _domain(fields)
    dates = [field["time"].values.astype("datetime64[D]").item() for field in fields]
    sources = [stations] if isinstance(stations, (str, Path)) else list(stations)
    series, reports = _series(sources, domain, (dates[0], dates[-1]), deepest)
    sites = sites_of([one.sensor for one in series], domain, COARSE_GRIDS[fields[-1].attrs["smap_grid"]])
    sampled = sample(fields, dates, sites)
    gathered = Gathered(sites=sites, dates=dates, observed=sampled.observed, window=window)
    for one in series:
        gathered.add(one)
    matchups = collocate(sites, sampled, gathered.values())
    facts = facts_of(domain, window=window, deepest=deepest)
    return summarise(matchups, Extras(files=reports), facts=facts, min_pairs=min_pairs, seed=seed)


def sample(fields: Sequence[xr.Dataset], dates: Sequence[dt.date], sites: Sequence[Site]) -> ProductDays:
    """Product, SMAP, flags and times at the sites; SMAP's retrieval is the mean of its cell's published values."""
    rows, columns = cells(sites)
    theta, smap, observed, flags = [], [], [], []
    for field in fields:
        values = field["soil_moisture"].values.astype(np.float64)
        ratio = ratio_to_m01(COARSE_GRIDS[field.attrs["smap_grid"]])
        coarse = block_mean(np.nan_to_num(values), np.isfinite(values), ratio)
        theta.append(values[rows, columns])
        smap.append(coarse[rows // ratio, columns // ratio])
        observed.append(field["observation_time"].values[rows, columns].astype(np.float64))
        seen = np.isfinite(values[rows, columns])
        flags.append(np.where(seen, field["quality_flag"].values[rows, columns], Flag.FILL).astype(np.uint16))
    return ProductDays(
        dates=tuple(dates),
        theta=np.stack(theta, axis=1),
        smap=np.stack(smap, axis=1),
        flags=np.stack(flags, axis=1),
        observed=np.stack(observed),
        simulated=any(bool(field.attrs["simulated"]) for field in fields),
    )


def _domain(fields: Sequence[xr.Dataset]) -> Domain:
    """The one domain of some days; raises ValidationError without a day or with several domains."""
    if not fields:
        raise ValidationError("No day is given", allowed="one dataset of downscale, or several")
    found = {tuple(map(int, field.attrs["domain_m36_rows_columns"])) for field in fields}
    if len(found) > 1:
        raise ValidationError("The days have different domains", value=sorted(found), allowed="days of one domain")
    prefix = "domain_"
    stored = {k.removeprefix(prefix): v for k, v in fields[0].attrs.items() if k.startswith(prefix)}
    return domain_of({"domain": stored})


def _series(
    sources: Sequence[str | Path], domain: Domain, period: tuple[dt.date, dt.date], deepest: float
) -> tuple[list[Series], list[FileReport]]:
    series, reports = [], []
    for source in sources:
        for one, report in read_stations(source, domain=domain, period=period, deepest=deepest):
            reports.append(report)
            if one is not None:
                series.append(one)
    if not series:
        raise ValidationError(
            "No sensor can be used",
            value="; ".join(f"{report.file}: {report.problem}" for report in reports if report.problem)[:600],
            allowed=f"sensors in {domain.title}, not deeper than {deepest:g} m",
        )
    return series, reports
