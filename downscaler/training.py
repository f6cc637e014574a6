"""Training the hybrid from everywhere in a prior's domain, judged and calibrated on what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb
from numpy.typing import NDArray

from downscaler import applicability
from downscaler.applicability import Applicability
from downscaler.blocks import Floats
from downscaler.device import require_device
from downscaler.errors import TrainingError
from downscaler.features import FEATURES, available
from downscaler.grid import M09, M36, EaseGrid, Window
from downscaler.hybrid import TILE, Branch, Model, estimate, forcing_until
from downscaler.product import ALGORITHM_VERSION, INTERVAL, PRODUCT_VERSION, SCHEMA_VERSION
from downscaler.samples import DayRecord, Draw, Part, Spool, TileRecord, View, draw, draw_placed
from downscaler.sources.prior import Prior

Progress = Callable[[str, int, int], None]
MINIMUM_DAYS, MINIMUM_CELLS = 10, 10
_QUANTILES = ((1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0)
_JUDGED_DAYS = 40  # held-out days that calibration looks at
_AREA_ROWS = 16_000


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
    noise: float = 0.04
    holdout: float = 0.2
    days_per_tile: int = 150
    seed: int = 0
    threads: int = 2
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Which branch: the coarse grid, with forcing or without, with the prior's pattern or (unseen ground) without."""

    grid: EaseGrid
    forcing: bool
    pattern: bool = True


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to split what may be seen into rows to learn from and truth to judge and calibrate on.

    ``records`` are the tiles with statistics of the trial's own training days, where those differ from the branch's.
    """

    train: Part
    held: Part
    records: Sequence[TileRecord] | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in a record to train on and to judge on, ``gap`` days apart."""

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
    held, near = np.zeros(days, bool), np.zeros(days, bool)
    for number in range(stretches):
        start = round((number + 0.5) * days / stretches - length / 2)
        held[start : start + length] = True
        near[max(start - gap, 0) : start + length + gap] = True
    return Split(train=np.flatnonzero(~near), held=np.flatnonzero(held), gap=gap)


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


