"""Where a granule's values lie on the EASE grid: by position, by row and column index, else by exact coordinates.

What services cut out without the indices is placed by map coordinates, or by latitude and longitude, and only where
these are the centres of the grid's own cells.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from downscaler.errors import GranuleGridError
from downscaler.ground.grid import CRS, M09, M36, EaseGrid, Span, Window
from downscaler.sources.smap.flags import FLAG_FILL, FLOAT_FILL
from downscaler.sources.smap.granule import Granule
from downscaler.sources.smap.layout import Group, find

_LOG = logging.getLogger(__name__)
_TO_EASE = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
_TO_DEGREES = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
_SAMPLE = 256  # cells whose stated latitude and longitude are compared with the grid's own
_INSIDE = 0.375  # cells from a centre; beyond, a warp good to an eighth of a cell may have taken the next one
_TOLERANCE = 0.1  # cells; the files' float32 degrees are good to 1e-4 of a 9 km cell


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Maps the arrays of a group onto a window of its grid.

    With ``full`` the arrays are the whole grid and only the window is read; otherwise ``source`` are positions in the
    flattened array and ``rows`` and ``columns`` the window's cells that they belong to.
    """

    grid: EaseGrid
    window: Window
    full: bool
    source: NDArray[np.intp]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def take(self, dataset: Any, fill: Any) -> NDArray[Any]:
        """Values of one variable on the window [y, x], ``fill`` where the granule has none."""
        if self.full:
            return np.asarray(dataset[self.window.rows.slice, self.window.columns.slice])
        out = np.full(tuple(self.window.shape.yx), fill, dtype=dataset.dtype)
        out[self.rows, self.columns] = np.asarray(dataset[...]).ravel()[self.source]
        return out


def whole(grid: EaseGrid) -> Window:
    """The window that is the whole grid."""
    return Window(rows=Span(start=0, stop=grid.shape.y), columns=Span(start=0, stop=grid.shape.x))


def longitudes(grid: EaseGrid, window: Window) -> NDArray[np.float64]:
    """Longitudes of the window's column centres, degrees east [x]."""
    columns = np.arange(window.columns.start, window.columns.stop)
    return np.asarray(-180.0 + 360.0 * (columns + 0.5) / grid.shape.x)


def latitudes(grid: EaseGrid, window: Window) -> NDArray[np.float64]:
    """Latitudes of the window's row centres, degrees north [y]."""
    rows = np.arange(window.rows.start, window.rows.stop)
    y = grid.transform.f + (rows + 0.5) * grid.transform.e
    return np.asarray(_TO_DEGREES.transform(np.zeros_like(y), y)[1])


def place(file: Any, granule: Granule, group: Group, window: Window) -> Placement:
    """Locate the group's values on a window of the granule's grid.

    Raises GranuleGridError when the arrays are of another grid than the product's, cannot be indexed, point outside
    the grid, hold two values for a cell, or state latitudes and longitudes that are not those of their cells.
    """
    shape = find(file, group, "soil_moisture").shape
    _check_shapes(file, granule, group, shape)
    grid = granule.grid
    if shape == tuple(grid.shape.yx):
        return _by_position(file, granule, group, window)
    for other in (M09, M36):
        if shape == tuple(other.shape.yx):
            raise GranuleGridError(
                f"{granule.path.name} says it is {granule.name.short_name}, whose grid is {grid.name}, but its arrays "
                f"are the whole of {other.name}",
                value=shape,
                allowed=f"{tuple(grid.shape.yx)}, a clip or a half orbit with row and column indices",
            )
    return _by_index(file, granule, group, window)


def _check_shapes(file: Any, granule: Granule, group: Group, shape: tuple[int, ...]) -> None:
    """All variables that are read must have the shape of soil_moisture."""
    names = ("retrieval_qual_flag", "surface_flag", "soil_moisture_error", "tb_time_seconds", "tb_time_utc")
    for name in (*names, "EASE_row_index", "EASE_column_index"):
        dataset = find(file, group, name)
        if dataset is not None and dataset.shape != shape:
            raise GranuleGridError(
                f"{granule.path.name}: {name} and soil_moisture in {group.title} have different shapes",
                value=dataset.shape,
                allowed=str(shape),
            )
    if int(np.prod(shape)) > granule.grid.shape.x * granule.grid.shape.y:
        raise GranuleGridError(
            f"{granule.path.name} declares more values than the grid {granule.grid.name} has cells",
            value=shape,
            allowed=f"{granule.grid.shape.x * granule.grid.shape.y} cells at most",
        )
    if len(shape) not in (1, 2):
        raise GranuleGridError(
            f"{granule.path.name}: soil_moisture is neither a grid nor a list of cells",
            value=shape,
            allowed="one or two dimensions",
        )


