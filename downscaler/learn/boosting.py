"""Trains the boosters of one branch: samples, options, predictors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.grid import EaseGrid
from downscaler.learn.device import require_device
from downscaler.learn.rows import Spool, write_rows
from downscaler.learn.samples import Draw, Part, TileRecord, View, allowed_cells, draw
from downscaler.method.features import FEATURES, available
from downscaler.method.hybrid import Branch
from downscaler.parts import Parts, Spread, in_turn, scratch
from downscaler.product import INTERVAL

MINIMUM_CELLS = 10
_TILE_DAYS, _LEAST_DAYS = 3000, 16  # days drawn of all tiles together, and of each at least
_FILE = "booster.ubj"
_BOUNDS_DEPTH = 6
QUANTILES = ((1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What shapes a model beside its data.

    ``rows`` are drawn per branch from all tiles and days; ``noise`` (m3 m-3) is the standard deviation of the errors
    put on half of the coarse fields, so that the model does not lean on a precision that SMAP lacks; ``holdout`` is
    the share of the record, in contiguous stretches, that is kept for stopping and calibration. ``rounds``, ``depth``,
    ``learning_rate`` and ``columns``, the share of predictors that a node may choose from, are the mean's; what the
    bounds have of them follows, see ``_for_bounds``.
    """

    rows: int = 250_000
    rounds: int = 120
    depth: int = 8
    learning_rate: float = 0.12
    columns: float = 0.8
    patience: int = 25
    noise: float = 0.04
    holdout: float = 0.2
    days_per_tile: int = 150
    seed: int = 0
    threads: int = 2
    device: str = "cpu"


def rows_for(cells: int) -> int:
    """Rows to train a domain of so many active cells on: one for each cell, from 250,000 to 4 million."""
    return min(max(cells, Options.rows), 4_000_000)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Which branch: the coarse grid, with forcing or without, with the prior's pattern or (unseen ground) without."""

    grid: EaseGrid
    forcing: bool
    pattern: bool = True


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a first look at all tiles tells: active cells of each, roughness (m6 m-6), features to be had."""

    cells: tuple[int, ...]
    roughness: float
    features: tuple[str, ...]


Tick = Callable[[str], None]  # told what has been done, once a tile


def _quiet(_what: str) -> None:
    pass


def survey(
    kind: Kind,
    records: Sequence[TileRecord],
    part: Part,
    parts: Parts,
    tick: Tick = _quiet,
    spread: Spread = in_turn,
) -> Survey:
    """Look at every tile once, or read what an earlier look found.

    Raises:
        TrainingError: too few active cells.
    """

    def look(folder: Path) -> None:
        seen: dict[int, tuple[int, float, set[str]]] = {}
        for tile, looked in spread(partial(_look, kind, records, part), range(len(records))):
            seen[tile] = looked
            tick("looking at the tiles")
        cells, rough, names_of = zip(*(seen[tile] for tile in sorted(seen)), strict=True)
        varying = set[str]().union(*names_of)
        if sum(cells) < MINIMUM_CELLS:
            raise TrainingError("There are too few active cells", value=sum(cells), allowed=f">= {MINIMUM_CELLS}")
        names = _feature_names(kind, records[0], part, varying)
        found = Survey(cells=tuple(cells), roughness=float(np.average(rough, weights=cells)), features=names)
        (folder / "survey.json").write_text(json.dumps(asdict(found)), encoding="utf-8")

    stored = json.loads((parts.part("survey", look) / "survey.json").read_text(encoding="utf-8"))
    return Survey(
        cells=tuple(stored["cells"]), roughness=float(stored["roughness"]), features=tuple(stored["features"])
    )


def _look(kind: Kind, records: Sequence[TileRecord], part: Part, tile: int) -> tuple[int, float, set[str]]:
    """A tile's allowed cells, its roughness, and its static fields that vary."""
    record = records[tile]
    varying = {name for name, field in record.ground.fields.items() if _varies(field)}
    cells = int(allowed_cells(record, part.mask(tile)).sum())
    return cells, record.roughness(part.days, pattern=kind.pattern), varying


def fit_plain(
    kind: Kind, records: Sequence[TileRecord], part: Part, options: Options, rounds: tuple[int, int]
) -> Branch:
    """A branch trained on a part for given numbers of rounds, neither judged nor calibrated."""
    with scratch() as parts:
        return grow(kind, survey(kind, records, part, parts), records, part, options, parts, rounds=rounds)


