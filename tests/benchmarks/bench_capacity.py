"""Skill against prediction time by depth and number of trees: the table that the default capacity is chosen from.

``VADOSE_BENCH_PRIOR`` names a prior store to judge on; without it the simulated sample is. Written to build/bench as
capacity.md, capacity.json and capacity.png (`make bench`). Times are CPU seconds, best of some, and ratios of one run.
"""

import datetime as dt
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from downscaler.ground.grid import M09, Domain, Span, Window
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Kind, Options, fit_plain, view_of
from downscaler.learn.samples import Part, TileRecord
from downscaler.learn.training import days_with_data, with_weather
from downscaler.method.features import matrix
from downscaler.method.hybrid import estimate
from downscaler.report.model_figures import pareto_figure
from downscaler.report.style import png
from downscaler.simulation.sample import write_sample
from downscaler.skill.evaluation import Evaluation
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior, open_prior

DEPTHS, ROUNDS = (4, 6, 8), (60, 120, 200)
GAP, STRETCHES, JUDGED = 7, 3, 24
TIMED_ROWS = 200_000
OUT = Path(__file__).resolve().parents[2] / "build" / "bench"
DEFAULT = Options()
FEW = replace(DEFAULT, rows=80_000, patience=10_000)


@pytest.fixture(scope="module")
def prior(tmp_path_factory) -> Prior:
    if given := os.environ.get("VADOSE_BENCH_PRIOR"):
        return open_prior(Path(given))
    folder = tmp_path_factory.mktemp("capacity")
    m36 = Window(rows=Span(start=86, stop=90), columns=Span(start=218, stop=222))
    domain = Domain(name="bench-capacity", title="benchmark", m36=m36)
    write_sample(folder / "sample", domain, days=1, start=dt.date(2024, 5, 20), history=240)
    native = folder / "sample" / "prior"
    source = open_source("netcdf", native / "daily.nc", native / "static.nc")
    built = build_prior(source, domain, folder / "prior")
    source.close()
    return built


def split(days):
    """Three stretches of held-out days, and the training days a week away from them."""
    held = np.concatenate([part[len(part) // 3 : 2 * len(part) // 3] for part in np.array_split(days, STRETCHES)])
    near = np.abs(days[:, None] - held[None, :]).min(axis=1) <= GAP
    return days[~near], held


def judge(record, branch, held, options):
    """RMSE of hybrid and pattern on held-out truth, m3 m-3."""
    evaluation = Evaluation(record.ground.active, record.ground.ratio)
    ground = record.ground
    for position in held[:: max(1, len(held) // JUDGED)]:
        day = record.day(int(position), view_of(branch, options))
        found = estimate(branch, ground, day.fields, day.coarse, np.zeros(day.coarse.shape), noise=day.noise)
        pattern = ground.spread(day.coarse) + ground.level - ground.spread(ground.coarse_level)
        evaluation.add(day.theta, day.coarse, {"hybrid": found.soil_moisture, "pattern": pattern})
    return {name: figures["rmse"].value for name, figures in evaluation.figures().items()}


def seconds_per_million(boosters, rows):
    """CPU seconds that boosters take for a million rows, the best of three: what else runs does not count."""
    best = np.inf
    for booster in boosters:
        booster.set_param({"nthread": 1})
    for _ in range(3):
        started = time.process_time()
        for booster in boosters:
            booster.inplace_predict(rows)
        best = min(best, time.process_time() - started)
    return best / len(rows) * 1e6


def capacities(record, kind, train, held):
    """One row a capacity: each depth is grown once to the most rounds and cut back, which is the same trees."""
    for depth in DEPTHS:
        options = replace(FEW, depth=depth, rounds=max(ROUNDS))
        whole = fit_plain(kind, [record], Part(days=train), options, (max(ROUNDS), max(ROUNDS) // 3))
        day = record.day(int(held[0]), view_of(whole, options))
        rows = matrix(day.fields, whole.features, record.ground.active)
        rows = np.resize(rows, (TIMED_ROWS, rows.shape[1]))
        for rounds in ROUNDS:
            branch = replace(whole, mean=whole.mean[:rounds], bounds=whole.bounds[: rounds // 3])
            rmse = judge(record, branch, held, options)
            spent = seconds_per_million((branch.mean, branch.bounds), rows)
            yield {"depth": depth, "trees": rounds, "rmse": rmse["hybrid"], "pattern": rmse["pattern"]} | {
                "seconds_per_million": spent,
                "chosen": (depth, rounds) == (DEFAULT.depth, DEFAULT.rounds),
            }


def with_ratios(rows):
    """Skill over the pattern's and time over the default's; on the front where nothing is both faster and better."""
    base = next(row for row in rows if row["chosen"])
    for row in rows:
        row["rmse_ratio"] = row["rmse"] / row["pattern"]
        row["time_ratio"] = row["seconds_per_million"] / base["seconds_per_million"]
        row["front"] = not any(
            other["rmse"] < row["rmse"] and other["seconds_per_million"] < row["seconds_per_million"] for other in rows
        )
    return rows


def as_markdown(rows, prior):
    """The table, the default in bold."""
    lines = [
        f"# Capacity on {prior.title}",
        "",
        "| depth | trees | RMSE / pattern's | time / default's | on the front |",
    ]
    lines += ["|---|---|---|---|---|"]
    for row in rows:
        mark = "**" if row["chosen"] else ""
        cells = [row["depth"], row["trees"], f"{row['rmse_ratio']:.3f}", f"{row['time_ratio']:.2f}"]
        lines.append("| " + " | ".join(f"{mark}{c}{mark}" for c in cells) + f" | {'yes' if row['front'] else ''} |")
    base = next(row for row in rows if row["chosen"])
    told = (
        f"RMSE {base['rmse']:.4f} m3 m-3, {base['seconds_per_million']:.1f} CPU s per million cells (mean and bounds)"
    )
    return "\n".join([*lines, "", f"Default (bold): {told}.", ""])


def test_capacity(prior):
    window = prior.domain.window()
    data = prior.window(prior.domain, window.relative_to(window)).load()
    days = days_with_data(prior)
    forcing = "precipitation" in data
    train, held = split(with_weather(data, days) if forcing else days)
    record = TileRecord(data, M09, train)
    rows = with_ratios(list(capacities(record, Kind(grid=M09, forcing=forcing), train, held)))
    text = as_markdown(rows, prior)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "capacity.md").write_text(text)
    (OUT / "capacity.json").write_text(json.dumps({"prior": prior.title, "rows": rows}, indent=2) + "\n")
    (OUT / "capacity.png").write_bytes(png(pareto_figure(rows, simulated=prior.simulated)))
    print(f"\n{text}")
    assert len(rows) == len(DEPTHS) * len(ROUNDS)
    chosen = next(row for row in rows if row["chosen"])
    best = min(row["rmse_ratio"] for row in rows)
    assert chosen["rmse_ratio"] < 1.0, "the default is no better than the pattern"
    assert chosen["rmse_ratio"] < 1.10 * best, "another capacity is much better than the default"
