"""A day's Cloud-Optimized GeoTIFFs, written tile by tile: memory depends on the tile, not on the domain."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # as in catalog.store.disk
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterWindow
from rio_cogeo.cogeo import cog_validate

from catalog.rasters.encoding import Array, Statistics, encode
from catalog.store.disk import require_room, storage_errors
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import M01, Domain, Span, Window
from downscaler.ground.tiles import Tile
from downscaler.method.tile.turns import in_order
from downscaler.parts import cores
from downscaler.product import Variable

BLOCK = 512  # pixels; one range request brings 512 x 512 km
_DRAFT_BLOCK = M01.per_m36 * 8  # the default tile, so that each tile fills whole blocks of the uncompressed draft
_CACHE = 64  # MB; GDAL's default of 5 % of memory would grow with the machine
_SMALLEST_OVERVIEW = 128
# Of a day of six layers, against 9: a sixth of the CPU time for 3 % more bytes (docs/explanation/performance.md).
_LEVEL = 6


@dataclass(frozen=True, kw_only=True)
class Raster:
    """A finished COG in staging and the statistics of its stored values."""

    variable: Variable
    path: Path
    statistics: Statistics


def build_rasters(
    folder: Path, domain: Domain, tiles: Iterable[Tile], tags: Mapping[str, str], *, variables: tuple[Variable, ...]
) -> dict[str, Raster]:
    """One COG per variable in ``folder``, in GDAL's COG layout, valid in rio-cogeo's strict sense, byte-deterministic.

    ``tiles`` must cover the domain once, in any order, with every variable on each; ``tags`` go into every file.
    Each file is read back and compared with what was handed in before it counts. Raises StorageFullError, and
    CatalogError when tiles overlap, leave gaps, lack a variable or hold values out of range.
    """
    draft_size = sum(np.dtype(v.dtype).itemsize for v in variables) * _draft_pixels(domain) * 4 // 3  # with overviews
    require_room(folder, draft_size)
    with rasterio.Env(GDAL_CACHEMAX=_CACHE), storage_errors(folder, needs=draft_size):
        drafts = _write_drafts(folder, domain, tiles, variables)
        finish = partial(_finish, domain=domain, tags=tags)
        made = zip(drafts, in_order(finish, drafts, cores()), strict=True)
        return {draft.variable.name: checked for draft, checked in made}


def _draft_block(domain: Domain) -> tuple[int, int]:
    """Rows and columns of a draft's blocks: those of a default tile, or the whole domain in TIFF's steps of 16."""
    shape = domain.shape()
    rows, columns = (min(_DRAFT_BLOCK, 16 * math.ceil(side / 16)) for side in (shape.y, shape.x))
    return rows, columns


def _draft_pixels(domain: Domain) -> int:
    """Pixels that a draft takes on disk: whole blocks."""
    shape, (rows, columns) = domain.shape(), _draft_block(domain)
    return math.ceil(shape.y / rows) * rows * math.ceil(shape.x / columns) * columns


@dataclass
class _Draft:
    """A variable's uncompressed raster while tiles come in; ``checks`` are the checksums of its tiles."""

    variable: Variable
    path: Path
    statistics: Statistics
    checks: list[tuple[RasterWindow, int]]


def _write_drafts(folder: Path, domain: Domain, tiles: Iterable[Tile], variables: tuple[Variable, ...]) -> list[_Draft]:
    drafts = [
        _Draft(variable=v, path=folder / f"{v.name}.draft.tif", statistics=Statistics(v), checks=[]) for v in variables
    ]
    covered = np.zeros((domain.shape().y, domain.shape().x), dtype=bool)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_open_draft(draft, domain)) for draft in drafts]
        for tile in tiles:
            _mark(covered, tile.window)
            where = RasterWindow(
                tile.window.columns.start, tile.window.rows.start, len(tile.window.columns), len(tile.window.rows)
            )
            for draft, file in zip(drafts, files, strict=True):
                stored = encode(draft.variable, _field(tile, draft.variable))
                before = draft.statistics.count
                draft.statistics.add(stored)
                if draft.statistics.count > before:  # what is not written reads as nodata
                    file.write(stored, 1, window=where)
                draft.checks.append((where, _checksum(stored)))
    if not covered.all():
        missing = int(covered.size - np.count_nonzero(covered))
        raise CatalogError("The day's tiles do not cover the domain", value=f"{missing} cells of {covered.size}")
    return drafts


