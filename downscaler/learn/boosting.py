"""Trains the boosters of one branch: samples, options, predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.grid import EaseGrid
from downscaler.learn.device import require_device
from downscaler.learn.samples import Draw, Part, Spool, TileRecord, View, draw
from downscaler.method.features import FEATURES, available
from downscaler.method.hybrid import Branch
from downscaler.product import INTERVAL

MINIMUM_CELLS = 10
QUANTILES = ((1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes a model beside its data.

    ``rows`` are drawn per branch from all tiles and days; ``noise`` (m3 m-3) is the standard deviation of the errors
    put on half of the coarse fields, so that the model does not lean on a precision that SMAP lacks; ``holdout`` is
    the share of the record, in contiguous stretches, that is kept for stopping and calibration.
    """

    rows: int = 250_000
    rounds: int = 200
    depth: int = 8
    learning_rate: float = 0.08
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


def fit_plain(
    kind: Kind, records: Sequence[TileRecord], part: Part, options: Options, rounds: tuple[int, int]
) -> Branch:
    """A branch trained on a part for given numbers of rounds, neither judged nor calibrated."""
    return grow(kind, feature_names(kind, records, part), records, part, options, rounds=rounds)


def grow(
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
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES), "eta": 2 * options.learning_rate}
    require_device(options.device)
    rounds = rounds or (options.rounds, options.rounds // 3)
    rough = float(np.mean([record.roughness(part.days, pattern=kind.pattern) for record in records]))
    view = View(forcing=kind.forcing, pattern=kind.pattern, roughness=rough, error=options.noise)
    with (
        _spool(view, names, records, part, options, 1.0) as rows,
        _spool(view, names, records, held, options, 0.25) as judge,
    ):
        if rows.rows < MINIMUM_CELLS:
            raise TrainingError("There are too few training samples", value=rows.rows, allowed=f"{MINIMUM_CELLS}")
        found = []
        rising = {"monotone_constraints": {f.name: 1 for f in FEATURES if f.monotone and f.name in names}}
        for extra, count, every in ((rising, rounds[0], 1), (quantiles, rounds[1], 2)):
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


def view_of(branch: Branch, options: Options) -> View:
    """How a branch's training looks at a day."""
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


def feature_names(kind: Kind, records: Sequence[TileRecord], part: Part) -> tuple[str, ...]:
    """Features that the tiles can supply; a constant or missing static teaches nothing and is left out."""
    day = records[0].day(int(part.days[-1]), View(forcing=kind.forcing))
    static = records[0].ground.fields
    known = [n for n in day.fields if n not in static or any(_varies(r.ground.fields.get(n)) for r in records)]
    # ``available`` adds what every day has, which includes anomalies from the place's own mean
    of_place = set() if kind.pattern else {f.name for f in FEATURES if f.needs_pattern}
    return tuple(name for name in available(known) if name not in of_place)


def _varies(field: NDArray[np.float32] | None) -> bool:
    return field is not None and bool(np.isfinite(field).any()) and float(np.nanmax(field) - np.nanmin(field)) > 0
