"""Trains the hybrid on a whole domain, and evaluates and calibrates it on held-out data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb
from numpy.typing import NDArray

import downscaler
from downscaler.errors import TrainingError
from downscaler.ground.grid import M09, M36, EaseGrid, domain_attributes
from downscaler.ground.prior import Prior
from downscaler.learn import applicability
from downscaler.learn.boosting import Kind, Options, Survey, Tick, days_each, grow, survey, view_of
from downscaler.learn.calibration import Ledger, Split, split_days
from downscaler.learn.lasting import widened
from downscaler.learn.memory import learn_memory
from downscaler.learn.samples import Draw, Part, TileRecord, draw_placed
from downscaler.learn.tiles import Tiles, days_with_data
from downscaler.method.applicability import Applicability
from downscaler.method.features import FEATURES, with_gaps
from downscaler.method.forcing import own_days, run_of_days
from downscaler.method.hybrid import Branch, Model
from downscaler.method.tile.weather import DaysOfWeather
from downscaler.parts import Parts, Spread, alone, in_turn, resumed, scratch
from downscaler.product import ALGORITHM_VERSION, PRODUCT_VERSION, SCHEMA_VERSION

__all__ = ["Trial", "days_with_data", "fit_branch", "train", "with_weather"]

Progress = Callable[[str, int, int], None]
_JUDGED_DAYS = 40  # held-out days of a tile that calibration looks at
_JUDGED_IN_ALL, _JUDGED_LEAST = 800, 2  # of all tiles together, and of each at least
_AREA_ROWS, _AREA_DAYS = 16_000, 400


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to split what may be seen into rows to learn from and truth to judge and calibrate on.

    ``records`` are the tiles with statistics of the trial's own training days, where those differ from the branch's.
    """

    train: Part
    held: Part
    records: Sequence[TileRecord] | None = None


def with_weather(data: xr.Dataset, days: NDArray[np.intp], held: Sequence[dt.date] = ()) -> NDArray[np.intp]:
    """Those days whose antecedent weather is in the record, or together with the days ``held`` beside it."""
    own, dates = own_days(data), data["time"].values.astype("datetime64[D]")
    return np.array([i for i in days if run_of_days(dates[i].item(), own, held)], np.intp)


def fit_branch(
    kind: Kind,
    records: Sequence[TileRecord],
    trials: Sequence[Trial],
    options: Options,
    *,
    final: Part | None = None,
    parts: Parts | None = None,
    tick: Tick = lambda _what: None,
    spread: Spread = in_turn,
) -> tuple[Branch, dict[str, Any]]:
    """Train and calibrate one branch; of many ``records`` one at a time is looked at.

    Each trial trains on its part and judges on its held part, which stops the training and, pooled over the trials,
    calibrates the interval. The branch is the last trial's, or with ``final`` a fresh one trained on that part for
    the trials' mean number of rounds. What ``parts`` hold is not made again; ``tick`` hears of every tile.
    ``spread`` looks at tiles and draws their rows.

    Raises:
        TrainingError: a part holds no rows.
    """
    if parts is None:
        with scratch() as own_parts:
            return fit_branch(kind, records, trials, options, final=final, parts=own_parts, tick=tick, spread=spread)
    ledger, rounds = Ledger(), []
    looks: list[Survey] = []
    for number, trial in enumerate(trials):
        own, here = trial.records or records, parts.under(f"trial-{number}")
        look = survey(kind, own, trial.train, here, tick, spread)
        looks.append(look if not looks else replace(look, features=looks[0].features))
        branch = grow(kind, looks[-1], own, trial.train, options, here, held=trial.held, tick=tick, spread=spread)
        rounds.append((branch.mean.num_boosted_rounds(), branch.bounds.num_boosted_rounds()))
        _judge(ledger, branch, own, trial.held, options, tick, number)
    if final is not None:
        mean, bounds = np.rint(np.mean(rounds, axis=0)).astype(int)
        here = parts.under("final")
        look = replace(survey(kind, records, final, here, tick, spread), features=looks[0].features)
        few = int(mean), int(bounds)
        branch = grow(kind, look, records, final, options, here, rounds=few, tick=tick, spread=spread)
    area = _area(branch, records, final or trials[-1].train, options, tick)
    branch = replace(branch, stretch=ledger.stretch(), applicability=area)
    figures = {"rmse": ledger.rmse(), "cells": ledger.cells, "rounds": rounds, "within_90": ledger.within_90()}
    return branch, {**figures, "stretch": list(branch.stretch)}