class Ledger:
    """Squared errors and interval misses gathered over held-out truth."""

    def __init__(self) -> None:
        self.squares: dict[str, float] = {}
        self.cells = 0
        self._below: list[Floats] = []
        self._above: list[Floats] = []

    def add(self, day: DayRecord, record: TileRecord, branch: Branch, cells: NDArray[np.bool_] | None) -> None:
        """Judge one held-out day of a tile, on ``cells`` alone if given."""
        ground = record.ground
        result = estimate(branch, ground, day.fields, day.coarse, np.zeros(day.coarse.shape), noise=day.noise)
        use = day.active & np.isfinite(result.soil_moisture)
        use = use if cells is None else use & cells
        truth, theta = day.theta[use], result.soil_moisture[use]
        contrast = ground.level - ground.spread(ground.coarse_level)
        rivals = {
            "hybrid": theta,
            "climatological_pattern": (ground.spread(day.coarse) + contrast)[use],
            "smooth_coarse": day.fields["coarse"][use],
            "nearest": ground.spread(day.coarse)[use],
        }
        for name, values in rivals.items():
            self.squares[name] = self.squares.get(name, 0.0) + float(np.sum((values - truth) ** 2))
        self.cells += truth.size
        self._below.append(((theta - truth) / np.maximum(theta - result.lower[use], 1e-6))[::7])
        self._above.append(((truth - theta) / np.maximum(result.upper[use] - theta, 1e-6))[::7])

    def rmse(self) -> dict[str, float]:
        """Root mean square error of each method, m3 m-3."""
        return {name: float(np.sqrt(total / max(self.cells, 1))) for name, total in self.squares.items()}

    def stretch(self) -> tuple[float, float]:
        """Factors that put 5 % of the held-out truth below the interval and 5 % above it (split conformal)."""
        below, above = (
            max(0.1, float(np.quantile(np.concatenate(part), _QUANTILES[1]))) if part else 1.0
            for part in (self._below, self._above)
        )
        return below, above


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
        branch = _boosters(kind, names, own, trial.train, options, held=trial.held)
        rounds.append((branch.mean.num_boosted_rounds(), branch.bounds.num_boosted_rounds()))
        for position in trial.held.days[:: max(1, len(trial.held.days) // _JUDGED_DAYS)]:
            for tile, record in enumerate(own):
                day = record.day(int(position), _view(branch, options))
                ledger.add(day, record, branch, trial.held.mask(tile))
    if final is not None:
        mean, bounds = np.rint(np.mean(rounds, axis=0)).astype(int)
        branch = _boosters(kind, names, records, final, options, rounds=(int(mean), int(bounds)))
    area = _area(branch, records, final or trials[-1].train, options)
    branch = replace(branch, stretch=ledger.stretch(), applicability=area)
    return branch, {"rmse": ledger.rmse(), "cells": ledger.cells, "rounds": rounds, "stretch": list(branch.stretch)}


def _area(branch: Branch, records: Sequence[TileRecord], part: Part, options: Options) -> Applicability | None:
    """Area of applicability; None where there is but one fold to draw it from."""
    how = Draw(rows=_AREA_ROWS, days=_JUDGED_DAYS, seed=options.seed, view=_view(branch, options))
    rows, folds = draw_placed(records, part, branch.features, how)
    if len(np.unique(folds)) < 2:
        return None
    gain = branch.mean.get_score(importance_type="total_gain")
    weights = [float(gain.get(name, 0.0)) for name in branch.features]  # type: ignore[arg-type]
    return applicability.fit(rows, weights, folds, seed=options.seed)


def fit_plain(
    kind: Kind, records: Sequence[TileRecord], part: Part, options: Options, rounds: tuple[int, int]
) -> Branch:
    """A branch trained on a part for given numbers of rounds, neither judged nor calibrated."""
    return _boosters(kind, feature_names(kind, records, part), records, part, options, rounds=rounds)


def _boosters(
    kind: Kind,
    names: tuple[str, ...],
    records: Sequence[TileRecord],
    part: Part,
    options: Options,
    *,
    held: Part | None = None,
    rounds: tuple[int, int] | None = None,
) -> Branch:
    """Mean and quantile boosters of one part; stopped on ``held``, or after a given number of rounds."""
    # a quantile step costs about seven of the mean's, and calibration corrects its level: fewer, larger, on half
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": list(_QUANTILES), "eta": 2 * options.learning_rate}
    require_device(options.device)
    rounds = rounds or (options.rounds, options.rounds // 3)
    rough = float(np.mean([record.roughness(part.days, pattern=kind.pattern) for record in records]))
    view = View(forcing=kind.forcing, pattern=kind.pattern, roughness=rough, error=options.noise)
    with (
        _spool(view, names, records, part, options, 1.0) as rows,
        _spool(view, names, records, held, options, 0.25) as judge,
    ):
        if rows.rows < MINIMUM_CELLS:
            raise TrainingError("There are too few rows to train on", value=rows.rows, allowed=f"{MINIMUM_CELLS}")
        found = []
        for extra, count, every in (({}, rounds[0], 1), (quantiles, rounds[1], 2)):
            rows.every = judge.every = every
            found.append(_boost(rows, judge, _parameters(options) | extra, count, options))
    for booster in found:
        booster.set_param({"device": "cpu", "nthread": options.threads})
    return Branch(
        grid=kind.grid.name,
        forcing=kind.forcing,
        pattern=kind.pattern,
        roughness=rough,
        features=names,
        mean=found[0],
        bounds=found[1],
        stretch=(1.0, 1.0),
    )


def _boost(rows: Spool, judge: Spool, parameters: dict[str, Any], count: int, options: Options) -> xgb.Booster:
    """One booster, cut back to its best round where there is something to judge it on."""
    matrix = xgb.QuantileDMatrix(rows, nthread=options.threads)
    against = [(xgb.QuantileDMatrix(judge, ref=matrix, nthread=options.threads), "held")] if judge.rows else []
    booster = xgb.train(
        parameters,
        matrix,
        count,
        evals=against,
        early_stopping_rounds=options.patience if against else None,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1] if against else booster


def _view(branch: Branch, options: Options) -> View:
    return View(forcing=branch.forcing, pattern=branch.pattern, roughness=branch.roughness, error=options.noise)


def _spool(
    view: View, names: tuple[str, ...], records: Sequence[TileRecord], part: Part | None, options: Options, share: float
) -> Spool:
    how = Draw(rows=max(1, int(options.rows * share)), days=options.days_per_tile, seed=options.seed, view=view)
    return Spool(draw(records, part, names, how) if part else iter(()), names)


def _parameters(options: Options) -> dict[str, Any]:
    return {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "device": options.device,
        "max_depth": options.depth,
        "eta": options.learning_rate,
        "subsample": 0.7,
        "colsample_bynode": 0.5,
        "min_child_weight": 20,
        "seed": options.seed,
        "nthread": options.threads,
    }


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
    return Model(branches=branches, card=_card(prior, split, options, skill))


def _train_kind(prior: Prior, kind: Kind, split: Split, options: Options) -> tuple[Branch, dict[str, Any]]:
    records = [TileRecord(data, kind.grid, split.train) for _, data in tiles(prior)]
    active = sum(int(record.ground.active.sum()) for record in records)
    if active < MINIMUM_CELLS:
        raise TrainingError("The prior has too few active cells", value=active, allowed=f"at least {MINIMUM_CELLS}")
    parts = [split.train, split.held]
    if kind.forcing:
        parts = [with_weather(records[0].data, days) for days in parts]
        if not all(len(days) for days in parts):
            raise TrainingError("The prior's weather record is too short or too broken to train on")
    trial = Trial(train=Part(days=parts[0]), held=Part(days=parts[1]))
    branch, figures = fit_branch(kind, records, [trial], options)
    return branch, {"split": "temporal: contiguous held-out stretches of the prior itself", **figures}


def feature_names(kind: Kind, records: Sequence[TileRecord], part: Part) -> tuple[str, ...]:
    """Features that the tiles can supply; a constant or missing static teaches nothing and is left out."""
    day = records[0].day(int(part.days[-1]), View(forcing=kind.forcing))
    static = records[0].ground.fields
    known = [n for n in day.fields if n not in static or any(_varies(r.ground.fields.get(n)) for r in records)]
    if not kind.pattern:
        of_pattern = {f.name for f in FEATURES if f.needs_pattern}
        known = [name for name in known if name not in of_pattern]
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
