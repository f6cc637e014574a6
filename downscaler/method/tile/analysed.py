"""An analysed day on a tile: what the trees make of it and what its cells' own response does, with equal weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from downscaler.ground.blocks import Floats
from downscaler.ground.grid import Window
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.following import Response, Usual, follow
from downscaler.method.conserve import redistribute
from downscaler.method.hybrid import Z90, Estimate
from downscaler.method.tile.land import Land
from downscaler.product import THETA_MAX, THETA_MIN

ANALYSED = ("slow_departure", "slow_error", "joint_error")
"""What an analysed day has beside the coarse fields of every day."""


def joined(trees: Estimate, land: Land, memory: Memory, coarse: xr.Dataset, inner: Window) -> Estimate:
    """The mean of two estimates that err in different ways; the interval is that of the response, which is the wider.

    Args:
        trees: the hybrid's estimate on the ``inner`` part of the window.
        land: its cells that are published.
        memory: the model's, with the interval's factors.
        coarse: the day's fields of the window, with those of ``ANALYSED``.
        inner: the part that is wanted, counted in the window.
    """

    def listed(field: Floats) -> Floats:
        return np.asarray(land.surface(field)[inner.index].ravel()[land.cells])

    def on_grid(values: Floats) -> Floats:
        grid = np.full(inner.shape.y * inner.shape.x, np.nan)
        grid[land.cells] = values
        return grid.reshape(inner.shape.y, inner.shape.x)

    scale, kept = coarse["scale"].values, coarse["kept"].values
    surfaces = {
        "value": listed(coarse["in_prior"].values),
        "variance": listed(np.square(coarse["soil_moisture_error"].values / scale)),
        "slow": listed(coarse["slow_departure"].values),
        "slow_variance": listed(np.square(coarse["slow_error"].values)),
        "joint": listed(coarse["joint_error"].values),
    }
    usual = Usual(level=land.static("level"), smooth_level=land.smooth_level, smooth_sd=land.smooth_sd)
    now, slow, error = land.response
    made = follow(usual, Response(now=now, slow=slow, error=error), surfaces, memory)
    factor = listed(scale)
    guess = on_grid(listed(kept) + factor * (made.soil_moisture - surfaces["value"]))
    limits = on_grid(land.residual), on_grid(land.porosity)
    target = kept[inner.coarser(land.ratio).index]
    followed, clipped = redistribute(guess, target, np.isfinite(guess), *limits, land.ratio)
    theta = 0.5 * (trees.soil_moisture + followed)
    below, above = (on_grid(factor * side) for side in (made.below, made.above))
    return replace(
        trees,
        soil_moisture=theta,
        lower=np.maximum(theta - below, THETA_MIN),
        upper=np.minimum(theta + above, THETA_MAX),
        uncertainty=(below + above) / (2.0 * Z90),
        clipped=trees.clipped & clipped,
    )