def _judge(
    ledger: Ledger,
    branch: Branch,
    records: Sequence[TileRecord],
    held: Part,
    options: Options,
    tick: Tick,
    trial: int,
) -> None:
    """Enter held-out days of every tile into the ledger; of many tiles fewer days each, other days of each."""
    count = days_each(_JUDGED_DAYS, len(records), _JUDGED_IN_ALL, _JUDGED_LEAST)
    step = max(1, len(held.days) // count)
    for tile, record in enumerate(records):
        for position in held.days[tile % step :: step]:
            ledger.add(record.day(int(position), view_of(branch, options)), record, branch, held.mask(tile), trial)
        tick("judging on held-out days")


def _area(
    branch: Branch, records: Sequence[TileRecord], part: Part, options: Options, tick: Tick
) -> Applicability | None:
    """Area of applicability; None where there is but one fold to draw it from."""
    days = days_each(_JUDGED_DAYS, len(records), _AREA_DAYS, _JUDGED_LEAST)
    how = Draw(rows=_AREA_ROWS // len(records), days=days, seed=options.seed, view=view_of(branch, options))
    drawn = []
    for tile, record in enumerate(records):
        drawn.append(draw_placed(record, tile, part, branch.features, how))
        tick("drawing the area of applicability")
    rows, folds = (np.concatenate(each) for each in zip(*drawn, strict=True))
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
    work: Path | None = None,
    weather: DaysOfWeather | None = None,
    spread: Spread = in_turn,
) -> Model:
    """Train all branches that a prior can carry: per coarse grid, without forcing and, where it is stored, with it.

    Args:
        prior: the ParFlow-CLM record; statistics, trees and calibration each use the days they may see alone.
        grids: SMAP grids to train for.
        options: see ``Options``.
        progress: called with what is being done, tiles done and tiles to do over all passes.
        work: folder for rows and trees on the way, kept: a training that was killed goes on from there, to the same
            bytes. None: a temporary one.
        weather: rain and temperature for a prior that has none of its own; a prior that has keeps to its own.
        spread: who looks at tiles and draws their rows; beyond this process it needs ``work``, which all have to
            reach. The model does not depend on it.

    Raises:
        TrainingError: too few days or cells.
        BusyError: another process trains in ``work``.
        StorageFullError: no room for the rows.
    """
    options = options or Options()
    lent = None if "precipitation" in prior.data else weather
    if work is None:
        with scratch() as parts:
            return _train(prior, grids, options, progress, parts, lent, spread)
    with alone(work):
        return _train(prior, grids, options, progress, resumed(work, _plan(prior, options, lent)), lent, spread)


def _plan(prior: Prior, options: Options, weather: DaysOfWeather | None) -> dict[str, Any]:
    """What all parts of a training depend on."""
    versions = {"vadose": downscaler.__version__, "algorithm": ALGORITHM_VERSION, "xgboost": xgb.__version__}
    lent = {} if weather is None else {"weather": weather.told}
    return {"prior": prior.record().sha256, "options": asdict(options), **lent, **versions}


def _train(
    prior: Prior,
    grids: Sequence[EaseGrid],
    options: Options,
    progress: Progress | None,
    parts: Parts,
    weather: DaysOfWeather | None,
    spread: Spread,
) -> Model:
    days = days_with_data(prior)
    split = split_days(len(days), options.holdout)
    split = replace(split, train=days[split.train], held=days[split.held])
    kinds = [
        Kind(grid=grid, forcing=forcing)
        for grid in grids
        for forcing in ([False, True] if "precipitation" in prior.data or weather is not None else [False])
    ]
    kept, held = parts.under("statistics"), weather.days if weather is not None else ()
    records = {grid.name: Tiles(prior, grid, split.train, kept, weather=weather) for grid in grids}
    steps = _Steps(progress, len(kinds) * (4 * len(records[grids[0].name]) + 2))
    branches: dict[tuple[str, bool], Branch] = {}
    skill: dict[str, Any] = {}
    for kind in kinds:
        steps.title = f"{kind.grid.name}, {'with forcing' if kind.forcing else 'climatology'}"
        branch, figures = _train_kind(kind, records[kind.grid.name], split, options, parts, steps.tick, held, spread)
        branches[kind.grid.name, kind.forcing] = branch
        skill[branch.name] = figures
    steps.finish()
    learned = {grid.name: learn_memory(prior, grid, seed=options.seed) for grid in grids}
    for key, branch in branches.items():
        within = learned[branch.grid][1].get("within_90", 0.0)
        branches[key], skill[branch.name] = widened(branch, skill[branch.name], within)
    card = _card(prior, split, options, skill) | {"analysis": {name: figures for name, (_, figures) in learned.items()}}
    card |= {} if weather is None else {"weather": dict(weather.told)}
    return Model(branches=branches, memory={name: memory for name, (memory, _) in learned.items()}, card=card)


class _Steps:
    """Tells how far a training is, tile by tile."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done, self.title = progress, total, 0, ""

    def tick(self, what: str) -> None:
        """One more tile, or one more set of trees, is done."""
        self._done += 1
        if self._progress:
            self._progress(f"{self.title}: {what}", min(self._done, self._total), self._total)

    def finish(self) -> None:
        """All is done."""
        if self._progress:
            self._progress("done", self._total, self._total)


def _train_kind(
    kind: Kind,
    records: Tiles,
    split: Split,
    options: Options,
    parts: Parts,
    tick: Tick,
    held: Sequence[dt.date],
    spread: Spread,
) -> tuple[Branch, dict[str, Any]]:
    if not records:
        raise TrainingError("The prior has no active cells")
    days = [split.train, split.held]
    if kind.forcing:
        days = [with_weather(records[0].data, part, held) for part in days]
        if not all(len(part) for part in days):
            whose = (
                "weather store holds too little of the prior's period" if held else "prior's weather record is short"
            )
            raise TrainingError(f"The {whose}, or has too many gaps for training")
    trial = Trial(train=Part(days=days[0]), held=Part(days=days[1]))
    here = parts.under(f"{kind.grid.name}-{'forcing' if kind.forcing else 'climatology'}")
    branch, figures = fit_branch(kind, records, [trial], options, parts=here, tick=tick, spread=spread)
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
