"""EASE-Grid 2.0 (global cylindrical) and the domains cut from it; rows and columns cannot be mixed up.

Positions are odc-geo types that have no order of their own: ``XY`` for metres, ``Index2d`` for cells, ``Shape2d``
for sizes. Each gives its parts by name only (``.x``, ``.y``), so a swapped pair is a type error, not a shifted map.

Source: Brodzik et al. (2012, doi:10.3390/ijgi1010032; 2014, doi:10.3390/ijgi3031154).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from affine import Affine
from odc.geo import XY, Index2d, Shape2d, ixy_, wh_, xy_
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from downscaler.errors import DomainError

CRS = "EPSG:6933"
_LEFT, _TOP = -17367530.4451615, 7314540.8306386
_TO_EASE = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)


@dataclass(frozen=True, kw_only=True)
class LonLat:
    """A point in degrees east and north (WGS 84)."""

    lon: float
    lat: float


@dataclass(frozen=True, kw_only=True)
class EaseGrid:
    """One global EASE-Grid 2.0 level: ``shape`` in cells, ``cell`` edge in metres."""

    name: str
    shape: Shape2d
    cell: float

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) to the metres of a cell's upper left corner."""
        return Affine(self.cell, 0.0, _LEFT, 0.0, -self.cell, _TOP)

    @property
    def geobox(self) -> GeoBox:
        """The whole globe as one GeoBox."""
        return GeoBox(self.shape, self.transform, CRS)

    @property
    def per_m36(self) -> int:
        """Cells of this grid along one edge of an M36 cell."""
        return self.shape.y // M36_SHAPE.y

    def cell_at(self, point: LonLat) -> Index2d:
        """Cell that holds a point; raises DomainError off the grid."""
        x, y = _TO_EASE.transform(point.lon, point.lat)
        index = ixy_(math.floor((x - _LEFT) / self.cell), math.floor((_TOP - y) / self.cell))
        if not (0 <= index.x < self.shape.x and 0 <= index.y < self.shape.y):
            raise DomainError(
                f"A point is outside EASE-Grid 2.0 {self.name}",
                value=point,
                allowed="latitudes within ±84.7°",
            )
        return index

    def centre(self, index: Index2d) -> XY[float]:
        """Centre of a cell in EPSG:6933 metres."""
        return xy_(_LEFT + (index.x + 0.5) * self.cell, _TOP - (index.y + 0.5) * self.cell)


