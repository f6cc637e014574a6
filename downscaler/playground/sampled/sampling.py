"""Which cells of a large domain a playground holds: stations of all layouts, and a spatial sample to be judged on.

Each replicate is judged on SMAP cells of its own, whole ones: a systematic sample with probability proportional to
their active cells (Madow 1949) along a Hilbert curve, so that every region has its share. An active cell of a chosen
SMAP cell stands for 1 / probability cells. Replicates' samples are independent (Mahalanobis 1946), so that intervals
over replicates hold the sampling too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from downscaler.errors import ConfigError
from downscaler.ground.blocks import Floats, block_sum
from downscaler.playground.experiment import CURVE_LAYOUTS, PHYSICS, Design, stream_of, table
from downscaler.playground.place import Index, Sample, station_key
from downscaler.playground.sampled.frame import Frame
from downscaler.playground.stations.layouts import is_exact, ranked
from downscaler.simulation.noise import Stream

LEAST_BLOCKS = 8  # SMAP cells that a replicate is judged on
EVERYWHERE = 50_000  # cells that stand for all in distances between stations and map


@dataclass(frozen=True)
class Drawn:
    """What was drawn: flat positions in the window of the cells that are held [cells], and how they stand for it."""

    flat: Index
    sample: Sample


def draw_sample(frame: Frame, design: Design, cells: int, ratio: int) -> Drawn:
    """Cells for all replicates of a design, ``cells`` at most.

    Args:
        frame: of the domain.
        design: with its siting; see ``sited``.
        cells: to hold at most.
        ratio: fine cells along one edge of a coarse cell.

    Raises:
        ConfigError: so few cells do not hold all stations and enough to be judged on.
    """
    stations = _stations(frame, design)
    around = _network_blocks(frame, design, stations, ratio)
    placed = np.unique(np.concatenate([*stations.values(), around]))
    room = (cells - len(placed)) // (design.replicates * ratio**2)
    if room < LEAST_BLOCKS:
        raise ConfigError(
            "Too few cells for so many stations and replicates",
            value=f"{cells} cells, {len(placed)} of them for stations of {design.replicates} replicates",
            allowed=f"at least {len(placed) + LEAST_BLOCKS * design.replicates * ratio**2} here",
            remedy="Give more (--cells), or fewer replicates or stations.",
        )
    judged = [_judged(frame, ratio, room, stream_of(design, replicate)) for replicate in range(design.replicates)]
    held = np.unique(np.concatenate([placed, *(cell for cell, _ in judged)]))
    block = _blocks(frame, ratio)
    whole = np.isin(block[held], np.unique(block[np.concatenate([around, *(cell for cell, _ in judged)])]))
    stream = Stream(seed=design.seed, name="playground/everywhere").generator()
    some = np.sort(stream.permutation(frame.cells)[:EVERYWHERE])
    sample = Sample(
        total=frame.cells,
        number=held,
        judged=tuple((np.searchsorted(held, cell), weight) for cell, weight in judged),
        stations={key: np.searchsorted(held, cell) for key, cell in stations.items()},
        everywhere=frame.xy[some],
        whole=whole,
    )
    return Drawn(frame.flat[held], sample)


def _stations(frame: Frame, design: Design) -> dict[str, Index]:
    """Cells of all layouts, ascending, by ``station_key``; curves take the first of the largest draw."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for cell in table(design, frame.cells):
        for layout in design.layouts if cell.layout == PHYSICS else (cell.layout,):
            wanted.setdefault((layout, cell.replicate), set()).add(cell.stations)
    found = {}
    for (layout, replicate), counts in wanted.items():
        order = ranked(layout, frame, max(counts), design.siting, stream_of(design, replicate))
        assert len(counts) == 1 or layout in CURVE_LAYOUTS
        for count in counts:
            found[station_key(layout, count, replicate)] = np.sort(order[:count])
    return found


def _network_blocks(frame: Frame, design: Design, stations: dict[str, Index], ratio: int) -> Index:
    """All cells of the SMAP cells with stations of the layout that stands for real ones: the hybrid is tested there."""
    network = design.siting.network
    layout = "real" if network is not None and is_exact(frame, network) else "biased"
    keys = [station_key(layout, design.stations, replicate) for replicate in range(design.replicates)]
    block = _blocks(frame, ratio)
    cells = [stations[key] for key in keys if key in stations]
    return np.flatnonzero(np.isin(block, np.unique(block[np.concatenate(cells)]))) if cells else np.zeros(0, np.intp)


def _blocks(frame: Frame, ratio: int) -> Index:
    """The coarse cell of each active cell, flat [cells]."""
    nx = frame.active.shape[1]
    row, column = np.divmod(frame.flat, nx)
    found: Index = (row // ratio) * (nx // ratio) + column // ratio
    return found


def _judged(frame: Frame, ratio: int, blocks: int, stream: Stream) -> tuple[Index, Floats]:
    """Active cells of a spatial sample of coarse cells, and how many each stands for."""
    count = block_sum(frame.active.astype(np.float64), ratio).ravel()
    order = along_curve(frame.active.shape[0] // ratio, frame.active.shape[1] // ratio)
    chosen = proportional(count[order], blocks, stream.child("judged").generator().random())
    chosen = np.sort(order[chosen])
    block = _blocks(frame, ratio)
    cell = np.flatnonzero(np.isin(block, chosen))
    return cell, frame.cells / (blocks * count[block[cell]])


def proportional(size: Floats, count: int, start: float) -> Index:
    """Positions in an ordered list of a systematic sample with probability count * size / sum.

    Args:
        size: of each [n], none above sum / count.
        count: how many.
        start: in [0, 1), uniform at random.
    """
    ends = np.cumsum(size) * (count / size.sum())
    found: Index = np.searchsorted(ends, np.arange(count) + start, side="right").astype(np.intp)
    return np.minimum(found, len(size) - 1)


def along_curve(rows: int, columns: int) -> Index:
    """Flat positions of a grid's cells in the order of a Hilbert curve through it: neighbours stay neighbours.

    Source: Hilbert (1891, doi:10.1007/BF01199431); the transformation by quadrants of Lam & Shapiro (1994).
    """
    y, x = (part.ravel() for part in np.mgrid[:rows, :columns])
    place = np.zeros(rows * columns, np.int64)
    side = 1 << (max(rows, columns) - 1).bit_length() if max(rows, columns) > 1 else 1
    step = side // 2
    while step:
        right, down = (x & step) > 0, (y & step) > 0
        place += step * step * ((3 * right) ^ down)
        flip = ~down & right
        x, y = (
            np.where(flip, step - 1 - (x & (step - 1)), x & (step - 1)),
            np.where(flip, step - 1 - (y & (step - 1)), y & (step - 1)),
        )
        x, y = np.where(down, x, y), np.where(down, y, x)
        step //= 2
    return np.argsort(place, kind="stable")
