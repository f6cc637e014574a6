"""A prior at SMAP's resolution: block means by day, and statistics by season."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats, block_sum
from downscaler.ground.grid import M01, Domain, EaseGrid, Span, Window
from downscaler.ground.prior import Prior, read_days
from downscaler.method.coarse.observation import seen_through
from downscaler.method.day_of_year import on_days
from downscaler.method.pattern import ratio_to_m01
from downscaler.method.seasonal import CoarseStatistics

Array = NDArray[np.float32]
_DAYS = 30  # days read at once, as they are stored


def coarse_days(
    prior: Prior, domain: Domain, grid: EaseGrid, dates: Sequence[dt.date], *, climatology: bool = False
) -> tuple[Array, NDArray[np.bool_]]:
    """Block means over active cells of given days: the day's own where the record has it, else its climatology's.

    With ``climatology`` it is the climatology's for all days.

    Returns:
        [n, nyc, nxc] in m3 m-3, NaN where no cell is active; and [n], whether the day is in the record.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
    """
    prior.require(domain)
    stored = prior.data["time"].values.astype("datetime64[D]")
    days = np.asarray(dates, dtype="datetime64[D]")
    known = np.isin(days, stored)
    shape = domain.shape(grid)
    result = np.full((len(days), shape.y, shape.x), np.nan, np.float32)
    own = np.flatnonzero(known & (not climatology))
    other = np.flatnonzero(~known | climatology)
    at = np.searchsorted(stored, days[own])
    of_year = np.array([day.item().timetuple().tm_yday for day in days[other]], dtype=np.intp)
    for data, part in _tiles(prior, domain, grid):
        active = data["active"].values.astype(bool)
        place = (part.rows.slice, part.columns.slice)
        for first in range(0, len(own), _DAYS):
            fine = read_days(data["soil_moisture"], at[first : first + _DAYS])
            result[(own[first : first + _DAYS], *place)] = coarse_means(fine, active, grid)
        if len(other):  # means of waves are waves of means
            waves = coarse_means(data["soil_moisture_climatology"].values, active, grid)
            result[(other, *place)] = on_days(waves, of_year)
    return result, known


def prior_statistics(prior: Prior, grid: EaseGrid) -> CoarseStatistics:
    """The climatology of a prior's block means on a coarse grid, by cell and season, on the prior's own domain.

    Worked out tile by tile, so that memory does not grow with the domain.
    """
    domain = prior.domain
    dates = prior.data["time"].values.astype("datetime64[D]")
    shape = domain.shape(grid)
    whole = CoarseStatistics.from_record(np.full((0, shape.y, shape.x), np.nan), dates[:0], grid, domain, prior.title)
    days, periods = np.zeros(4, np.int32), []
    for data, part in _tiles(prior, domain, grid):
        active = data["active"].values.astype(bool)
        blocks = (data["soil_moisture"].isel(time=slice(at, at + _DAYS)).values for at in range(0, len(dates), _DAYS))
        record = np.concatenate([coarse_means(block, active, grid) for block in blocks])
        here = CoarseStatistics.from_record(record, dates, grid, _cut(domain, part, grid), prior.title)
        for name in ("count", "mean", "std", "quantiles"):
            getattr(whole, name)[..., part.rows.slice, part.columns.slice] = getattr(here, name)
        days = np.maximum(days, here.days)  # a run has the same days everywhere
        periods += [here.period] if here.period else []
    source = prior.record()
    return replace(
        whole,
        days=days,
        period=(min(p[0] for p in periods), max(p[1] for p in periods)) if periods else None,
        inputs=1,
        digest=source.sha256,
        simulated=prior.simulated,
        notes=prior.notes,
    )


@dataclass(frozen=True, kw_only=True)
class CoarseLevels:
    """Means over a prior's record on a coarse grid [nyc, nxc], NaN without an active cell.

    ``level`` is soil moisture (m3 m-3), ``seen`` the same through a footprint, ``spread`` the mean over 1 km cells of
    their standard deviation in time; ``rain`` (mm day-1) and ``warmth`` (K) are None where the record has none.
    """

    level: Floats
    seen: Floats
    spread: Floats
    rain: Floats | None = None
    warmth: Floats | None = None

    def arrays(self) -> dict[str, Floats]:
        """Those that there are, by name."""
        return {name: values for name, values in vars(self).items() if values is not None}


def coarse_levels(prior: Prior, domain: Domain, grid: EaseGrid, footprint: float) -> CoarseLevels:
    """What a prior's record says of coarse cells, through a footprint of a 3 dB width in km too; tile by tile.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
    """
    prior.require(domain)
    ratio, shape = ratio_to_m01(grid), domain.shape(grid)
    names = {"level": "soil_moisture_level", "spread": "soil_moisture_sd"}
    names |= {"rain": "precipitation_level", "warmth": "air_temperature_level"}
    names = {ours: stored for ours, stored in names.items() if stored in prior.data}
    made = {name: np.full((shape.y, shape.x), np.nan) for name in (*names, "seen")}
    whole = domain.window().relative_to(domain.window())
    for window in domain.blocks():
        grown = window.grown(M01.per_m36, within=whole)
        data, inner = prior.window(domain, grown), window.relative_to(grown)
        active = data["active"].values.astype(bool)
        level = data["soil_moisture_level"].values
        seen = seen_through(level, active & np.isfinite(level), ratio, footprint)
        part, cut = window.coarser(ratio), inner.coarser(ratio)
        made["seen"][part.index] = seen[cut.index]
        for ours, stored in names.items():
            fine = data[stored].values[inner.index]
            made[ours][part.index] = coarse_means(fine, active[inner.index], grid)
    return CoarseLevels(**made)


def _tiles(prior: Prior, domain: Domain, grid: EaseGrid) -> Iterator[tuple[xr.Dataset, Window]]:
    """Tiles of whole M36 cells: the prior there, and the same ground on the domain's coarse grid."""
    ratio = ratio_to_m01(grid)
    for window in domain.blocks():
        rows, columns = (Span(start=s.start // ratio, stop=s.stop // ratio) for s in (window.rows, window.columns))
        yield prior.window(domain, window), Window(rows=rows, columns=columns)


def _cut(domain: Domain, part: Window, grid: EaseGrid) -> Domain:
    """The part of a domain that a coarse window covers."""
    per = grid.per_m36
    spans = []
    for origin, span in ((domain.m36.rows, part.rows), (domain.m36.columns, part.columns)):
        spans.append(Span(start=span.start // per, stop=span.stop // per).shifted(origin.start))
    return Domain(name=domain.name, title=domain.title, m36=Window(rows=spans[0], columns=spans[1]))


def coarse_means(fine: Array, active: NDArray[np.bool_], grid: EaseGrid) -> Array:
    """Block means [..., nyc, nxc] over cells that are active and have a value, NaN where a block has none."""
    ratio = ratio_to_m01(grid)
    use = active & np.isfinite(fine)
    whole = bool((use == active).all())  # no cell without a value: all days have the same count
    count = block_sum((active if whole else use).astype(np.float64), ratio)
    with np.errstate(invalid="ignore"):
        return (block_sum(np.where(use, fine, 0.0), ratio) / np.where(count > 0, count, np.nan)).astype(np.float32)
