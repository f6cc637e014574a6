"""The evaluation's settings, chosen for each outer fold on its inner folds alone: rows, depth, start and ramps.

Nothing of an outer fold's held-out truth is read here, so that what ``vadose evaluate`` then says of that fold has no
share in the choice. ``VADOSE_BENCH_PRIOR`` names a prior store, ``VADOSE_BENCH_SPLIT`` the split (time). Written to
build/bench/choice-PRIOR-SPLIT.json (`make bench PYTEST_ARGS="-k choice"`).
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from downscaler.ground.grid import M09
from downscaler.learn.boosting import Kind, Options, fit_plain
from downscaler.learn.samples import View
from downscaler.learn.training import days_with_data, with_weather
from downscaler.method.hybrid import estimate
from downscaler.skill import crossval
from downscaler.skill.evaluation import Evaluation
from downscaler.skill.folds import block_folds, time_folds
from downscaler.stores.prior import open_prior

CAPACITIES = {  # rounds are what early stopping came to in training: neither is stopped here
    "depth 6 x 150, 60,000 rows": Options(rows=60_000, depth=6, rounds=150),
    "depth 6 x 150, 100,000 rows": Options(rows=100_000, depth=6, rounds=150),
    "depth 8 x 200, 60,000 rows": Options(rows=60_000),
    "depth 8 x 200, 100,000 rows": Options(rows=100_000),
}
SHARES = (0.2, 0.28, 0.36, 0.44, 0.5)
NOISES = (0.0, 0.04)
INNER = (1, 3)  # which of the inner folds are judged
DAYS = 24  # of each
OUT = Path(__file__).resolve().parents[3] / "build" / "bench"


def no_correction(branch):
    """The branch with a correction of nothing: what the trees start from."""

    class Nothing:
        def inplace_predict(self, rows):
            return np.zeros(len(rows))

    class NoBounds:
        def inplace_predict(self, rows):
            return np.zeros((len(rows), 2))

    return replace(branch, mean=Nothing(), bounds=NoBounds())


def judged(trial, fold, kind, branches):
    """Figures of branches and ramps on an inner fold's held-out truth, by noise, branch and share."""
    record = (trial.records or [fold.record])[0]
    ground, mask = record.ground, trial.held.mask(0)
    days = trial.held.days[:: max(1, len(trial.held.days) // DAYS)]
    weather = set(with_weather(record.data, days).tolist()) if kind.forcing else set()
    found = {}
    for noise in NOISES:
        evaluation = Evaluation(ground.active, ground.ratio)
        for position in days:
            methods = {}
            added = np.random.default_rng([1, int(noise * 1e6), int(position)]).normal(
                0.0, noise, ground.coarse_level.shape
            )
            for name, branch in branches.items():
                view = View(
                    forcing=int(position) in weather, pattern=kind.pattern, roughness=branch.roughness, error=noise
                )
                day = record.day(int(position), view, added if noise else None)
                fields = crossval._complete(day.fields, branch)
                sigma = np.full(day.coarse.shape, noise)
                for share in SHARES if noise else SHARES[:1]:
                    theta = estimate(
                        branch, ground, fields, day.coarse, sigma, noise=day.noise, share=share
                    ).soil_moisture
                    methods[f"{name} | {share}" if noise else name] = theta
            level = ground.level - ground.spread(ground.coarse_level)
            methods["pattern"] = ground.spread(day.coarse) + level
            truth = day.theta if mask is None else np.where(mask, day.theta, np.nan)
            evaluation.add(truth, day.coarse, methods)
        figures = evaluation.figures()
        found[str(noise)] = {
            name: {key: row[key].value for key in ("rmse", "seam_index", "within_block_r") if key in row}
            for name, row in figures.items()
        }
    return found


@pytest.mark.skipif("VADOSE_BENCH_PRIOR" not in os.environ, reason="VADOSE_BENCH_PRIOR names no prior")
def test_choice():
    path, split = Path(os.environ["VADOSE_BENCH_PRIOR"]), os.environ.get("VADOSE_BENCH_SPLIT", "time")
    prior = open_prior(path)
    data = crossval._at_once(prior)
    days = days_with_data(prior)
    weather = with_weather(data, days)
    forcing = len(weather) > len(days) // 2
    if split == "blocks":
        folds = block_folds(data, M09, weather if forcing else days, 0)
    else:
        folds = time_folds(data, M09, days)
    kind = Kind(grid=M09, forcing=forcing, pattern=split == "time")
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"choice-{path.name}-{split}.json"
    found = []
    for number, fold in enumerate(folds):
        for inner in INNER:
            trial = crossval._weathered(fold.trials[inner], fold, kind)
            records = trial.records or [fold.record]
            branches = {
                name: fit_plain(kind, records, trial.train, options, (options.rounds, 1))
                for name, options in CAPACITIES.items()
            }
            if kind.pattern:
                branches["no trees"] = no_correction(next(iter(branches.values())))
            found.append({"fold": number, "inner": inner, "figures": judged(trial, fold, kind, branches)})
            target.write_text(json.dumps(found, indent=1))
            print(number, inner, {k: round(v["rmse"], 5) for k, v in found[-1]["figures"]["0.0"].items()}, flush=True)
    assert len(found) == len(INNER) * (number + 1)