def _by_position(file: Any, granule: Granule, group: Group, window: Window) -> Placement:
    """A whole grid: an array's position is its cell; indices, where given, must agree."""
    none = np.empty(0, dtype=np.intp)
    placement = Placement(grid=granule.grid, window=window, full=True, source=none, rows=none, columns=none)
    rows, columns = np.indices(tuple(window.shape.yx), dtype=np.intp)
    rows, columns = rows + window.rows.start, columns + window.columns.start
    for name, expected in (("EASE_row_index", rows), ("EASE_column_index", columns)):
        dataset = find(file, group, name)
        if dataset is None:
            continue
        index = placement.take(dataset, FLAG_FILL)
        wrong = (index != FLAG_FILL) & (index != expected)
        if wrong.any():
            raise GranuleGridError(
                f"{granule.path.name}: {name} is not the position in the whole {granule.grid.name} grid",
                value=f"{index[wrong][0]} at {expected[wrong][0]}, {wrong.sum()} cells in all",
                allowed="rows from the north, columns from the west, both from 0",
            )
    degrees = [find(file, group, name) for name in ("latitude", "longitude")]
    if None not in degrees and all(d.shape == tuple(granule.grid.shape.yx) for d in degrees):
        lat, lon = (placement.take(d, FLOAT_FILL) for d in degrees)
        _check_centres(granule, rows.ravel(), columns.ravel(), lat.ravel(), lon.ravel())
    _check_axes(file, granule, group)
    return placement


def _check_axes(file: Any, granule: Granule, group: Group) -> None:
    """Axes beside a whole grid must run as its own do: a service may write the south first, or begin at Greenwich."""
    height, width = granule.grid.shape.yx
    at_row, at_column = np.full(height, np.nan), np.full(width, np.nan)
    for y, x in (("y", "x"), ("ydim", "xdim"), ("YDim", "XDim"), ("lat", "lon"), ("latitude", "longitude")):
        found = [_axis(file, group, name, size) for name, size in ((y, height), (x, width))]
        if None in found:
            continue
        down, across = (np.asarray(axis[...], dtype=np.float64) for axis in found)
        if y.startswith("lat"):
            across = np.where(across > 180.0, across - 360.0, across)
            down = _TO_EASE.transform(np.zeros(height), np.where(np.abs(down) <= 90.0, down, np.nan))[1]
            across = _TO_EASE.transform(across, np.zeros(width))[0]
        at_column, at_row = (~granule.grid.transform @ (across, 0.0))[0], (~granule.grid.transform @ (0.0, down))[1]
        break
    for name, at in (("row", at_row), ("column", at_column)):
        off = np.abs(at - np.arange(at.size) - 0.5) > _TOLERANCE  # false where nothing is told
        if off.any():
            raise GranuleGridError(
                f"{granule.path.name}: {name}s are in another order than those of the whole {granule.grid.name} grid",
                value=f"{name} {off.argmax()} of the grid stands at {at[off.argmax()] - 0.5:.1f}",
                allowed="rows from the north, columns from the west",
                remedy="Ask for a subset without reprojection.",
            )


def _axis(file: Any, group: Group, name: str, size: int) -> Any:
    """A coordinate variable of one dimension and a size, in the group or the file's root; None without."""
    found = find(file, group, name)
    found = file.get(name) if found is None else found
    return found if getattr(found, "shape", None) == (size,) else None


