"""The hybrid: the prior's pattern on a smooth SMAP surface, corrected by XGBoost, SMAP's block means kept exactly.

theta(x, t) = S(theta_SMAP)(x) + q(x, S(theta_SMAP)) + f(features)(x, t), shifted within bounds so that its block mean
is theta_SMAP. S is the smooth mass-preserving surface (design 4) and q the contrast that the ParFlow-CLM record had
when its SMAP cell was as wet (``Ground.quantile_pattern``): the climatological pattern, the hardest of the baselines,
made to follow wetness. XGBoost learns f, what is left of the prior's own days once both are taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.errors import ModelFeatureError
from downscaler.ground.blocks import Bools, Floats, spread_blocks
from downscaler.ground.grid import EaseGrid
from downscaler.method.applicability import Applicability
from downscaler.method.coarse.analysis import Memory
from downscaler.method.conserve import RAMP_SHARE, noise_gain, noise_surface, redistribute
from downscaler.method.features import MISSING, Fields, Ground, matrix, with_gaps
from downscaler.product import THETA_MAX, THETA_MIN

TILE = 8  # M36 cells along one edge of a tile
DEFAULT_ERROR = 0.04  # m3 m-3, SMAP's mission requirement, where a granule gives no error of its own
Z90 = 1.6448536269514722  # standard normal quantile of 0.95
_setting = Lock()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a branch says of cells [n]: the correction, its 5 % and 95 % quantile (m3 m-3), and where it is lost."""

    mean: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    outside: Bools

    @classmethod
    def together(cls, parts: Sequence[Answer]) -> Answer:
        """Answers of successive cells as one."""
        return cls(**{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One trained correction: for one coarse grid, with or without forcing at hand.

    Without ``pattern`` it corrects the smooth surface alone, for ground that has no record. ``mean`` predicts the
    correction, ``bounds`` its 5 % and 95 % quantiles; ``stretch`` are the factors by which the distances to them were
    widened so that half their sum holds ``product.INTERVAL`` of what was held out, and of seasons that none was
    held out of (``learn.lasting``); ``applicability`` knows what it was trained on.
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

    def copied(self) -> Branch:
        """The same with boosters of its own."""
        return replace(self, mean=self.mean.copy(), bounds=self.bounds.copy())

    def answer(self, rows: NDArray[np.float32], *, bounds: bool = True) -> Answer:
        """What the trees say of predictors [n, k] in the branch's order, as ``features.matrix`` gives them.

        Without ``bounds`` both quantiles are the mean: for who has another interval.
        """
        if not len(rows):
            nothing = np.zeros(0, np.float32)
            return Answer(mean=nothing, low=nothing, high=nothing, outside=np.zeros(0, bool))
        mean = self.mean.inplace_predict(rows)
        low, high = self.bounds.inplace_predict(rows).T if bounds else (mean, mean)
        area = self.applicability
        gaps = bool((rows == np.float32(MISSING)).any())
        outside = np.zeros(len(rows), bool) if area is None else area.outside(with_gaps(rows) if gaps else rows)
        return Answer(mean=mean, low=low, high=high, outside=outside)


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

    def on(self, threads: int) -> Model:
        """The model with trees that use so many threads; its own trees for the first number that is asked for.

        Days that are made at once in one process share a model. A booster may not be set while another thread asks it,
        so each further number has boosters of its own.
        """
        with _setting:
            if threads not in self._by_threads:
                model = self
                if self._by_threads:
                    model = replace(self, branches={key: each.copied() for key, each in self.branches.items()})
                for branch in model.branches.values():
                    for booster in (branch.mean, branch.bounds):
                        booster.set_param({"nthread": threads})
                self._by_threads[threads] = model
            return self._by_threads[threads]

    @cached_property
    def _by_threads(self) -> dict[int, Model]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: its own trees, without their copies for other numbers of threads."""
        return {name: value for name, value in self.__dict__.items() if name != "_by_threads"}


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
        analysed: whether ``coarse`` is an analysis, whose errors are smooth, and not retrievals.
    """
    check_features(branch, fields)
    use = ground.active & np.isfinite(spread_blocks(coarse, ground.ratio))
    answer = branch.answer(matrix(fields, branch.features, use))
    contrast = answer.mean + (fields["quantile_pattern"][use] if branch.pattern else np.float32(0.0))
    factor = np.float64(1.0) if scale is None else ground.surface(scale)[use]
    surface = ground.surface(coarse - noise) + noise_surface(noise, ground.active, ground.ratio, share=share)
    return finish(
        branch,
        answer,
        guess=surface[use] + factor * contrast,
        factor=factor,
        use=use,
        coarse=coarse,
        error=error,
        limits=(ground.residual, ground.porosity),
        gain=1.0 if analysed else np.tile(noise_gain(ground.ratio, share), error.shape),
    )


def finish(
    branch: Branch,
    answer: Answer,
    *,
    guess: Floats,
    factor: Floats | np.float64,
    use: Bools,
    coarse: Floats,
    error: Floats,
    limits: tuple[Floats, Floats],
    gain: Floats | float,
) -> Estimate:
    """First guesses and the trees' answer as fields: block means kept, bounds kept, intervals about them.

    An interval is as wide to either side: where errors lean to in one stretch of a record, they do not in another.

    Args:
        branch: the trained correction.
        answer: of the cells in ``use`` [n].
        guess: surface and contrast of these cells [n], m3 m-3.
        factor: SMAP's variability over the prior's, of these cells or of all, 1.
        use: the cells that are published [ny, nx].
        coarse: retrievals to be kept [nyc, nxc], m3 m-3.
        error: standard error of the retrievals [nyc, nxc], m3 m-3.
        limits: residual water content and porosity [ny, nx], m3 m-3.
        gain: what a cell has of its retrieval's noise, 1, of all or by cell [ny, nx].
    """
    ratio = use.shape[0] // coarse.shape[0]

    def on_grid(values: NDArray[Any], otherwise: float) -> Floats:
        grid = np.full(use.shape, otherwise)
        grid[use] = values
        return grid

    below, above = branch.stretch
    width = below * np.maximum(answer.mean - answer.low, 0.002) + above * np.maximum(answer.high - answer.mean, 0.002)
    own = factor * width / 2.0
    theta, clipped = redistribute(on_grid(guess, np.nan), coarse, use, *limits, ratio)
    retrieval = Z90 * spread_blocks(error, ratio) * gain
    half = np.hypot(on_grid(own, 0.0), retrieval)
    return Estimate(
        soil_moisture=theta,
        lower=np.maximum(theta - half, THETA_MIN),
        upper=np.minimum(theta + half, THETA_MAX),
        uncertainty=np.where(use, half / Z90, np.nan),
        clipped=clipped,
        outside=on_grid(answer.outside, 0.0).astype(bool),
    )
