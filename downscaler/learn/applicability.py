"""The area of applicability of a trained model, from its training rows (Meyer & Pebesma 2021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Floats
from downscaler.method.applicability import Applicability, Rows, chunks

_PAIRS = 512  # references compared with all others at once
# Share of the importance below which a predictor is left out: of 57 predictors of a continent 25 are left, which hold
# 99.7 % of the squared weights and flag the same rows but for 0.1 %, in two thirds of the time.
_LEAST_SHARE = 0.005
_WHISKER = 1.5  # interquartile ranges above the upper quartile (Tukey)


def fit(rows: Rows, importances: ArrayLike, folds: ArrayLike, *, references: int = 4000, seed: int) -> Applicability:
    """Area of applicability of a model from its training rows.

    Meyer & Pebesma (2021, doi:10.1111/2041-210X.13650): DI = distance to the nearest training row over the mean
    distance between training rows, both in predictors standardised and weighted by importance. The threshold is the
    upper whisker Q3 + 1.5 IQR, at most the maximum, of the DI of training rows whose nearest neighbour is sought in
    other folds alone: as strange as anything the cross-validated skill speaks for, outliers left out. A random
    sample of rows stands for all, in threshold and use alike, so a smaller sample gives a larger DI and threshold.
    Classes count by their codes, as they do for the trees.

    Args:
        rows: training predictors [n, k]; NaN where unknown.
        importances: of the predictors in the trained booster [k], not negative; total gain (gain also serves). Those
            with less than 0.5 % of the sum are left out.
        folds: spatial or temporal block of each row [n], as in the cross-validation.
        references: rows to keep at most; time of use grows slowly with it, time of fitting as its square.
        seed: of the sample.

    Raises:
        TrainingError: shapes that do not fit, importances that are negative or all 0, fewer than two folds, or rows
            that are all alike.
    """
    weight: Floats = np.asarray(importances, dtype=np.float64)
    blocks = np.asarray(folds)
    _check_training(rows, weight, blocks)
    mean, scale = _moments(rows)
    weight = _that_count(np.where(scale > 0, weight, 0.0))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:references])
    blocks = blocks[chosen]
    if len(np.unique(blocks)) < 2 or not weight.any():
        raise TrainingError(
            "The area of applicability cannot be computed from these rows",
            value=f"{len(np.unique(blocks))} folds, {np.count_nonzero(weight)} predictors that vary and are used",
            allowed="at least two folds and one predictor",
            remedy="Train on a prior that covers several blocks.",
        )
    area = Applicability(
        mean=mean,
        scale=np.where(scale > 0, scale, 1.0),
        weight=weight / weight.sum(),
        references=np.ascontiguousarray(rows[chosen], dtype=np.float32),
        mean_distance=1.0,
        threshold=0.0,
    )
    mean_distance, apart = _distances(area.place(area.references), blocks)
    if not mean_distance > 0:
        raise TrainingError("All training rows are equal", value=f"{len(chosen)} rows")
    arrays = area.arrays() | {"mean_distance": mean_distance, "threshold": whisker(apart / mean_distance)}
    return Applicability.from_arrays(arrays)


def _that_count(weight: Floats) -> Floats:
    """Importances, 0 for those that hardly add to any distance; all where none stands out."""
    enough = weight >= _LEAST_SHARE * weight.sum()
    kept: Floats = np.where(enough, weight, 0.0) if enough.any() else weight
    return kept


def whisker(values: Floats) -> float:
    """Upper whisker Q3 + 1.5 IQR, at most the largest value: the threshold of CAST, the paper's own package."""
    lower, upper = np.quantile(values, [0.25, 0.75])
    return float(min(upper + _WHISKER * (upper - lower), values.max()))


def _distances(points: Floats, blocks: NDArray[np.generic]) -> tuple[float, Floats]:
    """Mean distance between two different points, and each point's distance to the nearest of another block."""
    total, nearest = 0.0, np.empty(len(points))
    for part in chunks(len(points), _PAIRS):
        distance = cdist(points[part], points)
        total += float(distance.sum())
        distance[blocks[part, None] == blocks] = np.inf
        nearest[part] = distance.min(axis=1)
    return total / (len(points) * (len(points) - 1)), nearest


def _moments(rows: Rows) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n - 1) of each predictor's known values; 0 and 0 with fewer than two of them."""
    mean, scale = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for number, column in enumerate(rows.T):
        known = column[np.isfinite(column)].astype(np.float64)
        if len(known) > 1 and known.min() < known.max():
            mean[number], scale[number] = known.mean(), known.std(ddof=1)
    return mean, scale


def _check_training(rows: Rows, weight: Floats, blocks: NDArray[np.generic]) -> None:
    if rows.ndim != 2 or weight.shape != rows.shape[1:] or blocks.shape != rows.shape[:1]:
        raise TrainingError(
            "The shapes of rows, importances and folds do not match",
            value=f"rows {rows.shape}, importances {weight.shape}, folds {blocks.shape}",
            allowed="[n, k], [k], [n]",
        )
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise TrainingError("Importances must be finite and not negative", value=weight.min(), allowed="0 or more")
