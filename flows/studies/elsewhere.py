"""A model and its prior judged on another record: the truth of a season that neither has seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from downscaler.errors import PriorCoverageError, TrainingError

if TYPE_CHECKING:
    from downscaler.ground.blocks import Bools, Floats
    from downscaler.ground.coarse_day import CoarseDay
    from downscaler.ground.prior import Prior
    from downscaler.method.coarse.observation import Observation
    from downscaler.method.hybrid import Model
    from downscaler.skill.crossval import Figures
    from downscaler.skill.evaluation import Evaluation
    from downscaler.stores.weather import Weather as WeatherStore

MOST_DAYS = 60  # days of the truth that are judged
_OWN = ("soil_moisture", "lower", "upper")
Fields = dict[str, "Floats"]


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What is judged: a model with the statistics of its own prior, on the days of another record.

    ``observation`` makes SMAP's passes from the truth. The truth's dates are moved by whole years until the prior's
    record holds none of them, as in publishing. ``weather`` is of the moved days.
    """

    prior: Prior
    model: Model
    truth: Prior
    observation: Observation
    weather: WeatherStore | None = None
    seed: int = 0
    passes: dict[int, CoarseDay | None] = field(default_factory=dict, repr=False)

    @property
    def years(self) -> int:
        """Years that the truth's dates are moved by."""
        first, last = self.truth.period[0], self.prior.period[1]
        return max(0, last.year - first.year + 1) if first <= last else 0


def judge_elsewhere(
    what: Elsewhere,
    *,
    most: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    watch: Callable[[Floats, Floats], None] = lambda _truth, _analysis: None,
) -> Figures:
    """Figures of the analysis on all days, and of the hybrid and its baselines on days with a pass.

    Args:
        what: model, records and SMAP's observation model.
        most: days that are judged, evenly spread; ``MOST_DAYS`` where not given.
        progress: called with days done and days to do.
        watch: called with each day's truth and analysis [ny, nx], m3 m-3.

    Raises:
        PriorCoverageError: prior and truth do not share their domain.
        TrainingError: the truth is shorter than the window of the analysis.
    """
    from downscaler.ground.grid import M09
    from downscaler.method.coarse.analysis import WINDOW
    from downscaler.method.pattern import ratio_to_m01
    from downscaler.skill.evaluation import Evaluation

    if what.truth.domain.m36 != what.prior.domain.m36:
        raise PriorCoverageError("Prior and truth are of different domains", value=what.truth.domain.m36)
    count = int(what.truth.data.sizes["time"])
    if count <= WINDOW:
        raise TrainingError("The truth is too short", value=f"{count} days", allowed=f"more than {WINDOW} days")
    active = what.truth.data["active"].values.astype(bool) & what.prior.data["active"].values.astype(bool)
    all_days, pass_days = (Evaluation(active, ratio_to_m01(M09)) for _ in range(2))
    chosen = np.unique(np.linspace(WINDOW, count - 1, min(most or MOST_DAYS, count - WINDOW)).astype(int))
    for number, position in enumerate(chosen):
        watch(*_judge_day(int(position), what, active, all_days, pass_days))
        progress(number + 1, len(chosen))
    return {**pass_days.figures(seed=what.seed), **all_days.figures(seed=what.seed)}


