"""One day of SMAP on a domain: the coarse field that is downscaled."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import xarray as xr

from downscaler.ground.grid import Domain, EaseGrid
from downscaler.records import InputRecord


@dataclass(frozen=True, kw_only=True)
class CoarseDay:
    """SMAP's retrievals of one UTC day on the domain's window of M09 or M36.

    ``data`` has, on (y, x): ``soil_moisture`` (m3 m-3, NaN without a successful retrieval), ``recommended`` (bool),
    ``soil_moisture_error`` (m3 m-3, NaN where absent), ``surface_flag`` (uint16, 0 without an observation),
    ``retrieval_qual_flag`` (uint16, 65534 without one), ``observation_time`` (datetime64[s], NaT without one) and
    ``overpass`` (int8: 0 none, 1 AM, 2 PM).
    """

    date: dt.date
    grid: EaseGrid
    domain: Domain
    data: xr.Dataset
    inputs: tuple[InputRecord, ...]
    simulated: bool = False
