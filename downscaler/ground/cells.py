"""Cells of a domain at given longitudes and latitudes, vectorised."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

from downscaler.ground.grid import CRS, M01, Domain, EaseGrid

Indices = NDArray[np.intp]


@cache
def _to_ease() -> Transformer:
    return Transformer.from_crs("EPSG:4326", CRS, always_xy=True)


def bounds_of(domain: Domain) -> tuple[float, float, float, float]:
    """West, south, east and north edge of a domain in degrees; a rectangle, as the grid is cylindrical."""
    transform, shape = domain.geobox().transform, domain.shape()
    x, y = (transform.c, transform.c + shape.x * M01.cell), (transform.f - shape.y * M01.cell, transform.f)
    lon, lat = _to_ease().transform(x, y, direction="INVERSE")
    return float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1])


def cells_of(
    domain: Domain, lon: ArrayLike, lat: ArrayLike, grid: EaseGrid = M01
) -> tuple[Indices, Indices, NDArray[np.bool_]]:
    """Rows and columns of the cells that hold points, counted from the domain's upper left corner, and which are in it.

    Args:
        domain: whose window of ``grid`` counts.
        lon: degrees east [n].
        lat: degrees north [n].
        grid: the product's or a coarse one.

    Returns:
        Rows [n] and columns [n], 0 where a point is outside, and whether it is inside [n].
    """
    x, y = _to_ease().transform(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
    box, shape = domain.geobox(grid), domain.shape(grid)
    with np.errstate(invalid="ignore"):
        columns = np.floor((np.asarray(x) - box.transform.c) / grid.cell)
        rows = np.floor((box.transform.f - np.asarray(y)) / grid.cell)
        inside = (rows >= 0) & (rows < shape.y) & (columns >= 0) & (columns < shape.x)
    return (
        np.where(inside, rows, 0).astype(np.intp),
        np.where(inside, columns, 0).astype(np.intp),
        np.asarray(inside, dtype=bool),
    )
