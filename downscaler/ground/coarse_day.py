"""Days of SMAP on a domain: the coarse field that is downscaled, and which day a cell was last seen on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.grid import Domain, EaseGrid
from downscaler.records import InputRecord

NO_AGE = -1
_QUALITY_FILL = 65534


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


def empty_day(date: dt.date, domain: Domain, grid: EaseGrid) -> CoarseDay:
    """A day on which SMAP saw nothing of the domain, or has no granule: all fill."""
    shape = (domain.shape(grid).y, domain.shape(grid).x)
    fields = {
        "soil_moisture": np.full(shape, np.nan),
        "soil_moisture_error": np.full(shape, np.nan),
        "recommended": np.zeros(shape, bool),
        "retrieval_qual_flag": np.full(shape, _QUALITY_FILL, np.uint16),
        "surface_flag": np.zeros(shape, np.uint16),
        "observation_time": np.full(shape, np.datetime64("NaT"), "datetime64[s]"),
        "overpass": np.zeros(shape, np.int8),
    }
    coordinates = domain.geobox(grid).coordinates
    data = xr.Dataset(
        {name: (("y", "x"), field) for name, field in fields.items()},
        coords={axis: coordinates[axis].values for axis in ("y", "x")},
    )
    return CoarseDay(date=date, grid=grid, domain=domain, data=data, inputs=())


def last_retrieval(days: Sequence[CoarseDay], max_age: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Of each cell the position of the last day with a recommended retrieval and its age; -1 without one in time."""
    ages = np.array([(days[-1].date - day.date).days for day in days])
    use = np.stack([day.data["recommended"].values & np.isfinite(day.data["soil_moisture"].values) for day in days])
    use &= (ages <= max_age)[:, None, None]
    last = np.where(use.any(axis=0), len(days) - 1 - np.argmax(use[::-1], axis=0), NO_AGE)
    return last, np.where(last >= 0, ages[last], NO_AGE)


def of_last(days: Sequence[CoarseDay], last: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """Flags and times [nyc, nxc] of each cell's last retrieval."""
    names = ("surface_flag", "retrieval_qual_flag", "observation_time", "overpass")
    return {name: _pick(np.stack([day.data[name].values for day in days]), last) for name in names}


def _pick(stack: NDArray[np.generic], last: NDArray[np.intp]) -> NDArray[np.generic]:
    picked: NDArray[np.generic] = np.take_along_axis(stack, np.maximum(last, 0)[None], axis=0)[0]
    return picked
