"""Numbers of trees, depth and step against skill and cost, on contiguous fifths of a record, a week apart.

``python -m tests.benchmarks.skill.bench_rounds PRIOR [PRIOR ...]`` trains each setting on four fifths and judges it
on the fifth, as it is published: RMSE of the mean with noise 0 and 0.04 m3 m-3, interval score (Gneiting & Raftery
2007) of the bounds on rows of the held-out days, stretched by what the other fifths of the record ask for, and
nanoseconds that a row takes through the trees. Statistics are those of the training days. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from downscaler.ground.grid import M09
from downscaler.learn.boosting import Kind, Options, fit_plain, survey, view_of
from downscaler.learn.samples import Draw, Part, TileRecord, View, draw
from downscaler.learn.training import days_with_data, with_weather
from downscaler.method.hybrid import Branch, estimate
from downscaler.parts import scratch
from downscaler.product import INTERVAL
from downscaler.skill import crossval
from downscaler.skill.evaluation import Evaluation
from downscaler.skill.folds import FOLDS, GAP_DAYS
from downscaler.stores.prior import open_prior

SETTINGS = {  # rounds of mean and bounds, depth, step, share of predictors
    "120, step 0.12": ((120, 60), Options()),
    "80, step 0.16": ((80, 40), Options(learning_rate=0.16)),
    "200, step 0.08": ((200, 66), Options(learning_rate=0.08, columns=0.5)),
}
NOISES = (0.0, 0.04)  # m3 m-3
DAYS, ROWS, HELD = 16, 100_000, 30_000
ALPHA = 1.0 - INTERVAL


@dataclass
class Fold:
    """What a fold says of each setting: figures by name, and truth, mean and bounds of its held-out rows."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    rows: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)


def folds(path: Path, forcing: bool) -> list[Fold]:
    """All fifths of a record."""
    prior = open_prior(path)
    data, days = crossval._at_once(prior), days_with_data(prior)
    found = []
    for held in np.array_split(days, FOLDS):
        train = days[(days < held[0] - GAP_DAYS) | (days > held[-1] + GAP_DAYS)]
        record = TileRecord(data, M09, train)
        parts = [Part(days=with_weather(data, part) if forcing else part) for part in (train, held)]
        found.append(judge(Kind(grid=M09, forcing=forcing), record, *parts))
    return found


def judge(kind: Kind, record: TileRecord, train: Part, held: Part) -> Fold:
    """One fold: every setting trained, and judged on the same days and rows."""
    fold, branches = Fold(), {}
    for name, (rounds, options) in SETTINGS.items():
        use = replace(options, rows=ROWS, threads=1)
        branches[name] = fit_plain(kind, [record], train, use, rounds)
    with scratch() as parts:
        look = survey(kind, [record], train, parts)
    view = view_of(next(iter(branches.values())), Options())
    drawn = draw(record, 0, record.ground.active, held, look.features, Draw(rows=HELD, days=60, seed=1, view=view))
    rows, truth = (np.concatenate(part) for part in zip(*drawn, strict=True))
    rmse = published(kind, record, held, branches)
    for name, branch in branches.items():
        low, high = branch.bounds.inplace_predict(rows).T
        fold.rows[name] = truth, branch.mean.inplace_predict(rows), low, high
        fold.figures[name] = rmse[name] | {"ns": cost(branch, rows)}
    fold.figures["pattern"] = rmse["pattern"]
    return fold


def published(kind: Kind, record: TileRecord, held: Part, branches: dict[str, Branch]) -> dict[str, dict[str, float]]:
    """RMSE of held-out days as they are published, m3 m-3."""
    ground = record.ground
    found: dict[str, dict[str, float]] = {name: {} for name in (*branches, "pattern")}
    for noise in NOISES:
        evaluation = Evaluation(ground.active, ground.ratio)
        for position in held.days[:: max(1, len(held.days) // DAYS)]:
            added = np.random.default_rng([1, int(noise * 1e6), int(position)]).normal(
                0.0, noise, ground.coarse_level.shape
            )
            fields = {}
            for name, branch in branches.items():
                view = View(forcing=kind.forcing, pattern=True, roughness=branch.roughness, error=noise)
                day = record.day(int(position), view, added if noise else None)
                sigma = np.full(day.coarse.shape, noise)
                fields[name] = estimate(branch, ground, day.fields, day.coarse, sigma, noise=day.noise).soil_moisture
            fields["pattern"] = ground.spread(day.coarse) + ground.level - ground.spread(ground.coarse_level)
            evaluation.add(day.theta, day.coarse, fields)
        for name, figures in evaluation.figures().items():
            found[name][f"rmse {noise}"] = figures["rmse"].value
    return found


def cost(branch: Branch, rows: np.ndarray) -> float:
    """Nanoseconds of one thread that a row takes through mean and bounds, the best of four."""
    best = np.inf
    for booster in (branch.mean, branch.bounds):
        booster.set_param({"nthread": 1})
    for _ in range(4):
        begun = time.process_time()
        branch.mean.inplace_predict(rows)
        branch.bounds.inplace_predict(rows)
        best = min(best, time.process_time() - begun)
    return best / len(rows) * 1e9


def scores(found: list[Fold], name: str) -> list[tuple[float, float]]:
    """Interval score (m3 m-3) and coverage of each fold, its bounds stretched as the other folds ask for."""

    def distances(fold: Fold) -> tuple[np.ndarray, np.ndarray]:
        _, mean, low, high = fold.rows[name]
        return np.maximum(mean - low, 0.002), np.maximum(high - mean, 0.002)

    made = []
    for fold in found:
        ratios = []
        for other in found:
            if other is not fold:
                below, above = distances(other)
                off = other.rows[name][0] - other.rows[name][1]
                ratios.append((-off / below, off / above))
        wider = [np.quantile(np.concatenate(side), 1.0 - ALPHA / 2.0) for side in zip(*ratios, strict=True)]
        truth, mean = fold.rows[name][:2]
        below, above = distances(fold)
        low, high = mean - wider[0] * below, mean + wider[1] * above
        beyond = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
        made.append((float((high - low + 2.0 / ALPHA * beyond).mean()), float((beyond == 0.0).mean())))
    return made


def main() -> None:
    """Print every setting's figures by prior and branch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("priors", type=Path, nargs="+")
    parser.add_argument("--forcing", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    for path in given.priors:
        found = folds(path, given.forcing)
        for name in (*SETTINGS, "pattern"):
            figures = {key: [round(fold.figures[name][key], 5) for fold in found] for key in found[0].figures[name]}
            if name in SETTINGS:
                figures["score"], figures["coverage"] = (
                    [round(each, 4) for each in part] for part in zip(*scores(found, name), strict=True)
                )
            print(json.dumps({"prior": str(path), "forcing": given.forcing, "setting": name} | figures), flush=True)


if __name__ == "__main__":
    main()
