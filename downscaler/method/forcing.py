"""Antecedent weather of a day, from the prior if its record has it, else from a weather store.

A gap is a gap: a day without rain in either ends the run of days, it is never taken for dry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.prior import read_days
from downscaler.method.features import API_DECAY, FORCING_DAYS, FORCING_MINIMUM, WARMTH_DAYS

Floats = NDArray[np.floating]
Days = TypeVar("Days", list[dt.date], NDArray[np.intp])
RAIN, WARMTH = "precipitation", "air_temperature"
MATTERS = 2.0  # mm of the antecedent index over any SMAP cell: less of a change leaves a day as it is
COVER = 0.95  # share of the active cells that a day's rain has to cover; the rest takes their mean


class HeldWeather(Protocol):
    """Weather beside the prior, on one tile."""

    def __call__(self, name: str, dates: Sequence[dt.date]) -> Floats:
        """``precipitation`` (mm) or ``air_temperature`` (K) on some days, [day, y, x], NaN where there is none."""


def own_days(data: xr.Dataset) -> NDArray[np.datetime64]:
    """Days of the prior's record that have weather; none where it has no precipitation."""
    if RAIN not in data or "time" not in data.coords:
        return np.array([], dtype="datetime64[D]")
    return np.asarray(data["time"].values.astype("datetime64[D]"))


def run_of_days(date: dt.date, own: NDArray[np.datetime64], held: Sequence[dt.date]) -> list[dt.date]:
    """The unbroken run of days with weather that ends with ``date``, at most ``FORCING_DAYS``; empty where too short.

    Args:
        date: the day.
        own: days with weather in the prior's record.
        held: days with weather beside it.
    """
    there = {day.item() for day in own} | set(held)
    run = []
    for age in range(FORCING_DAYS):
        day = date - dt.timedelta(days=age)
        if day not in there:
            break
        run.append(day)
    return run[::-1] if len(run) >= FORCING_MINIMUM else []


def borrowed(date: dt.date, own: NDArray[np.datetime64], held: Sequence[dt.date]) -> list[dt.date]:
    """Those days of the run that come from beside the prior: what a day's provenance has to name."""
    known = {day.item() for day in own}
    return [day for day in run_of_days(date, own, held) if day not in known]


def all_beside(data: xr.Dataset, date: dt.date, held: Sequence[dt.date]) -> bool:
    """Whether the run of days with weather that ends with ``date`` comes from beside the prior alone."""
    run, own = run_of_days(date, own_days(data), held), own_days(data)
    return bool(run) and not np.isin(np.asarray(run, dtype="datetime64[D]"), own).any()


def forcing_until(
    data: xr.Dataset,
    date: dt.date,
    held: HeldWeather | None = None,
    days: Sequence[dt.date] = (),
    names: Sequence[str] = (RAIN, WARMTH),
) -> dict[str, Floats] | None:
    """Forcing of the days up to ``date``, or None when there is none, or a gap shortly before.

    Args:
        data: the prior on a tile.
        date: the day, the last of the forcing.
        held: weather beside the prior; None without.
        days: those that ``held`` has.
        names: what is asked for.

    Returns:
        ``precipitation`` (mm day-1) [days, y, x] and, where the prior has it, ``air_temperature`` (K) of the last
        ``WARMTH_DAYS`` of them.
    """
    if RAIN not in data or "time" not in data.coords:
        return None if held is None else _all_held(data, date, held, days, names)
    names = [name for name in names if name in data]
    own = own_days(data)
    steps = _own_run(own, date)
    run = run_of_days(date, own, days) if held is not None and len(steps) < FORCING_DAYS else []
    place = {day.item(): n for n, day in enumerate(own)} if run else {}
    if all(day in place for day in run):
        return {name: read_days(data[name], _last(name, steps)) for name in names} if len(steps) else None
    assert held is not None
    whole_run, made = run, {}
    for name in names:
        run = _last(name, whole_run)
        lent = [day for day in run if day not in place]
        found = _complete(held(name, lent), data, name, lent)
        if found is None:
            return None
        whole = np.empty((len(run), *found.shape[1:]), dtype=np.float32)
        whole[[n for n, day in enumerate(run) if day not in place]] = found
        if kept := [day for day in run if day in place]:
            own_values = read_days(data[name], np.array([place[day] for day in kept]))
            whole[[n for n, day in enumerate(run) if day in place]] = own_values
        made[name] = whole
    return made


def _last(name: str, days: Days) -> Days:
    """Those of a run of days that predictors are made from: all for rain, the last week for temperature."""
    return days[-WARMTH_DAYS:] if name == WARMTH else days


