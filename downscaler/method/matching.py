"""Matching of SMAP to the prior's climatology and back: mean-std or CDF, by cell and season.

A retrieval and a model run differ in level and spread (depth, texture, model error); what they share is how wet it is
for this place and season. Matching carries over that (Reichle & Koster 2004, doi:10.1029/2004GL020938). Where a cell
has few days, both statistics lean on the neighbourhood's, then the domain's, and the transfer at last on none.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from downscaler.errors import ClimatologyError
from downscaler.method.seasonal import CENTRES, PROBABILITIES, SEASONS, CoarseStatistics, quantiles, season_of

__all__ = ["PROBABILITIES", "SEASONS", "CoarseStatistics", "Matching", "Method", "match", "quantiles", "season_of"]

Method = Literal["mean_std", "cdf"]
Floats = NDArray[np.floating]
# of 1e-6, 5, 20 and 60 the best or near it with archives of 12 to 235 days of the Upper Verde's block means, distorted
MINIMUM = 5.0  # days in a season at which a cell's own record and its region's weigh alike
RADIUS = 2  # coarse cells around a cell that are its neighbourhood
STD_FLOOR = 0.005  # m3 m-3, spread below which a record is taken to be constant
SCALE_LIMIT = 3.0  # most that sub-grid departures are stretched or shrunk
_STEP = 1e-4  # m3 m-3, least distance of two quantiles, so that the transfer can be undone


@dataclass(frozen=True, kw_only=True)
class _Curves:
    """Statistics without gaps: ``mean`` and ``std`` [season, nyc, nxc], ``quantiles`` [season, q, nyc, nxc]."""

    mean: Floats
    std: Floats
    quantiles: Floats

    def at(self, weights: Floats) -> _Curves:
        """The weighted mean over seasons, as one date's statistics."""
        return _Curves(
            mean=np.tensordot(weights, self.mean, axes=1),
            std=np.tensordot(weights, self.std, axes=1),
            quantiles=_rising(np.tensordot(weights, self.quantiles, axes=1)),
        )


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A transfer between SMAP's and the prior's climatology on a coarse grid, made by ``match``.

    ``known`` [4] are the seasons with data in both, between whose middles a date's statistics are interpolated; where
    none is known the transfer is the identity. ``confidence`` [4, nyc, nxc] is the share of a cell's own record in
    its statistics. ``notes`` say in words what was borrowed.
    """

    method: Method
    shape: tuple[int, int]
    known: NDArray[np.bool_]
    confidence: Floats
    notes: tuple[str, ...]
    source: _Curves
    target: _Curves

    @property
    def identity(self) -> bool:
        """Whether nothing is known and values pass unchanged."""
        return not self.known.any()

    def to_prior(self, coarse: Floats, date: dt.date) -> Floats:
        """SMAP's values [nyc, nxc] as the prior would have them, m3 m-3; NaN stays.

        Rises with the value everywhere; it is not clipped to [0, 1], so that ``back`` undoes it exactly.
        """
        source, target = self._at(date)
        return self._carry(coarse, source, target)

    def back(self, coarse: Floats, date: dt.date) -> Floats:
        """The inverse of ``to_prior``: values in the prior's climatology [nyc, nxc] as SMAP would have them."""
        source, target = self._at(date)
        return self._carry(coarse, target, source)

    def scale(self, date: dt.date) -> Floats:
        """SMAP's spread over the prior's [nyc, nxc], 1: by it sub-grid departures go back to SMAP's variability.

        Held within a factor ``SCALE_LIMIT``.
        """
        if self.identity:
            return np.ones(self.shape)
        source, target = self._at(date)
        return np.clip(source.std / target.std, 1.0 / SCALE_LIMIT, SCALE_LIMIT)

    def _at(self, date: dt.date) -> tuple[_Curves, _Curves]:
        weights = season_weights(date, self.known)
        return self.source.at(weights), self.target.at(weights)

    def _carry(self, coarse: Floats, source: _Curves, target: _Curves) -> Floats:
        values = np.asarray(coarse, dtype=np.float64)
        if values.shape != self.shape:
            raise ClimatologyError(
                "The grid of a coarse field differs from that of the matching", value=values.shape, allowed=self.shape
            )
        if self.identity:
            return values.copy()
        slope = target.std / source.std
        if self.method == "mean_std":
            return np.asarray(target.mean + (values - source.mean) * slope)
        return _along(values, source.quantiles, target.quantiles, slope)


