"""Rivers that cut their valleys into a terrain, and its relief; arrays are [y, x] with row 0 in the south.

Source: Braun and Willett (2013, doi:10.1016/j.geomorph.2012.10.008) for the implicit stream-power step.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, laplace

from downscaler.ground.drainage import Field, drain, fill_pits


def incise(elevation: Field, erodibility: Field, rise: Field, *, steps: int, cell: float = 1000.0) -> Field:
    """Terrain after rivers have cut into it: stream power dz/dt = -K A^0.45 S, implicit, with hillslope creep.

    Args:
        elevation: m, [y, x].
        erodibility: K times the time step, in units in which 1 lets a river of one cell halve its drop.
        rise: least step up from cell to cell over filled pits, m.
        steps: how many times drainage is found anew.
        cell: metres.

    Returns:
        The filled terrain, m.
    """
    power = erodibility.ravel()
    for _ in range(steps):
        filled = fill_pits(elevation, rise)
        drainage = drain(filled, cell)
        height = filled.ravel().copy()
        strength = power * drainage.area**0.45
        for cells in reversed(drainage.levels):
            height[cells] = (height[cells] + strength[cells] * height[drainage.receiver[cells]]) / (1 + strength[cells])
        elevation = height.reshape(elevation.shape)
        elevation = elevation + 0.05 * laplace(elevation, mode="nearest")
    return fill_pits(elevation, rise)


def relief(elevation: Field, radius: float) -> Field:
    """Height above the Gaussian mean of the surroundings, ``radius`` in cells; positive on ridges."""
    return np.asarray(elevation - gaussian_filter(elevation, radius, mode="nearest"))
