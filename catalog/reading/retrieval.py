"""The SMAP retrieval that a published map is bound to, read back from the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import block_mean, spread_blocks

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def smap_of(theta: Floats, filled: Bools, ratio: int) -> Floats:
    """SMAP's retrieval of each coarse cell, m3/m3 [y/ratio, x/ratio], NaN where the day has none.

    The product is bound to it: the mean over the published cells of a SMAP cell equals it (within
    ``product.CONSERVATION_TOLERANCE`` and half the precision of the stored values). A value that was carried forward
    into a gap of the swath, or is of SMAP L4 where SMAP was silent, comes from no retrieval of the day.

    Args:
        theta: soil moisture [y, x], NaN where nothing is published.
        filled: where it is of no retrieval [y, x].
        ratio: cells along one edge of a SMAP cell.
    """
    return block_mean(theta, np.isfinite(theta) & ~filled, ratio)


def less_smap(theta: Floats, filled: Bools, ratio: int) -> Floats:
    """Soil moisture less the SMAP retrieval of its cell, m3/m3, float32 [y, x], NaN where there was no retrieval.

    Arguments are those of ``smap_of``.
    """
    seen = np.isfinite(theta) & ~filled
    return np.where(seen, theta - spread_blocks(smap_of(theta, filled, ratio), ratio), np.nan).astype(np.float32)
