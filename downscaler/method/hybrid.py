"""The hybrid: the prior's pattern on a smooth SMAP surface, corrected by XGBoost, SMAP's block means kept exactly.

theta(x, t) = S(theta_SMAP)(x) + q(x, S(theta_SMAP)) + f(features)(x, t), shifted within bounds so that its block mean
is theta_SMAP. S is the smooth mass-preserving surface (design 4) and q the contrast that the ParFlow-CLM record had
when its SMAP cell was as wet (``Ground.quantile_pattern``): the climatological pattern, the hardest of the baselines,
made to follow wetness. XGBoost learns f, what is left of the prior's own days once both are taken off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb

from downscaler.errors import ModelFeatureError
from downscaler.ground.blocks import Bools, Floats, spread_blocks
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, EaseGrid, Span, Window
from downscaler.ground.prior import Prior
from downscaler.ground.tiles import Tile
from downscaler.method.applicability import Applicability
from downscaler.method.coarse.analysis import Memory
from downscaler.method.conserve import HALO, RAMP_SHARE, noise_gain, noise_surface, redistribute
from downscaler.method.features import Fields, Ground, matrix, with_gaps
from downscaler.method.forcing import WARMTH, HeldWeather, borrowed, forcing_until, own_days
from downscaler.method.matching import Matching
from downscaler.method.pattern import ratio_to_m01
from downscaler.method.quality import minutes, quality
from downscaler.product import THETA_MAX, THETA_MIN, Flag

TILE = 8  # M36 cells along one edge of a tile
DEFAULT_ERROR = 0.04  # m3 m-3, SMAP's mission requirement, where a granule gives no error of its own
Z90 = 1.6448536269514722  # standard normal quantile of 0.95


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One trained correction: for one coarse grid, with or without forcing at hand.

    Without ``pattern`` it corrects the smooth surface alone, for ground that has no record. ``mean`` predicts the
    correction, ``bounds`` its 5 % and 95 % quantiles; ``stretch`` are the factors by which the distances to them were
    widened so that they hold ``product.INTERVAL`` of what was held out; ``applicability`` knows what it was trained on.
    ``roughness`` (m6 m-6) tells weather from retrieval noise, see ``denoise``.
    """

    grid: str
    forcing: bool
    features: tuple[str, ...]
    mean: xgb.Booster
    bounds: xgb.Booster
    stretch: tuple[float, float]
    pattern: bool = True
    roughness: float = 0.0
    applicability: Applicability | None = None

    @property
    def name(self) -> str:
        """Name in a model folder."""
        return f"{self.grid.lower()}-{'forcing' if self.forcing else 'climatology'}"


@dataclass(frozen=True, kw_only=True)
class Model:
    """Branches by (coarse grid, forcing at hand), and all that a reader of the model must know.

    ``memory`` tells by coarse grid how the analysis carries SMAP's passes on.
    """

    branches: Mapping[tuple[str, bool], Branch]
    memory: Mapping[str, Memory] = field(default_factory=dict)
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
            f"The prior lacks features that model branch {branch.name} was trained on",
            value="missing " + ", ".join(missing),
            allowed=branch.features,
            remedy="Train on this prior, or build it with the static fields the model needs (--statics).",
        )