def _mark(covered: np.ndarray[Any, np.dtype[np.bool_]], window: Window) -> None:
    """Note a tile's cells; raises CatalogError when it leaves the domain or overlaps another."""
    height, width = covered.shape
    whole = Window(rows=Span(start=0, stop=height), columns=Span(start=0, stop=width))
    rows, columns = window.rows, window.columns
    if not whole.holds(window) or covered[rows.slice, columns.slice].any():
        raise CatalogError("A tile is outside the domain or overlaps another", value=window, allowed=f"within {whole}")
    covered[rows.slice, columns.slice] = True


def _field(tile: Tile, variable: Variable) -> Array:
    """A tile's array of a variable; raises CatalogError when it is absent or of another shape."""
    values = tile.fields.get(variable.name)
    expected = (len(tile.window.rows), len(tile.window.columns))
    if values is None or np.shape(values) != expected:
        raise CatalogError(
            f"A tile's {variable.name} is missing or of another shape",
            value=None if values is None else np.shape(values),
            allowed=f"[y, x] = {expected}",
        )
    return np.asarray(values)


def _checksum(stored: Array, before: int = 0) -> int:
    """CRC-32 of an array, or of one that began with the rows whose checksum is ``before``."""
    if stored.dtype.kind == "f":
        stored = np.where(np.isnan(stored), np.float32(math.nan), stored)  # one NaN, whatever its payload
    return zlib.crc32(np.ascontiguousarray(stored).data, before)


@contextlib.contextmanager
def _open_draft(draft: _Draft, domain: Domain) -> Iterator[Any]:
    box = domain.geobox()
    profile = {"width": box.shape.x, "height": box.shape.y, "crs": str(box.crs), "transform": box.transform}
    rows, columns = _draft_block(domain)
    layout = {"tiled": True, "blockxsize": columns, "blockysize": rows, "BIGTIFF": "IF_SAFER", "SPARSE_OK": True}
    variable = draft.variable
    kind = {"count": 1, "dtype": variable.dtype, "nodata": variable.nodata}
    with rasterio.open(draft.path, "w", driver="GTiff", **profile, **layout, **kind) as file:
        yield file


def _finish(draft: _Draft, domain: Domain, tags: Mapping[str, str]) -> Raster:
    """Describe the draft, turn it into a COG, read that back, drop the draft."""
    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE):  # an environment is of its thread
            return _finished(draft, domain, tags)
    except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
        # such as that the draft is no TIFF, where GDAL lost a write of it; the folder is gone when it is read
        raise rasterio.errors.RasterioIOError(str(error).replace(f"{draft.path.parent}/", "")) from error


def _finished(draft: _Draft, domain: Domain, tags: Mapping[str, str]) -> Raster:
    """The same within GDAL's environment."""
    variable, path = draft.variable, draft.path.with_name(f"{draft.variable.name}.tif")
    shape = domain.shape()
    halvings = math.ceil(math.log2(max(shape.x, shape.y) / _SMALLEST_OVERVIEW)) if max(shape.x, shape.y) > 1 else 0
    _describe(draft, halvings, tags)
    rasterio.shutil.copy(
        draft.path,
        path,
        driver="COG",
        BLOCKSIZE=BLOCK,
        COMPRESS="DEFLATE",
        LEVEL=_LEVEL,
        NUM_THREADS=cores(),  # changes no byte
        PREDICTOR="FLOATING_POINT" if np.dtype(variable.dtype).kind == "f" else "STANDARD",
        BIGTIFF="IF_SAFER",
    )
    _verify(path, draft)
    draft.path.unlink()
    return Raster(variable=variable, path=path, statistics=draft.statistics)