def season_weights(date: dt.date, known: NDArray[np.bool_]) -> Floats:
    """Weight of each season [4] on a date: linear in time between the middles of the known ones, around the year."""
    seasons = np.flatnonzero(known)
    weights = np.zeros(len(SEASONS))
    if len(seasons) == 0:
        return weights
    year = 366.0 if calendar.isleap(date.year) else 365.0
    day = (date.timetuple().tm_yday - 0.5) / year * 366.0
    for season, row in zip(seasons, np.eye(len(seasons)), strict=True):
        weights[season] = np.interp(day, np.asarray(CENTRES)[seasons], row, period=366.0)
    return weights


def match(method: Method, source: CoarseStatistics, target: CoarseStatistics, *, minimum: float = MINIMUM) -> Matching:
    """Make the transfer from the source's (SMAP's) to the target's (the prior's) climatology.

    Each cell's statistics in a season are w own + (1 - w) regional with w = n / (n + minimum), n the smaller of both
    records' days, so that source and target borrow from the same cells and their difference is what is shrunk; the
    neighbourhood's lean on the domain's likewise. The domain's target leans on the source itself, which is no
    transfer, with n the days that saw any cell: weather is alike across a domain, so more cells tell little more. A
    season with hardly any days borrows from the seasons around it.

    Args:
        method: ``mean_std`` (linear) or ``cdf`` (quantile by quantile, linear beyond the outermost).
        source: climatology of what is to be carried over.
        target: climatology to carry it into.
        minimum: days in a season at which own and regional statistics weigh alike.

    Raises:
        ClimatologyError: unknown method, or statistics of different grids, domains or probabilities.
    """
    _check(method, source, target)
    common = np.minimum(source.count, target.count).astype(np.float64)
    common[common < 2] = 0.0  # one day has no spread
    days = np.minimum(source.days, target.days) * (common > 0).any(axis=(1, 2))
    # a season of a few days says more of their weather than of the season
    known = (days > 0) & (days >= min(minimum, float(days.max())))
    own = common / (common + minimum)
    curves = [_shrunk(statistics, common, minimum) for statistics in (source, target)]
    trust = (days / (days + minimum))[:, None, None]
    carried = _blend(curves[1], curves[0], trust)
    return Matching(
        method=method,
        shape=source.mean.shape[1:],
        known=known,
        confidence=own * trust,
        notes=tuple(_notes(known, days, common, minimum)),
        source=curves[0],
        target=carried,
    )


def _check(method: str, source: CoarseStatistics, target: CoarseStatistics) -> None:
    if method not in ("mean_std", "cdf"):
        raise ClimatologyError("Unknown matching method", value=method, allowed="mean_std, cdf")
    for what, mine, other in (
        ("grids", source.grid.name, target.grid.name),
        ("domains", source.domain.m36, target.domain.m36),
        ("probabilities", source.probabilities, target.probabilities),
    ):
        if mine != other:
            raise ClimatologyError(
                f"Climatologies of different {what} cannot be matched",
                value=f"{source.title}: {mine}; {target.title}: {other}",
                remedy="Build both for the same domain and grid.",
            )