def estimate(
    branch: Branch,
    ground: Ground,
    fields: Fields,
    coarse: Floats,
    error: Floats,
    *,
    noise: Floats,
    scale: Floats | None = None,
    share: float = RAMP_SHARE,
    inner: Window | None = None,
    analysed: bool = False,
) -> Estimate:
    """Downscale one window.

    Args:
        branch: the trained correction.
        ground: the window's static side.
        fields: all its predictors, static and of the day, made from the signal in the prior's climatology.
        coarse: retrievals to be kept [nyc, nxc], m3 m-3, NaN where nothing is to be published.
        error: standard error of the retrievals [nyc, nxc], m3 m-3.
        noise: the part of ``coarse`` that is taken for noise [nyc, nxc], m3 m-3.
        scale: SMAP's variability over the prior's [nyc, nxc]; None where the two share one climatology.
        share: how far noise is ramped at block edges, see ``noise_surface``.
        inner: the part of the window that is wanted, of whole coarse cells; what lies around it serves the surfaces
            alone.
        analysed: whether ``coarse`` is an analysis, whose errors are smooth, and not retrievals.
    """
    check_features(branch, fields)
    cut, cut_coarse = _cuts(inner, ground.ratio)
    published = ground.active & np.isfinite(spread_blocks(coarse, ground.ratio))
    use = published[cut]
    cells = np.zeros(published.shape, bool)
    cells[cut] = use
    guess = np.full(use.shape, np.nan)
    below, above = np.zeros(use.shape), np.zeros(use.shape)
    outside = np.zeros(use.shape, bool)
    if use.any():
        rows = matrix(fields, branch.features, cells)
        correction = branch.mean.inplace_predict(rows)
        contrast = correction + (fields["quantile_pattern"][cells] if branch.pattern else 0.0)
        factor = 1.0 if scale is None else ground.surface(scale)[cells]
        surface = ground.surface(coarse - noise) + noise_surface(noise, ground.active, ground.ratio, share=share)
        guess[use] = surface[cells] + factor * contrast
        if branch.applicability is not None:
            outside[use] = branch.applicability.outside(with_gaps(rows))
        low, high = branch.bounds.inplace_predict(rows).T
        below[use] = factor * branch.stretch[0] * np.maximum(correction - low, 0.002)
        above[use] = factor * branch.stretch[1] * np.maximum(high - correction, 0.002)
    coarse, error = coarse[cut_coarse], error[cut_coarse]
    theta, clipped = redistribute(guess, coarse, use, ground.residual[cut], ground.porosity[cut], ground.ratio)
    gain = 1.0 if analysed else np.tile(noise_gain(ground.ratio, share), error.shape)
    retrieval = Z90 * spread_blocks(error, ground.ratio) * gain
    below, above = np.hypot(below, retrieval), np.hypot(above, retrieval)
    return Estimate(
        soil_moisture=theta,
        lower=np.maximum(theta - below, THETA_MIN),
        upper=np.minimum(theta + above, THETA_MAX),
        uncertainty=np.where(use, (below + above) / (2.0 * Z90), np.nan),
        clipped=clipped,
        outside=outside,
    )


