"""Quality flags and observation times on the product grid: what SMAP reports, and what the downscaling did."""

from __future__ import annotations

import datetime as dt

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, spread_blocks
from downscaler.product import OBSERVATION_TIME, Flag

_SMAP_FLAGS: tuple[tuple[int, Flag], ...] = (
    (0b11, Flag.OPEN_WATER),
    (1 << 3, Flag.URBAN),
    (0b1111 << 5, Flag.FROZEN_OR_SNOW),
    (1 << 10, Flag.DENSE_VEGETATION),
)


def quality(
    coarse: xr.Dataset, theta: Floats, *, clipped: Bools, outside: Bools, everywhere: Flag, ratio: int
) -> NDArray[np.uint16]:
    """Bits of ``quality_flag`` of a window: what SMAP reports of the cell, and what the downscaling did.

    Args:
        coarse: ``CoarseDay.data`` of the window with ``kept`` (what is downscaled) and ``filled``.
        theta: the field [ny, nx], NaN where nothing is published.
        clipped: where a bound holds the value.
        outside: where the predictors are unlike what the model was trained on.
        everywhere: what holds for all published cells: the prior lacks the day, its weather is preliminary or none.
        ratio: fine cells along one edge of a coarse cell.
    """
    surface = coarse["surface_flag"].values.astype(np.uint16)
    refused = np.isfinite(coarse["soil_moisture"].values) & ~np.isfinite(coarse["kept"].values)
    bits = np.zeros(surface.shape, np.uint16)
    for mask, flag in _SMAP_FLAGS:
        bits |= np.where(surface & mask, flag, 0).astype(np.uint16)
    bits |= np.where(refused, Flag.SMAP_NOT_RECOMMENDED, 0).astype(np.uint16)
    bits |= np.where(coarse["filled"].values, Flag.GAP_FILLED, 0).astype(np.uint16)
    if "analysed" in coarse:
        bits |= np.where(coarse["age_days"].values < 0, Flag.WITHOUT_SMAP, 0).astype(np.uint16)
    if "modelled" in coarse:
        bits |= np.where(coarse["modelled"].values, Flag.SMAP_L4, 0).astype(np.uint16)
    fine = spread_blocks(bits, ratio)
    published = np.isfinite(theta)
    fine = fine | np.where(published, 0, Flag.FILL).astype(np.uint16)
    fine &= np.where(published, 0xFFFF, ~np.uint16(Flag.GAP_FILLED)).astype(np.uint16)
    fine |= np.where(published, everywhere, 0).astype(np.uint16)
    fine |= np.where(outside, Flag.OUTSIDE_APPLICABILITY, 0).astype(np.uint16)
    fine |= np.where(clipped, Flag.CLIPPED, 0).astype(np.uint16)
    return fine


def minutes(coarse: xr.Dataset, date: dt.date, published: Floats, ratio: int) -> Floats:
    """Minutes from 00:00 UTC of the day to the observation, NaN where none is published or it is too old."""
    since = coarse["observation_time"].values.astype("datetime64[s]") - np.datetime64(date)
    minutes = np.where(np.isnat(since), np.nan, since / np.timedelta64(60, "s"))
    minutes = np.where(minutes >= OBSERVATION_TIME.valid_min, minutes, np.nan)
    return np.where(np.isfinite(published), spread_blocks(np.rint(minutes), ratio), np.nan)
