"""Opens weather files (NetCDF, by h5py or xarray); any fault of a file becomes one typed error."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo import wh_, xy_

from downscaler.errors import BROKEN, PriorSchemaError, PriorUnreadableError, WeatherUnreadableError
from downscaler.ground.lattice import IJWindow, Lattice
from downscaler.sources import hdf5
from downscaler.sources.hdf5.valid import only_valid

SUFFIXES = (".nc", ".nc4")
_FILL = 9990.0  # fills are -9999, -9999.9 or 1e20: no weather is that large


@contextmanager
def opened(path: Path) -> Iterator[xr.Dataset]:
    """A NetCDF file without decoded time; raises WeatherUnreadableError if damaged or not NetCDF."""
    try:
        data = only_valid(hdf5.dataset(path, decode_times=False, mask_and_scale=True))
    except BROKEN as error:
        raise unreadable(path, str(error)) from error
    try:
        yield data
    except (OSError, RuntimeError) as error:  # a file cut short fails when it is read
        raise unreadable(path, str(error)) from error
    finally:
        data.close()


def unreadable(path: Path, said: str) -> WeatherUnreadableError:
    """The error of a file that cannot be read."""
    return WeatherUnreadableError("A weather file cannot be read", value=f"{path}: {said}", remedy="Download it again.")


def below(path: Path) -> list[Path]:
    """NetCDF files of a folder and its folders, or the one file; raises WeatherUnreadableError where nothing is."""
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise WeatherUnreadableError(
            "No weather file was found", value=path, allowed="a NetCDF file (.nc, .nc4), or a folder of them"
        )
    return found


def named(paths: Iterable[Path], pattern: re.Pattern[str]) -> dict[Path, re.Match[str]]:
    """The files whose names match, with the match."""
    return {path: match for path in paths if (match := pattern.fullmatch(path.name))}


def south_first(centres: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows of a file that run either way, from the south; rows in no order stay as they are, and are no grid's."""
    rows = np.asarray(centres, dtype=np.float64)
    return rows[::-1] if rows.size > 1 and rows[0] > rows[-1] else rows


def degrees_lattice(lon: NDArray[np.floating], lat: NDArray[np.floating], name: str, where: object) -> Lattice:
    """The lattice of evenly spaced centres in degrees, from the south; raises WeatherUnreadableError for others.

    Longitudes that are all beyond 180 are counted on from there: 263 is 97 west.
    """
    east, north = np.asarray(lon, dtype=np.float64), south_first(lat)
    if east.size and east.min() >= 180.0:
        east = east - 360.0
    if east.size and np.abs(east).max() > 180.0:
        raise WeatherUnreadableError(
            f"The grid of {where} goes across 180 degrees of longitude",
            value=f"{east[0]:g} to {east[-1]:g}",
            allowed="-180 to 180, or 180 to 360",
            remedy="Cut it to the domain.",
        )
    steps = np.concatenate([np.diff(east), np.diff(north)])
    known = min(east.size, north.size) >= 2 and bool(np.isfinite(steps).all())
    if not known or steps.min() <= 0 or np.ptp(steps) > 0.02 * abs(steps.mean()):
        raise WeatherUnreadableError(
            f"The grid of {where} is not regular in longitude and latitude",
            value=f"{north.size} x {east.size} cells",
            allowed="ascending longitudes and evenly spaced latitudes, one step in both",
        )
    cell = float((east[-1] - east[0] + north[-1] - north[0]) / (east.size + north.size - 2))
    corner = xy_(float(east[0]) - cell / 2, float(north[0]) - cell / 2)
    return Lattice(name=name, crs="EPSG:4326", lower_left=corner, shape=wh_(east.size, north.size), cell=cell)


def date_in(text: str) -> dt.date | None:
    """The date written as YYYYMMDD in a name; None if it is not a date."""
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def latlon_field(values: xr.DataArray, lattice: Lattice, window: IJWindow, path: Path) -> NDArray[np.float32]:
    """A window [j, i] of a file's field, row 0 in the south, in whatever order its axes are; NaN for fill.

    Only the window is read. Raises WeatherUnreadableError where the file has another grid than its product.
    """
    names = {str(d).lower(): str(d) for d in values.dims}
    lat, lon = names.get("lat") or names.get("latitude"), names.get("lon") or names.get("longitude")
    wanted = (lattice.shape.y, lattice.shape.x)
    if lat is None or lon is None or (values.sizes[lat], values.sizes[lon]) != wanted:
        raise WeatherUnreadableError(
            f"{path.name} has another grid", value=dict(values.sizes), allowed=f"lat {wanted[0]}, lon {wanted[1]}"
        )
    _check_centres(values, lat, lon, lattice, path)
    rows, columns = window.slices
    turned = lat in values.coords and float(values[lat][0]) > float(values[lat][-1])
    if turned:
        rows = slice(wanted[0] - rows.stop, wanted[0] - rows.start)
    cut = values.isel({lat: rows, lon: columns}).isel({d: 0 for d in values.dims if d not in (lat, lon)})
    field = np.asarray(cut.transpose(lat, lon).values, dtype=np.float32)
    return np.where(np.abs(field) < _FILL, field, np.float32(np.nan))[:: -1 if turned else 1]


