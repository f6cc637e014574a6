"""Held-out days, the errors made on them, and the factors that make the 90 % interval hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Bools, Floats
from downscaler.learn.boosting import QUANTILES
from downscaler.learn.samples import DayRecord, TileRecord
from downscaler.method.hybrid import Branch, estimate

MINIMUM_DAYS = 10


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in a record to train on and to judge on, ``gap`` days apart."""

    train: NDArray[np.intp]
    held: NDArray[np.intp]
    gap: int


def split_days(days: int, share: float, *, stretches: int = 4, gap: int = 7) -> Split:
    """Hold out ``stretches`` contiguous runs of days, spread over the record, with a gap on either side.

    Raises TrainingError for fewer than ``MINIMUM_DAYS`` days.
    """
    if days < MINIMUM_DAYS:
        raise TrainingError(
            "The prior has too few days to train on",
            value=days,
            allowed=f"at least {MINIMUM_DAYS} days of soil moisture",
        )
    stretches = max(1, min(stretches, days // 25))
    length = max(1, round(days * share / stretches))
    gap = min(gap, length // 3)
    held, near = np.zeros(days, bool), np.zeros(days, bool)
    for number in range(stretches):
        start = round((number + 0.5) * days / stretches - length / 2)
        held[start : start + length] = True
        near[max(start - gap, 0) : start + length + gap] = True
    return Split(train=np.flatnonzero(~near), held=np.flatnonzero(held), gap=gap)


class Ledger:
    """Squared errors and interval misses gathered over held-out truth."""

    def __init__(self) -> None:
        self.squares: dict[str, float] = {}
        self.cells = 0
        self._below, self._above = _Tail(), _Tail()

    def add(self, day: DayRecord, record: TileRecord, branch: Branch, cells: Bools | None) -> None:
        """Judge one held-out day of a tile, on ``cells`` alone if given."""
        ground = record.ground
        result = estimate(branch, ground, day.fields, day.coarse, np.zeros(day.coarse.shape), noise=day.noise)
        use = day.active & np.isfinite(result.soil_moisture)
        use = use if cells is None else use & cells
        truth, theta = day.theta[use], result.soil_moisture[use]
        contrast = ground.level - ground.spread(ground.coarse_level)
        baselines = {
            "hybrid": theta,
            "climatological_pattern": (ground.spread(day.coarse) + contrast)[use],
            "smooth_coarse": day.fields["coarse"][use],
            "nearest": ground.spread(day.coarse)[use],
        }
        for name, values in baselines.items():
            self.squares[name] = self.squares.get(name, 0.0) + float(np.sum((values - truth) ** 2))
        self.cells += truth.size
        some = slice(None, None, 7)
        below, above = (theta - truth)[some], (truth - theta)[some]
        self._below.add(below / np.maximum((theta - result.lower[use])[some], 1e-6))
        self._above.add(above / np.maximum((result.upper[use] - theta)[some], 1e-6))

    def rmse(self) -> dict[str, float]:
        """Root mean square error of each method, m3 m-3."""
        return {name: float(np.sqrt(total / max(self.cells, 1))) for name, total in self.squares.items()}

    def stretch(self) -> tuple[float, float]:
        """Factors that put 5 % of the held-out truth below the interval and 5 % above it (split conformal)."""
        return self._below.quantile(QUANTILES[1]), self._above.quantile(QUANTILES[1])


class _Tail:
    """Numbers of which quantiles above ``LEAST`` are asked: those below it are counted alone."""

    LEAST = 0.1

    def __init__(self) -> None:
        self._kept: list[NDArray[np.float32]] = []
        self._count = 0

    def add(self, values: Floats) -> None:
        """Count some more."""
        self._kept.append(values[values > self.LEAST].astype(np.float32))
        self._count += values.size

    def quantile(self, share: float) -> float:
        """The quantile, or ``LEAST`` where it is less; 1 of nothing."""
        if not self._count:
            return 1.0
        kept = np.concatenate(self._kept)
        place = share * (self._count - 1) - (self._count - kept.size)
        return self.LEAST if place < 0 else float(np.quantile(kept, min(1.0, place / max(kept.size - 1, 1))))