def _by_index(file: Any, granule: Granule, group: Group, window: Window) -> Placement:
    """A clip or a half orbit: each value's cell is named by its row and column index, else by its coordinates."""
    datasets = [find(file, group, name) for name in ("EASE_row_index", "EASE_column_index")]
    grid = granule.grid
    resampled = False
    if None in datasets:
        row, column, resampled = _from_coordinates(file, granule, group)
    else:
        row, column = (_indices(d) for d in datasets)
    known = (row != FLAG_FILL) & (column != FLAG_FILL)
    outside = known & ((row < 0) | (row >= grid.shape.y) | (column < 0) | (column >= grid.shape.x))
    if outside.any():
        raise GranuleGridError(
            f"{granule.path.name}: cells lie outside the grid {grid.name} of {granule.name.short_name}",
            value=f"row {row[outside][0]}, column {column[outside][0]}, {outside.sum()} cells in all",
            allowed=f"rows 0 to {grid.shape.y - 1}, columns 0 to {grid.shape.x - 1}",
        )
    if not resampled:
        _check_values_placed(file, granule, group, known)
    cell = row[known] * grid.shape.x + column[known]
    if np.unique(cell).size != cell.size:
        raise GranuleGridError(
            f"{granule.path.name}: two values have the same cell of {grid.name}",
            value=f"{cell.size - np.unique(cell).size} cells",
            allowed="one value for a cell",
        )
    degrees = [find(file, group, name) for name in ("latitude", "longitude")]
    if not resampled and None not in degrees and all(d.size == row.size for d in degrees):
        lat, lon = (np.asarray(d[...]).ravel()[known] for d in degrees)
        _check_centres(granule, row[known], column[known], lat, lon)
    top, left = window.rows.start, window.columns.start
    inside = known & (row >= top) & (row < window.rows.stop) & (column >= left) & (column < window.columns.stop)
    source = np.flatnonzero(inside)
    return Placement(
        grid=grid, window=window, full=False, source=source, rows=row[source] - top, columns=column[source] - left
    )


def _from_coordinates(file: Any, granule: Granule, group: Group) -> tuple[NDArray[np.intp], NDArray[np.intp], bool]:
    """Row and column of every value, FLAG_FILL where nothing is stated, from map coordinates or degrees.

    And whether the file was resampled: pixels of a stack of AppEEARS take the value of the cell that their centre lies
    in; those near a cell's edge, where rounding decides, are left out.
    """
    shape = find(file, group, "soil_moisture").shape
    x, y = _coordinates(file, group, shape)
    if x is None or y is None:
        raise GranuleGridError(
            f"{granule.path.name} is not the whole {granule.grid.name} grid and has nothing to place it by",
            value=shape,
            allowed=f"{tuple(granule.grid.shape.yx)}, or beside soil_moisture EASE_row_index and EASE_column_index, x "
            "and y (m, EPSG:6933), or latitude and longitude",
        )
    at_column, at_row = (np.asarray(v) - 0.5 for v in ~granule.grid.transform @ (x, y))
    stated = np.isfinite(at_column) & np.isfinite(at_row)
    off = np.where(stated, np.maximum(np.abs(at_row - np.rint(at_row)), np.abs(at_column - np.rint(at_column))), 0.0)
    resampled = bool(stated.any()) and off.max() > _TOLERANCE
    if not stated.any() or (resampled and group.step is None):
        raise GranuleGridError(
            f"{granule.path.name}: its coordinates are not cell centres of the grid {granule.grid.name} of "
            f"{granule.name.short_name}",
            value=f"up to {off.max():.2f} of a cell off" if stated.any() else "none stated",
            allowed="the cells' centres",
            remedy="Ask for a subset without reprojection.",
        )
    row, column = (np.where(stated, np.rint(v), FLAG_FILL).astype(np.intp) for v in (at_row, at_column))
    if resampled:
        keep = _one_pixel_a_cell(file, granule, group, stated & (off <= _INSIDE), off, row, column)
        row, column = np.where(keep, row, FLAG_FILL), np.where(keep, column, FLAG_FILL)
    return row, column, resampled


