"""The analysis of a day on the coarse grid: gathered from prior, model, weather and SMAP's last passes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.day.inputs import Inputs
from downscaler.day.reading import Reading
from downscaler.day.weather import KNOWN_SHARE
from downscaler.ground.blocks import Floats
from downscaler.ground.coarse_day import NO_AGE, CoarseDay, empty_day, last_retrieval, of_last
from downscaler.ground.grid import M09, EaseGrid
from downscaler.method.coarse.analysis import WINDOW, Analysed, Memory, analyse
from downscaler.method.coarse.observation import CELL_KM
from downscaler.method.coarse.response import slow_weights
from downscaler.method.coarse.sensor import Background
from downscaler.method.coarse.wetting import HISTORY, PREDICTORS, wetting_by_day
from downscaler.method.coarse_prior import CoarseLevels, coarse_days
from downscaler.method.day_of_year import HALF_WINDOW
from downscaler.method.pattern import ratio_to_m01
from downscaler.method.tile.levels import levels_of
from downscaler.method.tile.predict import Keeping
from downscaler.method.weather.coarse import Shelf, Weather, coarse_weather
from downscaler.product import THETA_MAX, THETA_MIN

SEASONS = 3  # years of record from which on its season is asked beside SMAP
_LEAST = 0.005  # m3 m-3, below any soil's moisture
_PAST, _STEP = 120, 5  # days that the running mean looks back where no SMAP is asked, and between days of season


NOT_JUDGED = (
    f"The 90 % interval was not tested on a training record, which takes {2 * WINDOW} days, and may hold far less."
)


@dataclass(frozen=True, kw_only=True)
class _Expected:
    """What is expected without SMAP on the days of the passes and the day itself, and in words what tells so.

    ``slow`` is the running mean of the departures up to the day.
    """

    days: Floats
    slow: Floats
    told: str
    memory: Memory
    weather: bool = False
    model: bool = False


def analyse_day(
    date: dt.date,
    today: CoarseDay | None,
    before: Sequence[CoarseDay],
    inputs: Inputs,
    *,
    weather: Weather | None = None,
    keeping: Keeping | None = None,
) -> Reading:
    """A day's coarse field, complete on the domain, with what it rests on; ready to be downscaled.

    Args:
        date: the day.
        today: what SMAP tells of it; None without a granule.
        before: days of the ``analysis.WINDOW`` with a retrieval, oldest first.
        inputs: prior, model, and matching where SMAP is matched.
        weather: rain and temperature of days that the prior does not hold.
        keeping: where levels and coarse days of weather are kept for the analyses of later days.

    Returns:
        A day whose ``data`` has ``analysed``, ``age_days`` and ``smap_share`` beside the variables of ``CoarseDay``;
        ``soil_moisture`` is the analysis and ``soil_moisture_error`` its standard error, in SMAP's climatology.

    Raises:
        PriorCoverageError: the prior does not cover the domain.
    """
    grid = _grid(today, before, inputs)
    today = today or empty_day(date, inputs.domain, grid)
    days = [*(day for day in before if day.grid.name == grid.name), today]
    keeping = keeping or Keeping()
    levels = levels_of(inputs.prior, inputs.domain, grid, keeping.land)
    memory = inputs.model.memory.get(grid.name, Memory())
    expected = _expected(inputs, grid, [*(day.date for day in days), date], levels, memory, weather, keeping.coarse)
    background = Background(
        level=levels.level,
        seen=levels.seen,
        spread=memory.amplitude * levels.spread,
        day=expected.days[-1],
        slow=expected.slow,
        passes=expected.days[:-1],
        weather=expected.weather,
        model=expected.model,
    )
    seen = np.stack([_matched(day, inputs) for day in days])
    ages = np.array([(date - day.date).days for day in days], float)
    found = analyse(seen, ages, background, expected.memory, ratio_to_m01(grid) * CELL_KM)
    day = _day(days, found, inputs)
    return Reading(day=day, analysis=_told(found, expected, ages), caveats=_caveats(day, memory))


def _grid(today: CoarseDay | None, before: Sequence[CoarseDay], inputs: Inputs) -> EaseGrid:
    if today is not None:
        return today.grid
    if inputs.climatologies is not None:
        return inputs.climatologies.smap.grid
    return before[-1].grid if before else M09


def _matched(day: CoarseDay, inputs: Inputs) -> Floats:
    """A pass's recommended retrievals in the prior's climatology, NaN elsewhere."""
    seen = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
    return np.clip(inputs.matching.to_prior(seen, day.date), _LEAST, 0.95) if inputs.matching else seen


def _expected(
    inputs: Inputs,
    grid: EaseGrid,
    dates: Sequence[dt.date],
    levels: CoarseLevels,
    memory: Memory,
    weather: Weather | None,
    shelf: Shelf | None,
) -> _Expected:
    """Departures from the level: the prior's own days where it has all of them, else weather's, else season's.

    Season is only asked where the record has ``SEASONS`` years, or where SMAP tells nothing.
    """
    stored = inputs.prior.data["time"].values.astype("datetime64[D]")
    past = [dates[-1] - dt.timedelta(days=age) for age in range(_PAST)]
    if np.isin(np.asarray(dates, dtype="datetime64[D]"), stored).all():
        held = [day for day in past if np.datetime64(day) in stored]
        own, _ = coarse_days(inputs.prior, inputs.domain, grid, [*dates, *held])
        departure = own - levels.level
        days, slow = departure[: len(dates)], _running(departure[len(dates) :], held)
        return _Expected(days=days, slow=slow, told="the prior's own days", memory=memory, weather=True, model=True)
    answer = _answer(inputs, grid, dates, levels, memory, weather, shelf)
    if answer is not None:
        told = "the answer to the weather of the days"
        return _Expected(days=answer[0], slow=answer[1], told=told, memory=memory, weather=True)
    if len(dates) > 2 and len(stored) < SEASONS * 365:  # a season of one or two years is mostly their weather
        usual = np.where(np.isfinite(levels.level), 0.0, np.nan)
        days = np.repeat(usual[None], len(dates), axis=0)
        return _Expected(days=days, slow=usual, told="the prior's mean", memory=memory)
    sparse = past[::_STEP]
    mean, _ = coarse_days(inputs.prior, inputs.domain, grid, [*dates, *sparse], climatology=True)
    shares = season_shares(stored, [*dates, *sparse])[:, None, None]
    season = np.nan_to_num(mean - levels.level) * shares
    days, slow = season[: len(dates)], _running(season[len(dates) :], sparse)
    return _Expected(days=days, slow=slow, told="the season of the prior's record", memory=memory)


def _running(departures: Floats, days: Sequence[dt.date]) -> Floats:
    """Running mean of departures [n, ...] of some days, newest first, 0 where nothing is known."""
    back = np.array([(days[0] - day).days for day in days])
    weights = slow_weights(_PAST)[back]
    return np.asarray(np.tensordot(weights / weights.sum(), np.nan_to_num(departures), axes=1))


def season_shares(stored: NDArray[np.datetime64], dates: Sequence[dt.date]) -> Floats:
    """How far the record's day-of-year mean is trusted on each date, y / (y + 1) with its years y behind that day.

    A mean of one year is half that year's weather: half of it was the best share between two seasons of one basin.
    """
    begin = stored.astype("datetime64[Y]")
    of_record = (stored - begin.astype("datetime64[D]")).astype(int)
    of_dates = np.array([date.timetuple().tm_yday - 1 for date in dates])
    away = np.abs(of_dates[:, None] - of_record[None])
    near = (np.minimum(away, 366 - away) <= HALF_WINDOW).sum(axis=1)
    years = near / (2 * HALF_WINDOW + 1)
    return np.asarray(years / (years + 1.0))


def _answer(
    inputs: Inputs,
    grid: EaseGrid,
    dates: Sequence[dt.date],
    levels: CoarseLevels,
    memory: Memory,
    weather: Weather | None,
    shelf: Shelf | None,
) -> tuple[Floats, Floats] | None:
    """What weather makes of the days and of their running mean, NaN-free; None where too little of it is known."""
    if len(memory.weights) != PREDICTORS or levels.rain is None:  # none, or of a model trained on other predictors
        return None
    first = min(dates) - dt.timedelta(days=HISTORY)
    wanted = [first + dt.timedelta(days=n) for n in range((max(dates) - first).days + 1)]
    held = set(weather.days) if weather is not None else set()
    stored = set(inputs.prior.data["time"].values.astype("datetime64[D]").tolist())
    known = [day in held or (day in stored and "precipitation" in inputs.prior.data) for day in wanted]
    if np.mean(known[HISTORY:]) < KNOWN_SHARE:  # what fell before matters less, and is taken to be usual
        return None
    rain, warmth = coarse_weather(inputs.prior, inputs.domain, grid, wanted, weather, shelf)
    land = np.isfinite(levels.level)
    answers = np.zeros((len(rain), int(land.sum())))
    usual = None if levels.warmth is None else levels.warmth[land]
    spread = memory.amplitude * levels.spread[land]
    for number, made in enumerate(wetting_by_day(rain[:, land], warmth[:, land], levels.rain[land], usual)):
        answers[number] = np.nan_to_num(memory.answer(made, spread))
    at = [(day - first).days for day in dates]
    days, slow = np.zeros((len(at), *land.shape)), np.zeros(land.shape)
    days[:, land] = answers[at]
    slow[land] = _running(answers[: at[-1] + 1][::-1][:_PAST], wanted[: at[-1] + 1][::-1][:_PAST])
    return days, slow


def _day(days: Sequence[CoarseDay], found: Analysed, inputs: Inputs) -> CoarseDay:
    """Today's coarse day with the analysis in the place of its retrievals."""
    today = days[-1]
    value = np.clip(found.value, _LEAST, 0.95)
    error = found.error
    if inputs.matching is not None:
        value, error = inputs.matching.back(value, today.date), error * inputs.matching.scale(today.date)
    last, age = last_retrieval(days, WINDOW)
    data = today.data.copy(deep=True)
    carried = of_last(days, last)
    gone = (today.data["overpass"].values == 0) & (last >= 0)
    for name, values in carried.items():
        data[name].values[gone] = values[gone]
    data["observation_time"].values[last >= 0] = carried["observation_time"][last >= 0]
    known = np.isfinite(value)
    data["soil_moisture"] = (("y", "x"), np.where(known, np.clip(value, THETA_MIN, THETA_MAX), np.nan))
    data["soil_moisture_error"] = (("y", "x"), error)
    data["filled"] = (("y", "x"), known & (age != 0))
    data["recommended"] = (("y", "x"), known & (age == 0))
    data["age_days"] = (("y", "x"), np.where(known, age, NO_AGE).astype(np.int16))
    data["smap_share"] = (("y", "x"), found.smap)
    data["slow_departure"] = (("y", "x"), found.slow)
    data["slow_error"] = (("y", "x"), found.slow_error)
    data["joint_error"] = (("y", "x"), found.joint)
    data["analysed"] = (("y", "x"), known)
    records = {(record.name, record.sha256): record for day in reversed(days) for record in day.inputs}
    simulated = any(day.simulated for day in days)
    return replace(today, data=data, inputs=tuple(records.values()), simulated=simulated)


def _told(found: Analysed, expected: _Expected, ages: NDArray[np.floating]) -> Mapping[str, Any]:
    return {
        "window_days": WINDOW,
        "passes": len(ages),
        "background": expected.told,
        "observation": found.observation.as_dict(),
        "footprint_share": found.footprint,
        "departures_scale": round(found.scale, 3),
        "memory": expected.memory.as_dict(),
    }


def _caveats(day: CoarseDay, memory: Memory) -> tuple[str, ...]:
    told = () if memory.judged else (NOT_JUDGED,)
    ages = day.data["age_days"].values[day.data["analysed"].values]
    if not (ages >= 0).any():
        return (f"No SMAP retrieval in the {WINDOW} days up to this one: climatology and weather alone.", *told)
    if not (ages == 0).any():
        return (f"No SMAP retrieval of this day: the newest is {int(ages[ages >= 0].min())} days old.", *told)
    return told


def smap_part(data: xr.Dataset) -> float:
    """Mean share of SMAP in an analysed day's values, 0 to 1."""
    share = data["smap_share"].values[data["analysed"].values]
    return float(np.mean(share)) if share.size else 0.0