M36_SHAPE = wh_(964, 406)
M36 = EaseGrid(name="M36", shape=M36_SHAPE, cell=36032.22084058)
M09 = EaseGrid(name="M09", shape=wh_(3856, 1624), cell=9008.055210146)
M01 = EaseGrid(name="M01", shape=wh_(34704, 14616), cell=1000.895023349)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Half-open run of cells along one axis: start <= index < stop."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def scaled(self, factor: int) -> Span:
        """The same stretch on a grid ``factor`` times finer."""
        return Span(start=self.start * factor, stop=self.stop * factor)

    def shifted(self, by: int) -> Span:
        """The same stretch counted from another origin."""
        return Span(start=self.start + by, stop=self.stop + by)

    def grown(self, by: int, *, within: Span) -> Span:
        """Longer by ``by`` cells at both ends, but not beyond ``within``."""
        return Span(start=max(self.start - by, within.start), stop=min(self.stop + by, within.stop))

    def holds(self, other: Span) -> bool:
        """Whether the other span lies wholly inside."""
        return self.start <= other.start and other.stop <= self.stop

    @property
    def slice(self) -> slice:
        """For indexing an array axis."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Rows and columns of a grid, by name only."""

    rows: Span
    columns: Span

    @property
    def shape(self) -> Shape2d:
        """Size in cells."""
        return wh_(len(self.columns), len(self.rows))

    def scaled(self, factor: int) -> Window:
        """The same ground on a grid ``factor`` times finer."""
        return Window(rows=self.rows.scaled(factor), columns=self.columns.scaled(factor))

    def coarser(self, factor: int) -> Window:
        """The same ground on a grid ``factor`` times coarser, whose cells it is whole ones of."""
        spans = (Span(start=s.start // factor, stop=s.stop // factor) for s in (self.rows, self.columns))
        return Window(**dict(zip(("rows", "columns"), spans, strict=True)))

    def relative_to(self, origin: Window) -> Window:
        """The same ground counted from the upper left cell of ``origin``."""
        return Window(rows=self.rows.shifted(-origin.rows.start), columns=self.columns.shifted(-origin.columns.start))

    def grown(self, by: int, *, within: Window) -> Window:
        """Larger by ``by`` cells on all sides, but not beyond ``within``."""
        return Window(
            rows=self.rows.grown(by, within=within.rows),
            columns=self.columns.grown(by, within=within.columns),
        )

    def holds(self, other: Window) -> bool:
        """Whether the other window lies wholly inside."""
        return self.rows.holds(other.rows) and self.columns.holds(other.columns)

    @property
    def index(self) -> tuple[slice, slice]:
        """For arrays [y, x]."""
        return self.rows.slice, self.columns.slice

    @property
    def slices(self) -> dict[str, slice]:
        """For ``Dataset.isel`` on dimensions y and x."""
        return {"y": self.rows.slice, "x": self.columns.slice}


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A named window of EASE-Grid 2.0 whose edges are M36 cell edges, so each SMAP cell is a whole block.

    ``m36`` counts rows from the north and columns from the west on the global M36 grid.
    """

    name: str
    title: str
    m36: Window

    def __post_init__(self) -> None:
        whole = Window(rows=Span(start=0, stop=M36_SHAPE.y), columns=Span(start=0, stop=M36_SHAPE.x))
        if not whole.holds(self.m36) or min(len(self.m36.rows), len(self.m36.columns)) < 1:
            raise DomainError(
                f"Domain {self.name!r} is empty or exceeds the M36 grid",
                value=self.m36,
                allowed="rows 0 to 406, columns 0 to 964, stop > start",
            )

    @classmethod
    def from_bounds(cls, name: str, title: str, *, west: float, south: float, east: float, north: float) -> Domain:
        """Smallest domain that holds a longitude-latitude box, its edges snapped outward to M36 cells."""
        if not (west < east and south < north):
            raise DomainError(
                f"Bounds of domain {name!r} are empty",
                value=(west, south, east, north),
                allowed="west < east, south < north in degrees",
            )
        if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
            raise DomainError(
                f"Bounds of domain {name!r} are not on Earth",
                value=(west, south, east, north),
                allowed="west and east from -180 to 180, south and north from -90 to 90",
                remedy="Longitude comes first: west,south,east,north.",
            )
        upper, lower = (M36.cell_at(LonLat(lon=lon, lat=lat)) for lon, lat in ((west, north), (east, south)))
        rows, columns = Span(start=upper.y, stop=lower.y + 1), Span(start=upper.x, stop=lower.x + 1)
        return cls(name=name, title=title, m36=Window(rows=rows, columns=columns))

    def window(self, grid: EaseGrid = M01) -> Window:
        """The domain's rows and columns on a global grid."""
        return self.m36.scaled(grid.per_m36)

    def shape(self, grid: EaseGrid = M01) -> Shape2d:
        """Size in cells of a grid."""
        return self.window(grid).shape

    def geobox(self, grid: EaseGrid = M01) -> GeoBox:
        """The domain as a GeoBox: CRS, affine and shape in one."""
        window = self.window(grid)
        corner = grid.transform @ Affine.translation(window.columns.start, window.rows.start)
        return GeoBox(window.shape, corner, CRS)

    def holds(self, other: Domain) -> bool:
        """Whether the other domain lies wholly inside."""
        return self.m36.holds(other.m36)

    def blocks(self, size: int = 8) -> Iterator[Window]:
        """Tiles of at most ``size`` x ``size`` whole M36 cells, as M01 windows counted from the domain's corner."""
        height, width = len(self.m36.rows), len(self.m36.columns)
        for top in range(0, height, size):
            for left in range(0, width, size):
                rows = Span(start=top, stop=min(top + size, height))
                columns = Span(start=left, stop=min(left + size, width))
                yield Window(rows=rows, columns=columns).scaled(M01.per_m36)


def domain_attributes(domain: Domain) -> dict[str, Any]:
    """A domain as JSON: its name, title and M36 window."""
    m36 = domain.m36
    window = [m36.rows.start, m36.rows.stop, m36.columns.start, m36.columns.stop]
    return {"name": domain.name, "title": domain.title, "m36_rows_columns": window}


def domain_of(attributes: Mapping[str, Any]) -> Domain:
    """The domain that a store's attributes tell, as ``domain_attributes`` wrote it under ``domain``."""
    stored = attributes["domain"]
    top, bottom, left, right = stored["m36_rows_columns"]
    window = Window(rows=Span(start=top, stop=bottom), columns=Span(start=left, stop=right))
    return Domain(name=stored["name"], title=stored["title"], m36=window)