def _check_centres(values: xr.DataArray, lat: str, lon: str, lattice: Lattice, path: Path) -> None:
    """Each centre has to be at its place: columns that begin elsewhere or run westward are another grid."""
    for name, centres in ((lat, lattice.y), (lon, lattice.x)):
        if name in values.coords:
            told = np.asarray(values[name].values, dtype=np.float64)
            told = south_first(told) if name == lat else told
            off = ~(np.abs(told - centres) <= 0.2 * lattice.cell)
            if off.any():
                at = int(off.argmax())
                raise WeatherUnreadableError(
                    f"{path.name} has another grid", value=f"{name} {told[at]:g}", allowed=f"{centres[at]:g}"
                )


def require_units(values: xr.DataArray, allowed: tuple[str, ...], path: Path) -> None:
    """Raise WeatherUnreadableError unless a variable states one of the units; units are never guessed."""
    units = re.sub(r"\s+", " ", str(values.attrs.get("units", ""))).strip()
    if units not in allowed:
        raise WeatherUnreadableError(
            f"{values.name} of {path.name} has another unit", value=units or "no unit", allowed=allowed
        )


def require_variables(data: xr.Dataset, names: tuple[str, ...], path: Path) -> None:
    """Raise WeatherUnreadableError unless a file has all the variables."""
    for name in names:
        if name not in data:
            raise WeatherUnreadableError(
                f"{path.name} has no {name}", value=", ".join(map(str, data.data_vars)) or "no variable"
            )


def require_time(data: xr.Dataset, wanted: dt.datetime, path: Path, *, hour: bool = False) -> None:
    """Raise WeatherUnreadableError where a file's own time is of another day, or hour, than its name.

    The start of the bounds counts where the file has them, else the time itself; a file without a time is believed.
    """
    if "time" not in data.variables or "units" not in data["time"].attrs:
        return
    units = str(data["time"].attrs["units"])
    bounds = data.get(str(data["time"].attrs.get("bounds", "time_bnds")))
    told = float(np.ravel(data["time"].values)[0])
    if bounds is not None and np.isfinite(np.asarray(bounds.values, dtype=float)).all():
        told, units = float(np.ravel(bounds.values)[0]), str(bounds.attrs.get("units", units))
    moment = stamp(told, units, path)
    if (moment != wanted) if hour else (moment.date() != wanted.date()):
        form = "%Y-%m-%d %H:%M" if hour else "%Y-%m-%d"
        raise WeatherUnreadableError(
            f"{path.name} contains another time than its name states",
            value=f"{moment:{form}}",
            allowed=f"{wanted:{form}}",
        )


def stamp(value: float, units: str, path: Path) -> dt.datetime:
    """The moment (UTC) that a file's time means; raises WeatherUnreadableError for units that are not understood."""
    known = re.fullmatch(
        r"(seconds|minutes|hours|days) since (\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?.*)?",
        units.strip(),
    )
    if not known:
        raise WeatherUnreadableError(f"The time of {path.name} could not be interpreted", value=units)
    year, month, day, hour, minute, second = (int(part or 0) for part in known.groups()[1:])
    start = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    try:
        return start + dt.timedelta(**{known[1]: float(value)})
    except (OverflowError, ValueError) as error:
        raise WeatherUnreadableError(
            f"The time of {path.name} could not be interpreted", value=f"{value} {units}"
        ) from error


@contextmanager
def as_weather() -> Iterator[None]:
    """Errors of ParFlow's readers, told as those of weather files (WeatherUnreadableError)."""
    try:
        yield
    except (PriorSchemaError, PriorUnreadableError) as error:
        raise WeatherUnreadableError(
            error.what, value=error.value, allowed=error.allowed, remedy=error.remedy
        ) from error
