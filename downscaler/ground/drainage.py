"""Drainage of a terrain: pits filled, D8 receivers and upslope area.

All arrays are [y, x] with row 0 in the south, as ParFlow's; cells are square.

Source: Barnes et al. (2014, doi:10.1016/j.cageo.2013.04.024) for the priority flood; O'Callaghan and Mark (1984,
doi:10.1016/S0734-189X(84)80011-0) for D8; Beven and Kirkby (1979, doi:10.1080/02626667909491834) for the wetness
index.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Index = NDArray[np.int64]
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
_RISE = 0.02  # m from cell to cell over a filled pit, so that water always finds its way


@dataclass(frozen=True, kw_only=True)
class Drainage:
    """Where each cell's water goes.

    ``receiver`` is the flat index of the next cell downstream (the cell itself at an outlet), ``drop`` the slope to
    it, ``levels`` the cells in an order in which every donor comes before its receiver, ``area`` the cells that
    drain through each cell, itself included.
    """

    shape: tuple[int, int]
    receiver: Index
    drop: Field
    levels: tuple[Index, ...]
    area: Field

    def wetness(self, cell: float = 1000.0) -> Field:
        """Topographic wetness index ln(a / tan b), a the upslope area per contour length in m."""
        return np.log(self.area * cell / np.maximum(self.drop, 1e-4)).reshape(self.shape)


def fill_pits(elevation: Field, rise: Field | None = None) -> Field:
    """Terrain raised just enough that every cell drains to the rim of the array (priority flood).

    ``rise`` is the least step up from cell to cell in m; an uneven one makes streams wind over filled flats.
    """
    height, width = elevation.shape
    step_up = (np.full(elevation.size, _RISE) if rise is None else rise.ravel()).tolist()
    filled = elevation.astype(np.float64).ravel().tolist()
    rim = np.ones((height, width), bool)
    rim[1:-1, 1:-1] = False
    closed = bytearray(rim.ravel().astype(np.uint8).tobytes())
    queue = [(filled[i], i) for i in np.flatnonzero(rim).tolist()]
    heapq.heapify(queue)
    steps = [dy * width + dx for dy, dx in _NEIGHBOURS]
    while queue:
        level, here = heapq.heappop(queue)
        column = here % width
        if 0 < here // width < height - 1 and 0 < column < width - 1:
            candidates = [here + step for step in steps]
        else:
            candidates = list(_inside(here, height, width))
        for there in candidates:
            if not closed[there]:
                closed[there] = 1
                filled[there] = max(filled[there], level + step_up[there])
                heapq.heappush(queue, (filled[there], there))
    return np.array(filled).reshape(height, width)


def _inside(here: int, height: int, width: int) -> Iterator[int]:
    row, column = divmod(here, width)
    for dy, dx in _NEIGHBOURS:
        if 0 <= row + dy < height and 0 <= column + dx < width:
            yield here + dy * width + dx


def drain(filled: Field, cell: float = 1000.0) -> Drainage:
    """D8 drainage of a terrain without pits; ``cell`` in metres."""
    height, width = filled.shape
    padded = np.pad(filled, 1, constant_values=np.inf)
    best = np.zeros(filled.shape)
    here = np.arange(filled.size).reshape(filled.shape)
    receiver = here.copy()
    for dy, dx in _NEIGHBOURS:
        there = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        slope = (filled - there) / (cell * np.hypot(dy, dx))
        steeper = slope > best
        best[steeper] = slope[steeper]
        receiver[steeper] = here[steeper] + dy * width + dx
    levels = _levels(receiver.ravel())
    area = accumulate(np.ones(filled.size), receiver.ravel(), levels)
    return Drainage(shape=filled.shape, receiver=receiver.ravel(), drop=best.ravel(), levels=levels, area=area)


def _levels(receiver: Index) -> tuple[Index, ...]:
    """Cells grouped so that all donors of a group lie in groups before it."""
    moves = receiver != np.arange(receiver.size)
    waiting = np.bincount(receiver[moves], minlength=receiver.size)
    front = np.flatnonzero(waiting == 0)
    levels = []
    while front.size:
        levels.append(front)
        onward = receiver[front[moves[front]]]
        np.subtract.at(waiting, onward, 1)
        onward = np.unique(onward)
        front = onward[waiting[onward] == 0]
    return tuple(levels)


def accumulate(amount: Field, receiver: Index, levels: tuple[Index, ...]) -> Field:
    """What passes through each cell when every cell adds its own amount and hands all on downstream."""
    total = amount.astype(np.float64).copy()
    for cells in levels:
        moving = cells[receiver[cells] != cells]
        np.add.at(total, receiver[moving], total[moving])
    return total