def _cuts(inner: Window | None, ratio: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of a part of a window on the fine and on the coarse grid; everything for None."""
    if inner is None:
        return (slice(None), slice(None)), (slice(None), slice(None))
    cells = _coarse_window(inner, ratio)
    return (inner.rows.slice, inner.columns.slice), (cells.rows.slice, cells.columns.slice)


@dataclass(frozen=True)
class DaysOfWeather:
    """Weather beside the prior for a day: which days there are, and how they are read on a window of a domain.

    ``preliminary`` are those of the days whose rain is to be superseded, ``told`` is what a model card says of it.
    """

    days: tuple[dt.date, ...]
    read: Callable[[str, Sequence[dt.date], Domain, Window], Floats] = field(compare=False, repr=False)
    preliminary: frozenset[dt.date] = frozenset()
    told: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def on(self, domain: Domain, window: Window) -> HeldWeather:
        """The same on one tile."""
        return lambda name, dates: self.read(name, dates, domain, window)


def predict(
    model: Model,
    prior: Prior,
    day: CoarseDay,
    *,
    matching: Matching | None = None,
    weather: DaysOfWeather | None = None,
    tile: int = TILE,
) -> Iterator[Tile]:
    """Downscale a day, one tile of whole SMAP cells after the other; memory is that of one tile.

    Args:
        model: a trained model.
        prior: covers the day's domain.
        day: the SMAP retrievals; only recommended ones are used, and those filled in where ``day.data`` has
            ``filled`` (see ``gapfill.fill``).
        matching: carries SMAP into the prior's climatology for the predictors; departures come back scaled.
        weather: rain and temperature of days that the prior does not hold.
        tile: M36 cells along one edge of a tile.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
        ModelFeatureError: the model needs what the prior does not have.
    """
    prior.require(day.domain)
    coarse = _prepared(day, matching)
    whole = day.domain.window().relative_to(day.domain.window())
    for window in day.domain.blocks(tile):
        grown = window.grown(HALO * ratio_to_m01(day.grid), within=whole)
        with prior.reading(grown):
            yield _predict_window(model, prior, day, coarse, weather, window, grown)


def _prepared(day: CoarseDay, matching: Matching | None) -> xr.Dataset:
    """The day's coarse fields with what prediction adds: ``kept``, the same ``in_prior`` climatology, and ``scale``."""
    data = day.data if "filled" in day.data else day.data.assign(filled=day.data["recommended"] & False)
    used = data["recommended"].values | data["filled"].values
    kept = np.where(used, data["soil_moisture"].values, np.nan)
    matched = kept if matching is None else np.clip(matching.to_prior(kept, day.date), 0.001, 0.95)
    scale = np.ones(kept.shape) if matching is None else matching.scale(day.date)
    fields = {"kept": kept, "in_prior": matched, "scale": scale}
    return data.assign({name: (("y", "x"), field) for name, field in fields.items()})


def _predict_window(
    model: Model,
    prior: Prior,
    day: CoarseDay,
    prepared: xr.Dataset,
    weather: DaysOfWeather | None,
    window: Window,
    grown: Window,
) -> Tile:
    ratio = ratio_to_m01(day.grid)
    here = prepared.isel(_coarse_window(window, ratio).slices)
    data = prior.window(day.domain, grown)
    told = Flag(0)
    if np.isfinite(here["kept"].values).any() and bool(prior.window(day.domain, window)["active"].any()):
        forcing, told = _weather(model, data, day, weather, grown)
        result = _estimate_window(model, data, day, prepared, forcing, window.relative_to(grown), grown)
    else:  # nothing to downscale: no ground is read and no tree asked
        result = _nothing(window)
    stale = np.datetime64(day.date) not in data["time"].values.astype("datetime64[D]")
    fields = {
        "soil_moisture": result.soil_moisture,
        "uncertainty": result.uncertainty,
        "lower": result.lower,
        "upper": result.upper,
        "quality_flag": quality(
            here,
            result.soil_moisture,
            clipped=result.clipped,
            outside=result.outside,
            everywhere=told | (Flag.STALE_PRIOR if stale else Flag(0)),
            ratio=ratio,
        ),
        "observation_time": minutes(here, day.date, result.soil_moisture, ratio),
    }
    if "analysed" in here:
        shown = np.isfinite(result.soil_moisture)
        age, share = (spread_blocks(here[name].values, ratio) for name in ("age_days", "smap_share"))
        fields["smap_age"] = np.where(shown & (age >= 0), age, np.nan)
        fields["smap_share"] = np.where(shown, share, np.nan)
    return Tile(window=window, fields=fields)


def _weather(
    model: Model, data: xr.Dataset, day: CoarseDay, weather: DaysOfWeather | None, window: Window
) -> tuple[Mapping[str, Floats] | None, Flag]:
    """The antecedent weather of a window, and what its flags tell: that it is preliminary, or that there is none.

    A model that was trained without weather lacks none.
    """
    held = weather.on(day.domain, window) if weather is not None else None
    days = weather.days if weather is not None else ()
    forcing = forcing_until(data, day.date, held, days)
    branch = model.branches.get((day.grid.name, True))
    if branch is None:
        return forcing, Flag(0)
    if forcing is None or ("air_temperature_7d" in branch.features and WARMTH not in forcing):
        return None, Flag.WITHOUT_WEATHER
    early = weather is not None and not weather.preliminary.isdisjoint(borrowed(day.date, own_days(data), days))
    return forcing, Flag.PRELIMINARY_WEATHER if early else Flag(0)


def _estimate_window(
    model: Model,
    data: xr.Dataset,
    day: CoarseDay,
    prepared: xr.Dataset,
    forcing: Mapping[str, Floats] | None,
    inner: Window,
    grown: Window,
) -> Estimate:
    """The estimate on the ``inner`` part of a window that was grown by what its surfaces draw on."""
    ground = Ground(data, day.grid)
    branch = model.branch(day.grid, forcing=forcing is not None)
    coarse = prepared.isel(_coarse_window(grown, ground.ratio).slices)
    error = coarse["soil_moisture_error"].values
    error = np.where(np.isfinite(error) & (error > 0), error, DEFAULT_ERROR)
    matched = coarse["in_prior"].values
    scale = coarse["scale"].values
    analysed = "analysed" in coarse
    nominal = np.zeros(error.shape) if analysed else error / scale
    signal, noise = ground.split(matched, nominal, branch.roughness, pattern=branch.pattern)
    fields = ground.fields | ground.day(signal, day.date, forcing if branch.forcing else None)
    kept = coarse["kept"].values
    return estimate(
        branch, ground, fields, kept, error, noise=scale * noise, scale=scale, inner=inner, analysed=analysed
    )


def _nothing(window: Window) -> Estimate:
    shape = (window.shape.y, window.shape.x)
    missing, no = np.full(shape, np.nan), np.zeros(shape, bool)
    return Estimate(soil_moisture=missing, lower=missing, upper=missing, uncertainty=missing, clipped=no, outside=no)


def _coarse_window(window: Window, ratio: int) -> Window:
    rows, columns = (Span(start=s.start // ratio, stop=s.stop // ratio) for s in (window.rows, window.columns))
    return Window(rows=rows, columns=columns)
