"""Ground of a large domain that the hybrid learns from, and what is read of a prior for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import xarray as xr

from downscaler.ground.grid import M09, Domain, Window
from downscaler.ground.prior import Prior
from downscaler.learn.samples import TileRecord
from downscaler.playground.place import Index
from downscaler.playground.sampled.frame import Frame
from downscaler.playground.sampled.sampling import along_curve, proportional

PATCH, PATCHES = 2, 48  # M36 cells along one edge of the ground that the hybrid learns from, and how many
_LEFT_OUT = ("response_", "soil_moisture_layer")


class Patches(Sequence[TileRecord]):
    """Ground that the hybrid learns from: a spatial sample of windows, each read when it is asked for."""

    def __init__(self, prior: Prior, domain: Domain, frame: Frame, learn: Index, seed: int) -> None:
        self._prior, self._domain, self._learn = prior, domain, learn
        windows = list(domain.blocks(PATCH))
        across = -(-len(domain.m36.columns) // PATCH)
        order = along_curve(-(-len(domain.m36.rows) // PATCH), across)
        land = np.array([float(frame.active[windows[at].index].sum()) for at in order])
        count = min(PATCHES, int(land.sum() // max(land.max(), 1.0)))
        start = float(np.random.default_rng([seed, PATCHES]).random())
        self.windows = [windows[at] for at in order[np.unique(proportional(land, count, start))]]

    def __len__(self) -> int:
        return len(self.windows)

    @overload
    def __getitem__(self, number: int) -> TileRecord: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[TileRecord]: ...
    def __getitem__(self, number: int | slice) -> TileRecord | Sequence[TileRecord]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        with self._prior.reading(self.windows[number]):
            return TileRecord(needed(self._prior, self._domain, self.windows[number]).load(), M09, self._learn)


def needed(prior: Prior, domain: Domain, window: Window) -> xr.Dataset:
    """A prior on a window, lazily, without what no playground reads."""
    data = prior.window(domain, window).drop_dims("harmonic", errors="ignore")
    return data[[str(name) for name in data.data_vars if not str(name).startswith(_LEFT_OUT)]]
