"""Area of applicability: where the predictors resemble what the trees were trained on (Meyer & Pebesma 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from downscaler.errors import ModelFeatureError, ModelUnreadableError
from downscaler.ground.blocks import Bools, Floats
from downscaler.method.reach import Reach

Rows = NDArray[np.float32]
_CHUNK = 8192  # rows searched at once: what is compared stays in the processor's cache
_ARRAYS = ("mean", "scale", "weight", "references", "mean_distance", "threshold")


@dataclass(frozen=True, kw_only=True, eq=False)
class Applicability:
    """What a booster has seen, as reference points in predictor space, and how far from them it may be used.

    Predictors are standardised and multiplied by their importance in the model, so that distance counts where the
    model looks. **Missing values** (not finite): a missing predictor stands at its mean and counts one standard
    deviation as different from any known value, which is the expected squared distance from a value drawn from the
    training rows; two missing values are alike. So a sum that was missing in training is familiar when missing, and
    one that never was makes a row stranger.

    Attributes:
        mean: of each predictor over the training rows [k].
        scale: standard deviation [k]; 1 where a predictor did not vary.
        weight: importance [k], summing to 1; 0 where a predictor did not vary or was not used.
        references: training rows kept for comparison, float32 [m, k] in the predictors' own units.
        mean_distance: mean distance between two different references (d-bar of the paper).
        threshold: dissimilarity above which a row is outside.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    references: Rows
    mean_distance: float
    threshold: float

    def dissimilarity(self, rows: Rows) -> NDArray[np.float32]:
        """Dissimilarity index: distance to the nearest reference over the mean distance between references.

        The nearest neighbour is exact. Where only inside or outside matters, ``outside`` is several times faster.

        Args:
            rows: predictors [n, k] in the branch's order and units; NaN where unknown.

        Returns:
            [n], 0 for a reference itself, about 1 for a row as far off as training rows are from each other.

        Raises:
            ModelFeatureError: another number of predictors.
        """
        self._check(rows)
        result = np.empty(len(rows), np.float32)
        for part in chunks(len(rows), _CHUNK):
            distance, _ = self._reach.exact.query(self.place(rows[part]))
            result[part] = distance / self.mean_distance
        return result

    def outside(self, rows: Rows) -> Bools:
        """Whether each row is outside the area of applicability: dissimilarity above the threshold.

        The answer is that of an exact search (``Reach``), found soonest where rows that follow each other are alike.

        Args:
            rows: predictors [n, k] in the branch's order and units; NaN where unknown.

        Raises:
            ModelFeatureError: another number of predictors.
        """
        self._check(rows)
        result = np.empty(len(rows), bool)
        for part in chunks(len(rows), _CHUNK):
            result[part] = self._reach.beyond(self.place(rows[part]))
        return result

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as plain arrays, for ``numpy.savez`` without pickle."""
        return {name: np.asarray(getattr(self, name)) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike]) -> Applicability:
        """The inverse of ``arrays``, bit for bit; raises ModelUnreadableError when arrays are missing or unfit."""
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise _damaged("missing " + ", ".join(missing), ", ".join(_ARRAYS))
        mean, scale, weight = (np.asarray(arrays[name], dtype=np.float64) for name in _ARRAYS[:3])
        references = np.asarray(arrays["references"], dtype=np.float32)
        distance, threshold = (float(np.asarray(arrays[name]).item()) for name in _ARRAYS[4:])
        if references.ndim != 2 or {a.shape for a in (mean, scale, weight)} != {references.shape[1:]}:
            raise _damaged(f"references {references.shape}, mean {mean.shape}", "references [m, k], mean [k]")
        if not (distance > 0 and threshold >= 0 and (scale > 0).all() and (weight >= 0).all()):
            raise _damaged(f"mean distance {distance}, threshold {threshold}", "positive numbers")
        moments = {"mean": mean, "scale": scale, "weight": weight}
        return cls(**moments, references=references, mean_distance=distance, threshold=threshold)

    def _check(self, rows: Rows) -> None:
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ModelFeatureError(
                "The rows do not have the predictors of the area of applicability",
                value=f"shape {rows.shape}",
                allowed=f"[n, {len(self.mean)}]",
                remedy="Pass the same matrix as to the booster.",
            )

    @cached_property
    def _used(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.weight > 0)

    @cached_property
    def _sometimes_missing(self) -> Bools:
        """Of the used predictors, those that some references lack."""
        return np.asarray(~np.isfinite(self.references[:, self._used]).all(axis=0), dtype=bool)

    @cached_property
    def _reach(self) -> Reach:
        return Reach.of(self.place(self.references), self.threshold * self.mean_distance)

    def place(self, rows: Rows) -> Floats:
        """Rows as points whose Euclidean distance is the weighted distance, missing values included.

        Coordinates: the used predictors; whether each is missing, for those that some references lack; and one for
        what no reference lacks, where only the sum of squares matters, since all references have 0 there.
        """
        weight = self.weight[self._used]
        chosen = rows[:, self._used]
        missing = ~np.isfinite(chosen)
        known = (chosen - self.mean[self._used]) * (weight / self.scale[self._used])
        known[missing] = 0.0
        familiar = missing[:, self._sometimes_missing] * weight[self._sometimes_missing]
        strange = missing[:, ~self._sometimes_missing] @ (weight[~self._sometimes_missing] ** 2)
        return np.concatenate([known, familiar, np.sqrt(strange)[:, None]], axis=1)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``count``."""
    return (slice(start, start + size) for start in range(0, count, size))


def _damaged(value: str, allowed: str) -> ModelUnreadableError:
    return ModelUnreadableError(
        "The model's area of applicability cannot be used", value=value, allowed=allowed, remedy="Train it again."
    )
