"""The interface of the playground's methods, and shared code.

A method is a small class with ``fit`` and ``predict``. ``learns`` says from what: ``stations`` are fitted to the
readings of a layout, ``physics`` to the truth of the learning days everywhere (once), ``nothing`` needs no fit.
``methods.METHODS`` is the one place to add another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.playground.sensor import Readings, Scene
from downscaler.playground.world import Index, Rows
from downscaler.product import THETA_MAX, THETA_MIN

Learns = Literal["stations", "physics", "nothing"]
Values = NDArray[np.float32]
TREES = 120
_PARAMETERS = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 5,
    "max_bin": 64,
    "eta": 0.08,
    "subsample": 0.8,
    "colsample_bynode": 0.5,
    "min_child_weight": 5,
    "nthread": 1,  # cells of an experiment run side by side; and a sum's order may not depend on the machine
}


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a method may learn from: a scene with its world, the readings (None for physics), and a seed."""

    scene: Scene
    readings: Readings | None = None
    seed: int = 0


class Method(Protocol):
    """One way to make a 1 km map from what is at hand; ``title`` is its name in figures."""

    name: ClassVar[str]
    title: ClassVar[str]
    learns: ClassVar[Learns]

    def fit(self, lesson: Lesson) -> None:
        """Learn."""

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """Soil moisture [n] of days and cells that the coarse sensor saw, m3 m-3."""


def grow(rows: Rows, values: Values, seed: int) -> xgb.Booster:
    """The trees that all tree learners of a playground share, so that only what they are fed differs."""
    matrix = xgb.QuantileDMatrix(rows, values, nthread=1, max_bin=64)
    return xgb.train(_PARAMETERS | {"seed": seed}, matrix, TREES)


def bounded(values: NDArray[np.floating]) -> Values:
    """Values that soil moisture can take."""
    clipped: Values = np.clip(values, THETA_MIN, THETA_MAX).astype(np.float32)
    return clipped


def by_day(day: Index, cell: Index, values: Callable[[int, Index], Floats]) -> Values:
    """Values [n] of a method that makes a whole day at a time: ``values`` of a day and its cells."""
    found = np.empty(len(day), np.float32)
    for one in np.unique(day):
        here = day == one
        found[here] = values(int(one), cell[here])
    return found
