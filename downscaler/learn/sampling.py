"""Which days and cells are drawn: systematic samples of ordered lists, in which every stratum has its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats

_SEASON_DAYS = 366 / 4


def systematic(order: NDArray[np.intp], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``count`` entries of an ordered list, evenly spaced from a random start; all where there are not more.

    Of any run of n entries out of N it takes n * count / N, to within one (Madow & Madow 1944, Ann. Math.
    Stat. 15): so runs that belong together are strata with proportional shares.
    """
    if count >= len(order):
        return order
    places = ((np.arange(count) + rng.random()) * len(order) / count).astype(np.intp)
    return order[np.minimum(places, len(order) - 1)]


def choose_days(
    days: NDArray[np.intp], of_year: NDArray[np.intp], wetness: Floats, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Days in which every season, and within it every wetness, has its share; in random order.

    Args:
        days: to choose from [n].
        of_year: day of year of each [n].
        wetness: of each, m3 m-3 [n].
        count: how many, at most.
        rng: of the choice.
    """
    season = (np.asarray(of_year) // _SEASON_DAYS).astype(np.intp)
    chosen = systematic(np.lexsort((wetness, season)), count, rng)
    drawn: NDArray[np.intp] = days[rng.permutation(chosen)]
    return drawn


def choose_cells(allowed: Bools, count: int, ratio: int, rng: np.random.Generator) -> Bools:
    """Cells [ny, nx] in which every SMAP cell of ``ratio`` x ``ratio`` has the share of its allowed cells, at random.

    At least one, all where there are not more than ``count``.
    """
    cells = np.flatnonzero(allowed)
    row, column = np.divmod(cells, allowed.shape[1])
    block = (row // ratio) * -(-allowed.shape[1] // ratio) + column // ratio
    order = cells[np.lexsort((rng.random(len(cells)), block))]
    chosen = np.zeros(allowed.size, bool)
    chosen[systematic(order, max(count, 1), rng)] = True
    return chosen.reshape(allowed.shape)
