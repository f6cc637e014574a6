"""The hybrid: the prior's pattern on a smooth SMAP surface, corrected by XGBoost, SMAP's block means kept exactly.

theta(x, t) = S(theta_SMAP)(x) + [mu(x) - S(C mu)(x)] + f(features)(x, t), shifted within bounds so that its block mean
is theta_SMAP. S is the smooth mass-preserving surface and C the block mean (design 4); mu the mean of the ParFlow-CLM
record. XGBoost learns f, what is left of the prior's own days once surface and pattern are taken off, so with nothing
learned the hybrid is the climatological pattern, the hardest of the baselines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.applicability import Applicability
from downscaler.blocks import Bools, Floats, spread_blocks
from downscaler.coarse import CoarseDay
from downscaler.conserve import HALO, redistribute
from downscaler.errors import ModelFeatureError
from downscaler.features import FORCING_DAYS, FORCING_MINIMUM, Fields, Ground, matrix
from downscaler.grid import EaseGrid, Span, Window
from downscaler.pattern import ratio_to_m01
from downscaler.product import THETA_MAX, THETA_MIN, Flag
from downscaler.sources.prior import Prior
from downscaler.tiles import Tile

TILE = 8  # M36 cells along one edge of a tile
DEFAULT_ERROR = 0.04  # m3 m-3, SMAP's mission requirement, where a granule gives no error of its own
Z90 = 1.6448536269514722  # standard normal quantile of 0.95
_SMAP_FLAGS: tuple[tuple[int, Flag], ...] = (
    (0b11, Flag.OPEN_WATER),
    (1 << 3, Flag.URBAN),
    (0b1111 << 5, Flag.FROZEN_OR_SNOW),
    (1 << 10, Flag.DENSE_VEGETATION),
)


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One trained correction: for one coarse grid, with or without forcing at hand.

    Without ``pattern`` it corrects the smooth surface alone, for ground that has no record. ``mean`` predicts the
    correction, ``bounds`` its 5 % and 95 % quantiles; ``stretch`` are the factors by which the distances to them were
    widened so that they hold ``product.INTERVAL`` of what was held out; ``applicability`` knows what it was trained on.
    """

    grid: str
    forcing: bool
    features: tuple[str, ...]
    mean: xgb.Booster
    bounds: xgb.Booster
    stretch: tuple[float, float]
    pattern: bool = True
    applicability: Applicability | None = None

    @property
    def name(self) -> str:
        """Name in a model folder."""
        return f"{self.grid.lower()}-{'forcing' if self.forcing else 'climatology'}"


