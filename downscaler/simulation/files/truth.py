"""The simulated truth of a sample, read back for evaluation; never an input of the product."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import xarray as xr

from downscaler.ground.blocks import Floats


def read_truth(path: Path, date: dt.date) -> Floats:
    """Soil moisture of a day [y, x] on the domain's product grid, m3 m-3, NaN where inactive; KeyError off its days."""
    with xr.open_dataset(path) as file:
        return file["soil_moisture"].sel(time=np.datetime64(date)).values.astype(np.float64)
