"""The analysis at 1 km: each cell from its level, its SMAP cell's wetness today and of the month before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import EaseGrid
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.response import response_names
from downscaler.method.conserve import bilinear
from downscaler.method.pattern import ratio_to_m01

CENTRES = (-1.0, 0.0, 1.0)  # departures in spreads at which the interval's factors are known: dry, usual, wet
_LEAST_SPREAD = 0.005  # m3 m-3
# Of a cell's own error variance; five fifths of a record tell it with some four degrees of freedom, since what is left
# is constant over weeks. With all of it 0.75 of the worst fifth of eight months were inside, with 0.4 of it 0.80.
_OWN = 0.5


@dataclass(frozen=True, kw_only=True)
class Response:
    """How each 1 km cell follows its SMAP cell, see ``response.responses``; arrays of any one shape."""

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
        told = settled(np.nan_to_num(error, nan=usual), data["active"].values.astype(bool), ratio_to_m01(grid))
        return cls(now=np.nan_to_num(now, nan=1.0), slow=np.nan_to_num(slow), error=told)

    def stacked(self) -> Floats:
        """Slope today, slope on the running mean and error [3, ...]."""
        return np.stack([self.now, self.slow, self.error])


def settled(error: Floats, active: Bools, ratio: int) -> Floats:
    """Standard errors [ny, nx] drawn towards those around: half of each variance is its own, half the neighbourhood's.

    Args:
        error: of the cells, m3 m-3; where ``active`` is false it is of no account.
        active: land [ny, nx].
        ratio: cells along one edge of a SMAP cell; the neighbourhood is some of them.
    """
    around = bilinear(block_mean(np.square(error), active, ratio), ratio)
    variance = _OWN * np.square(error) + (1.0 - _OWN) * around
    return np.asarray(np.where(np.isfinite(variance), np.sqrt(variance), error))


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What is usual of the same cells: level, and surfaces through the block means of level and of spread, m3 m-3."""

    level: Floats
    smooth_level: Floats
    smooth_sd: Floats


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Soil moisture of the cells and the distances to the ends of its 90 % interval, m3 m-3."""

    soil_moisture: Floats
    below: Floats
    above: Floats


def follow(usual: Usual, response: Response, surfaces: Mapping[str, Floats], memory: Memory) -> Followed:
    """A day's cells, before block means are kept exactly.

    Args:
        usual: of the cells.
        response: of the same cells.
        surfaces: smooth surfaces on the cells through ``value`` and ``slow`` (m3 m-3), ``variance``, ``slow_variance``
            and ``joint`` (m6 m-6) of ``analysis.Analysed``.
        memory: with the interval's factors.
    """
    today = surfaces["value"] - usual.smooth_level
    variance, slow_variance = (np.maximum(surfaces[name], 0.0) for name in ("variance", "slow_variance"))
    told = deviation(response, variance, slow_variance, surfaces["joint"])
    place = np.nan_to_num(wetness(today, memory.amplitude * usual.smooth_sd))
    below, above = (told * np.interp(place, CENTRES, side) for side in memory.stretch)
    theta = usual.level + response.now * today + response.slow * surfaces["slow"]
    return Followed(soil_moisture=theta, below=below, above=above)


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
