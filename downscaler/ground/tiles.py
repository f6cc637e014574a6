"""A tile: the product's fields on one window of whole SMAP cells, the unit of work from model to file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.grid import Window


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Fields of ``product.VARIABLES`` on one M01 window counted from the domain's upper left corner.

    ``fields`` maps variable names to [y, x] arrays in physical units, NaN where missing; ``quality_flag`` is
    uint16; ``observation_time`` is in minutes as float.
    """

    window: Window
    fields: Mapping[str, NDArray[np.generic]]
