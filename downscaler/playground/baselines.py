"""Methods that need no training: the baselines of every evaluation."""

from __future__ import annotations

from typing import ClassVar

from downscaler.playground.method import Learns, Lesson, Values, bounded, by_day
from downscaler.playground.sensor import Scene
from downscaler.playground.world import Index


class _Rival:
    """One of ``baselines.baselines``; its record of the place is of the learning days."""

    name: ClassVar[str]
    learns: ClassVar[Learns] = "nothing"

    def fit(self, lesson: Lesson) -> None:
        """Nothing to learn."""

    def predict(self, scene: Scene, day: Index, cell: Index) -> Values:
        """Day by day."""
        return bounded(by_day(day, cell, lambda d, at: scene.world.place.rival(self.name, scene.coarse[d], at)))


class Nearest(_Rival):
    """The coarse value as it is."""

    name: ClassVar[str] = "nearest"
    title: ClassVar[str] = "coarse value"


class Bilinear(_Rival):
    """The coarse value between cell centres."""

    name: ClassVar[str] = "bilinear"
    title: ClassVar[str] = "coarse value, bilinear"


class ClimatologicalPattern(_Rival):
    """The coarse value and the mean contrast of the learning days."""

    name: ClassVar[str] = "climatological_pattern"
    title: ClassVar[str] = "coarse + prior's pattern"


class PriorAlone(_Rival):
    """The mean of the learning days, whatever the sensor says."""

    name: ClassVar[str] = "prior"
    title: ClassVar[str] = "prior alone"
