"""ParFlow's computational lattices: georeferencing of model cells.

A lattice counts i eastward and j northward from its lower-left corner, as ParFlow does; arrays on it are [j, i] with
row 0 in the south. Product grids count rows from the north, so the two index types are kept apart.

Source: Maxwell et al. (2015, doi:10.5194/gmd-8-923-2015) for CONUS1; Yang et al. (2023,
doi:10.1016/j.jhydrol.2023.130294) for CONUS2; lower-left corners as distributed with ``hf_hydrodata`` and with CLM's
``drv_vegm`` tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo import XY, Shape2d, wh_, xy_
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError

from downscaler.errors import PriorSchemaError
from downscaler.ground.grid import Span

CELL = 1000.0  # m
CONUS1_CRS = "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +a=6378137 +b=6356752.31 +units=m +no_defs"
CONUS2_CRS = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40.0000076294444 +lon_0=-97 +R=6370000 +units=m +no_defs"
_MATCH = 5.0  # m, how far a grid may lie off a known registration and still be it
_SMALLEST = 10.0  # m, the smallest cell that is believed
_MISTAKEN = 10_000.0  # m, how far apart two projections may put a grid and still be taken for one another


@dataclass(frozen=True, kw_only=True)
class IJWindow:
    """A run of lattice cells: ``i`` eastward, ``j`` northward, both half-open."""

    i: Span
    j: Span

    @classmethod
    def from_bounds(cls, bounds: Sequence[int]) -> IJWindow:
        """From HydroFrame's ``ij_bounds`` (i0, j0, i1, j1); raises PriorSchemaError unless i0 < i1 and j0 < j1."""
        allowed = "four whole numbers [i0, j0, i1, j1] with 0 <= i0 < i1 and 0 <= j0 < j1"
        if len(bounds) != 4 or not all(isinstance(b, int) for b in bounds):
            raise PriorSchemaError("ij_bounds are malformed", value=list(bounds), allowed=allowed)
        i0, j0, i1, j1 = bounds
        if not (0 <= i0 < i1 and 0 <= j0 < j1):
            raise PriorSchemaError("ij_bounds are empty or swapped", value=list(bounds), allowed=allowed)
        return cls(i=Span(start=i0, stop=i1), j=Span(start=j0, stop=j1))

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """In HydroFrame's order (i0, j0, i1, j1)."""
        return self.i.start, self.j.start, self.i.stop, self.j.stop

    @property
    def slices(self) -> tuple[slice, slice]:
        """For the last two axes [j, i] of a ParFlow array."""
        return self.j.slice, self.i.slice

    @property
    def shape(self) -> tuple[int, int]:
        """Array shape (nj, ni)."""
        return len(self.j), len(self.i)


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """A rectangle of square model cells in a projection.

    ``lower_left`` is the outer corner of cell i=0, j=0 in metres of ``crs``; ``registration`` names the convention the
    corner follows ("drv_vegm", "hydrodata" or "custom"); ``ij_bounds`` is the rectangle's place on the parent lattice
    where that is known.
    """

    name: str
    crs: str
    lower_left: XY[float]
    shape: Shape2d
    cell: float = CELL
    registration: str = "custom"
    ij_bounds: tuple[int, int, int, int] | None = None

    @property
    def window(self) -> IJWindow:
        """The whole lattice."""
        return IJWindow(i=Span(start=0, stop=self.shape.x), j=Span(start=0, stop=self.shape.y))

    @property
    def x(self) -> NDArray[np.float64]:
        """Cell centres west to east, metres."""
        return np.asarray(self.lower_left.x + (np.arange(self.shape.x) + 0.5) * self.cell, dtype=np.float64)

    @property
    def y(self) -> NDArray[np.float64]:
        """Cell centres south to north, metres."""
        return np.asarray(self.lower_left.y + (np.arange(self.shape.y) + 0.5) * self.cell, dtype=np.float64)

    def lonlat(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitudes and latitudes of the cell centres, [j, i] each, degrees."""
        lon, lat = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(self.x, self.y))
        return np.asarray(lon), np.asarray(lat)


@dataclass(frozen=True, kw_only=True)
class Parent:
    """A continental lattice and the corners under which it circulates."""

    name: str
    crs: str
    shape: Shape2d
    registrations: Mapping[str, XY[float]]

    def cut(self, bounds: Sequence[int], registration: str) -> Lattice:
        """The lattice of an ``ij_bounds`` cut; raises PriorSchemaError off the parent or for another registration."""
        if registration not in self.registrations:
            raise PriorSchemaError(
                f"Unknown registration of {self.name}", value=repr(registration), allowed=sorted(self.registrations)
            )
        window = IJWindow.from_bounds(bounds)
        if window.i.stop > self.shape.x or window.j.stop > self.shape.y:
            raise PriorSchemaError(
                f"ij_bounds exceed {self.name}",
                value=list(bounds),
                allowed=f"i up to {self.shape.x}, j up to {self.shape.y}",
            )
        corner = self.registrations[registration]
        return Lattice(
            name=self.name,
            crs=self.crs,
            lower_left=xy_(corner.x + window.i.start * CELL, corner.y + window.j.start * CELL),
            shape=wh_(len(window.i), len(window.j)),
            registration=registration,
            ij_bounds=window.bounds,
        )


CONUS1 = Parent(
    name="CONUS1",
    crs=CONUS1_CRS,
    shape=wh_(3342, 1888),
    registrations={
        "drv_vegm": xy_(-1884563.75, -605655.0),
        "hydrodata": xy_(-1885055.4995, -604957.0654),
    },
)
CONUS2 = Parent(
    name="CONUS2",
    crs=CONUS2_CRS,
    shape=wh_(4442, 3256),
    registrations={"hydrodata": xy_(-2208000.30881173, -1668999.65483222)},
)
PARENTS: dict[str, Parent] = {parent.name: parent for parent in (CONUS1, CONUS2)}


@cache
def same_projection(first: str, second: str) -> bool:
    """Whether two CRS put the corners of CONUS within a metre of each other."""
    lon, lat = [-124.0, -70.0, -96.0, -110.0], [25.0, 49.0, 39.0, 35.0]
    there, other = (
        np.asarray(Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat))
        for crs in (first, second)
    )
    return bool(np.all(np.abs(there - other) < 1.0))


def from_centres(x: ArrayLike, y: ArrayLike, crs: str, *, where: str) -> Lattice:
    """Lattice of ascending cell centres (metres), recognised as a cut of CONUS1 or CONUS2 where it is one.

    Raises PriorSchemaError when the centres are not evenly spaced squares or the CRS is unknown to PROJ.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    steps = np.concatenate([np.diff(xs), np.diff(ys)])
    if min(xs.size, ys.size) < 2 or steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean():
        raise PriorSchemaError(
            f"The grid of {where} does not have square, evenly spaced cells",
            value=f"{ys.size} x {xs.size} cells, steps {steps.min():g} to {steps.max():g} m"
            if steps.size
            else "1 cell",
            allowed="projected x and y in metres, one step in both directions, at least 2 x 2 cells",
        )
    try:
        CRS.from_user_input(crs)
    except CRSError as error:
        raise PriorSchemaError(f"The CRS of {where} could not be interpreted", value=crs[:120]) from error
    cell = float(steps.mean())
    if cell < _SMALLEST:
        raise PriorSchemaError(
            f"The cells of {where} are too small for metres",
            value=f"{cell:g} m",
            allowed=f"{_SMALLEST:g} m or more",
            remedy="Are x and y in kilometres or degrees? Let their attribute units say so.",
        )
    corner = xy_(float(xs[0]) - cell / 2, float(ys[0]) - cell / 2)
    shape = wh_(xs.size, ys.size)
    return _as_cut(corner, shape, cell, crs) or Lattice(
        name="custom", crs=crs, lower_left=corner, shape=shape, cell=cell
    )


def _as_cut(corner: XY[float], shape: Shape2d, cell: float, crs: str) -> Lattice | None:
    for parent in PARENTS.values():
        if abs(cell - CELL) > 1.0 or not same_projection(crs, parent.crs):
            continue
        for registration, origin in parent.registrations.items():
            i, j = (corner.x - origin.x) / CELL, (corner.y - origin.y) / CELL
            if max(abs(i - round(i)), abs(j - round(j))) * CELL > _MATCH:
                continue
            bounds = (round(i), round(j), round(i) + shape.x, round(j) + shape.y)
            if min(bounds) >= 0 and bounds[2] <= parent.shape.x and bounds[3] <= parent.shape.y:
                return parent.cut(bounds, registration)
        return Lattice(name=f"{parent.name} projection", crs=parent.crs, lower_left=corner, shape=shape, cell=cell)
    return None


def question(lattice: Lattice) -> str | None:
    """What is odd about a lattice that is nearly, but not quite, a cut of CONUS1 or CONUS2; None for any other.

    Either it has the parent's projection and cell size and lies between the parent's cells, or its corner is one of
    the parent's in another projection, as files have that were labelled with the wrong ellipsoid.
    """
    if abs(lattice.cell - CELL) > 1.0:
        return None
    for parent in PARENTS.values():
        off = min((_off(lattice.lower_left, origin) for origin in parent.registrations.values()), key=_length)
        same, fits = same_projection(lattice.crs, parent.crs), _length(off) <= _MATCH
        if same and not fits and _within(lattice, parent):
            ways = [
                f"{abs(part):.0f} m {word[part < 0]}"
                for part, word in zip(off, (("east", "west"), ("north", "south")), strict=True)
                if abs(part) > 1.0
            ]
            return (
                f"The grid lies {' and '.join(ways)} of {parent.name}'s cells. If it is a cut of {parent.name}, its "
                "coordinates are wrong, and so is every place."
            )
        if fits and not same and (apart := _apart(lattice, parent)) < _MISTAKEN:
            return (
                f"The grid has {parent.name}'s coordinates but another map projection, {apart:.0f} m apart. If it is a "
                f"cut of {parent.name}, its projection is wrong, and so is every place."
            )
    return None


def _off(corner: XY[float], origin: XY[float]) -> tuple[float, float]:
    """How far a corner lies from the nearest corner of a cell, metres eastward and northward."""
    east, north = corner.x - origin.x, corner.y - origin.y
    return east - round(east / CELL) * CELL, north - round(north / CELL) * CELL


def _length(off: tuple[float, float]) -> float:
    return max(abs(off[0]), abs(off[1]))


def _within(lattice: Lattice, parent: Parent) -> bool:
    origin = next(iter(parent.registrations.values()))
    i, j = (lattice.lower_left.x - origin.x) / CELL, (lattice.lower_left.y - origin.y) / CELL
    return i > -1 and j > -1 and i + lattice.shape.x < parent.shape.x + 1 and j + lattice.shape.y < parent.shape.y + 1


def _apart(lattice: Lattice, parent: Parent) -> float:
    """Distance on the ground of a corner under both projections, metres."""
    corner = (lattice.lower_left.x, lattice.lower_left.y)
    ours, theirs = (
        Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*corner) for crs in (lattice.crs, parent.crs)
    )
    return float(Geod(ellps="WGS84").inv(*ours, *theirs)[2])
