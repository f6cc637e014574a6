"""When a series crosses a threshold: each alert has a beginning, and an end once it no longer holds. Pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A value that a variable is to stay above, or below; just one of both."""

    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold is above or below a value, not both and not neither")
        if not np.isfinite([value for value in (self.above, self.below) if value is not None]).all():
            raise ValueError("a threshold is a number, which NaN and infinity are not")

    def met(self, value: float) -> bool:
        """Whether a known value is beyond the threshold."""
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below

    def __str__(self) -> str:
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A day on which an alert began, or on which it no longer held."""

    date: dt.date
    began: bool


def crossings(
    dates: Sequence[dt.date], values: Sequence[float], threshold: Threshold, *, before: bool = False
) -> tuple[list[Crossing], bool]:
    """Days on which a series goes beyond a threshold or comes back, and whether it is beyond at the end.

    Args:
        dates: rising.
        values: of each day; NaN is unknown and changes nothing.
        threshold: that is crossed.
        before: whether it was beyond before the first day.
    """
    found, beyond = [], before
    for date, value in zip(dates, values, strict=True):
        if np.isfinite(value) and threshold.met(value) != beyond:
            beyond = not beyond
            found.append(Crossing(date=date, began=beyond))
    return found, beyond
