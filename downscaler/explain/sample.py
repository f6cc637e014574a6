"""Samples on which a model is explained, from all places and seasons of a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import TrainingError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import Window
from downscaler.ground.prior import Prior
from downscaler.method.features import Ground, matrix
from downscaler.method.forcing import forcing_until
from downscaler.method.hybrid import Branch, check_features
from downscaler.product import COARSE_GRIDS

ROWS, DAYS = 4_000, 60
_TILE = 2  # M36 cells along one edge of the windows that rows are drawn from
_WINDOWS = 24  # most windows drawn from, so that the cost does not grow with the domain


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Predictors [rows, features] of a branch, and the tile-day that each row is of [rows]."""

    rows: NDArray[np.float32]
    day: NDArray[np.intp]


def draw_sample(prior: Prior, branch: Branch, *, rows: int = ROWS, days: int = DAYS, seed: int = 0) -> Sample:
    """Draw about ``rows`` cells of at most ``days`` tile-days, spread evenly over the record and the domain.

    The coarse field is the block mean of the prior's own day. Raises ModelFeatureError when the prior cannot supply
    what the branch needs, TrainingError when it has no usable day.
    """
    rng = np.random.default_rng(seed)
    windows = [w for w in prior.domain.blocks(_TILE) if bool(prior.window(prior.domain, w)["active"].any())]
    chosen = rng.permutation(len(windows))[:_WINDOWS]
    each = max(1, -(-days // max(len(chosen), 1)))
    found: list[NDArray[np.float32]] = []
    for number in chosen:
        found += _from_window(prior, branch, windows[number], each, max(1, rows // (each * len(chosen))), rng)
    if not found:
        raise TrainingError(
            "The prior has no day on which to explain the model",
            value=f"{prior.path} for branch {branch.name}",
            allowed="days with soil moisture and, for a branch with forcing, unbroken weather before them",
        )
    day = np.repeat(np.arange(len(found)), [len(part) for part in found])
    return Sample(rows=np.concatenate(found), day=day)


def _from_window(
    prior: Prior, branch: Branch, window: Window, days: int, cells: int, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Rows of up to ``days`` days of one window, ``cells`` of each."""
    data = prior.window(prior.domain, window)
    ground = Ground(data.drop_dims(["time", "dayofyear"], errors="ignore").load(), COARSE_GRIDS[branch.grid])
    stretches = np.array_split(np.arange(data.sizes["time"]), days)
    found = []
    for stretch in stretches:
        # a few tries: some days have no data, or no weather before them
        for position in rng.permutation(stretch)[:8]:
            theta = data["soil_moisture"].isel(time=int(position)).values.astype(np.float64)
            use = ground.active & np.isfinite(theta)
            date = data["time"].values[position].astype("datetime64[D]").item()
            forcing = forcing_until(data, date) if branch.forcing else None
            if not use.any() or (branch.forcing and forcing is None):
                continue
            fields = ground.fields | ground.day(block_mean(theta, use, ground.ratio), date, forcing)
            check_features(branch, fields)
            where = np.zeros(use.size, bool)
            where[rng.choice(np.flatnonzero(use), min(cells, int(use.sum())), replace=False)] = True
            found.append(matrix(fields, branch.features, where.reshape(use.shape)))
            break
    return found