def _own_run(own: NDArray[np.datetime64], date: dt.date) -> NDArray[np.intp]:
    """Steps of the prior's own unbroken run of days that ends with ``date``; none where it is too short."""
    last = np.datetime64(date)
    window = np.flatnonzero((own > last - FORCING_DAYS) & (own <= last))
    run = own[window]
    if len(run) < FORCING_MINIMUM or run[-1] != last:
        return window[:0]
    gaps = np.flatnonzero(np.diff(run) != np.timedelta64(1, "D"))
    window = window[gaps[-1] + 1 :] if len(gaps) else window
    return window if len(window) >= FORCING_MINIMUM else window[:0]


def _all_held(
    data: xr.Dataset, date: dt.date, held: HeldWeather, days: Sequence[dt.date], names: Sequence[str]
) -> dict[str, Floats] | None:
    """Forcing of a prior that has none of its own."""
    run = run_of_days(date, np.array([], dtype="datetime64[D]"), days)
    if not run:
        return None
    made = {}
    if RAIN in names:
        rain = _complete(held(RAIN, run), data, RAIN, run)
        if rain is None:
            return None
        made[RAIN] = rain
    if WARMTH in names:
        warm = _last(WARMTH, run)
        values = held(WARMTH, warm)
        warmth = _complete(values, data, WARMTH, warm, usual=_mean_of_known(values, data))
        made |= {} if warmth is None else {WARMTH: warmth}
    return made


def _mean_of_known(values: Floats, data: xr.Dataset) -> Floats | None:
    """The mean [y, x] of those days whose field covers the soil; None without one."""
    active = data["active"].values > 0
    whole = [day for day in values if (np.isfinite(day) & active).sum() >= COVER * active.sum()]
    if not whole or not active.any():
        return None
    count = np.isfinite(whole).sum(axis=0)
    return np.asarray(np.nansum(whole, axis=0) / np.where(count > 0, count, np.nan))


def _complete(
    values: Floats, data: xr.Dataset, name: str, days: Sequence[dt.date], *, usual: Floats | None = None
) -> Floats | None:
    """Fields without holes where the prior has soil: few missing cells take the others' mean.

    A day without temperature takes the prior's mean of its month, or where the prior has none the ``usual`` one. None
    where rain is missing on too many cells, or where nothing can stand in.
    """
    active = data["active"].values > 0
    if (np.isfinite(values) | ~active).all():
        return np.asarray(values, dtype=np.float32)
    made = np.array(values, dtype=np.float32)
    cells = max(int(active.sum()), 1)
    for n, day in enumerate(days):
        known = np.isfinite(made[n]) & active
        share = known.sum() / cells
        if share < COVER and active.any():
            stand_in = _month_mean(data, day) if name == WARMTH else None
            if (stand_in := usual if stand_in is None else stand_in) is None:
                return None
            made[n] = np.where(np.isfinite(made[n]), made[n], stand_in)
            known = np.isfinite(made[n]) & active
        if 0 < known.sum() < cells:
            made[n] = np.where(np.isfinite(made[n]), made[n], made[n][known].mean())
    return made


def _month_mean(data: xr.Dataset, day: dt.date) -> Floats | None:
    """The prior's mean temperature of the day's month, from every fifth day of its record."""
    if WARMTH not in data:
        return None
    months = data["time"].values.astype("datetime64[M]").astype(int) % 12 + 1
    steps = np.flatnonzero(months == day.month)[::5]
    if not steps.size:
        return None
    found: Floats = read_days(data[WARMTH], steps).mean(axis=0)
    return found


def index_change(before: Floats, after: Floats, ages: Sequence[int], block: int, *, decay: float = API_DECAY) -> float:
    """How much a change of rain moves the antecedent precipitation index over the SMAP cell where it moves it most.

    Args:
        before: rain of some days as it was, mm, [day, y, x]; NaN counts as none.
        after: the same as it is now.
        ages: days from each of them to the day that is made.
        block: product cells along a SMAP cell's edge.
        decay: k of the index, d-1.

    Returns:
        The largest |sum of change x k^age| of a block mean, mm. An index of another decay than ``API_DECAY`` is
        scaled so that steady rain gives the same: by (1 - k) / (1 - ``API_DECAY``).
    """
    weights = (1.0 - decay) / (1.0 - API_DECAY) * decay ** np.asarray(ages, dtype=np.float64)
    change = np.tensordot(weights, np.nan_to_num(after) - np.nan_to_num(before), axes=1)
    rows, columns = (size // block * block for size in change.shape)
    blocks = change[:rows, :columns].reshape(rows // block, block, columns // block, block).mean(axis=(1, 3))
    return float(np.abs(blocks).max(initial=0.0))
