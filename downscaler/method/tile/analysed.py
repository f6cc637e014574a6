"""An analysed day on a tile: each cell by its own response to its SMAP cell. No tree is asked."""

from __future__ import annotations

import numpy as np
import xarray as xr

from downscaler.ground.blocks import spread_blocks
from downscaler.ground.grid import Window
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.following import Response, follow
from downscaler.method.conserve import redistribute
from downscaler.method.features import Ground
from downscaler.method.hybrid import Z90, Estimate
from downscaler.product import THETA_MAX, THETA_MIN


def followed(ground: Ground, response: Response, memory: Memory, coarse: xr.Dataset, inner: Window) -> Estimate:
    """An analysed day by its cells' own response, on the ``inner`` part of a window.

    Args:
        ground: the window's static side.
        response: its cells'.
        memory: the model's, with the interval's factors.
        coarse: the day's fields of the window, with those of ``analysis.Analysed``.
        inner: the part that is wanted, counted in the window.
    """
    scale, value = coarse["scale"].values, coarse["in_prior"].values
    fields = {
        "value": value,
        "error": coarse["soil_moisture_error"].values / scale,
        "slow": coarse["slow_departure"].values,
        "slow_error": coarse["slow_error"].values,
        "joint": coarse["joint_error"].values,
    }
    made = follow(ground, response, fields, memory)
    kept, factor = coarse["kept"].values, ground.surface(scale)
    guess = ground.surface(kept) + factor * (made.soil_moisture - ground.surface(value))
    cut, cut_coarse = inner.index, inner.coarser(ground.ratio).index
    use = (ground.active & np.isfinite(spread_blocks(kept, ground.ratio)))[cut]
    bounds = ground.residual[cut], ground.porosity[cut]
    theta, clipped = redistribute(np.where(use, guess[cut], np.nan), kept[cut_coarse], use, *bounds, ground.ratio)
    below, above = (np.where(use, (factor * side)[cut], np.nan) for side in (made.below, made.above))
    return Estimate(
        soil_moisture=theta,
        lower=np.maximum(theta - below, THETA_MIN),
        upper=np.minimum(theta + above, THETA_MAX),
        uncertainty=(below + above) / (2.0 * Z90),
        clipped=clipped,
        outside=use & made.outside[cut],
    )
