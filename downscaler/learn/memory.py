"""What a prior's record says of how coarse soil moisture behaves: its spread, its answer to weather, what is left.

All from a sample of tiles; what judges is a fifth of the record in one piece that the fit and the level have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import EaseGrid, Window
from downscaler.ground.prior import Prior
from downscaler.learn.misses import Misses, expected, judged
from downscaler.method.coarse.analysis import WINDOW, Memory
from downscaler.method.coarse.wetting import HISTORY, fit_answer, wetting
from downscaler.method.pattern import ratio_to_m01

FOLDS = 5
# Of the answer to weather. Left unexplained on fifths of two seasons of the Upper Verde (year, eight months): 0.2 0.30
# and 0.52, 0.1 0.30 and 0.49, 0.05 0.29 and 0.47, 0.03 0.29 and 0.45. Less gives indices of like memory large weights
# of either sign.
RIDGE = 0.05
_TILE = 4  # M36 cells along one edge of a sampled tile
_MOST_TILES = 16
_AT_ONCE = 60  # days of a tile at 1 km that are held at once
_JUDGED = 120  # days that errors are judged on, of all tiles together
_MOST_DAYS = 3 * 365  # newest days of a record that they are taken from


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One tile's days on the coarse grid [days, nyc, nxc], and ``predictors`` [days, nyc, nxc, k] of their weather."""

    theta: Floats
    fine_spread: Floats
    predictors: Floats | None


def learn_memory(prior: Prior, grid: EaseGrid, *, seed: int = 0) -> tuple[Memory, dict[str, Any]]:
    """The memory of a prior's coarse fields on a grid, and what analyses made with it are expected to be worth.

    ``Memory``'s defaults where the record is too short; nothing is expected then, see ``misses.expected``.

    Args:
        prior: a record of at least some weeks.
        grid: SMAP's.
        seed: of the retrieval errors that the inflation and the 1 km interval are found with.
    """
    windows = _windows(prior)
    samples = [_sample(prior.window(prior.domain, window), ratio_to_m01(grid)) for window in windows]
    if not any(len(sample.theta) >= 2 * WINDOW for sample in samples):
        return Memory(), {}
    known = _with_answer(Memory(amplitude=_amplitude(samples)), samples)
    misses = Misses()
    for number, window in enumerate(windows):
        tile = prior.window(prior.domain, window).isel(time=slice(-_MOST_DAYS, None))
        misses.add(judged(tile, grid, known, max(1, _JUDGED // len(windows)), np.random.default_rng([seed, number])))
    return misses.applied(known), expected(misses, known)


def _windows(prior: Prior) -> list[Window]:
    windows = list(prior.domain.blocks(_TILE))
    active = [w for w in windows if bool(prior.window(prior.domain, w)["active"].any())]
    return active[:: max(1, -(-len(active) // _MOST_TILES))]


def _sample(data: xr.Dataset, ratio: int) -> _Sample:
    active = data["active"].values.astype(bool)

    def coarse(name: str) -> Floats:
        field = data[name]
        if "time" not in field.dims:
            return block_mean(field.values, active, ratio)
        parts = (field.isel(time=slice(n, n + _AT_ONCE)).values for n in range(0, field.sizes["time"], _AT_ONCE))
        return np.concatenate([block_mean(part, active, ratio) for part in parts])

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
        weights, centre = fit_answer(x[~held], z[~held], ridge=RIDGE)
        left += float(((z[held] - (x[held] - centre) @ weights) ** 2).sum())
    unexplained = left / max(float((z**2).sum()), 1e-9)
    if unexplained >= 1.0:
        return memory  # weather tells nothing here
    weights, centre = fit_answer(x, z, ridge=RIDGE)
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
