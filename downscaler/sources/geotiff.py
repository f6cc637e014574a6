"""Daily fields of a gridded product in GeoTIFFs; the dates come from file names or band descriptions.

A GeoTIFF has no time of its own: a file with one band is of the date in its name, one with several has a date in the
description of each.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rioxarray  # noqa: F401  (xarray's engine for rasters)
import xarray as xr

from downscaler.errors import BROKEN, ComparisonError
from downscaler.sources import hdf5
from downscaler.sources.folders import files_below

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUFFIXES = (".tif", ".tiff")
_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d{2})([-_.]?)(\d{2})\2(\d{2})(?:[T_\-. ]?([01]\d|2[0-3])[:.h-]?([03]0)(?:00)?Z?)?(?!\d)"
)
_OF_YEAR = re.compile(r"(?:doy|(?<!\d))((?:19|20)\d{2})[-_.]?([0-3]\d{2})(?:([01]\d|2[0-3])([03]0)00)?(?![\dA-Za-z])")
_BOTH_PASSES = re.compile(r"NSIDC-?0779_.*", re.IGNORECASE)
"""Files whose bands are the overpasses of one day, at 06:00 and 18:00: the day is their mean."""
_NAME = "band_data"


def claims(path: Path) -> bool:
    """Whether a path is a GeoTIFF by its name, or a folder of them."""
    return bool(files_of(path))


def days_of(path: Path) -> list[dt.date | None]:
    """The date in the name of each GeoTIFF, None where it names none."""
    return [_date(file.name) for file in files_of(path)]


def files_of(path: Path) -> list[Path]:
    """The GeoTIFFs below a folder, whose years may lie in folders of their own; or the file itself, if it is one."""
    if path.is_dir():
        return files_below(path, _SUFFIXES)
    return [path] if path.suffix.lower() in _SUFFIXES else []


def fields_of(path: Path, dates: Sequence[dt.date], part: str | None = None) -> Iterator[xr.DataArray]:
    """Bands of the wanted days, file by file: [time, y, x] with CRS; each file is closed afterwards.

    Args:
        path: a file, or a folder of files.
        dates: days wanted; files of other days are not opened.
        part: what the names of the files to take have in common, where a folder holds several variables.

    Raises:
        ComparisonError: a file cannot be read, does not tell its days or its grid, or is of the day of another.
    """
    wanted, of_day, first = set(dates), dict[dt.date | dt.datetime, Path](), dict[dt.date, Path]()
    files = [file for file in files_of(path) if not part or part in file.name]
    a_day = Counter(stamp.date() for file in files if isinstance(stamp := _stamp(file.name), dt.datetime))
    for file in files:
        stamp = _stamp(file.name)
        named = stamp.date() if isinstance(stamp, dt.datetime) else stamp
        if named and named not in wanted:
            continue
        with _opened(file) as data:
            field = data[_NAME]
            days = _days(field, named, file)
            for day in sorted(wanted.intersection(days)):
                key = stamp if isinstance(stamp, dt.datetime) and stamp.date() == day else day
                if key in of_day or (isinstance(key, dt.datetime) and day in of_day) or (key == day and day in first):
                    raise ComparisonError(
                        f"Two GeoTIFFs have the date {day}",
                        value=f"{of_day.get(key, first[day]).name} and {file.name}",
                        allowed="one a day",
                        remedy="Select files by a part of their names: FOLDER::PART.",
                    )
                of_day[key] = first[day] = file
            time = np.array(days, dtype="datetime64[ns]")
            made = _of_one_unit(field).rename(band="time").assign_coords(time=("time", time))
            yield made.assign_attrs(expected_a_day=max(a_day.values(), default=0))
    if not of_day:
        raise ComparisonError(
            "No GeoTIFF of the product to compare with has a date of the validated days",
            value=f"{path}{f', names with {part!r}' if part else ''}",
            allowed=f"{min(dates)} to {max(dates)}",
        )


def _days(field: xr.DataArray, named: dt.date | None, file: Path) -> list[dt.date]:
    if named and (field.sizes["band"] == 1 or _BOTH_PASSES.match(file.name)):
        days: list[dt.date | None] = [named] * field.sizes["band"]
    else:
        days = [_date(text) for text in _descriptions(field)]
    known = [day for day in days if day is not None]
    if len(known) < len(days):
        raise ComparisonError(
            f"{file.name} does not state its dates",
            value=f"{len(days)} bands",
            allowed="one band and YYYYMMDD or YYYY-MM-DD in the name of the file, or such a date as the description of "
            "each band",
        )
    if not {"x", "y"} <= set(field.coords):
        raise ComparisonError(f"The grid of {file.name} is rotated", allowed="rows and columns along x and y")
    return known


def _date(text: str) -> dt.date | None:
    """The only date in a text; None where there is none, or more than one."""
    stamp = _stamp(text)
    return stamp.date() if isinstance(stamp, dt.datetime) else stamp


def _stamp(text: str) -> dt.date | dt.datetime | None:
    """The only date in a text, with its half hour where one stands behind it; None for none, or more than one.

    A date is YYYYMMDD, YYYY-MM-DD, or a year and the day of the year (2015091, doy2015091).
    """
    found: set[dt.date | dt.datetime] = set()
    for year, _, month, day, hour, minute in _DATE.findall(text):
        with suppress(ValueError):
            found.add(_at(dt.date(int(year), int(month), int(day)), hour, minute))
    for year, number, hour, minute in [] if found else _OF_YEAR.findall(text):
        day_of_year = dt.date(int(year), 1, 1) + dt.timedelta(days=int(number) - 1)
        if day_of_year.year == int(year):
            found.add(_at(day_of_year, hour, minute))
    return found.pop() if len(found) == 1 else None


def _at(day: dt.date, hour: str, minute: str) -> dt.date | dt.datetime:
    return dt.datetime.combine(day, dt.time(int(hour), int(minute))) if hour else day


def _require_tiff(file: Path) -> None:
    """Refuse what only bears the name: GDAL would follow a VRT's list of other files, or a pipe without end."""
    try:
        hdf5.require_regular(file)
        with file.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise ComparisonError("The product to compare with cannot be read", value=f"{file.name}: {error}") from error
    if start not in _MAGIC:
        raise ComparisonError(
            "The file is not a GeoTIFF",
            value=f"{file.name} begins with {start!r}",
            allowed="TIFF, BigTIFF",
        )


def _opened(file: Path) -> xr.Dataset:
    _require_tiff(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files without a transform, which is told below
            return xr.open_dataset(file, engine="rasterio", decode_coords="all", open_kwargs={"driver": "GTiff"})
    except (*BROKEN, rasterio.errors.RasterioError) as error:
        raise ComparisonError(
            "The product to compare with cannot be opened", value=f"{file.name}: {str(error).splitlines()[0]}"
        ) from error


def _descriptions(field: xr.DataArray) -> Sequence[str]:
    """What the file says of each band."""
    told: Any = field.attrs.get("long_name", ())
    texts = (told,) if isinstance(told, str) else tuple(told)
    return texts if len(texts) == field.sizes["band"] else ("",) * field.sizes["band"]


def _of_one_unit(field: xr.DataArray) -> xr.DataArray:
    """The field with the unit of all its bands as one text; of bands in several units, all of them."""
    units: Any = field.attrs.get("units", "")
    return field.assign_attrs(units=units if isinstance(units, str) else ", ".join(sorted(set(map(str, units)))))
