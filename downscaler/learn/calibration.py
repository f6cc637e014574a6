"""Held-out days, the errors made on them, and the factors that make the 90 % interval hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Bools, Floats
from downscaler.learn.samples import DayRecord, TileRecord
from downscaler.method.hybrid import Z90, Branch, estimate
from downscaler.product import INTERVAL

MINIMUM_DAYS = 10
SURE = 0.9  # one-sided, of a mean over folds


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
        self._errors, self._sizes = _Counted(1e-4), dict[int, _Counted]()

    def add(self, day: DayRecord, record: TileRecord, branch: Branch, cells: Bools | None, trial: int = 0) -> None:
        """Judge one held-out day of a tile, on ``cells`` alone if given; ``trial`` is what it was held out of."""
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
        half = Z90 * result.uncertainty[use]
        miss = np.abs(theta - truth)[::7]
        self._errors.add(miss)
        self._sizes.setdefault(trial, _Counted(1e-3)).add(miss / np.maximum(half[::7], 1e-6))

    def rmse(self) -> dict[str, float]:
        """Root mean square error of each method, m3 m-3."""
        return {name: float(np.sqrt(total / max(self.cells, 1))) for name, total in self.squares.items()}

    def within_90(self) -> float:
        """What 90 % of the errors lie below, m3 m-3; 0 where nothing was judged."""
        return self._errors.quantile(INTERVAL)

    def stretch(self) -> tuple[float, float]:
        """Factor on both sides that puts 90 % of the held-out truth inside, of each trial too (``elsewhere``)."""
        if not self._sizes:
            return 1.0, 1.0
        whole = sum((each.counts for each in self._sizes.values()), np.zeros(1, np.int64))
        each = [trial.quantile(INTERVAL) for trial in self._sizes.values()]
        factor = max(0.1, _Counted(1e-3, whole).quantile(INTERVAL), elsewhere(np.array(each)))
        return factor, factor


class _Counted:
    """How many numbers lie in each step of some ``width`` from 0 up, so that memory does not grow with them."""

    STEPS = 50_000

    def __init__(self, width: float, counts: NDArray[np.int64] | None = None) -> None:
        self._width = width
        self.counts = np.zeros(self.STEPS, np.int64) if counts is None else counts

    def add(self, values: Floats) -> None:
        """Count some more, not negative."""
        step = np.minimum(values / self._width, self.STEPS - 1).astype(np.intp)
        self.counts += np.bincount(step, minlength=self.STEPS)

    def quantile(self, share: float) -> float:
        """Upper end of the step that ``quantile`` lies in; 0 of nothing."""
        upto = np.cumsum(self.counts)
        if not upto[-1]:
            return 0.0
        place = min(float(upto[-1]), np.ceil((upto[-1] + 1) * share))
        return float(self._width * (np.searchsorted(upto, place) + 1))


def elsewhere(each: Floats) -> float:
    """What is to be expected in a fold not seen of a quantile that is ``each`` [n] in the folds seen.

    Fifths of a record differ by more than their days do, so the mean over folds is taken with what it may be short of:
    the upper end of its one-sided interval (Student's t).
    """
    if len(each) < 2:
        return float(each.mean())
    return float(each.mean() + t.ppf(SURE, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each)))


def quantile(sizes: Floats, share: float) -> float:
    """Of split conformal prediction: of n errors the one of rank ceil((n + 1) share)."""
    return float(np.quantile(sizes, min(1.0, np.ceil((len(sizes) + 1) * share) / len(sizes)), method="higher"))
