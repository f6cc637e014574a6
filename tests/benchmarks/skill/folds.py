"""Error and coverage of each contiguous fifth of a record, predicted from the others a week apart.

``python -m tests.benchmarks.skill.folds PRIOR [--noise SD ...]`` prints JSON: of the SMAP-conserving days, trees and
factors refitted for each fifth (rows of ``skill.crossval``), at each noise of the coarse value, of the first fifth also
without the run's first month, which an analysis has no window for (``from_day``); and of the analysis
without weather, factors of the other fifths (``learn.misses``), with SMAP's smooth error on two days of five.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from downscaler.ground.grid import M09
from downscaler.ground.prior import Prior
from downscaler.learn import memory as learned
from downscaler.learn.boosting import Kind
from downscaler.learn.judged import judged
from downscaler.learn.misses import Misses, expected
from downscaler.learn.samples import Part
from downscaler.learn.training import days_with_data, with_weather
from downscaler.method.coarse.analysis import WINDOW
from downscaler.method.coarse.following import CENTRES
from downscaler.method.hybrid import Model
from downscaler.skill import crossval
from downscaler.skill.crossval import DEFAULTS, as_dict
from downscaler.skill.folds import FOLDS, time_folds
from downscaler.stores.prior import open_prior


def conserving(prior: Prior, noises: list[float], folds: list[int]) -> list[dict[str, Any]]:
    """RMSE and coverage of the hybrid and RMSE of the fixed pattern, fold by fold."""
    data, days = crossval._at_once(prior), days_with_data(prior)
    forcing = "precipitation" in data and len(with_weather(data, days)) > len(days) // 2
    found = []
    for number, fold in enumerate(time_folds(data, M09, days)):
        if number not in folds:
            continue
        kind = Kind(grid=M09, forcing=forcing, pattern=True)
        branch = crossval._fitted(fold, kind, DEFAULTS["time"])
        model = Model(branches={(M09.name, forcing): branch}, memory={}, card={})
        for start in dict.fromkeys((0, max(0, WINDOW - int(fold.held.days[0])))):
            late = replace(fold, held=Part(days=fold.held.days[start:]))
            judges = {noise: crossval._Judges(data, M09, "time") for noise in noises}
            crossval._judge_fold(late, kind, judges, model, DEFAULTS["time"])
            for noise, judge in judges.items():
                rows = as_dict(judge.all.figures())["methods"]
                told = {"fold": number, "from_day": start, "noise": noise, "days": len(late.held.days)}
                told |= {name: _short(rows[name]) for name in ("hybrid", "climatological_pattern")}
                found.append(told)
                print(json.dumps(told), flush=True)
    return found


def _short(row: dict[str, Any]) -> dict[str, list[float]]:
    return {k: [round(row[k][end], 4) for end in ("value", "low", "high")] for k in ("rmse", "coverage_90") if k in row}


def analysed(prior: Prior, days: int) -> dict[str, Any]:
    """What is expected of the analysis, and of each fold of it."""
    windows = learned._windows(prior)
    memory, _ = learned.learn_memory(prior, M09)
    misses = Misses()
    for number, window in enumerate(windows):
        tile = prior.window(prior.domain, window)
        misses.add(judged(tile, M09, memory, days // len(windows), np.random.default_rng([1, number])))
    by_fold = {}
    for fold in sorted({day.fold for day in misses.days}):
        rest = Misses([day for day in misses.days if day.fold != fold]).applied(memory)
        inside, miss = [], []
        for day in (day for day in misses.days if day.fold == fold):
            told = np.hypot(day.told, rest.inflation * day.carried)
            below, above = (told * np.interp(day.wet, CENTRES, side) for side in rest.stretch)
            inside.append((day.fine <= below) & (-day.fine <= above))
            miss.append(day.fine)
        rmse = float(np.sqrt(np.mean(np.square(np.concatenate(miss)))))
        by_fold[fold] = {"rmse": round(rmse, 4), "coverage_90": round(float(np.mean(np.concatenate(inside))), 3)}
    return {**expected(misses, memory), "folds": by_fold}


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.04])
    parser.add_argument("--days", type=int, default=120, help="days of the analysis that are judged")
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(FOLDS)))
    given = parser.parse_args()
    prior = open_prior(given.prior)
    if given.days:
        print(json.dumps({"analysis": analysed(prior, given.days)}), flush=True)
    if given.noise:
        conserving(prior, given.noise, given.folds)


if __name__ == "__main__":
    main()
