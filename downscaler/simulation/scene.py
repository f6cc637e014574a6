"""From 1 km fields to what a 9 km cell of SMAP holds, and where people put their stations.

Source: canopy water of forests and crops after the look-up table of O'Neill et al. (2021, SMAP L2/L3 ATBD, table 3).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.grid import M01, M09
from downscaler.simulation.landscape import BROADLEAF, CROPLAND, GRASSLAND, MIXED_FOREST, MOSAIC, URBAN, WATER, WETLAND
from downscaler.simulation.noise import Stream
from downscaler.simulation.retrieval import Scene

BLOCK = M01.shape.y // M09.shape.y
_CANOPY_WATER = {
    MIXED_FOREST: 6.2,
    BROADLEAF: 5.8,
    MOSAIC: 3.0,
    CROPLAND: 2.4,
    GRASSLAND: 1.4,
    WETLAND: 2.5,
    URBAN: 0.6,
}
_GRAIN_DENSITY = 2.65  # g cm-3
_KEPT = 3  # land cover classes a granule names
COVER_NAMES = {
    MIXED_FOREST: "mixed-forest",
    BROADLEAF: "deciduous-forest",
    WETLAND: "wetland",
    CROPLAND: "cropland",
    MOSAIC: "cropland-mosaic",
    GRASSLAND: "grassland",
    URBAN: "built-up",
    WATER: "water",
}


def cell_mean(
    field: NDArray[np.generic], where: NDArray[np.bool_] | None = None, size: int = BLOCK
) -> NDArray[np.float64]:
    """Mean over ``size`` x ``size`` blocks of the cells in ``where`` (all by default); NaN where a block has none.

    In the field's own precision, not ``ground.blocks``' float64: the bytes of a seed's sample rest on it.
    """
    shape = (field.shape[0] // size, size, field.shape[1] // size, size)
    weight = np.isfinite(field) if where is None else where & np.isfinite(field)
    total = np.where(weight, field, 0.0).reshape(shape).sum(axis=(1, 3))
    count = weight.reshape(shape).sum(axis=(1, 3))
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def make_scene(
    statics: Mapping[str, NDArray[np.generic]],
    moisture: NDArray[np.floating],
    *,
    warmth: float,
    greenness: float,
    temperature: NDArray[np.floating],
    rain: NDArray[np.floating],
) -> Scene:
    """Cell means of 1 km fields on [y, x], row 0 in the north.

    Args:
        statics: ``land_cover``, ``active``, ``clay``, ``porosity``, ``elevation``, ``vegetation``.
        moisture: m3 m-3.
        warmth: K, the hour's departure from the day's mean temperature.
        greenness: share of the full summer canopy.
        temperature: daily mean, K.
        rain: mm of the step before.
    """
    cover, active = statics["land_cover"], statics["active"].astype(bool)
    height = statics["elevation"].astype(np.float64)
    amount = np.zeros(18)
    amount[list(_CANOPY_WATER)] = list(_CANOPY_WATER.values())
    water = cell_mean(amount[np.maximum(cover, 0)] * statics["vegetation"]) * (0.4 + 0.6 * greenness)
    classes, shares = commonest(cover)
    wet, porosity = (cell_mean(field, active) for field in (moisture, statics["porosity"]))
    return Scene(
        moisture=np.where(np.isfinite(wet), wet, 0.4),
        temperature=cell_mean(temperature) + warmth,
        rain=cell_mean(rain),
        vegetation=water,
        water=1.0 - cell_mean(active.astype(np.float64)),
        urban=cell_mean((cover == URBAN).astype(np.float64)),
        clay=np.nan_to_num(cell_mean(statics["clay"], active), nan=0.2),
        bulk_density=_GRAIN_DENSITY * (1.0 - np.nan_to_num(porosity, nan=0.4)),
        roughness=np.sqrt(np.maximum(cell_mean(height**2) - cell_mean(height) ** 2, 0.0)),
        cover=classes,
        cover_fraction=shares,
    )


def commonest(cover: NDArray[np.generic]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The three commonest classes of each block and their shares, [y, x, 3], the largest first; class 0 for none."""
    classes = np.unique(cover)
    shares = np.stack([cell_mean((cover == value).astype(np.float64)) for value in classes], axis=-1)
    order = np.argsort(-shares, axis=-1, kind="stable")[..., :_KEPT]
    best = np.take_along_axis(shares, order, axis=-1)
    named = np.where(best > 0, np.maximum(classes, 0)[order], 0).astype(np.uint8)
    lacking = _KEPT - best.shape[-1]
    padding = ((0, 0), (0, 0), (0, max(lacking, 0)))
    return np.pad(named, padding), np.pad(best, padding)


def choose_sites(
    statics: Mapping[str, NDArray[np.generic]], seed: int, *, most: int = 60, of: tuple[int, ...] = ()
) -> dict[str, list[tuple[int, int]]]:
    """Cells (row, column) of two networks: one on open, level ground as real ones are, one anywhere at random.

    Networks sit in biased places (the paper's second finding): the first has no station in forest, on slopes or in
    wetland; the second is what a designer of a test would wish for. ``of`` names the piece of a larger land.
    """
    random = Stream(seed=seed, name="sites").child(*of).generator()
    cover, active = statics["land_cover"], statics["active"].astype(bool)
    steep = np.hypot(statics["slope_x"].astype(np.float64), statics["slope_y"].astype(np.float64))
    easy = active & np.isin(cover, [GRASSLAND, CROPLAND, MOSAIC]) & (steep < np.nanmedian(steep[active]))
    count = int(np.clip(active.sum() // 2700, min(4, most), most))
    networks = {}
    for name, allowed, share in (("SIM-MESONET", easy, 1.0), ("SIM-RANDOM", active, 0.5)):
        cells = np.flatnonzero(allowed.ravel())
        chosen = random.choice(cells, size=min(max(int(count * share), 2), cells.size), replace=False)
        rows, columns = np.unravel_index(np.sort(chosen), cover.shape)
        networks[name] = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    return networks
