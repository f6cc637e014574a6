"""Training the hybrid from everywhere in a prior's domain, judged and calibrated on days it has not seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.blocks import Floats, block_mean
from downscaler.errors import TrainingError
from downscaler.features import FEATURES, Fields, Ground, available, matrix
from downscaler.grid import M09, M36, EaseGrid, Window
from downscaler.hybrid import TILE, Branch, Model, estimate, forcing_until
from downscaler.pattern import pattern_statistics
from downscaler.product import ALGORITHM_VERSION, INTERVAL, PRODUCT_VERSION, SCHEMA_VERSION
from downscaler.sources.prior import Prior

Progress = Callable[[str, int, int], None]
MINIMUM_DAYS = 10
_STATISTICS_DAYS = 400  # days of a tile held at once for its statistics
_QUANTILES = ((1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes a model beside its data.

    ``rows`` are drawn per branch from all tiles and days; ``noise`` (m3 m-3) is the standard deviation of the errors
    put on half of the coarse fields, so that the model does not lean on a precision that SMAP lacks; ``holdout`` is
    the share of the record, in contiguous stretches, that is kept for stopping and calibration.
    """

    rows: int = 250_000
    rounds: int = 300
    depth: int = 6
    learning_rate: float = 0.06
    patience: int = 25
    noise: float = 0.02
    holdout: float = 0.2
    days_per_tile: int = 150
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions on the prior's time axis to train on and to judge on, ``gap`` days apart."""

    train: NDArray[np.intp]
    held: NDArray[np.intp]
    gap: int


