"""Errors that the analysis makes on fifths of a record it has not seen, and the factors that make its errors hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from downscaler.ground.blocks import Bools, Floats
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
    """Errors gathered over tiles and days."""

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
        size = fine / np.hypot(own, inflation * carried)
        nearest = np.abs(wet[:, None] - np.asarray(CENTRES)).argmin(axis=1)
        share = (1.0 + INTERVAL) / 2.0
        sides = []
        for sign in (1.0, -1.0):  # an estimate above the truth is covered by the lower end
            whole = _quantile(sign * size, share)
            classes = [sign * size[nearest == number] for number in range(len(CENTRES))]
            sides.append(tuple(round(_quantile(c, share) if len(c) >= _FEWEST else whole, 4) for c in classes))
        return replace(memory, inflation=round(inflation, 4), stretch=(sides[0], sides[1]))


def expected(misses: Misses, memory: Memory) -> dict[str, Any]:
    """Error at 1 km and coverage to be expected, each fifth with the factors that the other fifths give.

    ``coverage_of_classes`` is that of the dry, usual and wet cells. Empty where nothing was judged.
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
    }


def _quantile(sizes: Floats, share: float) -> float:
    """Of split conformal prediction: of n errors the one of rank ceil((n + 1) share)."""
    return float(np.quantile(sizes, min(1.0, np.ceil((len(sizes) + 1) * share) / len(sizes)), method="higher"))