def _shrunk(statistics: CoarseStatistics, common: Floats, minimum: float) -> _Curves:
    """Statistics that lean on the neighbourhood's and the domain's; zero spread and level where a season has none."""
    weight = common / (common + minimum)
    around = np.stack([_box_sum(layer) for layer in common])
    near = around / (around + minimum)

    def lean(values: Floats) -> Floats:
        """One statistic [season, nyc, nxc]; means over cells are weighted by their days."""
        filled = np.where(common > 0, values, 0.0)
        whole = (common * filled).sum(axis=(1, 2)) / np.maximum(common.sum(axis=(1, 2)), 1.0)
        local = np.stack([_box_sum(layer) for layer in common * filled]) / np.maximum(around, 1.0)
        region = near * local + (1.0 - near) * whole[:, None, None]
        return np.asarray(weight * filled + (1.0 - weight) * region)

    knots = [lean(statistics.quantiles[:, q].astype(np.float64)) for q in range(len(statistics.probabilities))]
    # the spread that cells have in time: their variances are averaged, not the spread between them
    variance = lean(statistics.std.astype(np.float64) ** 2)
    return _Curves(
        mean=lean(statistics.mean.astype(np.float64)),
        std=np.sqrt(np.maximum(variance, STD_FLOOR**2)),
        quantiles=np.stack(knots, axis=1),
    )


def _box_sum(layer: Floats) -> Floats:
    """Sum over the cells within ``RADIUS`` rows and columns."""
    size = 2 * RADIUS + 1
    total = ndimage.uniform_filter(np.asarray(layer, dtype=np.float64), size, mode="constant") * size**2
    return np.asarray(np.where(np.abs(total) < 1e-9, 0.0, total))  # the filter's running sum leaves rounding


def _blend(first: _Curves, second: _Curves, share: Floats) -> _Curves:
    """``share`` [season, 1, 1] of the first, the rest of the second."""
    return _Curves(
        mean=share * first.mean + (1.0 - share) * second.mean,
        std=share * first.std + (1.0 - share) * second.std,
        quantiles=share[:, None] * first.quantiles + (1.0 - share[:, None]) * second.quantiles,
    )


def _rising(knots: Floats) -> Floats:
    """Quantiles [q, ...] at least ``_STEP`` apart, changed only where they are closer."""
    ramp = _STEP * np.arange(len(knots)).reshape(-1, *([1] * (knots.ndim - 1)))
    return np.asarray(np.maximum.accumulate(knots - ramp, axis=0) + ramp)


def _along(values: Floats, start: Floats, end: Floats, outer: Floats) -> Floats:
    """Piecewise linear transfer of [nyc, nxc] through the knots [q, nyc, nxc], of slope ``outer`` beyond them."""
    passed = (start <= values).sum(axis=0)
    lower = np.clip(passed - 1, 0, len(start) - 2)[None]
    x0, y0 = (np.take_along_axis(knots, lower, axis=0)[0] for knots in (start, end))
    x1, y1 = (np.take_along_axis(knots, lower + 1, axis=0)[0] for knots in (start, end))
    inside = y0 + (values - x0) * (y1 - y0) / (x1 - x0)
    below, above = end[0] + (values - start[0]) * outer, end[-1] + (values - start[-1]) * outer
    return np.asarray(np.where(values < start[0], below, np.where(values >= start[-1], above, inside)))


def _notes(known: NDArray[np.bool_], days: Floats, common: Floats, minimum: float) -> list[str]:
    """What a user has to know of the transfer."""
    if not known.any():
        return ["No season has data in both climatologies: SMAP's values are taken as they are."]
    said = []
    names = [name for name, is_known in zip(SEASONS, known, strict=True) if not is_known]
    if names:
        said.append(f"Hardly any data in {', '.join(names)}: the seasons around stand in.")
    thin = [f"{SEASONS[s]} ({days[s]:.0f} days)" for s in np.flatnonzero(known) if days[s] < minimum]
    if thin:
        said.append(f"Little data in {', '.join(thin)}: SMAP's values are carried over in part only.")
    empty = int((common[known] == 0).all(axis=0).sum())
    if empty:
        said.append(f"{empty} of {common[0].size} coarse cells have no record of their own: their region's stands in.")
    return said
