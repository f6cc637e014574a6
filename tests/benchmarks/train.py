"""Training's time and peak memory, and the skill of models of different domains on the same tiles and held-out days.

``python -m tests.benchmarks.train PRIOR [--rows N] [--save MODEL]`` trains both branches of the 9 km grid and prints
CPU seconds, peak memory and skill. ``--judge MODEL`` (may be repeated) trains nothing: each model is judged on the days
that training on this prior holds out, on the tiles of ``--domain``. The days are the same only where the models were
trained on priors of this very period.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from downscaler.ground.grid import M09
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Options, view_of
from downscaler.learn.calibration import Ledger, split_days
from downscaler.learn.tiles import Tiles, days_with_data
from downscaler.learn.training import train
from downscaler.parts import scratch
from downscaler.stores.model import load_model, save_model
from downscaler.stores.prior import open_prior
from tests.benchmarks.conus import cpu, peak
from tests.benchmarks.mirror import PARTS

_EVERY = 2  # held-out days that are judged


def judged(prior: Prior, models: list[Path]) -> dict[str, Any]:
    """RMSE of each model's branches and of the baselines on held-out days of a prior, m3 m-3."""
    options, days = Options(), days_with_data(prior)
    split = split_days(len(days), options.holdout)
    found: dict[str, Any] = {}
    loaded = {path.name: load_model(path) for path in models}
    with scratch() as parts:
        tiles = Tiles(prior, M09, days[split.train], parts)
        ledgers = {(name, forcing): Ledger() for name in loaded for forcing in (False, True)}
        for record in tiles:
            for (name, forcing), ledger in ledgers.items():
                branch = loaded[name].branch(M09, forcing=forcing)
                for position in days[split.held][::_EVERY]:
                    ledger.add(record.day(int(position), view_of(branch, options)), record, branch, None)
    for (name, forcing), ledger in ledgers.items():
        kind = "with weather" if forcing else "without"
        found[f"{name}, {kind}"] = {k: round(v, 5) for k, v in ledger.rmse().items()} | {"cells": ledger.cells}
    return found


def part_of(prior: Prior, name: str | None) -> Prior:
    """A prior, or a part of it."""
    if name is None:
        return prior
    domain = PARTS[name]
    where = domain.window().relative_to(prior.domain.window())
    return replace(prior, data=prior.window(prior.domain, where), domain=domain)


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=Options.rounds)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--judge", type=Path, action="append", default=[])
    parser.add_argument("--domain", choices=PARTS, help="a part of the prior to judge on; unset, all of it")
    given = parser.parse_args()
    prior = open_prior(given.prior)
    if given.judge:
        print(json.dumps(judged(part_of(prior, given.domain), given.judge), indent=1))
        return
    begun = time.perf_counter()

    def tell(what: str, done: int, total: int) -> None:
        spent = f"{time.perf_counter() - begun:.0f} s, {cpu():.0f} CPU s, {peak()} MB"
        print(f"{done}/{total} {what}: {spent}", file=sys.stderr, flush=True)

    model = train(prior, grids=[M09], options=Options(rows=given.rows, rounds=given.rounds), progress=tell)
    if given.save:
        save_model(model, given.save)
    days = int(np.asarray(prior.data.sizes["time"]))
    told = {"days": days, "cpu": round(cpu(), 1), "peak MB": peak(), "skill": model.card["skill"]}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