def _one_pixel_a_cell(
    file: Any,
    granule: Granule,
    group: Group,
    inside: NDArray[np.bool_],
    off: NDArray[np.float64],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """The pixel nearest to each cell's centre; pixels of one cell must agree, or they are interpolated."""
    value = np.asarray(find(file, group, "soil_moisture")[...], dtype=np.float64).ravel()
    order = np.flatnonzero(inside)[np.argsort(off[inside], kind="stable")]
    cell = row[order] * granule.grid.shape.x + column[order]
    _, first, which = np.unique(cell, return_index=True, return_inverse=True)
    if not np.array_equal(value[order], value[order[first]][which.ravel()], equal_nan=True):
        raise GranuleGridError(
            f"{granule.path.name} was interpolated: pixels of one cell of {granule.grid.name} differ",
            allowed="the product's own grid, or resampling by the nearest neighbour",
            remedy="Ask for the native projection.",
        )
    keep = np.zeros(value.size, bool)
    keep[order[first]] = True
    spans = (np.ptp(part[inside]) + 1 if inside.any() else 0 for part in (row, column))
    lost = int(np.prod([int(span) for span in spans])) - int(keep.sum())
    if lost > 0:
        told = "%s was resampled: %d of %d cells have no pixel of their own; ask for the native projection"
        _LOG.warning(told, granule.path.name, lost, lost + int(keep.sum()))
    return keep


def _indices(dataset: Any) -> NDArray[np.intp]:
    """An index of every value, flat; NaN, a service's way to say fill, as FLAG_FILL."""
    index = np.asarray(dataset[...]).ravel()
    return np.where(np.isfinite(index), index, FLAG_FILL).astype(np.intp)


def _coordinates(
    file: Any, group: Group, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Map coordinates (m) of every value, flat, NaN where fill; from axes x and y, else from latitude and longitude."""
    x, y = (_any_of(file, group, names) for names in (("x", "xdim", "XDim"), ("y", "ydim", "YDim")))
    if len(shape) == 2 and x is not None and y is not None and (y.size, x.size) == shape:
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x.ravel(), grid_y.ravel()
    lat, lon = (_any_of(file, group, names) for names in (("latitude", "lat"), ("longitude", "lon")))
    if lat is None or lon is None:
        return None, None
    if len(shape) == 2 and (lat.size, lon.size) == shape and lat.ndim == 1:
        lon, lat = np.meshgrid(lon, lat)
    if lat.size != lon.size or lat.size != int(np.prod(shape)):
        return None, None
    flat_lat, flat_lon = lat.ravel(), lon.ravel()
    flat_lon = np.where((flat_lon > 180.0) & (flat_lon <= 360.0), flat_lon - 360.0, flat_lon)  # as some services write
    stated = (np.abs(flat_lat) <= 90.0) & (np.abs(flat_lon) <= 180.0)
    east, north = np.full(flat_lat.size, np.nan), np.full(flat_lat.size, np.nan)
    east[stated], north[stated] = _TO_EASE.transform(flat_lon[stated], flat_lat[stated])
    return east, north


def _any_of(file: Any, group: Group, names: Sequence[str]) -> NDArray[np.float64] | None:
    return next((found for name in names if (found := _beside(file, group, name)) is not None), None)


def _beside(file: Any, group: Group, name: str) -> NDArray[np.float64] | None:
    """A coordinate variable of the group, else of the file's root."""
    found = find(file, group, name)
    if found is None:
        found = file.get(name)
    return np.asarray(found[...], dtype=np.float64) if found is not None and hasattr(found, "dtype") else None


def _check_values_placed(file: Any, granule: Granule, group: Group, known: NDArray[np.bool_]) -> None:
    """A value without a cell would be lost in silence."""
    value = np.asarray(find(file, group, "soil_moisture")[...]).ravel()
    lost = ~known & np.isfinite(value) & (value != FLOAT_FILL)
    if lost.any():
        raise GranuleGridError(
            f"{granule.path.name}: soil_moisture has values whose row or column index is fill",
            value=f"{lost.sum()} cells",
            allowed="an index, or a place, for each value",
        )


def _check_centres(
    granule: Granule,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    lat: NDArray[np.floating],
    lon: NDArray[np.floating],
) -> None:
    """Stated degrees, where not fill, must be the cells' centres: this unmasks another grid's rows and columns."""
    stated = np.flatnonzero((np.abs(lat) <= 90.0) & (np.abs(lon) <= 180.0))
    if stated.size == 0:
        return
    pick = stated[np.linspace(0, stated.size - 1, min(_SAMPLE, stated.size)).astype(np.intp)]
    x, y = _TO_EASE.transform(lon[pick].astype(np.float64), lat[pick].astype(np.float64))
    column, row = ~granule.grid.transform @ (np.asarray(x), np.asarray(y))
    off = np.maximum(np.abs(column - columns[pick] - 0.5), np.abs(row - rows[pick] - 0.5))
    worst = int(np.argmax(off))
    if not off[worst] <= _TOLERANCE:
        at = pick[worst]
        raise GranuleGridError(
            f"{granule.path.name}: stated positions are not those of the grid {granule.grid.name} of "
            f"{granule.name.short_name}",
            value=f"row {rows[at]}, column {columns[at]} at latitude {lat[at]:.4f}, longitude {lon[at]:.4f}",
            allowed="the cells' centres",
            remedy="The file has another grid than it states.",
        )