def _judge_day(
    position: int, what: Elsewhere, active: Bools, all_days: Evaluation, pass_days: Evaluation
) -> tuple[Floats, Floats]:
    """Judge a day; its truth and its analysis."""
    from downscaler.day.analysis import analyse_day
    from downscaler.day.inputs import Inputs
    from downscaler.ground.grid import M09
    from downscaler.method.baselines import baselines
    from downscaler.method.coarse.analysis import WINDOW
    from downscaler.method.day_of_year import on_days
    from downscaler.method.features import Ground

    theta = what.truth.data["soil_moisture"].isel(time=position).values.astype(np.float64)
    truth = np.where(active, theta, np.nan)
    if not np.isfinite(theta).any():
        return truth, truth
    inputs = Inputs(domain=what.prior.domain, records=(), prior=what.prior, model=what.model)
    before = [day for day in (_seen(p, what) for p in range(position - WINDOW + 1, position)) if day is not None]
    today = _seen(position, what)
    weather = what.weather.upto(_date(position, what)) if what.weather is not None else None
    reading = analyse_day(_date(position, what), today, before, inputs, weather=weather)
    made = _fields(reading.day, what)
    coarse = reading.day.data["soil_moisture"].values
    bounds = {"analysis": (made["lower"], made["upper"])}
    of_year = np.array([_date(position, what).timetuple().tm_yday])
    season = on_days(what.prior.data["soil_moisture_climatology"].values, of_year)[0]
    all_days.add(truth, coarse, {"analysis": made["soil_moisture"], "calendar": season.astype(np.float64)}, bounds)
    if today is None:
        return truth, made["soil_moisture"]
    hybrid, kept = _fields(today, what), today.data["soil_moisture"].values
    untrained = baselines(kept, Ground(what.prior.data, M09))
    given = {"hybrid": (hybrid["lower"], hybrid["upper"])}
    pass_days.add(truth, kept, {**untrained, "hybrid": hybrid["soil_moisture"]}, given)
    return truth, made["soil_moisture"]


def _date(position: int, what: Elsewhere) -> dt.date:
    date: dt.date = what.truth.data["time"].values[position].astype("datetime64[D]").item()
    moved = date.replace(day=28) if (date.month, date.day) == (2, 29) else date
    return moved.replace(year=moved.year + what.years)


def _seen(position: int, what: Elsewhere) -> CoarseDay | None:
    """The pass over one day of the truth; None without one. The same errors whenever it is asked for."""
    from downscaler.ground.coarse_day import empty_day
    from downscaler.ground.grid import M09
    from downscaler.method.coarse.observation import CELL_KM
    from downscaler.method.pattern import ratio_to_m01

    if position not in what.passes:
        day = what.truth.data["time"].values[position].astype("datetime64[D]").astype(int)
        what.passes[position] = None
        if what.observation.sees(int(day)):
            fine = what.truth.data["soil_moisture"].isel(time=position).values.astype(np.float64)
            ratio = ratio_to_m01(M09)
            value = what.observation.coarse(fine, what.truth.data["active"].values.astype(bool), ratio)
            rng = np.random.default_rng([what.seed, position])
            value = np.clip(value + what.observation.errors(value.shape, ratio * CELL_KM, rng), 0.02, 0.6)
            if np.isfinite(value).any():
                empty = empty_day(_date(position, what), what.prior.domain, M09)
                what.passes[position] = _filled(empty, value)
    return what.passes[position]


def _filled(day: CoarseDay, value: Floats) -> CoarseDay:
    seen = np.isfinite(value)
    noon = np.datetime64(day.date).astype("datetime64[s]") + np.timedelta64(12, "h")
    fields: Mapping[str, Any] = {
        "soil_moisture": value,
        "recommended": seen,
        "retrieval_qual_flag": np.where(seen, 0, 65534).astype(np.uint16),
        "observation_time": np.where(seen, noon, np.datetime64("NaT")).astype("datetime64[s]"),
        "overpass": seen.astype(np.int8),
    }
    return replace(day, data=day.data.assign({name: (("y", "x"), values) for name, values in fields.items()}))


def _fields(day: CoarseDay, what: Elsewhere) -> Fields:
    """Soil moisture and interval of a day on the whole domain."""
    from downscaler.method.tile.predict import predict
    from downscaler.product import GRID

    shape = what.prior.domain.shape(GRID)
    weather = what.weather.upto(day.date) if what.weather is not None else None
    made: Fields = {name: np.full((shape.y, shape.x), np.nan) for name in _OWN}
    for tile in predict(what.model, what.prior, day, weather=weather):
        for name, field_ in made.items():
            field_[tile.window.index] = tile.fields[name]
    return made
