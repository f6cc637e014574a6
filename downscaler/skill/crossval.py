"""Evaluates all methods on the same held-out truth: periods of time, or spatial blocks.

``time`` predicts each of five contiguous stretches of the record from the others, a week apart; statistics, trees,
stopping and calibration see the other stretches alone. ``blocks`` predicts unseen 27 km blocks from the others, by a
branch that uses no record of the place it is applied to. Inner folds of the same sort stop and calibrate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from downscaler.errors import ConfigError, PriorCoverageError, TrainingError
from downscaler.ground.blocks import Bools
from downscaler.ground.grid import M01, M09, EaseGrid
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Kind, Options, fit_plain
from downscaler.learn.samples import DayRecord, Part, View, spatial_blocks
from downscaler.learn.training import Trial, days_with_data, fit_branch, with_weather
from downscaler.method.baselines import baselines
from downscaler.method.features import FEATURES, Fields
from downscaler.method.hybrid import Branch, Model, estimate
from downscaler.method.pattern import ratio_to_m01
from downscaler.skill.evaluation import Evaluation
from downscaler.skill.folds import FOLDS, GAP_DAYS, Fold, block_folds, station_cells, time_folds
from downscaler.skill.interval import Interval

SPLITS = ("time", "blocks")
MINIMUM = 8 * GAP_DAYS  # days; with fewer, the gaps leave some inner fold without a day to learn from
LARGEST = 4_000_000  # product cells that an evaluation holds at once
NOISE_LIMIT = 0.5  # m3 m-3; beyond it a retrieval says nothing
# Many fits, so fewer rows each. `make bench PYTEST_ARGS="-k choice"` asks each fold's inner folds alone: on days,
# depth 8 and 100,000 rows; on unseen ground, where deeper trees leave steps between blocks, depth 6 and 60,000.
DEFAULTS = {
    "time": Options(rows=100_000),
    "blocks": Options(rows=60_000, rounds=200, depth=6, learning_rate=0.08, columns=0.5),
}
METHODS = ("nearest", "bilinear", "climatological_pattern", "prior", "stations_only", "hybrid")
_WEATHER = frozenset(feature.name for feature in FEATURES if feature.group == "forcing")
Progress = Callable[[str, int, int], None]
Figures = dict[str, dict[str, Interval]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Figures by coarse noise (m3 m-3), and sentences on how they came about.

    ``applicability`` has the hybrid's figures inside and outside its area of applicability.
    """

    figures: Mapping[float, Figures]
    applicability: Mapping[float, Figures]
    notes: tuple[str, ...]


def cross_validate(
    prior: Prior,
    *,
    split: str = "time",
    noises: Sequence[float] = (0.0,),
    model: Model | None = None,
    options: Options | None = None,
    grid: EaseGrid = M09,
    progress: Progress | None = None,
) -> Judged:
    """Skill of every method of design 4 on truth that none of them has seen.

    Args:
        prior: the truth, wall to wall; its block means plus noise are the coarse input.
        split: ``time`` or ``blocks``.
        noises: standard deviations of the retrieval noise, m3 m-3; models are fitted once and judged at each.
        model: judge this model instead of refitting one in each fold; statistics of the place still come from the
            fold's training days.
        options: of training.
        grid: the coarse grid.
        progress: called with what is being done, step and number of steps.

    Raises:
        ConfigError: no such split, or a noise that is negative or at or above ``NOISE_LIMIT``.
        ModelFeatureError: the model needs what the prior does not have.
        PriorCoverageError: the prior is too large to be held at once.
        TrainingError: too few days or blocks.
    """
    _check_request(split, noises)
    options = options or DEFAULTS[split]
    data = _at_once(prior)
    days = days_with_data(prior)
    if len(days) < MINIMUM:
        raise TrainingError(
            "The record is too short for an evaluation", value=f"{len(days)} days", allowed=f"at least {MINIMUM} days"
        )
    weather = with_weather(data, days) if "precipitation" in data else days[:0]
    forcing = len(weather) > len(days) // 2  # a record with broken weather is judged without it
    days = weather if forcing and split == "blocks" else days
    folds = time_folds(data, grid, days) if split == "time" else block_folds(data, grid, days, options.seed)
    kind = Kind(grid=grid, forcing=forcing, pattern=split == "time" or model is not None)
    judges = {noise: _Judges(data, grid, split) for noise in noises}
    for number, fold in enumerate(folds):
        if progress:
            progress(f"fold {number + 1} of the split in {split}", number, FOLDS)
        _judge_fold(fold, kind, judges, model, options)
    if progress:
        progress("done", FOLDS, FOLDS)
    return Judged(
        figures={noise: _ordered(judge.all.figures()) for noise, judge in judges.items()},
        applicability={noise: judge.parts() for noise, judge in judges.items()},
        notes=_notes(split, model),
    )


