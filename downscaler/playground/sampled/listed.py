"""A place of listed cells: stations and sampled SMAP cells of a domain that is too large to hold.

Surfaces through coarse values come from the coarse grid (``surfaces_at``), predictors from the same functions as those
of a window in memory; the hybrid's block means are kept in whole SMAP cells, whose cells are all listed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

import numpy as np

from downscaler.ground.blocks import Bools, Floats
from downscaler.method.conserve import RAMP_SHARE, ramp_weights, redistribute
from downscaler.method.features import coarse_predictors
from downscaler.method.hybrid import Branch, check_features
from downscaler.method.surfaces_at import Spots, SurfacesAt
from downscaler.method.tile.land import Land
from downscaler.playground.place import Index, Look, Values


@dataclass(frozen=True)
class Around:
    """Listed cells of a window as spots of its surfaces: themselves, and the cells about them that gradients need."""

    here: Spots
    down: tuple[Spots, Spots, Floats]
    across: tuple[Spots, Spots, Floats]

    @classmethod
    def of(cls, surfaces: SurfacesAt, row: Index, column: Index, shape: tuple[int, ...]) -> Around:
        """Of cells by row and column in a window of a shape; ``numpy.gradient`` steps one cell at its edges."""
        above, below = np.maximum(row - 1, 0), np.minimum(row + 1, shape[0] - 1)
        left, right = np.maximum(column - 1, 0), np.minimum(column + 1, shape[1] - 1)
        down = surfaces.spots(above, column), surfaces.spots(below, column), (below - above).astype(np.float64)
        across = surfaces.spots(row, left), surfaces.spots(row, right), (right - left).astype(np.float64)
        return cls(surfaces.spots(row, column), down, across)

    def part(self, chosen: Index) -> Around:
        """Some of them."""
        down, across = (
            (one.part(chosen), two.part(chosen), step[chosen]) for one, two, step in (self.down, self.across)
        )
        return Around(self.here.part(chosen), down, across)

    def look(self, corrected: Floats) -> tuple[Floats, Floats, Floats]:
        """Surface through corrected coarse values and its change to the next row and column, each [cells]."""
        slopes = [
            (SurfacesAt.at(corrected, two) - SurfacesAt.at(corrected, one)) / step
            for one, two, step in (self.down, self.across)
        ]
        return SurfacesAt.at(corrected, self.here), slopes[0], slopes[1]


class Listed:
    """Cells [cells] of a window; see ``Place``.

    Args:
        land: the cells, and the window's land [ny, nx].
        truth: block means of each day [days, nyc, nxc], m3 m-3.
        level: of each cell's record, m3 m-3.
        whole: whether all active cells of its SMAP cell are listed.
    """

    def __init__(self, land: Land, truth: Floats, level: Floats, whole: Bools) -> None:
        self.land, self._truth, self._level, self._whole = land, truth, level, whole
        row, column = np.divmod(land.cells, land.active.shape[1])
        self._surfaces = SurfacesAt(land.active, land.ratio)
        self._noise = SurfacesAt(land.active, land.ratio, partial(ramp_weights, share=RAMP_SHARE))
        self._around = Around.of(self._surfaces, row, column, land.active.shape)
        self._noise_spots = self._noise.spots(row, column)
        self._block = self._around.here.row * (land.active.shape[1] // land.ratio) + self._around.here.column
        self._inside = (row % land.ratio) * land.ratio + column % land.ratio

    def truth(self, theta: Values, day: int) -> Floats:
        """See ``Place``; of all cells, also those that are not listed."""
        found: Floats = self._truth[day]
        return found

    def seen(self, coarse: Floats) -> Bools:
        """See ``Place``."""
        found: Bools = np.isfinite(coarse.ravel()[self._block])
        return found

    def day(self, coarse: Floats, date: dt.date, names: tuple[str, ...]) -> dict[str, Values]:
        """See ``Place``."""
        surface, down, across = self._around.look(self._surfaces.corrected(coarse))
        fields = coarse_predictors(self.land, surface, down, across, date)
        return {name: fields[name].astype(np.float32) for name in names}

    def rival(self, name: str, coarse: Floats, cell: Index) -> Floats:
        """See ``Place``."""
        value: Floats = coarse.ravel()[self._block[cell]]
        if name == "nearest":
            return value
        if name == "bilinear":
            return np.where(np.isfinite(value), SurfacesAt.at(coarse, self._around.here.part(cell)), np.nan)
        if name == "climatological_pattern":
            contrast: Floats = self._level[cell] - self.land.coarse_level.ravel()[self._block[cell]]
            return value + contrast
        return np.where(np.isfinite(value), self._level[cell], np.nan)

    def hybrid(self, branch: Branch, look: Look, cell: Index) -> Floats:
        """See ``Place``; cells must lie in SMAP cells that are listed whole."""
        assert self._whole[cell].all()
        wanted, block_of = np.unique(self._block[cell], return_inverse=True)
        chosen = np.flatnonzero(np.isin(self._block, wanted))
        strip = np.searchsorted(wanted, self._block[chosen]) * self.land.ratio**2 + self._inside[chosen]
        made = self._strip(branch, look, chosen, wanted, strip)
        found: Floats = made[block_of * self.land.ratio**2 + self._inside[cell]]
        return found

    def _strip(self, branch: Branch, look: Look, chosen: Index, wanted: Index, strip: Index) -> Floats:
        """The hybrid on the SMAP cells ``wanted``, one below the other, flat; ``chosen`` cells at ``strip``."""
        land, ratio = self.land.part(np.isin(np.arange(len(self._block)), chosen)), self.land.ratio
        error = np.full(look.coarse.shape, look.error)
        signal, noise = land.split(look.coarse, error, branch.roughness, pattern=True)
        surface, down, across = self._around.part(chosen).look(self._surfaces.corrected(signal))
        days = coarse_predictors(land, surface, down, across, look.date)
        days |= {name: values[chosen] for name, values in look.weather.items()}
        check_features(branch, dict.fromkeys((*land.names, *days)))
        answer = branch.answer(land.rows(days, branch.features, slice(None)), bounds=False)
        contrast = answer.mean + days["quantile_pattern"].astype(np.float32)
        guess = surface + self._noise(noise, self._noise_spots.part(chosen)) + contrast

        def laid(values: Floats, otherwise: float) -> Floats:
            field = np.full(len(wanted) * ratio**2, otherwise)
            field[strip] = values
            return field.reshape(-1, ratio)

        use = laid(np.ones(len(chosen)), 0.0).astype(bool)
        target = look.coarse.ravel()[wanted][:, None]
        limits = laid(land.residual, 0.0), laid(land.porosity, 1.0)
        theta, _ = redistribute(laid(guess, np.nan), target, use, *limits, ratio)
        return theta.ravel()
