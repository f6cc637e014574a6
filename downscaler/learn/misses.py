"""Errors that the analysis makes on fifths of a record it has not seen, and the factors that make its errors hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from downscaler.ground.blocks import Bools, Floats
from downscaler.learn.calibration import elsewhere, quantile
from downscaler.learn.judged import Judged
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.following import CENTRES
from downscaler.product import INTERVAL

SPLIT = (
    "contiguous fifths of the record, each with statistics and factors of the others; SMAP on two days of five with an "
    "error of 0.04 m3 m-3, two thirds of it smooth over 60 km; no weather"
)
_FEWEST = 200  # errors that a class of wetness needs to have factors of its own
_INFLATIONS = (1.0, 2.0)


@dataclass
class Misses:
    """Errors gathered over tiles and days.

    The interval is as wide to either side: what errors of a few fifths lean to, others do not, since most of it is
    constant within a fifth. With sides of their own the worst fifths of three records had 0.66, 0.62 and 0.86 inside,
    with one 0.82, 0.71 and 0.88.
    """

    days: list[Judged] = field(default_factory=list)

    def add(self, days: Iterator[Judged]) -> None:
        """Count some days."""
        self.days += list(days)

    def applied(self, memory: Memory) -> Memory:
        """The memory with an inflation and interval factors that would have held here."""
        if not self.days:
            return memory
        made, told = (np.concatenate([getattr(day, name) for day in self.days]) for name in ("coarse", "coarse_told"))
        inflation = float(np.clip(np.sqrt((made**2).mean() / (told**2).mean()), *_INFLATIONS))
        fine, own, carried, wet = (
            np.concatenate([getattr(day, name) for day in self.days]) for name in ("fine", "told", "carried", "wet")
        )
        size = np.abs(fine) / np.hypot(own, inflation * carried)
        nearest = np.abs(wet[:, None] - np.asarray(CENTRES)).argmin(axis=1)
        whole = quantile(size, INTERVAL)
        classes = [size[nearest == number] for number in range(len(CENTRES))]
        factors = np.array([quantile(part, INTERVAL) if len(part) >= _FEWEST else whole for part in classes])
        size = size / np.interp(wet, CENTRES, factors)
        fold = np.concatenate([np.full(len(day.fine), day.fold) for day in self.days])
        each = [quantile(size[fold == number], INTERVAL) for number in np.unique(fold)]
        factors *= max(1.0, elsewhere(np.array(each)))
        side = tuple(round(float(factor), 4) for factor in factors)
        return replace(memory, inflation=round(inflation, 4), stretch=(side, side))


def expected(misses: Misses, memory: Memory) -> dict[str, Any]:
    """Error at 1 km and coverage to be expected, each fifth with the factors that the other fifths give.

    ``coverage_of_classes`` is that of the dry, usual and wet cells, ``within_90`` what 90 % of the errors within SMAP's
    cells lie below where their means are kept, m3 m-3. Empty where nothing was judged.
    """
    held: list[tuple[Floats, Bools, Floats]] = []
    for fold in sorted({day.fold for day in misses.days}):
        rest = Misses([day for day in misses.days if day.fold != fold])
        known = rest.applied(memory) if rest.days else memory
        for day in (day for day in misses.days if day.fold == fold):
            told = np.hypot(day.told, known.inflation * day.carried)
            below, above = (told * np.interp(day.wet, CENTRES, side) for side in known.stretch)
            held.append((day.fine, (day.fine <= below) & (-day.fine <= above), day.wet))
    if not held:
        return {}
    miss, inside, wet = (np.concatenate(part) for part in zip(*held, strict=True))
    nearest = np.abs(wet[:, None] - np.asarray(CENTRES)).argmin(axis=1)
    classes = [inside[nearest == number] for number in range(len(CENTRES))]
    return {
        "split": SPLIT,
        "days": len(misses.days),
        "rmse": round(float(np.sqrt((miss**2).mean())), 4),
        "coverage_90": round(float(inside.mean()), 3),
        "coverage_of_classes": [round(float(part.mean()), 3) if part.size else None for part in classes],
        "within_90": round(quantile(np.abs(np.concatenate([day.kept for day in misses.days])), INTERVAL), 5),
    }