def _at_once(prior: Prior) -> xr.Dataset:
    """The whole prior in memory."""
    shape = prior.domain.shape(M01)
    if shape.x * shape.y > LARGEST:
        raise PriorCoverageError(
            "The prior is too large for an evaluation",
            value=f"{shape.x * shape.y} cells",
            allowed=f"{LARGEST} cells",
            remedy="Build a prior of a smaller domain.",
        )
    window = prior.domain.window()
    return prior.window(prior.domain, window.relative_to(window)).load()


def _check_request(split: str, noises: Sequence[float]) -> None:
    if split not in SPLITS:
        raise ConfigError("Unknown split", value=split, allowed=SPLITS)
    for noise in noises:
        if not 0.0 <= noise < NOISE_LIMIT:
            raise ConfigError(
                "The noise of the coarse input is out of range",
                value=f"{noise} m3 m-3",
                allowed=f"0 up to, not including, {NOISE_LIMIT} m3 m-3",
                remedy="SMAP's own is about 0.04.",
            )


class _Judges:
    """One noise's evaluations: of all methods, and of the hybrid inside and outside its area of applicability."""

    def __init__(self, data: xr.Dataset, grid: EaseGrid, split: str) -> None:
        active = data["active"].values.astype(bool)
        ratio = ratio_to_m01(grid)
        units = None
        if split == "blocks":
            label = spatial_blocks(active)[ratio // 2 :: ratio, ratio // 2 :: ratio]
            units = np.unique(label, return_inverse=True)[1].reshape(label.shape)
        limits = tuple(data[name].values.astype(np.float64) for name in ("residual", "porosity"))
        self.all = Evaluation(active, ratio, units, (limits[0], limits[1]))
        self.inside, self.outside = (Evaluation(active, ratio, units) for _ in range(2))

    def parts(self) -> Figures:
        found = {"inside": self.inside.figures(), "outside": self.outside.figures()}
        return {name: figures["hybrid"] for name, figures in found.items() if figures}


def _judge_fold(fold: Fold, kind: Kind, judges: Mapping[float, _Judges], model: Model | None, options: Options) -> None:
    """Fit what has to be fitted, then predict the fold's held-out truth with every method at every noise."""
    branch = _fitted(fold, kind, options) if model is None else model.branch(kind.grid, forcing=kind.forcing)
    stations = _stations(fold, kind, options, branch)
    record = fold.record
    held = fold.held.mask(0)
    weather = set(with_weather(record.data, fold.held.days).tolist()) if kind.forcing else set()
    for noise, judge in judges.items():
        rng = np.random.default_rng([options.seed, int(noise * 1e6), int(fold.held.days[0])])
        for position in fold.held.days:
            noisy = rng.normal(0.0, noise, record.ground.coarse_level.shape)
            days = []
            for each in (branch, stations):
                known = int(position) in weather
                view = View(forcing=known, pattern=each.pattern, roughness=each.roughness, error=noise)
                days.append(record.day(int(position), view, noisy if noise else None))
            _judge_day((days[0], days[1]), fold, judge, noise, (branch, stations), held)


def _judge_day(
    days: tuple[DayRecord, DayRecord],
    fold: Fold,
    judge: _Judges,
    noise: float,
    branches: tuple[Branch, Branch],
    held: Bools | None,
) -> None:
    """One held-out day, as the hybrid and as the stations' model see it."""
    ground, day = fold.record.ground, days[0]
    sigma = np.full(day.coarse.shape, noise)
    ours, theirs = (
        estimate(branch, ground, _complete(seen.fields, branch), seen.coarse, sigma, noise=seen.noise)
        for branch, seen in zip(branches, days, strict=True)
    )
    untrained = baselines(day.coarse, ground, ground.level)
    found = untrained | {"stations_only": theirs.soil_moisture, "hybrid": ours.soil_moisture}
    here = np.ones(day.theta.shape, bool) if held is None else held
    truth = np.where(here, day.theta, np.nan)
    for part, mask in ((judge.inside, ~ours.outside), (judge.outside, ours.outside)):
        part.add(truth, day.coarse, {"hybrid": np.where(here & mask, ours.soil_moisture, np.nan)})
    judge.all.add(
        truth,
        day.coarse,
        {name: np.where(here, field, np.nan) for name, field in found.items()},
        {"hybrid": (ours.lower, ours.upper)},
    )


def _complete(fields: Fields, branch: Branch) -> Fields:
    """The fields with unknown weather as missing: the first days of a record have no antecedent rain."""
    shape = fields["coarse"].shape
    unknown = [name for name in branch.features if name in _WEATHER and name not in fields]
    return fields | {name: np.full(shape, np.nan, np.float32) for name in unknown}


def _fitted(fold: Fold, kind: Kind, options: Options) -> Branch:
    trials = [_weathered(trial, fold, kind) for trial in fold.trials]
    branch, _ = fit_branch(kind, [fold.record], trials, options, final=_known(fold.train, fold, kind))
    return branch


def _weathered(trial: Trial, fold: Fold, kind: Kind) -> Trial:
    return replace(trial, train=_known(trial.train, fold, kind), held=_known(trial.held, fold, kind))


def _known(part: Part, fold: Fold, kind: Kind) -> Part:
    return replace(part, days=with_weather(fold.record.data, part.days)) if kind.forcing else part


def _stations(fold: Fold, kind: Kind, options: Options, like: Branch) -> Branch:
    """XGBoost as above, on as many rows and rounds, but of station cells alone and without any physics."""
    allowed = fold.record.ground.active & (True if (mask := fold.train.mask(0)) is None else mask)
    part = replace(_known(fold.train, fold, kind), cells=[station_cells(fold.record, allowed)])
    rounds = (like.mean.num_boosted_rounds(), 1)  # its interval is not judged
    return fit_plain(replace(kind, pattern=False), [fold.record], part, options, rounds)


def _ordered(figures: Figures) -> Figures:
    return {name: figures[name] for name in METHODS if name in figures}


def _notes(split: str, model: Model | None) -> tuple[str, ...]:
    notes = [
        "stations_only is trained on as many rows as the hybrid, of the flattest and lowest tenth of the ground, "
        "without statistics of the prior; prior is its mean over the training days.",
    ]
    if split == "blocks" and model is not None:
        notes.append(
            "The given model rests on the record of the very place, as climatological_pattern and prior do: it is "
            "judged block by block here, but the blocks' statistics are not unseen."
        )
    elif split == "blocks":
        notes.append(
            "climatological_pattern and prior know the record of the held-out blocks, which the hybrid does not: "
            "they are an upper reference here, no baselines."
        )
    if model is not None:
        notes.append("The hybrid is a model trained elsewhere, judged without refitting.")
    return tuple(notes)


def as_dict(judged: Figures) -> dict[str, object]:
    """The figures as JSON: method, figure, and value with the ends of its 95 % interval."""
    methods = {
        method: {name: {"value": f.value, "low": f.low, "high": f.high} for name, f in row.items()}
        for method, row in judged.items()
    }
    return {"methods": methods}
