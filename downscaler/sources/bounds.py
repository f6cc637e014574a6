"""Times of means over a period, which files stamp with its beginning, its middle or its end: CF's bounds tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

LONGEST = np.timedelta64(25, "h")
"""Of a mean that may stand for a day."""


def middles(dataset: xr.Dataset, axis: str = "time") -> tuple[NDArray[np.datetime64], np.timedelta64] | None:
    """The middle of each step of a decoded time axis, and the length of the longest; None where no bounds are told.

    Source: CF conventions, section "Cell boundaries".
    """
    if axis not in dataset.coords or dataset[axis].dtype.kind != "M":
        return None
    told: dict[Any, Any] = {**dataset[axis].encoding, **dataset[axis].attrs}
    name = told.get("bounds")
    if name not in dataset.variables or dataset[name].dtype.kind != "M":
        return None
    ends = dataset[name].values
    if ends.shape != (dataset[axis].size, 2) or ends.size == 0:
        return None
    first, last = ends.T
    return first + (last - first) / 2, (last - first).max()
