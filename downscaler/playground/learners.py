"""Methods that learn from the stations of a layout."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xgboost as xgb

from downscaler.ground.blocks import Floats
from downscaler.playground.method import Learns, Lesson, Values, bounded, grow
from downscaler.playground.sensor import Scene
from downscaler.playground.world import Index, Rows

_LINEAR = (
    *("coarse", "elevation", "slope", "topographic_wetness", "porosity", "log_permeability", "sand_fraction"),
    *("precipitation_7d", "precipitation_index", "season_sin", "season_cos"),
)
_RIDGE = 1.0


class _Trees:
    """XGBoost on the rows of stations."""

    learns: ClassVar[Learns] = "stations"
    coarse: ClassVar[bool]
    booster: xgb.Booster

    def fit(self, lesson: Lesson) -> None:
        """Grow trees on the readings."""
        assert lesson.readings is not None
        seen = lesson.readings
        self.booster = grow(lesson.scene.rows(seen.day, seen.cell, coarse=self.coarse), seen.value, lesson.seed)

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """The trees' sum."""
        return bounded(self.booster.inplace_predict(scene.rows(day, cell, coarse=self.coarse)))


class StationsOnly(_Trees):
    """Terrain, soil, land cover, weather and season at the stations."""

    name: ClassVar[str] = "stations_only"
    title: ClassVar[str] = "XGBoost, stations only"
    coarse: ClassVar[bool] = False


class StationsCoarse(_Trees):
    """The same, and the coarse retrieval: how downscaling is usually trained."""

    name: ClassVar[str] = "stations_coarse"
    title: ClassVar[str] = "XGBoost, stations + coarse"
    coarse: ClassVar[bool] = True


class Linear:
    """Linear regression on the coarse value, terrain, soil, antecedent rain and season at the stations.

    Predictors are standardised over the readings and the slopes held by a ridge of one row, for a few stations do not
    determine them; an unknown value stands at its mean.
    """

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "linear regression"
    learns: ClassVar[Learns] = "stations"
    columns: list[int]
    mean: Floats
    scale: Floats
    slopes: Floats
    level: float

    def fit(self, lesson: Lesson) -> None:
        """Least squares with a ridge."""
        assert lesson.readings is not None
        seen, names = lesson.readings, lesson.scene.names(coarse=True)
        self.columns = [names.index(name) for name in _LINEAR if name in names]
        rows = lesson.scene.rows(seen.day, seen.cell, coarse=True)[:, self.columns].astype(np.float64)
        known = np.isfinite(rows)
        count = np.maximum(known.sum(axis=0), 1)
        self.mean = np.where(known, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(known, rows - self.mean, 0.0) ** 2).sum(axis=0) / count)
        self.scale = np.where(deviation > 1e-9, deviation, np.inf)
        x, self.level = self._standard(rows), float(seen.value.mean())
        self.slopes = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ (seen.value - self.level))

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """The plane's value."""
        rows = scene.rows(day, cell, coarse=True)[:, self.columns]
        return bounded(self.level + self._standard(rows) @ self.slopes)

    def _standard(self, rows: Rows | Floats) -> Floats:
        return np.nan_to_num((rows.astype(np.float64) - self.mean) / self.scale)
