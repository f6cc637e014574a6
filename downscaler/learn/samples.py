"""Training samples from a prior: selection of days and cells, drawn in batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
import xarray as xr
import xgboost as xgb
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean
from downscaler.ground.grid import EaseGrid
from downscaler.method.denoise import roughness
from downscaler.method.features import Fields, Ground, matrix
from downscaler.method.forcing import forcing_until
from downscaler.method.pattern import pattern_statistics

_STATISTICS_DAYS = 400  # days of a tile held at once for its statistics
BLOCK_CELLS = 27  # product cells along one edge of a block of ground: three M09 cells
Rows = tuple[NDArray[np.float32], NDArray[np.float32]]


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


class TileRecord:
    """One tile's days as training sees them; its statistics are of the days that may be known, and of no others.

    Args:
        data: the prior on a window of whole M36 cells.
        grid: coarse grid.
        known: positions of the days whose statistics may be used.
    """

    def __init__(self, data: xr.Dataset, grid: EaseGrid, known: NDArray[np.intp]) -> None:
        chosen = known[:: max(1, len(known) // _STATISTICS_DAYS)]
        theta = data["soil_moisture"].isel(time=chosen).values
        statistics = pattern_statistics(theta, data["active"].values.astype(bool))
        self.data = data.assign({name: (("y", "x"), field) for name, field in statistics.items()})
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
        weather = forcing_until(self.data, date) if how.forcing else None
        fields = self.ground.fields | self.ground.day(signal, date, weather)
        return DayRecord(date=date, theta=theta, true=true, coarse=coarse, noise=noise, fields=fields, active=active)

    def roughness(self, days: NDArray[np.intp], *, pattern: bool) -> float:
        """Roughness of the true coarse anomalies on some of the days, m6 m-6; see ``denoise.roughness``."""
        reference = self.ground.coarse_level if pattern else 0.0
        chosen = self.data["soil_moisture"].isel(time=days[:: max(1, len(days) // 60)]).values.astype(np.float64)
        return roughness(block_mean(chosen, self.ground.active, self.ground.ratio) - reference)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How rows are drawn: ``rows`` in all, at most ``days`` days a tile, each seen as ``view`` says.

    Every second day's coarse field is given the view's error.
    """

    rows: int
    days: int
    seed: int
    view: View


def draw(records: Sequence[TileRecord], part: Part, names: Sequence[str], how: Draw) -> Iterator[Rows]:
    """Batches of feature rows and targets, one per tile and day, of randomly chosen cells.

    The target is what surface and quantile pattern leave of the truth; without ``pattern``, what the surface leaves.
    """
    masks = [_allowed(record, part.mask(tile)) for tile, record in enumerate(records)]
    total = sum(int(mask.sum()) for mask in masks)
    for tile, (record, mask) in enumerate(zip(records, masks, strict=True)):
        rng = np.random.default_rng([how.seed, tile, len(part.days)])
        days = rng.permutation(part.days)[: how.days]
        share = how.rows * int(mask.sum()) / max(total, 1) / max(len(days), 1)
        for count, position in enumerate(days):
            added = rng.normal(0.0, how.view.error, record.ground.coarse_level.shape) if count % 2 else None
            day = record.day(int(position), how.view, added)
            where = _choose(mask & day.active, round(share), rng)
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
    records: Sequence[TileRecord], part: Part, names: Sequence[str], how: Draw
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Feature rows of randomly chosen cells and days, and the fold each comes from.

    Folds are what the branch is to be carried over: quarters of the record where it knows the place (``pattern``),
    27 km blocks of ground where it does not.
    """
    rng = np.random.default_rng([how.seed, len(part.days)])
    quarter = {int(day): 4 * i // len(part.days) for i, day in enumerate(np.sort(part.days))}
    rows, folds = [], []
    for tile, record in enumerate(records):
        mask = _allowed(record, part.mask(tile))
        label = spatial_blocks(record.ground.active) + tile * record.ground.active.size
        for position in rng.permutation(part.days)[: how.days]:
            day = record.day(int(position), how.view)
            where = _choose(mask & day.active, how.rows // (how.days * len(records)), rng)
            rows.append(matrix(day.fields, names, where))
            folds.append(np.full(len(rows[-1]), quarter[int(position)]) if how.view.pattern else label[where])
    return np.concatenate(rows), np.concatenate(folds)


def _allowed(record: TileRecord, mask: Bools | None) -> Bools:
    return record.ground.active if mask is None else record.ground.active & mask


def _choose(mask: Bools, count: int, rng: np.random.Generator) -> Bools:
    cells = np.flatnonzero(mask)
    chosen = np.zeros(mask.size, bool)
    chosen[rng.choice(cells, min(len(cells), max(count, 1)), replace=False)] = True
    return chosen.reshape(mask.shape)


class Spool(xgb.DataIter):
    """Batches on disk: XGBoost passes over them several times, and holds one of them at a time.

    With ``QuantileDMatrix`` only the binned rows (one byte a feature) stay in memory, so that peak memory hardly
    grows with their number. Use as a context manager; the files go with it.
    """

    def __init__(self, batches: Iterator[Rows], names: Sequence[str], *, gather: int = 50_000) -> None:
        super().__init__(release_data=True)
        self._folder = TemporaryDirectory(prefix="vadose-rows-")
        self._names = list(names)
        self._position = 0
        self.every = 1  # hand out each so-manieth row: a smaller sample from the same files
        self.files: list[Path] = []
        self.rows = 0
        held: list[Rows] = []
        for batch in batches:
            held.append(batch)
            if sum(len(y) for _, y in held) >= gather:
                self._store(held)
                held = []
        if held:
            self._store(held)

    def _store(self, held: list[Rows]) -> None:
        file = Path(self._folder.name) / f"{len(self.files):06d}.npy"
        block = np.concatenate([np.column_stack([x, y]) for x, y in held])
        np.save(file, block, allow_pickle=False)
        self.files.append(file)
        self.rows += len(block)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand XGBoost the next batch; false at the end."""
        if self._position == len(self.files):
            return False
        block = np.load(self.files[self._position], allow_pickle=False)[:: self.every]
        input_data(data=block[:, :-1], label=block[:, -1], feature_names=self._names)
        self._position += 1
        return True

    def reset(self) -> None:
        """Begin again."""
        self._position = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
