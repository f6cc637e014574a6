"""Methods that learn from the physics everywhere: from all cells of the learning days, not from stations."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xgboost as xgb

from downscaler.ground.grid import M09
from downscaler.learn.boosting import Kind, Options, fit_plain
from downscaler.learn.samples import Part
from downscaler.method.hybrid import Branch
from downscaler.playground.method import Learns, Lesson, Values, bounded, by_day, grow
from downscaler.playground.place import Look
from downscaler.playground.sensor import Scene
from downscaler.playground.world import Index

HYBRID_ROWS, HYBRID_TREES, HYBRID_DAYS = 40_000, 120, 80
FOLDS, ELSEWHERE_ROWS = 5, 20_000


class PhysicsEverywhere:
    """The hybrid of the product, trained on the learning days of all cells; it knows the record of every place.

    No interval is wanted here, so its quantile trees are a single round.
    """

    name: ClassVar[str] = "physics_everywhere"
    title: ClassVar[str] = "hybrid, physics everywhere"
    learns: ClassVar[Learns] = "physics"
    branch: Branch

    def fit(self, lesson: Lesson) -> None:
        """Train the branch as the product does, for a fixed number of rounds."""
        world = lesson.scene.world
        assert world.records
        kind = Kind(grid=M09, forcing=bool(world.weather_names))
        options = Options(
            rows=HYBRID_ROWS,
            days_per_tile=HYBRID_DAYS,
            learning_rate=0.08,
            noise=lesson.scene.error,
            seed=lesson.seed,
            threads=1,
        )
        self.branch = fit_plain(kind, world.records, Part(days=world.positions), options, (HYBRID_TREES, 1))

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """The product's own prediction, day by day."""
        return by_day(day, cell, lambda one, at: scene.world.place.hybrid(self.branch, look_of(scene, one), at))


def look_of(scene: Scene, day: int) -> Look:
    """A day of a scene as the hybrid sees it."""
    world = scene.world
    weather = {name: world.weather[day, :, column] for column, name in enumerate(world.weather_names)}
    return Look(date=world.dates[day], coarse=scene.coarse[day], error=scene.error, weather=weather)


class PhysicsElsewhere:
    """The trees of the station methods, fed by all cells but those of the 27 km block that is predicted.

    Between it and ``stations_coarse`` only the places of the rows differ, and their number; no record of the predicted
    ground, nor of its neighbourhood, is known. It is the physics' own cross-validation on unseen ground.
    """

    name: ClassVar[str] = "physics_elsewhere"
    title: ClassVar[str] = "XGBoost, physics elsewhere"
    learns: ClassVar[Learns] = "physics"
    fold: Index
    boosters: list[xgb.Booster]

    def fit(self, lesson: Lesson) -> None:
        """Grow trees for each group of blocks on the other groups."""
        world, scene = lesson.scene.world, lesson.scene
        rng = np.random.default_rng(lesson.seed)
        blocks = int(world.block.max()) + 1
        self.fold = rng.permutation(np.arange(blocks) % min(FOLDS, blocks))[world.block]
        day, cell = (index for index in np.nonzero(scene.seen[world.learning]))
        day = world.learning[day]
        if world.sample is not None:  # stations' cells are no sample of the ground
            drawn = world.sample.weight[cell] > 0
            day, cell = day[drawn], cell[drawn]
        self.boosters = []
        for held in range(min(FOLDS, blocks)):
            allowed = np.flatnonzero(self.fold[cell] != held)
            chosen = np.sort(rng.permutation(allowed)[:ELSEWHERE_ROWS])
            rows = scene.rows(day[chosen], cell[chosen], coarse=True)
            self.boosters.append(grow(rows, world.theta[day[chosen], cell[chosen]], lesson.seed))

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """Each cell by the trees that have not seen its block."""
        found = np.empty(len(day), np.float32)
        for held, booster in enumerate(self.boosters):
            here = self.fold[cell] == held
            if here.any():
                found[here] = bounded(booster.inplace_predict(scene.rows(day[here], cell[here], coarse=True)))
        return found
