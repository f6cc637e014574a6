"""Training samples from a prior: selection of days and cells, drawn tile by tile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import M01, EaseGrid
from downscaler.ground.prior import read_days
from downscaler.learn.rows import Rows
from downscaler.learn.sampling import choose_cells, choose_days
from downscaler.method.denoise import roughness
from downscaler.method.features import Fields, Ground, matrix
from downscaler.method.forcing import HeldWeather, forcing_until
from downscaler.method.pattern import pattern_statistics

_STATISTICS_DAYS = 400  # days of a tile that its statistics are of
_FEW = 4  # days apart that are read at once: a store reads those between them too
_BAND = 2 * M01.per_m36  # rows of a tile held at once for them, as the store keeps them
BLOCK_CELLS = 27  # product cells along one edge of a block of ground: three M09 cells
Statistics = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What may be seen: positions on the prior's time axis and, per tile, cells [ny, nx]; None means all cells."""

    days: NDArray[np.intp]
    cells: Sequence[Bools] | None = None

    def mask(self, tile: int) -> Bools | None:
        """The cells of a tile, None where all count."""
        return None if self.cells is None else self.cells[tile]


@dataclass(frozen=True, kw_only=True)
class View:
    """How a day is looked at: with weather, with the place's record, and what error a noisy coarse field has."""

    forcing: bool
    pattern: bool = True
    roughness: float = 0.0
    error: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DayRecord:
    """One day of one tile: 1 km truth [y, x], its block means, the coarse field given to the model, predictors.

    ``noise`` is what the coarse field's splitting took for noise.
    """

    date: dt.date
    theta: Floats
    true: Floats
    coarse: Floats
    noise: Floats
    fields: Fields
    active: Bools


