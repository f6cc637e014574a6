"""Antecedent weather of a day in whole numbers: made from its days, or from those of the day before.

Sums of packed rain and temperature are exact. The index is carried on in steps of ``INDEX_STEP``; what rounding leaves
of it decays with the index itself, so it never errs by more than half a step / (1 - k), 0.0005 mm.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from downscaler.method.features import API_DAYS, API_DECAY, FORCING_DAYS, SUMS, WARMTH_DAYS
from downscaler.method.forcing import RAIN, WARMTH
from downscaler.method.weather.antecedent import Antecedent
from downscaler.stores.weather.layout import AIR_TEMPERATURE, MISSING, PRECIPITATION

NAMES = (*(f"{RAIN}_{span}d" for span in SUMS), f"{RAIN}_index", f"{WARMTH}_7d", "gaps")
INDEX_STEP = 1e-4  # mm
_INDEX, _WARM, _GAPS = len(SUMS), len(SUMS) + 1, len(SUMS) + 2
_PARTS = PRECIPITATION.scale / INDEX_STEP  # steps of the index in a step of rain
_WARM_GAP = 64  # days without temperature are counted in these, those without rain in ones
Numbers = NDArray[np.uint16]
Planes = NDArray[np.uint32]
Read = Callable[[str, dt.date], Numbers]
"""Packed rain or temperature of a day [y, x], ``MISSING`` without."""


def from_days(run: Sequence[dt.date], read: Read) -> Planes:
    """The planes ``NAMES`` of the last day of a run [plane, y, x], from all of its days.

    Args:
        run: unbroken days with rain, at least ``WARMTH_DAYS`` and at most ``FORCING_DAYS``.
        read: gives their numbers.
    """
    made = np.zeros((len(NAMES), *read(RAIN, run[-1]).shape), np.uint32)
    index = np.zeros(made.shape[1:])
    for age, day in enumerate(reversed(run)):
        rain, gone = _fallen(read(RAIN, day))
        for plane, span in enumerate(SUMS):
            if age < span:
                made[plane] += rain
        index += rain * (_PARTS * API_DECAY**age)
        made[_GAPS] += gone
    for day in run[-WARMTH_DAYS:]:
        warmth, gone = _fallen(read(WARMTH, day))
        made[_WARM] += warmth
        made[_GAPS] += gone * np.uint32(_WARM_GAP)
    made[_INDEX] = np.rint(index)
    return made


def from_day_before(before: Planes, first: dt.date, day: dt.date, read: Read) -> Planes:
    """The same from the planes of the day before, whose run began with ``first``: what comes in and what leaves."""
    made = before.copy()
    rain, gone = _fallen(read(RAIN, day))
    index = before[_INDEX] * API_DECAY + rain * _PARTS
    made[_GAPS] += gone

    def leaving(name: str, span: int) -> tuple[Planes, Planes] | None:
        left = day - dt.timedelta(days=span)
        return _fallen(read(name, left)) if left >= first else None

    for plane, span in enumerate(SUMS):
        made[plane] += rain
        if (left := leaving(RAIN, span)) is not None:
            made[plane] -= left[0]
    if (left := leaving(RAIN, FORCING_DAYS)) is not None:
        index -= left[0] * (_PARTS * API_DECAY**FORCING_DAYS)
        made[_GAPS] -= left[1]
    warmth, gone = _fallen(read(WARMTH, day))
    made[_WARM] += warmth
    made[_GAPS] += gone * np.uint32(_WARM_GAP)
    if (left := leaving(WARMTH, WARMTH_DAYS)) is not None:
        made[_WARM] -= left[0]
        made[_GAPS] -= left[1] * np.uint32(_WARM_GAP)
    made[_INDEX] = np.rint(np.maximum(index, 0.0))
    return made


def unpacked(planes: Planes, days: int) -> dict[str, Antecedent]:
    """Rain's and temperature's predictors of planes that a run of some days was made to."""
    gaps = planes[_GAPS]
    rain = {
        name: planes[plane] * PRECIPITATION.scale if days >= span else np.full(gaps.shape, np.nan)
        for plane, (name, span) in enumerate(zip(NAMES, SUMS, strict=False))
    }
    rain[NAMES[_INDEX]] = planes[_INDEX] * INDEX_STEP if days >= API_DAYS else np.full(gaps.shape, np.nan)
    warmth = {NAMES[_WARM]: planes[_WARM] * (AIR_TEMPERATURE.scale / WARMTH_DAYS)}
    return {
        RAIN: _told(rain, gaps % _WARM_GAP, days),
        WARMTH: _told(warmth, gaps // _WARM_GAP, WARMTH_DAYS),
    }


def _told(fields: dict[str, NDArray[np.float64]], gaps: Planes, days: int) -> Antecedent:
    known = gaps == 0
    return Antecedent(fields=fields, known=known, partly=~known & (gaps != days))


def _fallen(numbers: Numbers) -> tuple[Planes, Planes]:
    """Numbers with 0 for what is missing, and 1 where it is."""
    gone = numbers == MISSING
    return np.where(gone, np.uint32(0), numbers), gone.astype(np.uint32)