@dataclass(frozen=True, kw_only=True)
class Model:
    """Branches by (coarse grid, forcing at hand), and all that a reader of the model must know."""

    branches: Mapping[tuple[str, bool], Branch]
    card: Mapping[str, Any] = field(default_factory=dict)

    def branch(self, grid: EaseGrid, *, forcing: bool) -> Branch:
        """The branch for a grid; falls back on climatology; raises ModelFeatureError when there is none."""
        found = self.branches.get((grid.name, forcing)) or self.branches.get((grid.name, False))
        if found is None:
            raise ModelFeatureError(
                "The model was not trained for this SMAP grid",
                value=grid.name,
                allowed=sorted({g for g, _ in self.branches}),
                remedy="Train a model for it (vadose train).",
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A window's fields on the product grid, m3 m-3, NaN where nothing is published."""

    soil_moisture: Floats
    lower: Floats
    upper: Floats
    uncertainty: Floats
    clipped: Bools
    outside: Bools


def check_features(branch: Branch, supplied: Mapping[str, object]) -> None:
    """Raises ModelFeatureError naming every feature that the branch needs and the inputs cannot give."""
    missing = [name for name in branch.features if name not in supplied]
    if missing:
        raise ModelFeatureError(
            f"The prior cannot supply what model branch {branch.name} was trained on",
            value="missing " + ", ".join(missing),
            allowed=branch.features,
            remedy="Train on this prior, or build it with the static fields the model needs (--statics).",
        )


def estimate(branch: Branch, ground: Ground, fields: Fields, coarse: Floats, error: Floats) -> Estimate:
    """Downscale one window.

    Args:
        branch: the trained correction.
        ground: the window's static side.
        fields: all its predictors, static and of the day.
        coarse: retrievals to be kept [nyc, nxc], m3 m-3, NaN where nothing is to be published.
        error: standard error of the retrievals [nyc, nxc], m3 m-3.
    """
    check_features(branch, fields)
    use = ground.active & np.isfinite(spread_blocks(coarse, ground.ratio))
    guess = np.full(use.shape, np.nan)
    below, above = np.zeros(use.shape), np.zeros(use.shape)
    outside = np.zeros(use.shape, bool)
    if use.any():
        rows = matrix(fields, branch.features, use)
        correction = branch.mean.inplace_predict(rows)
        guess[use] = fields["coarse"][use] + correction + (ground.pattern[use] if branch.pattern else 0.0)
        if branch.applicability is not None:
            outside[use] = branch.applicability.outside(rows)
        low, high = branch.bounds.inplace_predict(rows).T
        below[use] = branch.stretch[0] * np.maximum(correction - low, 0.002)
        above[use] = branch.stretch[1] * np.maximum(high - correction, 0.002)
    theta, clipped = redistribute(guess, coarse, use, ground.residual, ground.porosity, ground.ratio)
    noise = Z90 * spread_blocks(error, ground.ratio)
    below, above = np.hypot(below, noise), np.hypot(above, noise)
    return Estimate(
        soil_moisture=theta,
        lower=np.maximum(theta - below, THETA_MIN),
        upper=np.minimum(theta + above, THETA_MAX),
        uncertainty=np.where(use, (below + above) / (2.0 * Z90), np.nan),
        clipped=clipped,
        outside=outside,
    )


def forcing_until(data: xr.Dataset, date: dt.date) -> dict[str, Floats] | None:
    """The prior's forcing of the days up to ``date``, or None when it is not stored or has a gap."""
    if "precipitation" not in data or "time" not in data.coords:
        return None
    last = np.datetime64(date)
    days = data["time"].values.astype("datetime64[D]")
    window = np.flatnonzero((days > last - FORCING_DAYS) & (days <= last))
    run = days[window]
    if len(run) < FORCING_MINIMUM or run[-1] != last:
        return None
    gaps = np.flatnonzero(np.diff(run) != np.timedelta64(1, "D"))
    window = window[gaps[-1] + 1 :] if len(gaps) else window
    if len(window) < FORCING_MINIMUM:
        return None
    names = [name for name in ("precipitation", "air_temperature") if name in data]
    return {name: data[name].isel(time=window).values for name in names}


def predict(model: Model, prior: Prior, day: CoarseDay, *, tile: int = TILE) -> Iterator[Tile]:
    """Downscale a day, one tile of whole SMAP cells after the other; memory is that of one tile.

    Args:
        model: a trained model.
        prior: covers the day's domain.
        day: the SMAP retrievals; only recommended ones are used.
        tile: M36 cells along one edge of a tile.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
        ModelFeatureError: the model needs what the prior does not have.
    """
    prior.require(day.domain)
    whole = day.domain.window().relative_to(day.domain.window())
    for window in day.domain.blocks(tile):
        grown = window.grown(HALO * ratio_to_m01(day.grid), within=whole)
        yield _predict_window(model, prior, day, window, grown)


def _predict_window(model: Model, prior: Prior, day: CoarseDay, window: Window, grown: Window) -> Tile:
    data = prior.window(day.domain, grown)
    inner = window.relative_to(grown)
    ground = Ground(data, day.grid)
    forcing = forcing_until(data, day.date)
    branch = model.branch(day.grid, forcing=forcing is not None)
    cells = _coarse_window(grown, ground.ratio)
    coarse = day.data.isel(cells.slices)
    kept = np.where(coarse["recommended"].values, coarse["soil_moisture"].values, np.nan)
    error = coarse["soil_moisture_error"].values
    error = np.where(np.isfinite(error) & (error > 0), error, DEFAULT_ERROR)
    fields = ground.fields | ground.day(kept, day.date, forcing if branch.forcing else None)
    result = estimate(branch, ground, fields, kept, error)
    stale = np.datetime64(day.date) not in data["time"].values.astype("datetime64[D]")
    arrays = {
        "soil_moisture": result.soil_moisture,
        "uncertainty": result.uncertainty,
        "lower": result.lower,
        "upper": result.upper,
        "quality_flag": quality(coarse, result, ground, stale=stale),
        "observation_time": _minutes(coarse, day.date, result, ground.ratio),
    }
    return Tile(window=window, fields={name: a[inner.rows.slice, inner.columns.slice] for name, a in arrays.items()})


def _coarse_window(window: Window, ratio: int) -> Window:
    rows, columns = (Span(start=s.start // ratio, stop=s.stop // ratio) for s in (window.rows, window.columns))
    return Window(rows=rows, columns=columns)


def quality(coarse: xr.Dataset, result: Estimate, ground: Ground, *, stale: bool) -> NDArray[np.uint16]:
    """Bits of ``quality_flag`` of a window: what SMAP reports of the cell, and what the downscaling did."""
    surface = coarse["surface_flag"].values.astype(np.uint16)
    observed = np.isfinite(coarse["soil_moisture"].values)
    bits = np.zeros(surface.shape, np.uint16)
    for mask, flag in _SMAP_FLAGS:
        bits |= np.where(surface & mask, flag, 0).astype(np.uint16)
    bits |= np.where(observed & ~coarse["recommended"].values, Flag.SMAP_NOT_RECOMMENDED, 0).astype(np.uint16)
    fine = spread_blocks(bits, ground.ratio)
    published = np.isfinite(result.soil_moisture)
    fine = fine | np.where(published, 0, Flag.FILL).astype(np.uint16)
    fine |= np.where(published & stale, Flag.STALE_PRIOR, 0).astype(np.uint16)
    fine |= np.where(result.outside, Flag.OUTSIDE_APPLICABILITY, 0).astype(np.uint16)
    fine |= np.where(result.clipped, Flag.CLIPPED, 0).astype(np.uint16)
    return fine


def _minutes(coarse: xr.Dataset, date: dt.date, result: Estimate, ratio: int) -> Floats:
    """Minutes from 00:00 UTC of the day to the observation, NaN where nothing is published."""
    since = coarse["observation_time"].values.astype("datetime64[s]") - np.datetime64(date)
    minutes = np.where(np.isnat(since), np.nan, since / np.timedelta64(60, "s"))
    return np.where(np.isfinite(result.soil_moisture), spread_blocks(np.rint(minutes), ratio), np.nan)
