"""What a prior's record says of how coarse soil moisture behaves: its spread, its answer to weather, what is left.

All from a sample of tiles; what judges is a fifth of the record in one piece that the fit and the level have not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import EaseGrid
from downscaler.ground.prior import Prior
from downscaler.method.coarse.analysis import WINDOW, Memory
from downscaler.method.coarse.observation import CELL_KM, Observation
from downscaler.method.coarse.space_time import Passes, interpolate
from downscaler.method.coarse.wetting import HISTORY, fit_answer, wetting
from downscaler.method.pattern import ratio_to_m01

FOLDS = 5
_TILE = 4  # M36 cells along one edge of a sampled tile
_MOST_TILES = 16
_JUDGED = 40  # days of a tile that errors are judged on
# One record tells little of how seasons differ: between two of one basin the errors told were a fifth too small.
_INFLATIONS = (1.2, 2.0)


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One tile's days on the coarse grid [days, nyc, nxc], and ``predictors`` [days, nyc, nxc, k] of their weather."""

    theta: Floats
    fine_spread: Floats
    predictors: Floats | None


def learn_memory(prior: Prior, grid: EaseGrid, *, seed: int = 0) -> Memory:
    """The memory of a prior's coarse fields on a grid; that of ``Memory``'s defaults where the record is too short.

    Args:
        prior: a record of at least some weeks.
        grid: SMAP's.
        seed: of the retrieval errors that the inflation is found with.
    """
    samples = list(_samples(prior, grid))
    samples = [sample for sample in samples if len(sample.theta) >= 2 * WINDOW]
    if not samples:
        return Memory()
    known = _with_answer(Memory(amplitude=_amplitude(samples)), samples)
    return replace(known, inflation=_inflation(known, samples, ratio_to_m01(grid) * CELL_KM, seed))


def _samples(prior: Prior, grid: EaseGrid) -> Iterator[_Sample]:
    windows = list(prior.domain.blocks(_TILE))
    active = [w for w in windows if bool(prior.window(prior.domain, w)["active"].any())]
    for window in active[:: max(1, -(-len(active) // _MOST_TILES))]:
        yield _sample(prior.window(prior.domain, window), ratio_to_m01(grid))


def _sample(data: xr.Dataset, ratio: int) -> _Sample:
    active = data["active"].values.astype(bool)

    def coarse(name: str) -> Floats:
        return block_mean(data[name].values, active, ratio)

    theta, fine = coarse("soil_moisture"), coarse("soil_moisture_sd")
    predictors = None
    if "precipitation_level" in data:
        warm = "air_temperature_level" in data
        warmth = (coarse("air_temperature"), coarse("air_temperature_level")) if warm else (None, None)
        predictors = wetting(coarse("precipitation"), warmth[0], coarse("precipitation_level"), warmth[1])
        predictors[:HISTORY] = np.nan  # begun from usual weather
    return _Sample(theta=theta, fine_spread=fine, predictors=predictors)


def _land(sample: _Sample) -> Bools:
    """Where the record has any day [nyc, nxc]."""
    return np.asarray(np.isfinite(sample.theta).any(axis=0))


def _amplitude(samples: list[_Sample]) -> float:
    """Spread of coarse cells over the mean spread of their 1 km cells."""
    coarse = sum(float(np.nanvar(s.theta[:, _land(s)], axis=0).sum()) for s in samples)
    fine = sum(float(np.nansum(s.fine_spread**2)) for s in samples)
    return round(float(np.sqrt(coarse / fine)), 4) if fine > 0 else 0.7


def _with_answer(memory: Memory, samples: list[_Sample]) -> Memory:
    """The answer to weather, fitted on all days, and what it leaves of folds it was not fitted on."""
    if any(sample.predictors is None for sample in samples):
        return memory
    rows = [_rows(sample, memory) for sample in samples]
    x, z, day = (np.concatenate(part) for part in zip(*rows, strict=True))
    if len(np.unique(day)) < 2 * FOLDS:
        return memory
    fold = np.searchsorted(np.quantile(day, np.arange(1, FOLDS) / FOLDS), day, side="right")
    left = 0.0
    for number in range(FOLDS):
        held = fold == number
        weights, centre = fit_answer(x[~held], z[~held])
        left += float(((z[held] - (x[held] - centre) @ weights) ** 2).sum())
    unexplained = left / max(float((z**2).sum()), 1e-9)
    if unexplained >= 1.0:
        return memory  # weather tells nothing here
    weights, centre = fit_answer(x, z)
    return replace(
        memory,
        weights=tuple(round(float(w), 5) for w in weights),
        centres=tuple(round(float(c), 5) for c in centre),
        unexplained=round(unexplained, 4),
    )


def _rows(sample: _Sample, memory: Memory) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Predictors, anomalies in spreads and day of each cell and day of a tile."""
    assert sample.predictors is not None
    spread = memory.amplitude * sample.fine_spread
    level = np.full(spread.shape, np.nan)
    level[_land(sample)] = np.nanmean(sample.theta[:, _land(sample)], axis=0)
    anomaly = (sample.theta - level) / np.where(spread > 0, spread, np.nan)
    use = np.isfinite(anomaly) & np.isfinite(sample.predictors).all(axis=-1)
    return sample.predictors[use], anomaly[use], np.nonzero(use)[0]


def _inflation(memory: Memory, samples: list[_Sample], cell_km: float, seed: int) -> float:
    """Errors made over errors told, on fifths of the record whose level is that of the other fifths."""
    rng = np.random.default_rng(seed)
    observation = Observation()
    made, told = 0.0, 0.0
    for sample in samples:
        land = _land(sample)
        spread = np.where(land, memory.amplitude * sample.fine_spread, np.nan)
        days = np.linspace(WINDOW, len(sample.theta) - 1, max(1, _JUDGED // len(samples))).astype(int)
        level = _level_of_others(sample.theta)
        for day in days:
            ages = np.array([age for age in range(WINDOW) if observation.sees(int(day) - age)], float)
            at = day - ages.astype(int)
            errors = np.stack([observation.errors(land.shape, cell_km, rng) for _ in at])
            passes = Passes(values=sample.theta[at] + errors - level[day], ages=ages)
            found = interpolate(passes, spread, memory.components(weather=False), observation, cell_km)
            miss = sample.theta[day] - level[day] - found.anomaly
            use = np.isfinite(miss)
            made += float((miss[use] ** 2).sum())
            told += float((found.error[use] ** 2).sum())
    return round(float(np.clip(np.sqrt(made / max(told, 1e-12)), *_INFLATIONS)), 4)


def _level_of_others(theta: Floats) -> Floats:
    """Of each day the mean over all fifths of the record but its own [days, nyc, nxc]."""
    level = np.full(theta.shape, np.nan)
    for part in np.array_split(np.arange(len(theta)), FOLDS):
        others = np.setdiff1d(np.arange(len(theta)), part)
        with np.errstate(invalid="ignore"):
            level[part] = np.nansum(theta[others], axis=0) / np.isfinite(theta[others]).sum(axis=0)
    return level