def record_statistics(data: xr.Dataset, known: NDArray[np.intp]) -> Statistics:
    """Statistics of a tile over the days that may be known, see ``pattern_statistics``, and how wet each day was.

    At most some ``_STATISTICS_DAYS`` evenly spaced days are looked at, in strips of SMAP cells, so that memory is
    bounded. ``days`` are their positions and ``wetness`` their means over the tile, m3 m-3.
    """
    chosen = known[:: max(1, len(known) // _STATISTICS_DAYS)]
    active = data["active"].values.astype(bool)
    found = []
    total, count = np.zeros(len(chosen)), np.zeros(len(chosen))
    for top in range(0, len(active), _BAND):
        band = read_days(data["soil_moisture"].isel(y=slice(top, top + _BAND)), chosen)
        for row in range(0, band.shape[1], M01.per_m36):
            theta, land = band[:, row : row + M01.per_m36], active[top + row : top + row + M01.per_m36]
            found.append(_of_strip(theta, land))
            known_here = land & np.isfinite(theta)
            total += np.where(known_here, theta, 0.0).sum(axis=(1, 2), dtype=np.float64)
            count += known_here.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        wetness = total / count
    whole = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    return {**whole, "days": chosen, "wetness": wetness}


def _of_strip(theta: Floats, land: Bools) -> Statistics:
    """``pattern_statistics`` of a strip, a few SMAP cells at a time: it works on several copies of what it is given."""
    whole = theta[np.isfinite(theta[:, land]).all(axis=1)] if land.any() else theta[:0]
    parts = [
        pattern_statistics(whole[..., first : first + _BAND], land[:, first : first + _BAND])
        for first in range(0, land.shape[1], _BAND)
    ]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


class TileRecord:
    """One tile's days as training sees them; its statistics are of the days that may be known, and of no others.

    Args:
        data: the prior on a window of whole M36 cells.
        grid: coarse grid.
        known: positions of the days whose statistics may be used.
        statistics: of these days where they are at hand, see ``record_statistics``.
        held: weather beside the record on this tile, and its days; None where the record's own is all there is.
    """

    def __init__(
        self,
        data: xr.Dataset,
        grid: EaseGrid,
        known: NDArray[np.intp],
        statistics: Statistics | None = None,
        held: tuple[HeldWeather, Sequence[dt.date]] | None = None,
    ) -> None:
        self._held: HeldWeather | None = None
        self._held_days: Sequence[dt.date] = ()
        if held is not None:
            self._held, self._held_days = held
        found = dict(statistics or record_statistics(data, known))
        self._wet_days, self._wetness = (np.asarray(found.pop(name), np.float64) for name in ("days", "wetness"))
        self.data = data.assign({name: (("y", "x"), field) for name, field in found.items()})
        self.ground = Ground(self.data, grid)

    def day(self, position: int, how: View, added: Floats | None = None) -> DayRecord:
        """Truth and predictors of one day, its coarse field with the noise ``added`` of size ``how.error``, if any."""
        date = self.data["time"].values[position].astype("datetime64[D]").item()
        theta = self.data["soil_moisture"].isel(time=position).values.astype(np.float64)
        active = self.ground.active & np.isfinite(theta)
        true = block_mean(theta, active, self.ground.ratio)
        error = 0.0 if added is None else how.error
        coarse = true if added is None else np.clip(true + added, 0.001, 0.95)
        signal, noise = self.ground.split(coarse, np.full(true.shape, error), how.roughness, pattern=how.pattern)
        weather = forcing_until(self.data, date, self._held, self._held_days) if how.forcing else None
        fields = self.ground.fields | self.ground.day(signal, date, weather)
        return DayRecord(date=date, theta=theta, true=true, coarse=coarse, noise=noise, fields=fields, active=active)

    def roughness(self, days: NDArray[np.intp], *, pattern: bool) -> float:
        """Roughness of the true coarse anomalies on some of the days, m6 m-6; see ``denoise.roughness``."""
        reference = self.ground.coarse_level if pattern else 0.0
        chosen, theta = days[:: max(1, len(days) // 60)], self.data["soil_moisture"]
        few = (read_days(theta, chosen[n : n + _FEW]) for n in range(0, len(chosen), _FEW))
        means = [block_mean(part.astype(np.float64), self.ground.active, self.ground.ratio) for part in few]
        return roughness(np.concatenate(means) - reference)

    def choose_days(self, days: NDArray[np.intp], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """At most ``count`` of the days, of every season and wetness its share; in random order."""
        dates = self.data["time"].values[days].astype("datetime64[D]")
        of_year = (dates - dates.astype("datetime64[Y]")).astype(np.intp)
        known = np.isfinite(self._wetness)
        wetness = np.interp(days, self._wet_days[known], self._wetness[known]) if known.any() else np.zeros(len(days))
        return choose_days(days, of_year, wetness, count, rng)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How rows are drawn: ``rows`` in all, at most ``days`` days a tile, each seen as ``view`` says.

    Every second day's coarse field is given the view's error.
    """

    rows: int
    days: int
    seed: int
    view: View


def draw(record: TileRecord, tile: int, allowed: Bools, part: Part, names: Sequence[str], how: Draw) -> Iterator[Rows]:
    """Batches of feature rows and targets of one tile, one a day; ``how.rows`` are the tile's own.

    Every season, wetness and SMAP cell has its share. The target is what surface and quantile pattern leave of the
    truth; without ``pattern``, what the surface leaves.
    """
    rng = np.random.default_rng([how.seed, tile, len(part.days)])
    days = record.choose_days(part.days, how.days, rng)
    for count, position in enumerate(days):
        added = rng.normal(0.0, how.view.error, record.ground.coarse_level.shape) if count % 2 else None
        day = record.day(int(position), how.view, added)
        where = choose_cells(allowed & day.active, round(how.rows / len(days)), record.ground.ratio, rng)
        if where.any():
            yield matrix(day.fields, names, where), target(day, record.ground, pattern=how.view.pattern)[where]


def target(day: DayRecord, ground: Ground, *, pattern: bool) -> NDArray[np.float32]:
    """What is to be learned: the truth less the noise-free surface, for conservation puts the noise back anyway."""
    offset = ground.surface(day.true) + (day.fields["quantile_pattern"] if pattern else 0.0)
    return (day.theta - offset).astype(np.float32)


def spatial_blocks(active: Bools, size: int = BLOCK_CELLS) -> NDArray[np.intp]:
    """Labels [ny, nx] of square blocks counted from the window's corner, 0 upward, -1 where nothing is active."""
    ny, nx = active.shape
    label = (np.arange(ny) // size)[:, None] * (-(-nx // size)) + (np.arange(nx) // size)[None]
    used = np.unique(label[active])
    found = np.searchsorted(used, label).clip(max=len(used) - 1)
    labels: NDArray[np.intp] = np.where(used[found] == label, found, -1).astype(np.intp)
    return labels


def draw_placed(
    record: TileRecord, tile: int, part: Part, names: Sequence[str], how: Draw
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Feature rows of one tile, ``how.rows`` of them, and the fold each comes from.

    Folds are what the branch is to be carried over: quarters of the record where it knows the place (``pattern``),
    27 km blocks of ground where it does not.
    """
    rng = np.random.default_rng([how.seed, tile, len(part.days), 1])
    quarter = {int(day): 4 * i // len(part.days) for i, day in enumerate(np.sort(part.days))}
    mask = allowed_cells(record, part.mask(tile))
    label = spatial_blocks(record.ground.active) + tile * record.ground.active.size
    rows, folds = [], []
    days = record.choose_days(part.days, how.days, rng)
    for position in days:
        day = record.day(int(position), how.view)
        where = choose_cells(mask & day.active, round(how.rows / len(days)), record.ground.ratio, rng)
        rows.append(matrix(day.fields, names, where))
        folds.append(np.full(len(rows[-1]), quarter[int(position)]) if how.view.pattern else label[where])
    return np.concatenate(rows), np.concatenate(folds)


def allowed_cells(record: TileRecord, mask: Bools | None) -> Bools:
    """A tile's active cells, of ``mask`` alone if given."""
    return record.ground.active if mask is None else record.ground.active & mask
