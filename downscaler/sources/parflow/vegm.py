"""CLM's ``drv_vegm.dat``: latitude, longitude, texture and land cover of every model cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import Lattice

NEAR = 1000.0  # m, how far the table's positions may lie from the lattice's
_HEADER_LINES, _FIRST_CLASS, _CLASSES = 2, 7, 18
Field = NDArray[np.float64]


@dataclass(frozen=True)
class VegetationTable:
    """Columns of the table as fields [j, i], row 0 in the south; ``land_cover`` is the IGBP class of largest share."""

    latitude: Field
    longitude: Field
    sand_fraction: Field
    clay_fraction: Field
    land_cover: NDArray[np.int16]


def read_vegm(path: Path) -> VegetationTable:
    """Read the table; raises PriorUnreadableError unless it holds every cell of a rectangle once."""
    try:
        rows = np.loadtxt(path, skiprows=_HEADER_LINES, ndmin=2)
    except (OSError, ValueError) as error:
        raise PriorUnreadableError("A drv_vegm table cannot be read", value=f"{path}: {error}") from error
    if rows.size == 0 or rows.shape[1] < _FIRST_CLASS + _CLASSES:
        raise PriorUnreadableError(
            "A drv_vegm table has too few columns",
            value=f"{path}: {rows.shape[-1]}",
            allowed="x, y, lat, lon, sand, clay, color and 18 class shares",
        )
    i, j = (rows[:, k].astype(np.int64) - 1 for k in (0, 1))
    shape = (int(j.max()) + 1, int(i.max()) + 1)
    cell = j * shape[1] + i
    if min(i.min(), j.min()) < 0 or cell.size != shape[0] * shape[1] or np.unique(cell).size != cell.size:
        raise PriorUnreadableError(
            "A drv_vegm table does not list every cell once",
            value=f"{path}: {cell.size} rows",
            allowed=f"{shape[0] * shape[1]} rows for {shape[1]} x {shape[0]} cells",
        )
    ordered = rows[np.argsort(cell)].reshape(*shape, -1)
    classes = ordered[..., _FIRST_CLASS : _FIRST_CLASS + _CLASSES].argmax(axis=-1) + 1
    return VegetationTable(
        latitude=ordered[..., 2],
        longitude=ordered[..., 3],
        sand_fraction=ordered[..., 4],
        clay_fraction=ordered[..., 5],
        land_cover=classes.astype(np.int16),
    )


def offset(lattice: Lattice, table: VegetationTable) -> Field:
    """Distance (m) of each cell centre of the lattice from the table's position, [j, i]."""
    lon, lat = lattice.lonlat()
    _, _, distance = Geod(ellps="WGS84").inv(lon, lat, table.longitude, table.latitude)
    return np.asarray(distance)


def check_place(lattice: Lattice, table: VegetationTable, where: str) -> None:
    """Raise PriorSchemaError when the lattice is more than ``NEAR`` away from CLM's cell positions.

    A table with one position for all cells, as single-column set-ups have, says nothing.
    """
    if table.latitude.shape != (lattice.shape.y, lattice.shape.x):
        raise PriorSchemaError(
            f"drv_vegm of {where} has another lattice",
            value=table.latitude.shape,
            allowed=(lattice.shape.y, lattice.shape.x),
        )
    if np.ptp(table.latitude) == 0 and np.ptp(table.longitude) == 0:
        return
    worst = float(offset(lattice, table).max())
    if worst > NEAR:
        raise PriorSchemaError(
            f"The grid given for {where} does not match the positions in its drv_vegm table",
            value=f"up to {worst:.0f} m apart",
            allowed=f"at most {NEAR:.0f} m",
            remedy="Check ij_bounds and registration in prior.toml.",
        )