def _describe(draft: _Draft, halvings: int, tags: Mapping[str, str]) -> None:
    """Put tags, description and overviews into a draft."""
    variable = draft.variable
    with rasterio.open(draft.path, "r+") as file:
        file.set_band_description(1, variable.name)
        file.set_band_unit(1, variable.units)
        file.update_tags(**tags, **_variable_tags(variable))
        file.update_tags(1, **_variable_tags(variable), **_statistics_tags(draft.statistics))
        # from the uncompressed draft: the COG driver would compress them twice
        file.build_overviews([2**n for n in range(1, max(halvings, 1) + 1)], _resampling(variable))


def _resampling(variable: Variable) -> Resampling:
    """Means for quantities; the most frequent value for bit fields, which have no mean; any one for times."""
    if variable.precision is not None:
        return Resampling.average
    return Resampling.mode if variable is product.QUALITY_FLAG else Resampling.nearest


def _variable_tags(variable: Variable) -> dict[str, str]:
    tags = {"long_name": variable.title, "units": variable.units, "comment": variable.description}
    optional = {"standard_name": variable.standard_name, "cell_methods": variable.cell_methods}
    if variable.precision is not None:
        optional["precision"] = f"{variable.precision:g}"
    if variable is product.QUALITY_FLAG:
        tags["flag_masks"] = ",".join(str(flag.value) for flag in product.Flag)
        tags["flag_meanings"] = " ".join(str(flag.name).lower() for flag in product.Flag)
    return tags | {name: value for name, value in optional.items() if value is not None}


def _statistics_tags(statistics: Statistics) -> dict[str, str]:
    """The band's statistics by GDAL's names, by which QGIS and terra stretch colours at once; none of bit fields."""
    told = statistics.as_stac()
    names = {"minimum": "MINIMUM", "maximum": "MAXIMUM", "mean": "MEAN", "stddev": "STDDEV"}
    found = {f"STATISTICS_{theirs}": f"{told[ours]:.7g}" for ours, theirs in names.items() if ours in told}
    return found | ({"STATISTICS_VALID_PERCENT": f"{statistics.valid_percent:.4g}"} if found else {})


def _verify(path: Path, draft: _Draft) -> None:
    """Raise CatalogError unless the file is a COG and holds what the tiles held (GDAL may lose a failed last write)."""
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    if not valid:
        raise CatalogError(f"{path.name} is not a valid COG", value="; ".join([*errors, *warnings]))
    with rasterio.open(path) as file:
        found = _checksums(file, [window for window, _ in draft.checks])
    for (window, check), read in zip(draft.checks, found, strict=True):
        if read != check:
            # As an I/O error, so that the caller asks the file system why.
            raise rasterio.errors.RasterioIOError(f"{path.name} does not hold what was written at {window}")


def _checksums(file: Any, windows: list[RasterWindow]) -> list[int]:
    """Checksums of a file's windows, every block of it read once: in bands, through which each window's runs on."""
    found = [0] * len(windows)
    for top in range(0, file.height, BLOCK):
        band = file.read(1, window=RasterWindow(0, top, file.width, min(BLOCK, file.height - top)))
        for number, window in enumerate(windows):
            first, last = max(window.row_off, top), min(window.row_off + window.height, top + len(band))
            if first < last:
                columns = slice(window.col_off, window.col_off + window.width)
                found[number] = _checksum(band[first - top : last - top, columns], found[number])
    return found


def file_tags(date: dt.date, *, simulated: bool, caveats: tuple[str, ...]) -> dict[str, str]:
    """Tags of every raster of a day: what it is, when, which version, and what a user has to know."""
    tags = {
        "TIFFTAG_IMAGEDESCRIPTION": f"{product.TITLE}, {date.isoformat()}",
        "TIFFTAG_COPYRIGHT": product.LICENSE,
        "product": product.PRODUCT_NAME,
        "product_version": product.PRODUCT_VERSION,
        "algorithm_version": product.ALGORITHM_VERSION,
        "date": date.isoformat(),
        "references": f"https://doi.org/{product.METHOD_DOI}",
        "caveats": " ".join((*caveats, product.DEPTH_NOTE)),
    }
    if simulated:
        tags["SIMULATED"] = product.SIMULATED_LABEL
        tags["TIFFTAG_IMAGEDESCRIPTION"] += f" ({product.SIMULATED_LABEL})"
    return tags
