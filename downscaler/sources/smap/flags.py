"""Decodes SMAP's flags and fill values: pure functions on arrays of any shape.

Source: SMAP Level 3 passive soil moisture product specification (doi:10.5067/OMHVSRGFX38O), ``retrieval_qual_flag``
and ``surface_flag``.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

FLAG_FILL = 65534  # its bit 0 is clear: a bit test alone takes fill for a recommended retrieval
FLOAT_FILL = -9999.0


class Retrieval(IntFlag):
    """Bits of ``retrieval_qual_flag``; each is set when the condition is NOT met."""

    NOT_RECOMMENDED = 1 << 0
    NOT_ATTEMPTED = 1 << 1
    NOT_SUCCESSFUL = 1 << 2
    FREEZE_THAW_NOT_SUCCESSFUL = 1 << 3  # says nothing of soil moisture


class Surface(IntFlag):
    """Bits of ``surface_flag``."""

    STATIC_WATER = 1 << 0
    RADAR_WATER = 1 << 1
    COAST = 1 << 2
    URBAN = 1 << 3
    PRECIPITATION = 1 << 4
    SNOW_OR_ICE = 1 << 5
    PERMANENT_ICE = 1 << 6
    FROZEN_RADIOMETER = 1 << 7
    FROZEN_MODEL = 1 << 8
    MOUNTAINS = 1 << 9
    DENSE_VEGETATION = 1 << 10
    NADIR = 1 << 11


FROZEN_OR_SNOW = Surface.SNOW_OR_ICE | Surface.PERMANENT_ICE | Surface.FROZEN_RADIOMETER | Surface.FROZEN_MODEL
OPEN_WATER = Surface.STATIC_WATER | Surface.RADAR_WATER


def successful(qual_flag: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where a retrieval was attempted and succeeded, recommended or not; fill is neither."""
    bad = int(Retrieval.NOT_ATTEMPTED | Retrieval.NOT_SUCCESSFUL)
    return np.asarray(((qual_flag & np.uint16(bad)) == 0) & (qual_flag != FLAG_FILL))


def recommended(
    qual_flag: NDArray[np.uint16],
    value: NDArray[np.floating],
    *,
    valid_min: float,
    valid_max: float,
) -> NDArray[np.bool_]:
    """Where a retrieval is recommended: bits 0 to 2 clear, the word not fill, the value there and in its valid range.

    ``value`` in m3 m-3 with NaN for fill; the valid range is the variable's own.
    """
    inside = np.isfinite(value) & (value >= valid_min) & (value <= valid_max)
    return np.asarray(successful(qual_flag) & ((qual_flag & np.uint16(Retrieval.NOT_RECOMMENDED)) == 0) & inside)


def masked(value: NDArray[np.floating], fill: float = FLOAT_FILL) -> NDArray[np.float64]:
    """Values as float64 with NaN for the declared fill, SMAP's -9999 and anything not finite."""
    out = value.astype(np.float64)
    out[(value == fill) | (value == FLOAT_FILL) | ~np.isfinite(out)] = np.nan
    return out


def surface_bits(surface_flag: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Surface flags with 0 for fill, so that no bit of the fill word is taken for a condition."""
    return np.where(surface_flag == FLAG_FILL, np.uint16(0), surface_flag)