def split_days(days: int, share: float, *, stretches: int = 4, gap: int = 7) -> Split:
    """Hold out ``stretches`` contiguous runs of days, spread over the record, with a gap on either side.

    Raises TrainingError for fewer than ``MINIMUM_DAYS`` days.
    """
    if days < MINIMUM_DAYS:
        raise TrainingError(
            "The prior has too few days to train on",
            value=days,
            allowed=f"at least {MINIMUM_DAYS} days of soil moisture",
        )
    stretches = max(1, min(stretches, days // 25))
    length = max(1, round(days * share / stretches))
    gap = min(gap, length // 3)
    held = np.zeros(days, bool)
    near = np.zeros(days, bool)
    for number in range(stretches):
        start = round((number + 0.5) * days / stretches - length / 2)
        held[start : start + length] = True
        near[max(start - gap, 0) : start + length + gap] = True
    return Split(train=np.flatnonzero(~near), held=np.flatnonzero(held), gap=gap)


class TileRecord:
    """One tile's days as training sees them: truth, coarse truth, predictors; statistics of the training days alone.

    Args:
        data: the prior on a window of whole M36 cells.
        grid: coarse grid.
        known: positions of the days whose statistics may be used.
    """

    def __init__(self, data: xr.Dataset, grid: EaseGrid, known: NDArray[np.intp]) -> None:
        chosen = known[:: max(1, len(known) // _STATISTICS_DAYS)]
        theta = data["soil_moisture"].isel(time=chosen).values
        statistics = pattern_statistics(theta, data["active"].values.astype(bool))
        self.data = data.assign({name: (("y", "x"), field) for name, field in statistics.items()})
        self.ground = Ground(self.data, grid)

    def day(self, position: int, *, forcing: bool, errors: Callable[[tuple[int, int]], Floats] | None) -> DayRecord:
        """Truth and predictors of one day; ``errors`` draws the coarse field's noise."""
        date = self.data["time"].values[position].astype("datetime64[D]").item()
        theta = self.data["soil_moisture"].isel(time=position).values.astype(np.float64)
        active = self.ground.active & np.isfinite(theta)
        true = block_mean(theta, active, self.ground.ratio)
        coarse = true if errors is None else np.clip(true + errors(true.shape), 0.001, 0.95)
        weather = forcing_until(self.data, date) if forcing else None
        fields = self.ground.fields | self.ground.day(coarse, date, weather)
        return DayRecord(date=date, theta=theta, true=true, coarse=coarse, fields=fields, active=active)


@dataclass(frozen=True, kw_only=True)
class DayRecord:
    """One day of one tile: 1 km truth [y, x], its block means, the coarse field given to the model, predictors."""

    date: dt.date
    theta: Floats
    true: Floats
    coarse: Floats
    fields: Fields
    active: NDArray[np.bool_]


def _tiles(prior: Prior, tile: int = TILE) -> Iterator[tuple[Window, xr.Dataset]]:
    for window in prior.domain.blocks(tile):
        data = prior.window(prior.domain, window)
        if bool(data["active"].any()):
            yield window, data


def _days_with_data(prior: Prior) -> NDArray[np.intp]:
    """Positions of the days with soil moisture, judged on one row of the store per day."""
    counts = prior.data["soil_moisture"].isel(y=slice(None, None, 8)).count(("y", "x")).values
    return np.flatnonzero(counts > 0)


def _draw(
    record: TileRecord, positions: NDArray[np.intp], names: Sequence[str], rows: int, options: Options, *, forcing: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Feature rows and targets of randomly chosen cells and days of a tile."""
    rng = np.random.default_rng([options.seed, rows, len(positions)])
    days = rng.permutation(positions)[: options.days_per_tile]
    features, targets = [], []
    for count, position in enumerate(days):
        noisy = options.noise > 0 and count % 2 == 1
        errors = (lambda shape: rng.normal(0.0, options.noise, shape)) if noisy else None
        day = record.day(int(position), forcing=forcing, errors=errors)
        cells = np.flatnonzero(day.active.ravel())
        chosen = rng.choice(cells, min(len(cells), -(-rows // len(days))), replace=False)
        where = np.isin(np.arange(day.active.size), chosen).reshape(day.active.shape)
        features.append(matrix(day.fields, names, where))
        # of the noise-free surface: the correction must not learn to undo what conservation puts back
        offset = record.ground.surface(day.true)[where] + record.ground.pattern[where]
        targets.append((day.theta[where] - offset).astype(np.float32))
    return np.concatenate(features), np.concatenate(targets)


def _boosters(
    names: tuple[str, ...],
    train: tuple[NDArray[np.float32], NDArray[np.float32]],
    held: tuple[NDArray[np.float32], NDArray[np.float32]],
    options: Options,
) -> tuple[xgb.Booster, xgb.Booster]:
    base: dict[str, Any] = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": options.depth,
        "eta": options.learning_rate,
        "subsample": 0.7,
        "colsample_bynode": 0.5,
        "min_child_weight": 20,
        "seed": options.seed,
        "nthread": options.threads,
    }
    # a quantile step costs about seven of the mean's, and calibration corrects its level: fewer, larger, on less
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": list(_QUANTILES), "eta": 0.12}
    found = []
    for extra, rounds, every in (({}, options.rounds, 1), (quantiles, options.rounds // 3, 2)):
        rows = xgb.QuantileDMatrix(
            train[0][::every], train[1][::every], feature_names=list(names), nthread=options.threads
        )
        judge = xgb.QuantileDMatrix(*held, feature_names=list(names), ref=rows, nthread=options.threads)
        booster = xgb.train(
            base | extra,
            rows,
            rounds,
            evals=[(judge, "held")],
            early_stopping_rounds=options.patience,
            verbose_eval=False,
        )
        found.append(booster[: booster.best_iteration + 1])
    return found[0], found[1]


@dataclass
class _Ledger:
    """Squared errors and stretches gathered over the held-out days."""

    squares: dict[str, float]
    cells: int = 0

    def __post_init__(self) -> None:
        self.below: list[Floats] = []
        self.above: list[Floats] = []

    def add(self, day: DayRecord, record: TileRecord, branch: Branch) -> None:
        ground = record.ground
        result = estimate(branch, ground, day.fields, day.coarse, np.zeros(day.coarse.shape))
        use = day.active & np.isfinite(result.soil_moisture)
        truth, theta = day.theta[use], result.soil_moisture[use]
        rivals = {
            "hybrid": theta,
            "climatological_pattern": (ground.spread(day.coarse) + ground.level - ground.spread(ground.coarse_level))[
                use
            ],
            "smooth_coarse": day.fields["coarse"][use],
            "nearest": ground.spread(day.coarse)[use],
        }
        for name, values in rivals.items():
            self.squares[name] = self.squares.get(name, 0.0) + float(np.sum((values - truth) ** 2))
        self.cells += truth.size
        self.below.append(((theta - truth) / np.maximum(theta - result.lower[use], 1e-6))[::7])
        self.above.append(((truth - theta) / np.maximum(result.upper[use] - theta, 1e-6))[::7])

    def rmse(self) -> dict[str, float]:
        return {name: float(np.sqrt(total / max(self.cells, 1))) for name, total in self.squares.items()}

    def stretch(self) -> tuple[float, float]:
        """Factors that put 5 % of the held-out truth below the interval and 5 % above it."""
        below, above = (
            max(0.1, float(np.quantile(np.concatenate(part), _QUANTILES[1]))) for part in (self.below, self.above)
        )
        return below, above


def train(
    prior: Prior,
    *,
    grids: Sequence[EaseGrid] = (M09, M36),
    options: Options | None = None,
    progress: Progress | None = None,
) -> Model:
    """Train all branches that a prior can carry: per coarse grid, without forcing and, where it is stored, with it.

    Args:
        prior: the ParFlow-CLM record; statistics, trees and calibration each use the days they may see alone.
        grids: SMAP grids to train for.
        options: see ``Options``.
        progress: called with what is being done, step and number of steps.

    Raises:
        TrainingError: too few days or cells.
    """
    options = options or Options()
    days = _days_with_data(prior)
    split = split_days(len(days), options.holdout)
    split = replace(split, train=days[split.train], held=days[split.held])
    variants = [False, True] if "precipitation" in prior.data else [False]
    jobs = [(grid, forcing) for grid in grids for forcing in variants]
    branches: dict[tuple[str, bool], Branch] = {}
    skill: dict[str, Any] = {}
    for number, (grid, forcing) in enumerate(jobs):
        if progress:
            progress(f"{grid.name}, {'with forcing' if forcing else 'climatology alone'}", number, len(jobs))
        branch, figures = _train_branch(prior, grid, split, options, forcing=forcing)
        branches[grid.name, forcing] = branch
        skill[branch.name] = figures
    if progress:
        progress("done", len(jobs), len(jobs))
    return Model(branches=branches, card=_card(prior, split, options, skill))


def _train_branch(
    prior: Prior, grid: EaseGrid, split: Split, options: Options, *, forcing: bool
) -> tuple[Branch, dict[str, Any]]:
    records = [
        TileRecord(data.load() if data.sizes["time"] < 800 else data, grid, split.train) for _, data in _tiles(prior)
    ]
    shares = np.array([record.ground.active.sum() for record in records], dtype=float)
    if shares.sum() < 10:
        raise TrainingError(
            "The prior has too few active cells to train on", value=int(shares.sum()), allowed="at least 10"
        )
    split = _with_forcing(prior, split) if forcing else split
    names = _names(records, split, forcing=forcing)
    sets = []
    for positions, rows in ((split.train, options.rows), (split.held, options.rows // 4)):
        parts = [
            _draw(record, positions, names, max(1, int(rows * share)), options, forcing=forcing)
            for record, share in zip(records, shares / shares.sum(), strict=True)
        ]
        sets.append((np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])))
    mean, bounds = _boosters(names, sets[0], sets[1], options)
    branch = Branch(grid=grid.name, forcing=forcing, features=names, mean=mean, bounds=bounds, stretch=(1.0, 1.0))
    ledger = _Ledger({})
    for position in split.held[:: max(1, len(split.held) // 40)]:
        for record in records:
            ledger.add(record.day(int(position), forcing=forcing, errors=None), record, branch)
    branch = replace(branch, stretch=ledger.stretch())
    return branch, {
        "split": "temporal: contiguous held-out stretches of the prior itself",
        "rmse": ledger.rmse(),
        "cells": ledger.cells,
        "rows": len(sets[0][1]),
        "rounds": [mean.num_boosted_rounds(), bounds.num_boosted_rounds()],
        "stretch": list(branch.stretch),
    }


def _with_forcing(prior: Prior, split: Split) -> Split:
    """The split without the days whose antecedent weather is not in the record."""
    one = prior.data.isel(y=slice(0, 1), x=slice(0, 1))
    known = {i for i, t in enumerate(one["time"].values) if forcing_until(one, t.astype("datetime64[D]").item())}
    train, held = (np.array([i for i in part if i in known], np.intp) for part in (split.train, split.held))
    if not len(train) or not len(held):
        raise TrainingError(
            "The prior's weather record is too short or too broken to train on", value=f"{len(known)} days"
        )
    return replace(split, train=train, held=held)


def _names(records: Sequence[TileRecord], split: Split, *, forcing: bool) -> tuple[str, ...]:
    """Features that every tile can supply; a constant or missing static teaches nothing and is left out."""
    record = records[0]
    day = record.day(int(split.train[-1]), forcing=forcing, errors=None)
    known = [
        name
        for name in day.fields
        if any(_varies(r.ground.fields.get(name)) for r in records) or name not in record.ground.fields
    ]
    return available(known)


def _varies(field: NDArray[np.float32] | None) -> bool:
    return field is not None and bool(np.isfinite(field).any()) and float(np.nanmax(field) - np.nanmin(field)) > 0


def _card(prior: Prior, split: Split, options: Options, skill: dict[str, Any]) -> dict[str, Any]:
    record = prior.record()
    declared = {f.name: {"units": f.units, "group": f.group, "why": f.why} for f in FEATURES}
    return {
        "title": f"vadose hybrid trained on {prior.title}",
        "product_version": PRODUCT_VERSION,
        "algorithm_version": ALGORITHM_VERSION,
        "schema_version": SCHEMA_VERSION,
        "prior": {"name": record.name, "title": prior.title, "digest": record.sha256, **record.attributes},
        "domain": prior.domain.name,
        "simulated": prior.simulated,
        "days": {"train": len(split.train), "held_out": len(split.held), "gap": split.gap},
        "options": asdict(options),
        "skill": skill,
        "features": declared,
    }
