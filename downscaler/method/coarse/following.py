"""The analysis at 1 km: each cell from its level, its SMAP cell's wetness today and of the month before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from downscaler.ground.blocks import Bools, Floats
from downscaler.ground.grid import EaseGrid
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.response import response_names
from downscaler.method.features import Ground

CENTRES = (-1.0, 0.0, 1.0)  # departures in spreads at which the interval's factors are known: dry, usual, wet
_BEYOND = 2.0  # distances between the record's median and its outer quantiles, beyond which a day is unlike the record
_LEAST_SPREAD = 0.005  # m3 m-3


@dataclass(frozen=True, kw_only=True)
class Response:
    """How each 1 km cell [ny, nx] follows its SMAP cell, see ``response.responses``."""

    now: Floats
    slow: Floats
    error: Floats

    @classmethod
    def of(cls, data: xr.Dataset, grid: EaseGrid) -> Response | None:
        """That of a prior's window; None where the store has none, or none of its cells has one."""
        names = response_names(grid)
        if any(name not in data for name in names):
            return None
        now, slow, error = (data[name].values.astype(np.float64) for name in names)
        if not np.isfinite(error).any():
            return None
        # a cell whose record is too short follows its SMAP cell, with the error of the others
        usual = float(np.sqrt(np.nanmean(error**2)))
        return cls(now=np.nan_to_num(now, nan=1.0), slow=np.nan_to_num(slow), error=np.nan_to_num(error, nan=usual))


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A window's soil moisture, distances to the ends of its 90 % interval (m3 m-3), and where a day is unlike any."""

    soil_moisture: Floats
    below: Floats
    above: Floats
    outside: Bools


def follow(ground: Ground, response: Response, coarse: Mapping[str, Floats], memory: Memory) -> Followed:
    """A day's fields [ny, nx], before block means are kept exactly.

    Args:
        ground: the window's static side.
        response: its cells'.
        coarse: ``value`` and its ``error``, ``slow`` and ``slow_error`` (m3 m-3) and ``joint`` (m6 m-6) of
            ``analysis.Analysed`` [nyc, nxc], NaN where nothing is known.
        memory: with the interval's factors.
    """
    surface = ground.surface(coarse["value"])
    today = surface - ground.smooth_level
    slow = ground.surface(coarse["slow"])
    variance, slow_variance = (ground.surface(np.square(coarse[name])) for name in ("error", "slow_error"))
    theta = ground.level + response.now * today + response.slow * slow
    told = deviation(
        response, np.maximum(variance, 0.0), np.maximum(slow_variance, 0.0), ground.surface(coarse["joint"])
    )
    place = wetness(today, memory.amplitude * ground.smooth_sd)
    below, above = (told * np.interp(np.nan_to_num(place), CENTRES, side) for side in memory.stretch)
    return Followed(
        soil_moisture=theta, below=below, above=above, outside=np.abs(np.nan_to_num(ground.position(surface))) > _BEYOND
    )


def deviation(response: Response, variance: Floats, slow_variance: Floats, joint: Floats) -> Floats:
    """Standard deviation of the error at 1 km, m3 m-3: the response's own and that of the coarse fields.

    Variances and covariance (m6 m-6) are those of the coarse fields on the 1 km cells.
    """
    carried = response.now**2 * variance + 2.0 * response.now * response.slow * joint
    carried = carried + response.slow**2 * slow_variance
    return np.asarray(np.sqrt(response.error**2 + np.maximum(carried, 0.0)))


def wetness(departure: Floats, spread: Floats) -> Floats:
    """Departure from the level in spreads of the SMAP cell."""
    return np.asarray(departure / np.maximum(spread, _LEAST_SPREAD))
