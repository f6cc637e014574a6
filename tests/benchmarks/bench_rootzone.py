"""The root zone on genuine ParFlow-CLM layers: learned from a year, judged in folds and another season.

``python -m tests.benchmarks.bench_rootzone DATA [EVERY]``; DATA holds upper_verde and upper_verde_year, EVERY takes
each such cell only.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr

from downscaler.derived.rootzone import (
    Score,
    best_filter,
    calendar,
    filters,
    learn,
    rescaled,
    score,
    stretches,
    thickness_mean,
)

LAYERS = {"10-40 cm": "soil_moisture_layer2", "40-100 cm": "soil_moisture_layer3", "100-200 cm": "soil_moisture_layer4"}
ROOT = "0-100 cm"
SETTLED = 30  # days after the start of the other season, whose filters begin with nothing


def read(file: Path, names: list[str], every: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fields [day, cell] of every such active cell, and the angle of the year of each day."""
    with xr.open_dataset(file) as data:
        fields = {name: data[name].values.reshape(data.sizes["time"], -1).astype(np.float64) for name in names}
        angles = 2 * np.pi * data["time"].dt.dayofyear.values / 365.25
    active = np.flatnonzero(np.isfinite(fields["soil_moisture"]).mean(axis=0) > 0.9)[::every]
    return {name: values[:, active] for name, values in fields.items()}, angles


def line(name: str, scores: list[Score]) -> str:
    """RMSE and R over folds, and coverage where there is one."""
    rmse, r = np.sqrt(np.mean([s.rmse**2 for s in scores])), np.mean([s.r for s in scores])
    cover = np.mean([s.coverage for s in scores])
    return f"  {name:14} RMSE {rmse:.4f}  R {r:.3f}" + ("" if np.isnan(cover) else f"  coverage {cover:.2f}")


def main(data: Path, every: int) -> None:
    """Print every layer's scores."""
    year, angles = read(data / "upper_verde_year" / "daily.nc", ["soil_moisture", *LAYERS.values()], every)
    surface, indices = year["soil_moisture"], filters(year["soil_moisture"])
    top = thickness_mean([surface, year[LAYERS["10-40 cm"]], year[LAYERS["40-100 cm"]]], [0.1, 0.3, 0.6])
    for name, layer in {**{name: year[key] for name, key in LAYERS.items()}, ROOT: top}.items():
        told: dict[str, list[Score]] = {}
        for train, held in stretches(len(surface)):
            state = learn(indices, layer, train)
            made = state.carry(indices)
            low, high = state.interval(made)
            others = {
                "one filter": best_filter(indices, layer, train),
                "rescaled": rescaled(surface, layer, train),
                "calendar": calendar(layer, angles, train),
            }
            told.setdefault("learned", []).append(score(made[held], layer[held], (low[held], high[held])))
            for what, values in others.items():
                told.setdefault(what, []).append(score(values[held], layer[held]))
        print(f"{name}, {layer.shape[1]} cells, 5 contiguous folds, mean error {np.mean(state.error):.4f}")
        print("\n".join(line(what, scores) for what, scores in told.items()))
    judge(data, year, angles, indices, every)


def judge(data: Path, year: dict[str, np.ndarray], angles: np.ndarray, indices: np.ndarray, every: int) -> None:
    """The second layer of the other season, with other storms, by what was learned from the whole year."""
    names = ["soil_moisture", "soil_moisture_layer2"]
    other, days = read(data / "upper_verde" / "daily.nc", names, every)
    layer, truth, everything = year["soil_moisture_layer2"], other["soil_moisture_layer2"], np.ones(len(angles), bool)
    truth = np.where(np.arange(len(truth))[:, None] < SETTLED, np.nan, truth)
    seen = filters(other["soil_moisture"])
    state = learn(indices, layer, everything)
    made = state.carry(seen)
    both = np.concatenate([indices, seen], axis=1), np.concatenate([layer, np.full(truth.shape, np.nan)])
    train = np.arange(len(both[1])) < len(layer)
    tops = np.concatenate([year["soil_moisture"], other["soil_moisture"]])
    others = {
        "one filter": best_filter(*both, train),
        "rescaled": rescaled(tops, both[1], train),
        "calendar": calendar(both[1], np.concatenate([angles, days]), train),
    }
    print(f"10-40 cm of the other season, {truth.shape[1]} cells, after {SETTLED} days")
    print(line("learned", [score(made, truth, state.interval(made))]))
    for what, values in others.items():
        print(line(what, [score(values[len(layer) :], truth)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1)