def grow(
    kind: Kind,
    look: Survey,
    records: Sequence[TileRecord],
    part: Part,
    options: Options,
    parts: Parts,
    *,
    held: Part | None = None,
    rounds: tuple[int, int] | None = None,
    tick: Tick = _quiet,
    spread: Spread = in_turn,
) -> Branch:
    """Mean and quantile boosters of one part; stopped on ``held``, or after a given number of rounds.

    Rows go to ``parts`` tile by tile, whoever draws them, and so do the boosters: what is there already is not made
    again. The trees are grown here, on all rows: shares of them on several machines would give other trees.
    """
    require_device(options.device)
    view = View(forcing=kind.forcing, pattern=kind.pattern, roughness=look.roughness, error=options.noise)
    draws = {"rows": (part, 1.0)} | ({"held": (held, 0.25)} if held else {})
    for _ in spread(partial(_draw_tile, parts, records, draws, look, options, view), range(len(look.cells))):
        tick("drawing rows")
    if (rows := Spool(parts.folder / "rows", look.features).rows) < MINIMUM_CELLS:
        raise TrainingError("There are too few training samples", value=rows, allowed=f"{MINIMUM_CELLS}")
    boosters = {}
    for role, count in zip(("mean", "bounds"), rounds or (options.rounds, options.rounds // 2), strict=True):
        booster = xgb.Booster(model_file=parts.part(role, _booster_maker(role, parts, look, count, options)) / _FILE)
        booster.set_param({"device": "cpu", "nthread": options.threads})
        boosters[role] = booster
        tick(f"growing trees, {role}")
    return Branch(
        grid=kind.grid.name,
        forcing=kind.forcing,
        pattern=kind.pattern,
        roughness=look.roughness,
        features=look.features,
        mean=boosters["mean"],
        bounds=boosters["bounds"],
        stretch=(1.0, 1.0),
    )


def days_each(most: int, tiles: int, in_all: int, least: int) -> int:
    """Days of each of many tiles: ``most``, fewer where that would be more than ``in_all``, but ``least``."""
    return min(most, max(least, in_all // max(tiles, 1)))


def _draw_tile(
    parts: Parts,
    records: Sequence[TileRecord],
    draws: Mapping[str, tuple[Part, float]],
    look: Survey,
    options: Options,
    view: View,
    tile: int,
) -> None:
    """One tile's rows, to learn from and to judge on: by its cells a share of all, times each part's own."""
    days = days_each(options.days_per_tile, len(look.cells), _TILE_DAYS, _LEAST_DAYS)
    for role, (part, share) in draws.items():
        count = max(1, round(options.rows * (look.cells[tile] / sum(look.cells) * share)))
        how = Draw(rows=count, days=days, seed=options.seed, view=view)

        def write(folder: Path, part: Part = part, how: Draw = how) -> None:
            record = records[tile]
            allowed = allowed_cells(record, part.mask(tile))
            write_rows(folder, draw(record, tile, allowed, part, look.features, how) if allowed.any() else ())

        parts.under(role).part(f"{tile:05d}", write)


def _booster_maker(role: str, parts: Parts, look: Survey, count: int, options: Options) -> Callable[[Path], None]:
    """What grows the mean's booster or the bounds' from the rows in ``parts`` and saves it."""
    rising = {"monotone_constraints": {f.name: 1 for f in FEATURES if f.monotone and f.name in look.features}}
    # a quantile step costs about seven of the mean's, and calibration corrects its level: fewer, on half the rows
    extra, every = (rising, 1) if role == "mean" else (_for_bounds(options), 2)

    def make(folder: Path) -> None:
        rows, judge = (Spool(parts.folder / name, look.features, every=every) for name in ("rows", "held"))
        _boost(rows, judge, _parameters(options) | extra, count, options).save_model(folder / _FILE)

    return make


def _for_bounds(options: Options) -> dict[str, Any]:
    """What the bounds' trees have of their own: larger steps, and fewer leaves, since few rows lie beyond a bound."""
    return {
        "objective": "reg:quantileerror",
        "quantile_alpha": list(QUANTILES),
        "eta": options.learning_rate * 4 / 3,
        "max_depth": min(options.depth, _BOUNDS_DEPTH),
        "colsample_bynode": min(options.columns, 0.5),
    }


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


def _parameters(options: Options) -> dict[str, Any]:
    return {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "device": options.device,
        "max_depth": options.depth,
        "eta": options.learning_rate,
        "subsample": 0.7,
        "colsample_bynode": options.columns,
        "min_child_weight": 20,
        "seed": options.seed,
        "nthread": options.threads,
    }


def _feature_names(kind: Kind, record: TileRecord, part: Part, varying: set[str]) -> tuple[str, ...]:
    """Features that the tiles can supply; a constant or missing static teaches nothing and is left out."""
    day = record.day(int(part.days[-1]), View(forcing=kind.forcing))
    known = [name for name in day.fields if name not in record.ground.fields or name in varying]
    # ``available`` adds what every day has, which includes anomalies from the place's own mean
    of_place = set() if kind.pattern else {f.name for f in FEATURES if f.needs_pattern}
    return tuple(name for name in available(known) if name not in of_place)


def _varies(field: NDArray[np.float32] | None) -> bool:
    return field is not None and bool(np.isfinite(field).any()) and float(np.nanmax(field) - np.nanmin(field)) > 0
