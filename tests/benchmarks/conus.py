"""A day of a whole continent against raw trees: CPU seconds, peak memory, bytes (``make conus`` prints the table).

``python -m tests.benchmarks.conus PRIOR MODEL [--seen SHARE] [--threads N]`` publishes one day of the domain, the
prior's own block means with an error of 0.02 m3 m-3 standing for SMAP, in a temporary catalogue. Raw trees are
``inplace_predict`` of boosters of 200 trees for the mean and 66 x 2 for the bounds, depth 8, in the same run on as many
rows as cells are published.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xgboost as xgb

from catalog.publish.day import publish
from downscaler.day.downscale import tiles
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import M09, Domain
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import QUANTILES
from downscaler.method.coarse_prior import coarse_days
from downscaler.method.hybrid import Branch, Model
from downscaler.stores.model import load_model
from downscaler.stores.prior import kept, open_prior

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
from big_catalog import run_record

from tests.benchmarks.bench_predict import day_on
from tests.benchmarks.mirror import PARTS

TREES, BOUNDS, DEPTH = 200, 66, 8
_SAMPLE = 60_000
_ERROR = 0.02  # m3 m-3


def cpu() -> float:
    """CPU seconds of this process and its children, user and system."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak() -> int:
    """Peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def a_day(prior: Prior, domain: Domain, seen: float) -> CoarseDay:
    """The last day of a prior on a domain as SMAP might see it, the western ``seen`` of its cells."""
    date = prior.period[1]
    day = replace(day_on(domain, seed=1), date=date)
    means, _ = coarse_days(prior, domain, M09, [date])
    values = np.clip(means[0] + np.random.default_rng(1).normal(0.0, _ERROR, means[0].shape), 0.02, 0.6)
    data = day.data.copy(deep=True)
    land = np.flatnonzero(np.isfinite(values).any(axis=0))
    last = land[0] + round(seen * (land[-1] + 1 - land[0]))
    data["soil_moisture"].values[:] = values
    data["recommended"].values[:] = np.isfinite(values) & (np.arange(values.shape[1]) < last)
    data["observation_time"].values[:] = np.datetime64(date) + np.timedelta64(12 * 3600, "s")
    return replace(day, data=data)


def raw_boosters(rows: np.ndarray, answer: np.ndarray, threads: int) -> tuple[xgb.Booster, xgb.Booster]:
    """Boosters of the reference's size for the mean and the bounds."""
    rng = np.random.default_rng(2)
    common = {"max_depth": DEPTH, "eta": 0.08, "tree_method": "hist", "nthread": threads, "min_child_weight": 20}
    quantiles = {"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES)}
    matrix = xgb.QuantileDMatrix(rows, label=answer + rng.normal(0.0, 0.01, len(rows)), nthread=threads)
    return xgb.train(common, matrix, TREES), xgb.train(common | quantiles, matrix, BOUNDS)


def raw_trees(model: Model, threads: int) -> float:
    """CPU seconds of the reference boosters for a million rows, the best of three."""
    rows, answer = _rows(model.branch(M09, forcing=True))
    mean, bounds = raw_boosters(rows, answer, threads)
    best = np.inf
    for _ in range(3):
        begun = cpu()
        mean.inplace_predict(rows)
        bounds.inplace_predict(rows)
        best = min(best, cpu() - begun)
    return float(best / len(rows) * 1e6)


_seen_rows: list[np.ndarray] = []


def _rows(branch: Branch) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate(_seen_rows)
    rows = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
    return rows, branch.mean.inplace_predict(rows)


def _listening() -> None:
    """Keep some of the rows that go through the trees: raw trees are timed on the same kind."""
    answer = Branch.answer

    def listen(self: Branch, rows: np.ndarray, *, bounds: bool = True) -> object:
        if len(_seen_rows) < 40:
            _seen_rows.append(rows[:: max(1, len(rows) * 40 // _SAMPLE)].copy())
        return answer(self, rows, bounds=bounds)

    Branch.answer = listen  # type: ignore[method-assign,assignment]


def counted(made: Iterator[object], counts: list[int]) -> Iterator[object]:
    """The tiles as they are, their published cells counted."""
    for tile in made:
        counts.append(int(np.isfinite(tile.fields["soil_moisture"]).sum()))
        yield tile


def main() -> None:
    """Measure one day and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prior", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seen", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--domain", choices=PARTS, help="a part of the prior; unset, all of it")
    given = parser.parse_args()
    prior, model = open_prior(given.prior), load_model(given.model)
    domain = PARTS[given.domain] if given.domain else prior.domain
    day, found = a_day(prior, domain, given.seen), {"seen": given.seen, "threads": given.threads}
    _listening()
    for name in ("first day", "next day"):
        with TemporaryDirectory(dir=given.prior.parent) as folder:
            counts: list[int] = []
            begun, wall = cpu(), time.perf_counter()
            made = tiles(day, prior, model, keeping=kept.keeping(prior, domain), threads=given.threads)
            publish(folder, run_record(domain, day.date), domain, counted(made, counts))
            size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
            found[name] = {"cpu": cpu() - begun, "wall": time.perf_counter() - wall, "peak": peak(), "bytes": size}
            kept._keeping.cache_clear()  # the weather is read again, as on another day
    found["cells"] = sum(counts)
    found["raw"] = raw_trees(model, given.threads) * found["cells"] / 1e6
    found["ratio"] = found["next day"]["cpu"] / found["raw"]
    found["pixels"] = domain.shape().x * domain.shape().y
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
