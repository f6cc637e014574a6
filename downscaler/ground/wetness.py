"""Topographic wetness: where water gathers, from a model's own slopes or from elevation.

Computed on the whole model lattice before regridding, since a cell's upslope area may reach far beyond the domain.

Source: Beven and Kirkby (1979, doi:10.1080/02626667909491834).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.drainage import drain, fill_pits

Field = NDArray[np.float64]
Index = NDArray[np.int64]
MAX_PITS = 0.01  # share of pits beyond which slopes are mere gradients that do not carry water
FLAT = 1e-3  # least slope: a stream cell without one would be infinitely wet


def receivers(slope_x: Field, slope_y: Field) -> tuple[Index, Field]:
    """Flat index of the cell that each cell drains to by ParFlow's slopes (-1 out of the model or none), and the slope.

    ParFlow's slopes belong to the cell and point uphill, so water leaves against the larger of the two, to one of four
    neighbours. Arrays are [j, i], row 0 in the south; missing slopes count as none.
    """
    east, north = np.nan_to_num(slope_x), np.nan_to_num(slope_y)
    across, up = np.abs(east), np.abs(north)
    along_x, steep = across >= up, np.maximum(across, up)
    step = np.where(along_x, np.sign(east), np.sign(north) * east.shape[1]).astype(np.int64)
    receiver = np.arange(east.size).reshape(east.shape) - step
    receiver[steep <= 0] = -1
    for edge, leaves in (
        (np.s_[:, 0], along_x[:, 0] & (east[:, 0] > 0)),
        (np.s_[:, -1], along_x[:, -1] & (east[:, -1] < 0)),
        (np.s_[0], ~along_x[0] & (north[0] > 0)),
        (np.s_[-1], ~along_x[-1] & (north[-1] < 0)),
    ):
        receiver[edge][leaves] = -1
    return receiver.ravel(), steep


def upslope_cells(receiver: Index) -> Field:
    """Cells that drain through each cell, itself included; flat, as ``receiver``.

    Cells of a loop, which noisy slopes may form, keep what reached them from outside it.
    """
    total, place = np.ones(receiver.size), np.zeros(receiver.size, np.intp)
    waiting = np.bincount(receiver[receiver >= 0], minlength=receiver.size)
    front = np.flatnonzero(waiting == 0)
    while front.size:
        front = front[receiver[front] >= 0]
        below = receiver[front]
        np.add.at(total, below, total[front])
        np.subtract.at(waiting, below, 1)
        below = below[waiting[below] == 0]
        place[below] = np.arange(below.size)
        front = below[place[below] == np.arange(below.size)]  # each but once
    return total


def pits(receiver: Index) -> float:
    """Share of cells that drain into a cell that drains back: near 0 for slopes made for flow, as ParFlow's are."""
    back = receiver[np.maximum(receiver, 0)] == np.arange(receiver.size)
    return float(((receiver >= 0) & back).mean())


def from_slopes(receiver: Index, steep: Field, cell: float) -> Field:
    """Wetness index ln(a / tan b) [j, i] from what ``receivers`` gives and the cell size (m); b at least ``FLAT``."""
    area = upslope_cells(receiver).reshape(steep.shape) * cell
    return np.log(area / np.maximum(steep, FLAT))


def from_elevation(elevation: Field, cell: float) -> Field:
    """Wetness index ln(a / tan b) [j, i] from elevation (m), its pits filled first; NaN where elevation is missing."""
    known = np.isfinite(elevation)
    rim = float(np.nanmin(elevation, initial=0.0)) - 1.0  # beyond the known terrain lies an outlet
    drainage = drain(fill_pits(np.where(known, elevation, rim)), cell)
    area = np.asarray(drainage.area).reshape(elevation.shape) * cell
    steep = np.asarray(drainage.drop).reshape(elevation.shape)
    return np.where(known, np.log(area / np.maximum(steep, FLAT)), np.nan)
