"""The root zone on genuine ParFlow-CLM layers: learned from a year, judged in folds and another season.

``python -m tests.benchmarks.skill.bench_rootzone DATA [EVERY]``; DATA holds upper_verde and upper_verde_year, EVERY
takes each such cell only. Intervals are of 95 %: of blocks of 15 days, drawn again, for RMSE and coverage.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from downscaler.derived.rootzone import (
    best_filter,
    calendar,
    filters,
    learn,
    rescaled,
    score,
    stretches,
    thickness_mean,
)
from downscaler.skill.interval import interval

LAYERS = {"10-40 cm": "soil_moisture_layer2", "40-100 cm": "soil_moisture_layer3", "100-200 cm": "soil_moisture_layer4"}
ROOT = "0-100 cm"
SETTLED = 30  # days after the start of the other season, whose filters begin with nothing
BLOCK, DRAWS = 15, 2000


@dataclass
class Judged:
    """Per day: mean squared error, and share inside the interval (NaN without one); R by fold."""

    squared: list[np.ndarray]
    inside: list[np.ndarray]
    r: list[float]

    def add(self, made: np.ndarray, truth: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None) -> None:
        """One fold's held days [day, cell]."""
        self.squared.append(((made - truth) ** 2).mean(axis=1))
        low, high = bounds if bounds is not None else (np.full(truth.shape, np.nan),) * 2
        self.inside.append(((truth >= low) & (truth <= high)).mean(axis=1) if bounds else np.full(len(truth), np.nan))
        self.r.append(score(made, truth).r)

    def line(self, name: str) -> str:
        """The figures with their intervals."""
        squared, inside = (np.concatenate(parts) for parts in (self.squared, self.inside))
        rmse = told(lambda days: np.sqrt(squared[days].mean()), len(squared), 4)
        found = f"  {name:11} RMSE {rmse}  R {np.mean(self.r):.2f}"
        if np.isnan(inside).all():
            return found
        return f"{found}  coverage {told(lambda days: inside[days].mean(), len(inside), 2)}"


def told(figure, days: int, digits: int) -> str:
    """A figure of days with its interval over blocks of days."""
    rng, blocks = np.random.default_rng(0), np.array_split(np.arange(days), max(2, days // BLOCK))
    drawn = [
        figure(np.concatenate([blocks[n] for n in rng.integers(0, len(blocks), len(blocks))])) for _ in range(DRAWS)
    ]
    found = interval(np.array([figure(np.arange(days)), *drawn]), len(blocks))
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def read(file: Path, names: list[str], every: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fields [day, cell] of every such active cell, and the angle of the year of each day."""
    with xr.open_dataset(file) as data:
        fields = {name: data[name].values.reshape(data.sizes["time"], -1).astype(np.float64) for name in names}
        angles = 2 * np.pi * data["time"].dt.dayofyear.values / 365.25
    active = np.flatnonzero(np.isfinite(fields["soil_moisture"]).mean(axis=0) > 0.9)[::every]
    return {name: values[:, active] for name, values in fields.items()}, angles


def main(data: Path, every: int) -> None:
    """Print every layer's scores."""
    year, angles = read(data / "upper_verde_year" / "daily.nc", ["soil_moisture", *LAYERS.values()], every)
    surface, indices = year["soil_moisture"], filters(year["soil_moisture"])
    top = thickness_mean([surface, year[LAYERS["10-40 cm"]], year[LAYERS["40-100 cm"]]], [0.1, 0.3, 0.6])
    for name, layer in {**{name: year[key] for name, key in LAYERS.items()}, ROOT: top}.items():
        judged = {what: Judged([], [], []) for what in ("learned", "one filter", "rescaled", "calendar")}
        for train, held in stretches(len(surface)):
            state = learn(indices, layer, train)
            made = state.carry(indices)
            low, high = state.interval(made)
            judged["learned"].add(made[held], layer[held], (low[held], high[held]))
            judged["one filter"].add(best_filter(indices, layer, train)[held], layer[held])
            judged["rescaled"].add(rescaled(surface, layer, train)[held], layer[held])
            judged["calendar"].add(calendar(layer, angles, train)[held], layer[held])
        print(f"{name}, {layer.shape[1]} cells, 5 contiguous folds, mean error {np.mean(state.error):.4f}")
        print("\n".join(found.line(what) for what, found in judged.items()), flush=True)
    judge(data, year, angles, indices, every)


def judge(data: Path, year: dict[str, np.ndarray], angles: np.ndarray, indices: np.ndarray, every: int) -> None:
    """The second layer of the other season, with other storms, by what was learned from the whole year."""
    names = ["soil_moisture", "soil_moisture_layer2"]
    other, days = read(data / "upper_verde" / "daily.nc", names, every)
    layer, everything = year["soil_moisture_layer2"], np.ones(len(angles), bool)
    truth, seen = other["soil_moisture_layer2"][SETTLED:], filters(other["soil_moisture"])
    state = learn(indices, layer, everything)
    made = state.carry(seen)
    blank = np.full(other["soil_moisture_layer2"].shape, np.nan)
    both = np.concatenate([indices, seen], axis=1), np.concatenate([layer, blank])
    train = np.arange(len(both[1])) < len(layer)
    tops = np.concatenate([year["soil_moisture"], other["soil_moisture"]])
    others = {
        "one filter": best_filter(*both, train),
        "rescaled": rescaled(tops, both[1], train),
        "calendar": calendar(both[1], np.concatenate([angles, days]), train),
    }
    print(f"10-40 cm of the other season, {truth.shape[1]} cells, after {SETTLED} days")
    found = Judged([], [], [])
    low, high = state.interval(made)
    found.add(made[SETTLED:], truth, (low[SETTLED:], high[SETTLED:]))
    print(found.line("learned"))
    for what, values in others.items():
        found = Judged([], [], [])
        found.add(values[len(layer) + SETTLED :], truth)
        print(found.line(what))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1)
