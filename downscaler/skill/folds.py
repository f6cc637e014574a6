"""Folds of a record: periods of days, spatial blocks, and cells like those of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.blocks import Bools
from downscaler.ground.grid import EaseGrid
from downscaler.learn.samples import Part, TileRecord, spatial_blocks
from downscaler.learn.training import Trial

FOLDS, INNER, GAP_DAYS = 5, 5, 7
STATION_SHARE = 0.1
JUDGED = 70  # days, evenly spread, on which unseen ground is judged


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What one fold trains on and is judged on; ``trials`` are its inner folds."""

    train: Part
    held: Part
    trials: Sequence[Trial]
    record: TileRecord


def time_folds(data: xr.Dataset, grid: EaseGrid, days: NDArray[np.intp]) -> Iterator[Fold]:
    """Five contiguous stretches, each with its own statistics, and inner stretches for calibration."""
    for held in np.array_split(days, FOLDS):
        train = _apart(days, held)
        trials = []
        for inner in np.array_split(train, INNER):
            rest = _apart(train, inner)
            records = [TileRecord(data, grid, rest)]
            trials.append(Trial(train=Part(days=rest), held=Part(days=inner), records=records))
        record = TileRecord(data, grid, train)
        yield Fold(train=Part(days=train), held=Part(days=held), trials=trials, record=record)


def _apart(days: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Days at least a week away from the held-out stretch."""
    apart: NDArray[np.intp] = days[(days < held[0] - GAP_DAYS) | (days > held[-1] + GAP_DAYS)]
    return apart


def block_folds(data: xr.Dataset, grid: EaseGrid, days: NDArray[np.intp], seed: int) -> Iterator[Fold]:
    """Blocks of unseen ground in five random groups, and inner groups of the others."""
    record = TileRecord(data, grid, days)
    label = spatial_blocks(record.ground.active)
    number = int(label.max()) + 1
    if number < 3:
        raise TrainingError(
            "The domain is too small for held-out blocks", value=f"{number} blocks of 27 km", allowed="3"
        )
    order = np.random.default_rng(seed).permutation(number)
    for held in np.array_split(order, min(FOLDS, number)):
        rest = np.setdiff1d(order, held)
        trials = [
            Trial(train=_ground(label, np.setdiff1d(rest, inner), days), held=_ground(label, inner, days))
            for inner in np.array_split(np.random.default_rng(seed + 1).permutation(rest), min(INNER, len(rest)))
            if len(np.setdiff1d(rest, inner))
        ]
        yield Fold(
            train=_ground(label, rest, days),
            held=_ground(label, held, days[:: max(1, len(days) // JUDGED)]),
            trials=trials,
            record=record,
        )


def _ground(label: NDArray[np.intp], blocks: NDArray[np.intp], days: NDArray[np.intp]) -> Part:
    return Part(days=days, cells=[np.isin(label, blocks)])


def station_cells(record: TileRecord, allowed: Bools) -> Bools:
    """Cells as networks choose them: the flattest and lowest tenth of the ground, where instruments are kept.

    Ranks slope and elevation among the allowed cells and takes those with the lowest sum; without either, the cells
    of the prior's middling wetness.
    """
    fields = record.ground.fields
    given = [fields[name] for name in ("slope", "elevation_departure") if name in fields]
    given = given or [np.abs(fields["pattern"])]
    score = np.zeros(allowed.sum())
    for field in given:
        score += np.argsort(np.argsort(np.nan_to_num(field[allowed], nan=np.inf)))
    chosen = np.zeros(allowed.shape, bool)
    chosen[allowed] = np.argsort(np.argsort(score)) < max(10, STATION_SHARE * len(score))
    return chosen
