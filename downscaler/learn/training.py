"""Trains the hybrid on a whole domain, and evaluates and calibrates it on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.grid import M09, M36, EaseGrid, Window, domain_attributes
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import MINIMUM_CELLS, Kind, Options, feature_names, grow, view_of
from downscaler.learn.calibration import Ledger, Split, split_days
from downscaler.learn.memory import learn_memory
from downscaler.learn.samples import Draw, Part, TileRecord, draw_placed
from downscaler.method import applicability
from downscaler.method.applicability import Applicability
from downscaler.method.features import FEATURES, with_gaps
from downscaler.method.forcing import forcing_until
from downscaler.method.hybrid import TILE, Branch, Model
from downscaler.product import ALGORITHM_VERSION, PRODUCT_VERSION, SCHEMA_VERSION

Progress = Callable[[str, int, int], None]
_JUDGED_DAYS = 40  # held-out days that calibration looks at
_AREA_ROWS = 16_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to split what may be seen into rows to learn from and truth to judge and calibrate on.

    ``records`` are the tiles with statistics of the trial's own training days, where those differ from the branch's.
    """

    train: Part
    held: Part
    records: Sequence[TileRecord] | None = None


def tiles(prior: Prior, tile: int = TILE) -> Iterator[tuple[Window, xr.Dataset]]:
    """Windows of the prior's domain that hold active cells, and their data; short records are read at once."""
    for window in prior.domain.blocks(tile):
        data = prior.window(prior.domain, window)
        if bool(data["active"].any()):
            yield window, data.load() if data.sizes["time"] < 800 else data


def days_with_data(prior: Prior) -> NDArray[np.intp]:
    """Positions of the days with soil moisture, judged on every eighth row of cells."""
    counts = prior.data["soil_moisture"].isel(y=slice(None, None, 8)).count(("y", "x")).values
    return np.flatnonzero(counts > 0)


def with_weather(data: xr.Dataset, days: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those days whose antecedent weather is in the record."""
    one = data.isel(y=slice(0, 1), x=slice(0, 1))
    dates = one["time"].values.astype("datetime64[D]")
    return np.array([i for i in days if forcing_until(one, dates[i].item()) is not None], np.intp)


def fit_branch(
    kind: Kind, records: Sequence[TileRecord], trials: Sequence[Trial], options: Options, *, final: Part | None = None
) -> tuple[Branch, dict[str, Any]]:
    """Train and calibrate one branch.

    Each trial trains on its part and judges on its held part, which stops the training and, pooled over the trials,
    calibrates the interval. The branch is the last trial's, or with ``final`` a fresh one trained on that part for
    the trials' mean number of rounds.

    Raises:
        TrainingError: a part holds no rows.
    """
    names = feature_names(kind, records, trials[0].train)
    ledger = Ledger()
    rounds = []
    for trial in trials:
        own = trial.records or records
        branch = grow(kind, names, own, trial.train, options, held=trial.held)
        rounds.append((branch.mean.num_boosted_rounds(), branch.bounds.num_boosted_rounds()))
        for position in trial.held.days[:: max(1, len(trial.held.days) // _JUDGED_DAYS)]:
            for tile, record in enumerate(own):
                day = record.day(int(position), view_of(branch, options))
                ledger.add(day, record, branch, trial.held.mask(tile))
    if final is not None:
        mean, bounds = np.rint(np.mean(rounds, axis=0)).astype(int)
        branch = grow(kind, names, records, final, options, rounds=(int(mean), int(bounds)))
    area = _area(branch, records, final or trials[-1].train, options)
    branch = replace(branch, stretch=ledger.stretch(), applicability=area)
    return branch, {"rmse": ledger.rmse(), "cells": ledger.cells, "rounds": rounds, "stretch": list(branch.stretch)}


def _area(branch: Branch, records: Sequence[TileRecord], part: Part, options: Options) -> Applicability | None:
    """Area of applicability; None where there is but one fold to draw it from."""
    how = Draw(rows=_AREA_ROWS, days=_JUDGED_DAYS, seed=options.seed, view=view_of(branch, options))
    rows, folds = draw_placed(records, part, branch.features, how)
    if len(np.unique(folds)) < 2:
        return None
    gain = branch.mean.get_score(importance_type="total_gain")
    weights = [float(gain.get(name, 0.0)) for name in branch.features]  # type: ignore[arg-type]
    return applicability.fit(with_gaps(rows), weights, folds, seed=options.seed)


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
    days = days_with_data(prior)
    split = split_days(len(days), options.holdout)
    split = replace(split, train=days[split.train], held=days[split.held])
    kinds = [
        Kind(grid=grid, forcing=forcing)
        for grid in grids
        for forcing in ([False, True] if "precipitation" in prior.data else [False])
    ]
    branches: dict[tuple[str, bool], Branch] = {}
    skill: dict[str, Any] = {}
    for number, kind in enumerate(kinds):
        if progress:
            progress(f"{kind.grid.name}, {'with forcing' if kind.forcing else 'climatology'}", number, len(kinds))
        branch, figures = _train_kind(prior, kind, split, options)
        branches[kind.grid.name, kind.forcing] = branch
        skill[branch.name] = figures
    if progress:
        progress("done", len(kinds), len(kinds))
    memory = {grid.name: learn_memory(prior, grid, seed=options.seed) for grid in grids}
    return Model(branches=branches, memory=memory, card=_card(prior, split, options, skill))


def _train_kind(prior: Prior, kind: Kind, split: Split, options: Options) -> tuple[Branch, dict[str, Any]]:
    records = [TileRecord(data, kind.grid, split.train) for _, data in tiles(prior)]
    active = sum(int(record.ground.active.sum()) for record in records)
    if active < MINIMUM_CELLS:
        raise TrainingError("The prior has too few active cells", value=active, allowed=f"at least {MINIMUM_CELLS}")
    parts = [split.train, split.held]
    if kind.forcing:
        parts = [with_weather(records[0].data, days) for days in parts]
        if not all(len(days) for days in parts):
            raise TrainingError("The prior's weather record is too short or has too many gaps for training")
    trial = Trial(train=Part(days=parts[0]), held=Part(days=parts[1]))
    branch, figures = fit_branch(kind, records, [trial], options)
    return branch, {"split": "temporal: contiguous held-out stretches of the prior itself", **figures}


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
        "domain_m36": domain_attributes(prior.domain)["m36_rows_columns"],
    }
