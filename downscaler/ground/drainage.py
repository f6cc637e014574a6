"""Drainage of a terrain: pits filled, D8 receivers and upslope area.

All arrays are [y, x] with row 0 in the south, as ParFlow's; cells are square.

Source: Barnes et al. (2014, doi:10.1016/j.cageo.2013.04.024) for the priority flood; O'Callaghan and Mark (1984,
doi:10.1016/S0734-189X(84)80011-0) for D8; Beven and Kirkby (1979, doi:10.1080/02626667909491834) for the wetness
index.
"""

from __future__ import annotations

import heapq
from array import array
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
    wide = width + 2  # with a border that is closed, so that no neighbour has to be looked for beyond the rim
    # arrays of the standard library: a quarter of a list's memory, and quicker than NumPy's one number at a time
    filled = array("d", np.pad(elevation.astype(np.float64), 1).tobytes())
    steps_up = None if rise is None else array("d", np.pad(rise.astype(np.float64), 1).tobytes())
    closed = np.ones((height + 2, wide), np.uint8)
    closed[2:-2, 2:-2] = 0
    rim = np.pad(np.ones((height, width), bool), 1)
    rim[2:-2, 2:-2] = False
    done = bytearray(closed.tobytes())
    queue = [(filled[i], i) for i in np.flatnonzero(rim).tolist()]
    heapq.heapify(queue)
    pop, push = heapq.heappop, heapq.heappush
    around = [dy * wide + dx for dy, dx in _NEIGHBOURS]
    while queue:
        level, here = pop(queue)
        for step in around:
            there = here + step
            if not done[there]:
                done[there] = 1
                least = level + (_RISE if steps_up is None else steps_up[there])
                own = filled[there]
                if least > own:
                    filled[there] = own = least
                push(queue, (own, there))
    return np.frombuffer(filled, np.float64).reshape(height + 2, wide)[1:-1, 1:-1].copy()


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
