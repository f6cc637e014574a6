"""Baselines that need no training, shown in every evaluation."""

from __future__ import annotations

import numpy as np

from downscaler.ground.blocks import Floats, block_mean
from downscaler.method.conserve import bilinear
from downscaler.method.features import Ground


def baselines(coarse: Floats, ground: Ground, prior_day: Floats | None = None) -> dict[str, Floats]:
    """The untrained methods on one window, NaN where the coarse field or the land is missing.

    ``nearest`` is the coarse value as it is, ``bilinear`` its interpolation between cell centres,
    ``climatological_pattern`` the coarse value plus the prior's mean contrast mu - C(mu), ``prior`` the prior's own
    field of the day, if given.

    Args:
        coarse: coarse soil moisture [nyc, nxc], m3 m-3.
        ground: the window.
        prior_day: the prior's soil moisture of the day [ny, nx].
    """
    nearest = ground.spread(coarse)
    contrast = ground.level - ground.spread(block_mean(ground.level, ground.active, ground.ratio))
    fields = {
        "nearest": nearest,
        "bilinear": bilinear(coarse, ground.ratio),
        "climatological_pattern": nearest + contrast,
    }
    if prior_day is not None:
        fields["prior"] = prior_day
    use = ground.active & np.isfinite(nearest)
    return {name: np.where(use, field, np.nan) for name, field in fields.items()}
