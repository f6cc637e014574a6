"""Products to compare with whose files are their own kind: SMAP L4 (SPL4SMGP) and NISAR's soil moisture (SME2).

Each file is one time on EASE-Grid 2.0 (EPSG:6933) in groups of HDF5 that no general reader looks into. What the product
itself does not recommend is left out.

Sources: NASA's description of SMAP_L4_SM_gph granules; for SME2 listings of granules in public tutorials
(``science/LSAR/SME2/grids`` with ``soilMoisture``, ``retrievalQualityFlag`` of which bit 0 is "not recommended",
``xCoordinates`` and ``yCoordinates`` in metres, -9999 for fill; ``identification/zeroDopplerStartTime``). No genuine
granule of either was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from downscaler.errors import ComparisonError, GranuleError
from downscaler.ground.grid import CRS, M09
from downscaler.sources import hdf5
from downscaler.sources.folders import files_below
from downscaler.sources.smap.flags import FLOAT_FILL, masked
from downscaler.sources.smap.layout import find, text_of
from downscaler.sources.smap.level4 import FIELDS_A_DAY, Field, is_level4, open_fields

SME2 = "science/LSAR/SME2/grids"
UNVERIFIED = "NISAR SME2 is read after public descriptions of its layout; no granule was at hand to verify it."
_SUFFIXES = (".h5", ".hdf5", ".he5", ".nc", ".nc4")
_SCENE = re.compile(r"(NISAR_L3_\w{2}_SME2_.*?_(\d{8}T\d{6})_\d{8}T\d{6})_(.*)\.h5", re.IGNORECASE)
_FRACTIONS = ("", "m3m-3", "m3/m3", "meter3/meter3", "meters3/meters3")
Box = tuple[float, float, float, float]
"""West, south, east and north in metres of EPSG:6933."""


def kind_of(file: Path) -> str | None:
    """Which of the products a file is, by what it holds; None for another."""
    if file.suffix.lower() not in _SUFFIXES:
        return None
    with suppress(OSError):
        if hdf5.is_hdf5(file):
            with hdf5.opened(file) as content:
                if SME2 in content:
                    return "SME2"
                return "SPL4SMGP" if is_level4(content) else None
    return None


def files_of(path: Path) -> list[Path]:
    """The files of one of the products in a folder, or the file itself; none where it is something else."""
    found = files_below(path, _SUFFIXES) if path.is_dir() else [path]
    first = next((kind for file in found if (kind := kind_of(file)) is not None), None)
    return [file for file in found if kind_of(file) == first] if first is not None else []


def fields_of(files: Sequence[Path], dates: Sequence[dt.date], box: Box) -> Iterator[xr.DataArray]:
    """Fields of the wanted days, [time, y, x] on the part of the grid in a box; ``expected_a_day`` tells L4's eight.

    Raises ComparisonError for a file that cannot be read or is in another unit.
    """
    if kind_of(files[0]) == "SME2":
        for file in _newest(files):
            yield from _sme2(file, set(dates), box)
        return
    try:
        fields = [field for file in files for field in open_fields(file)]
        newest: dict[dt.datetime, Field] = {}
        for field in sorted(fields, key=lambda field: field.granule.name.release):
            newest[field.moment] = field
        for moment, field in sorted(newest.items()):
            if moment.date() in dates:
                yield _level4(field, box)
    except GranuleError as error:
        raise ComparisonError("A file of SMAP L4 cannot be read", value=error) from error


def describe(path: Path) -> dict[str, Any]:
    """What a product to compare with is: kind, files and days; of GeoTIFFs the dates in their names."""
    from downscaler.sources import geotiff

    files = files_of(path)
    if not files:
        days = geotiff.days_of(path)
        return {"kind": "product", "product": "GeoTIFF", "name": path.name, **_days(days), "files": len(days)}
    kind = str(kind_of(files[0]))
    if kind == "SME2":
        moments = [_moment(file).date() for file in _newest(files)]
        return {"kind": "product", "product": kind, "name": path.name, **_days(moments), "files": len(files)} | {
            "notes": [UNVERIFIED]
        }
    per_day = Counter(field.moment.date() for file in files for field in open_fields(file))
    short = [day.isoformat() for day, count in sorted(per_day.items()) if count < FIELDS_A_DAY]
    told = {"kind": "product", "product": kind, "name": path.name, **_days(list(per_day)), "files": len(files)}
    return told | {"incomplete_days": short}


def _days(days: Sequence[dt.date | None]) -> dict[str, Any]:
    known = [day for day in days if day is not None]
    period = [min(known).isoformat(), max(known).isoformat()] if known else None
    return {"days": len(set(known)), "period": period}


def _moment(path: Path) -> dt.datetime:
    with hdf5.opened(path) as file:
        return _start(file, path)


def _level4(field: Field, box: Box) -> xr.DataArray:
    with hdf5.opened(field.granule.path) as file:
        dataset = find(file, field.group, "soil_moisture")
        axes = [file.get(name) for name in ("y", "x")]
        if None in axes:
            if dataset.shape != tuple(M09.shape.yx):
                raise ComparisonError(
                    f"{field.granule.path.name} is a part of the grid without axes x and y", value=dataset.shape
                )
            y = np.asarray(M09.transform.f + (np.arange(M09.shape.y) + 0.5) * M09.transform.e, dtype=np.float64)
            x = np.asarray(M09.transform.c + (np.arange(M09.shape.x) + 0.5) * M09.transform.a, dtype=np.float64)
        else:
            y, x = (np.asarray(axis[...], dtype=np.float64) for axis in axes)
        _require_fractions(dataset, field.granule.path)
        rows, columns = _inside(y, box[1], box[3]), _inside(x, box[0], box[2])
        values = masked(np.asarray(dataset[rows, columns], dtype=np.float64))
    return _array(values, y[rows], x[columns], field.moment, expected_a_day=FIELDS_A_DAY)


def _newest(files: Sequence[Path]) -> list[Path]:
    """Of several releases of one scene the last by name."""
    scenes: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: file.name):
        named = _SCENE.match(file.name)
        scenes[named[1] if named else str(file)] = file
    return list(scenes.values())


def _sme2(path: Path, dates: set[dt.date], box: Box) -> Iterator[xr.DataArray]:
    try:
        with hdf5.opened(path) as file:
            moment = _start(file, path)
            if moment.date() not in dates:
                return
            grids = file[SME2]
            y, x = (np.asarray(grids[f"{axis}Coordinates"][...], dtype=np.float64) for axis in "yx")
            rows, columns = _inside(y, box[1], box[3]), _inside(x, box[0], box[2])
            dataset = grids["soilMoisture"]
            _require_fractions(dataset, path)
            if dataset.shape != (y.size, x.size):
                raise ComparisonError(f"{path.name} has other axes than its field", value=dataset.shape)
            values = masked(np.asarray(dataset[rows, columns], dtype=np.float64), _fill(dataset))
            if "retrievalQualityFlag" in grids:
                flag = np.asarray(grids["retrievalQualityFlag"][rows, columns]).astype(np.int64)
                values = np.where(flag & 1, np.nan, values)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ComparisonError("A NISAR SME2 granule cannot be read", value=f"{path.name}: {error}") from error
    yield _array(values, y[rows], x[columns], moment)


def _start(file: Any, path: Path) -> dt.datetime:
    """When a scene was seen: as its identification tells, else its name."""
    told = file.get("science/LSAR/identification/zeroDopplerStartTime")
    named = _SCENE.match(path.name)
    for text in (text_of(told[()]) if told is not None else "", named[2] if named else ""):
        with suppress(ValueError):
            return dt.datetime.fromisoformat(text.strip("\0 ")[:19].rstrip("Z")).replace(tzinfo=dt.UTC)
    raise ComparisonError("A NISAR SME2 granule does not tell its time", value=path.name)


def _fill(dataset: Any) -> float:
    given = np.asarray(dataset.attrs.get("_FillValue", FLOAT_FILL)).ravel()
    return float(given[0]) if given.size else FLOAT_FILL


def _inside(centres: NDArray[np.floating], low: float, high: float) -> slice:
    """The part of an axis between two bounds, with a cell more on either side."""
    found = np.flatnonzero((centres >= low) & (centres <= high))
    step = abs(float(centres[1] - centres[0])) if centres.size > 1 else 0.0
    found = np.flatnonzero((centres >= low - 2 * step) & (centres <= high + 2 * step)) if step else found
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _require_fractions(dataset: Any, path: Path) -> None:
    told = re.sub(r"[\s^*]", "", text_of(dataset.attrs.get("units", ""))).lower()
    if told not in _FRACTIONS:
        raise ComparisonError(f"Soil moisture of {path.name} is no volume fraction", value=told, allowed="m3 m-3")


def _array(
    values: NDArray[np.float64],
    y: NDArray[np.floating],
    x: NDArray[np.floating],
    moment: dt.datetime,
    *,
    expected_a_day: int = 0,
) -> xr.DataArray:
    return xr.DataArray(
        values[None],
        dims=("time", "y", "x"),
        coords={"time": [np.datetime64(moment.replace(tzinfo=None), "ns")], "y": y, "x": x},
        attrs={"crs": CRS, "geographic": False, "units": "m3 m-3", "expected_a_day": expected_a_day},
    )
