"""Gap filling: carries the last retrieval and the prior forward, with growing uncertainty.

The departure of SMAP from the prior, e, is taken for a first-order autoregressive process of rate d a day and standard
deviation s_prior. From a retrieval of age a with error s_obs the estimate prior(t) + d^a e(t - a) then has variance
s_obs^2 d^(2a) + s_prior^2 (1 - d^(2a)): that of the retrieval at first, that of the prior alone in the end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import ClimatologyError
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain, EaseGrid
from downscaler.method.decay import Decay, departures, fit_decay
from downscaler.method.matching import Matching
from downscaler.product import THETA_MAX, THETA_MIN

__all__ = ["MAX_AGE", "NO_AGE", "Decay", "departures", "empty_day", "fill", "fit_decay"]

Floats = NDArray[np.floating]
MAX_AGE = 10  # days after which a retrieval says nothing any more
NO_AGE = -1
_FROZEN = 0b1111 << 5  # SMAP's surface flags for snow, ice and frozen ground
_QUALITY_FILL = 65534


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


def fill(
    days: Sequence[CoarseDay],
    prior: Floats,
    decay: Decay,
    *,
    matching: Matching | None = None,
    max_age: int = MAX_AGE,
) -> xr.Dataset:
    """Today's coarse field with its gaps filled from the last recommended retrieval and the prior.

    Not filled: cells without a recommended retrieval within ``max_age`` days, without a prior, and those that SMAP
    saw frozen or under snow today. A cell with a recommended retrieval of today keeps it untouched.

    Args:
        days: oldest first, the last is today (``empty_day`` where SMAP has nothing); days between may lack.
        prior: the prior's block means of the same days [n, nyc, nxc], m3 m-3; all of the record or all climatology.
        decay: fitted on departures from the same kind of prior.
        matching: SMAP's values are carried in the prior's climatology by it and come back in SMAP's own; without
            it they are taken to be in the prior's already.
        max_age: days.

    Returns:
        The variables of ``CoarseDay.data``, and ``filled`` (bool) and ``age_days`` (int16, -1 without a value). In
        filled cells ``soil_moisture_error`` is the standard error of the filled value, flags and
        ``observation_time`` are of the retrieval carried forward, and ``recommended`` is false.

    Raises:
        ClimatologyError: no days, days not in order, or fields that do not fit each other.
    """
    _check(days, prior)
    today = days[-1]
    last, age = last_retrieval(days, max_age)
    carried = of_last(days, last)
    value, error = _forward(days, prior, decay, matching, last)
    shown = today.data["surface_flag"].values.astype(np.int64)
    frozen = (today.data["overpass"].values > 0) & ((shown & _FROZEN) != 0)
    filled = (age > 0) & np.isfinite(value) & ~frozen
    fresh = today.data["recommended"].values
    result = today.data.copy(deep=True)
    for name, field in carried.items():
        result[name].values[filled] = field[filled]
    result["soil_moisture"].values[filled] = np.clip(value, THETA_MIN, THETA_MAX)[filled]
    result["soil_moisture_error"].values[filled] = error[filled]
    ages = np.where(filled | fresh, age, NO_AGE).astype(np.int16)
    result["filled"] = (("y", "x"), filled, {"long_name": "carried forward from an earlier retrieval and the prior"})
    result["age_days"] = (("y", "x"), ages, {"long_name": "age of the retrieval; -1 without one", "units": "d"})
    return result


def _check(days: Sequence[CoarseDay], prior: Floats) -> None:
    if not days:
        raise ClimatologyError("No day is given", allowed="at least today's")
    shape = (len(days), *days[-1].data["soil_moisture"].shape)
    if np.shape(prior) != shape:
        raise ClimatologyError("The prior's block means do not match the days", value=np.shape(prior), allowed=shape)
    if any(day.grid != days[-1].grid or day.domain.m36 != days[-1].domain.m36 for day in days):
        raise ClimatologyError(
            "The days have different grids or domains",
            value=", ".join(f"{day.date} {day.grid.name} {day.domain.name}" for day in days),
            allowed="one grid and domain",
        )
    dates = [day.date for day in days]
    if any(later <= earlier for earlier, later in pairwise(dates)):
        raise ClimatologyError(
            "The days are not in order", value=", ".join(map(str, dates)), allowed="oldest first, without duplicates"
        )


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


def _forward(
    days: Sequence[CoarseDay],
    prior: Floats,
    decay: Decay,
    matching: Matching | None,
    last: NDArray[np.intp],
) -> tuple[Floats, Floats]:
    """Value carried forward to today and its standard error [nyc, nxc], in SMAP's climatology where matched."""
    values, errors = [], []
    for day in days:
        value = day.data["soil_moisture"].values
        error = day.data["soil_moisture_error"].values
        error = np.where(np.isfinite(error) & (error > 0), error, decay.observation_error)
        values.append(matching.to_prior(value, day.date) if matching else value)
        errors.append(error / matching.scale(day.date) if matching else error)
    date = days[-1].date
    ages = np.array([(date - day.date).days for day in days])
    age = np.where(last >= 0, ages[last], 0)
    known = last >= 0
    departure = _pick(np.stack(values) - prior, last).astype(np.float64)
    value = np.where(known, prior[-1] + decay.weight(age) * departure, np.nan)
    error = np.where(known, decay.spread(age, _pick(np.stack(errors), last).astype(np.float64)), np.nan)
    return (matching.back(value, date), error * matching.scale(date)) if matching else (value, error)
