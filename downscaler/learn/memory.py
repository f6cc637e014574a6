"""What a prior's record says of how coarse soil moisture behaves: its spread, its answer to weather, what is left.

All from a sample of tiles; what judges is a fifth of the record in one piece that the fit and the level have not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats, block_mean
from downscaler.ground.grid import EaseGrid, Window
from downscaler.ground.prior import Prior
from downscaler.learn.judged import judged
from downscaler.learn.misses import Misses, expected
from downscaler.method.coarse.analysis import WINDOW, Memory
from downscaler.method.coarse.wetting import HISTORY, PREDICTORS, wetting_by_day
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
class _Look:
    """What one tile tells: ``days`` of its record, and ``sums`` of them, see ``_sums``; None without weather.

    ``coarse`` is the sum of its coarse cells' variances, ``fine`` that of the mean squares of 1 km cells' spreads.
    """

    days: int
    coarse: float
    fine: float
    sums: Floats | None


def learn_memory(prior: Prior, grid: EaseGrid, *, seed: int = 0) -> tuple[Memory, dict[str, Any]]:
    """The memory of a prior's coarse fields on a grid, and what analyses made with it are expected to be worth.

    ``Memory``'s defaults where the record is too short; nothing is expected then, see ``misses.expected``.

    Args:
        prior: a record of at least some weeks.
        grid: SMAP's.
        seed: of the retrieval errors that the inflation and the 1 km interval are found with.
    """
    windows = _windows(prior)
    looks = [_look(prior.window(prior.domain, window), ratio_to_m01(grid)) for window in windows]
    if not any(look.days >= 2 * WINDOW for look in looks):
        return Memory(), {}
    known = _with_answer(Memory(amplitude=_amplitude(looks)), looks)
    misses = Misses()
    for number, window in enumerate(windows):
        tile = prior.window(prior.domain, window).isel(time=slice(-_MOST_DAYS, None))
        misses.add(judged(tile, grid, known, max(1, _JUDGED // len(windows)), np.random.default_rng([seed, number])))
    return misses.applied(known), expected(misses, known)


def _windows(prior: Prior) -> list[Window]:
    windows = list(prior.domain.blocks(_TILE))
    active = [w for w in windows if bool(prior.window(prior.domain, w)["active"].any())]
    return active[:: max(1, -(-len(active) // _MOST_TILES))]


def _look(data: xr.Dataset, ratio: int) -> _Look:
    active = data["active"].values.astype(bool)

    def coarse(name: str) -> Floats:
        field = data[name]
        if "time" not in field.dims:
            return block_mean(field.values, active, ratio)
        parts = (field.isel(time=slice(n, n + _AT_ONCE)).values for n in range(0, field.sizes["time"], _AT_ONCE))
        return np.concatenate([block_mean(part, active, ratio) for part in parts])

    theta, spread = coarse("soil_moisture"), coarse("soil_moisture_sd")
    land = np.isfinite(theta).any(axis=0)
    level = np.full(spread.shape, np.nan)
    level[land] = np.nanmean(theta[:, land], axis=0)
    sums = None
    if "precipitation_level" in data:
        warm = "air_temperature_level" in data
        warmth = (coarse("air_temperature"), coarse("air_temperature_level")) if warm else (None, None)
        predictors = wetting_by_day(coarse("precipitation"), warmth[0], coarse("precipitation_level"), warmth[1])
        sums = _sums(predictors, (theta - level) / np.where(spread > 0, spread, np.nan))
    return _Look(
        days=len(theta),
        coarse=float(np.nanvar(theta[:, land], axis=0).sum()),
        fine=float(np.nansum(spread**2)),
        sums=sums,
    )


def _sums(predictors: Iterable[Floats], anomalies: Floats) -> Floats:
    """Sums over the cells of each day of all products of 1, the predictors and the anomaly [days, k + 2, k + 2].

    All that least squares need of rows, however many. The first days' are 0: indices are begun from usual weather.
    """
    made = np.zeros((len(anomalies), PREDICTORS + 2, PREDICTORS + 2))
    for day, (x, z) in enumerate(zip(predictors, anomalies, strict=True)):
        use = np.isfinite(z) & np.isfinite(x).all(axis=-1)
        if day >= HISTORY and use.any():
            rows = np.column_stack([np.ones(int(use.sum())), x[use], z[use]])
            made[day] = rows.T @ rows
    return made


def _amplitude(looks: Sequence[_Look]) -> float:
    """Spread of coarse cells over the mean spread of their 1 km cells."""
    coarse, fine = sum(look.coarse for look in looks), sum(look.fine for look in looks)
    return round(float(np.sqrt(coarse / fine)), 4) if fine > 0 else 0.7


def _with_answer(memory: Memory, looks: Sequence[_Look]) -> Memory:
    """The answer to weather, fitted on all days, and what it leaves of folds it was not fitted on."""
    found = [look.sums for look in looks if look.sums is not None]
    if len(found) < len(looks) or memory.amplitude <= 0:
        return memory
    by_day = sum(found[1:], found[0].copy())  # theirs stay as they are
    by_day[..., -1] /= memory.amplitude  # of anomalies in spreads of the cell
    by_day[..., -1, :] /= memory.amplitude
    counts = by_day[:, 0, 0].astype(np.intp)
    if np.count_nonzero(counts) < 2 * FOLDS:
        return memory
    folds = np.searchsorted(_quantiles(counts, np.arange(1, FOLDS) / FOLDS), np.arange(len(counts)), side="right")
    whole, left = by_day.sum(axis=0), 0.0
    for number in range(FOLDS):
        held = by_day[folds == number].sum(axis=0)
        weights, centre = _fit(whole - held)
        miss = np.concatenate([[centre @ weights], -weights, [1.0]])
        left += float(miss @ held @ miss)
    unexplained = left / max(float(whole[-1, -1]), 1e-9)
    if unexplained >= 1.0:
        return memory  # weather tells nothing here
    weights, centre = _fit(whole)
    return replace(
        memory,
        weights=tuple(round(float(w), 5) for w in weights),
        centres=tuple(round(float(c), 5) for c in centre),
        unexplained=round(unexplained, 4),
    )


def _fit(sums: Floats) -> tuple[Floats, Floats]:
    """``wetting.fit_answer`` from the sums of its rows."""
    x, z = sums[1:-1], sums[0, -1]
    centre = sums[0, 1:-1] / sums[0, 0]
    square = x[:, 1:-1] - sums[0, 0] * np.outer(centre, centre)
    square += RIDGE * np.trace(square) / len(square) * np.eye(len(square))
    return np.linalg.solve(square, x[:, -1] - centre * z), centre


def _quantiles(counts: NDArray[np.intp], shares: Floats) -> Floats:
    """Quantiles of positions, each counted so many times."""
    upto = np.cumsum(counts)
    place = shares * (upto[-1] - 1)
    low, high = (np.searchsorted(upto, rounded(place), side="right") for rounded in (np.floor, np.ceil))
    return np.asarray(low + (place - np.floor(place)) * (high - low))
