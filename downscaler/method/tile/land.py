"""The land of a tile: what no day changes, of the cells that can be published alone.

Made from the prior once (``Ground``), kept, and read for every day. The halo around a tile serves the surfaces; of it
only the land mask and the coarse levels are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats
from downscaler.ground.grid import Window
from downscaler.method.coarse.following import Response
from downscaler.method.conserve import Surfaces
from downscaler.method.denoise import noise_part
from downscaler.method.features import FEATURES, MISSING, Ground

Arrays = Mapping[str, NDArray[Any]]
Keep = Callable[[str, Callable[[], Arrays]], Arrays]
"""Arrays by the name of what they are: those that are kept, else made now."""


def keep_nothing(_name: str, make: Callable[[], Arrays]) -> Arrays:
    """Makes everything anew."""
    return make()


@dataclass(frozen=True, kw_only=True, eq=False)
class Land:
    """The land cells [n] of a tile, row by row from the north-west, and the window around it.

    Attributes:
        cells: flat positions in the tile.
        names: of the static predictors, in the order of ``FEATURES``.
        statics: static predictors [n, k], as the trees take them (``MISSING`` where unknown).
        smooth_level: surface through the block means of the record's mean [n], m3 m-3.
        smooth_sd: of its spread in time.
        smooth_quantiles: of its quantiles [3, n].
        quantiles: each cell's own [3, n].
        active: land of the tile and the halo around it [gy, gx].
        coarse_level: mean level of its SMAP cells [gyc, gxc], m3 m-3.
        response: how its cells follow their SMAP cell [3, n], see ``coarse.following.Response``; [3, 0] where the prior
            does not tell.
    """

    cells: NDArray[np.intp]
    names: tuple[str, ...]
    statics: NDArray[np.float32]
    smooth_level: Floats
    smooth_sd: Floats
    smooth_quantiles: Floats
    quantiles: Floats
    active: Bools
    coarse_level: Floats
    ratio: int
    response: Floats

    @classmethod
    def of(cls, ground: Ground, inner: Window, response: Response | None = None) -> Land:
        """The land of the ``inner`` part of a window's ground, and the response of that window's cells."""
        cells = np.flatnonzero(ground.active[inner.index])

        def listed(field: NDArray[Any]) -> NDArray[Any]:
            cut = field[(..., *inner.index)]
            return cut.reshape(*cut.shape[:-2], -1)[..., cells]

        names = tuple(feature.name for feature in FEATURES if feature.name in ground.fields)
        statics = np.stack([listed(ground.fields[name]) for name in names], axis=1)
        return cls(
            cells=cells,
            names=names,
            statics=np.nan_to_num(statics, copy=False, nan=MISSING, posinf=MISSING, neginf=MISSING),
            smooth_level=listed(ground.smooth_level),
            smooth_sd=listed(ground.smooth_sd),
            smooth_quantiles=listed(ground.smooth_quantiles),
            quantiles=listed(ground.quantiles),
            active=ground.active,
            coarse_level=ground.coarse_level,
            ratio=ground.ratio,
            response=np.zeros((3, 0)) if response is None else listed(response.stacked()),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as plain arrays; quantiles came as float32 and are kept so."""
        made = {each.name: np.asarray(getattr(self, each.name)) for each in fields(self)}
        return made | {"cells": self.cells.astype(np.int32), "quantiles": self.quantiles.astype(np.float32)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Land:
        """The inverse of ``arrays``."""
        more: dict[str, Any] = {
            "cells": arrays["cells"].astype(np.intp),
            "quantiles": arrays["quantiles"].astype(np.float64),
            "names": tuple(str(name) for name in arrays["names"]),
            "ratio": int(arrays["ratio"]),
        }
        return cls(**{**arrays, **more})

    @cached_property
    def sensitivity(self) -> Floats:
        """Slope of each cell on its SMAP cell [n]."""
        return self.static("sensitivity")

    @cached_property
    def residual(self) -> Floats:
        """Residual water content [n], m3 m-3."""
        return self.static("residual")

    @cached_property
    def porosity(self) -> Floats:
        """Porosity [n], m3 m-3."""
        return self.static("porosity")

    def static(self, name: str) -> Floats:
        """One static predictor [n]."""
        return self.statics[:, self.names.index(name)].astype(np.float64)

    def part(self, chosen: Bools) -> Land:
        """The land of some of the cells [n]; itself where they are all."""
        if chosen.all():
            return self
        kept: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("cells", "statics", "smooth_level", "smooth_sd"):
            kept[name] = kept[name][chosen]
        for name in ("smooth_quantiles", "quantiles", *(["response"] if self.response.size else [])):
            kept[name] = kept[name][:, chosen]
        return Land(**kept)

    @cached_property
    def surface(self) -> Surfaces:
        """Makes smooth mass-preserving surfaces [gy, gx] through coarse values of the window [gyc, gxc]."""
        return Surfaces(self.active, self.ratio)

    def split(self, coarse: Floats, error: Floats, rough: float, *, pattern: bool) -> tuple[Floats, Floats]:
        """Coarse values as signal and noise [gyc, gxc], see ``Ground.split``."""
        noise = noise_part(coarse, self.coarse_level if pattern else np.zeros(coarse.shape), error, rough)
        return coarse - noise, noise

    def rows(self, days: Mapping[str, Floats], names: Sequence[str], part: slice) -> NDArray[np.float32]:
        """Predictors [cells of ``part``, names] as the trees take them, from the statics and a day's own [n]."""
        made = np.empty((len(self.cells[part]), len(names)), np.float32)
        for first, last, at in self._runs(names):
            made[:, first:last] = self.statics[part, at : at + last - first]
        for column, name in enumerate(names):
            if name in days:
                made[:, column] = days[name][part]
                known = np.isfinite(made[:, column])
                if not known.all():
                    made[~known, column] = MISSING
        return made

    def _runs(self, names: Sequence[str]) -> list[tuple[int, int, int]]:
        """Runs of static predictors among names: first and last column there, and first column of ``statics``."""
        place = {name: column for column, name in enumerate(self.names)}
        runs: list[tuple[int, int, int]] = []
        for column, name in enumerate(names):
            if name not in place:
                continue
            if runs and runs[-1][1] == column and runs[-1][2] + column - runs[-1][0] == place[name]:
                runs[-1] = (runs[-1][0], column + 1, runs[-1][2])
            else:
                runs.append((column, column + 1, place[name]))
        return runs
