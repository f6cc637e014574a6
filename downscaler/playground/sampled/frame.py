"""The frame that a large domain's playground is sampled from: all active cells, and what siting looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import PriorCoverageError
from downscaler.ground.blocks import Bools, Floats
from downscaler.ground.grid import Domain, Window
from downscaler.ground.prior import Prior, read_days
from downscaler.learn.tiles import days_with_data
from downscaler.method.features import static_sources
from downscaler.method.hybrid import TILE
from downscaler.playground.place import Index
from downscaler.playground.world import SITED, siting

_STATIC = ("active", "elevation", "slope_x", "slope_y", "topographic_wetness", "land_cover")
_DAYS = 30  # read at once


@dataclass(frozen=True)
class Frame:
    """All active cells of a domain, row by row from the north-west; some 80 bytes each.

    Attributes:
        active: cells with a record [ny, nx].
        flat: their flat positions in the window [cells].
        xy: their centres [cells, 2], km in EASE-Grid 2.0.
        siting: what decides where stations are put [cells] by name.
        days: positions of the days with soil moisture in all of them.
    """

    active: Bools
    flat: Index
    xy: Floats
    siting: Mapping[str, Floats]
    days: Index

    @property
    def cells(self) -> int:
        """Number of active cells."""
        return len(self.flat)


def frame_of(prior: Prior, domain: Domain, tile: int = TILE) -> Frame:
    """Read a domain's frame, one tile of ``tile`` M36 cells along an edge after the other.

    Raises:
        PriorCoverageError: no day has soil moisture in all active cells.
    """
    active = prior.active(domain)
    whole = domain.window().relative_to(domain.window())
    box = prior.window(domain, whole)
    fields: dict[str, NDArray[np.float32]] = {}
    days = days_with_data(prior)
    complete = np.ones(len(days), bool)
    for window in domain.blocks(tile):
        if not active[window.index].any():
            continue
        for name, field in _siting_fields(prior, domain, window, whole).items():
            fields.setdefault(name, np.full(active.shape, np.nan, np.float32))[window.index] = field
        complete &= _complete(prior, domain, window, days)
    if not complete.any():
        raise PriorCoverageError("No day of the prior has soil moisture everywhere", value=f"{len(days)} days")
    flat = np.flatnonzero(active)
    row, column = np.divmod(flat, active.shape[1])
    xy = np.stack([box["x"].values[column], box["y"].values[row]], axis=1) / 1000.0
    return Frame(active, flat, xy, siting(fields, active), days[complete])


def _siting_fields(prior: Prior, domain: Domain, window: Window, whole: Window) -> dict[str, NDArray[np.float32]]:
    grown = window.grown(1, within=whole)
    found = static_sources(prior.window(domain, grown, _STATIC).load())
    inner = window.relative_to(grown).index
    return {name: found[name][inner].astype(np.float32) for name in SITED if name in found}


def _complete(prior: Prior, domain: Domain, window: Window, days: Index) -> Bools:
    """Which of the days have soil moisture in all active cells of a tile."""
    data = prior.window(domain, window, ("active", "soil_moisture"))
    active = data["active"].values.astype(bool)
    parts = [days[first : first + _DAYS] for first in range(0, len(days), _DAYS)]
    found = [np.isfinite(read_days(data["soil_moisture"], part)[:, active]).all(axis=1) for part in parts]
    return np.concatenate(found)
