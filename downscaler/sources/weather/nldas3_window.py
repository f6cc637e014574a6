"""A domain's window of NLDAS-3's daily files, read where they lie: a few megabytes of some 700 a day.

The files are public, below one address, by month: ``202207/NLDAS_FOR0010_D.A20220704.030.beta.nc``. A window is kept as
a file of the same name and layout in which only the window has values; it says so (``vadose_window``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import obstore.store
from obstore.exceptions import BaseError, NotFoundError

from downscaler.errors import BROKEN, AbsentDataError, AcquisitionError, VadoseError, WeatherUnreadableError
from downscaler.ground.grid import Domain, Span
from downscaler.ground.lattice import IJWindow
from downscaler.parts import replacing
from downscaler.sources import hdf5
from downscaler.sources.ranged import open_ranged
from downscaler.sources.weather.nldas3 import LATTICE, LAYOUT, WINDOW, held_window

ADDRESS = "https://nasa-waterinsight.s3.us-west-2.amazonaws.com/NLDAS3/forcing/daily"
_RELEASES = ("030", "030.beta")  # the first that is there counts
_MARGIN = 3  # cells around the domain
_AXES = ("lat", "lon", "time")
_RAISED: tuple[type[Exception], ...] = (*BROKEN, BaseError)
_OF_HDF5 = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "_FillValue"}


def fetch_nldas3(
    folder: Path, days: Iterable[dt.date], domain: Domain, *, address: str = ADDRESS, timeout: float = 60
) -> dict[dt.date, int]:
    """Bring the domain's window of the days that ``folder`` lacks.

    Args:
        folder: where the files are kept.
        days: UTC days.
        domain: what they have to cover.
        address: where the archive's months lie, http or https.
        timeout: of one answer, s.

    Returns:
        The days that the archive does not have, each with 0 files.

    Raises:
        AbsentDataError: the archive has none of the days.
        AcquisitionError: it is out of reach, or gives something else.
        WeatherUnreadableError: one of its files has another layout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options: Any = {"timeout": f"{timeout:g}s", "allow_http": True}
    retries: Any = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=3 * timeout)}
    window, lacking, wanted = window_of(domain), {}, sorted(set(days))
    objects = obstore.store.HTTPStore.from_url(address, client_options=options, retry_config=retries)
    for day in wanted:
        if not any(_holds(folder / _name(day, release), window) for release in _RELEASES) and not any(
            _bring(objects, folder, day, release, window, address) for release in _RELEASES
        ):
            lacking[day] = 0
    if wanted and len(lacking) == len(wanted):
        raise AbsentDataError(
            "The archive has no daily file of NLDAS-3 of these days",
            value=f"{wanted[0]} to {wanted[-1]} at {address}",
            remedy="Ask for earlier days: the beta release ends years before today.",
        )
    return lacking


def window_of(domain: Domain) -> IJWindow:
    """The cells of NLDAS-3 that a domain needs."""
    from downscaler.sources.smap.earthdata import box

    west, south, east, north = box(domain)
    corner, cell, whole = LATTICE.lower_left, LATTICE.cell, LATTICE.window
    spans = []
    for low, high, origin, span in ((west, east, corner.x, whole.i), (south, north, corner.y, whole.j)):
        start = int(np.floor((low - origin) / cell)) - _MARGIN
        stop = int(np.ceil((high - origin) / cell)) + _MARGIN
        spans.append(Span(start=max(start, span.start), stop=min(stop, span.stop)))
    return IJWindow(i=spans[0], j=spans[1])


def _name(day: dt.date, release: str) -> str:
    return f"NLDAS_FOR0010_D.A{day:%Y%m%d}.{release}.nc"


def _holds(path: Path, window: IJWindow) -> bool:
    """Whether a file is there and has the window's values."""
    try:
        with hdf5.dataset(path, decode_cf=False) as data:
            held = held_window(data.attrs)
    except BROKEN:
        return False
    return held is None or (held.i.holds(window.i) and held.j.holds(window.j))


def _bring(objects: Any, folder: Path, day: dt.date, release: str, window: IJWindow, address: str) -> bool:
    """Copy the window of one file; false where the archive has no such file."""
    name = _name(day, release)
    key = f"{day:%Y%m}/{name}"
    with _archive_errors(f"{address}/{key}"):
        try:
            stream = open_ranged(objects, key)
        except (NotFoundError, FileNotFoundError):
            return False
        with stream, h5py.File(stream, "r") as remote, replacing(folder / name, "a window of NLDAS-3") as partial:
            _copy(remote, partial, window, f"{address}/{key}")
    return True


def _copy(remote: h5py.File, path: Path, window: IJWindow, where: str) -> None:
    names = (LAYOUT.rain, str(LAYOUT.warmth))
    if missing := [name for name in (*names, *_AXES[:2]) if name not in remote]:
        raise WeatherUnreadableError(
            f"{path.name} has another layout", value=f"no {', '.join(missing)} in {where}", allowed=", ".join(names)
        )
    shape = {axis: remote[axis].shape[0] for axis in _AXES if axis in remote}
    if (shape["lat"], shape["lon"]) != (LATTICE.shape.y, LATTICE.shape.x):
        raise WeatherUnreadableError(
            f"{where} has another grid", value=shape, allowed=f"lat {LATTICE.shape.y}, lon {LATTICE.shape.x}"
        )
    rows, columns = window.slices
    turned = float(remote["lat"][0]) > float(remote["lat"][-1])
    cut = {"lat": slice(shape["lat"] - rows.stop, shape["lat"] - rows.start) if turned else rows, "lon": columns}
    with netCDF4.Dataset(path, "w") as local:
        local.setncatts({WINDOW: list(window.bounds), "source": where})
        for axis, size in (shape | {"time": 1}).items():
            local.createDimension(axis, size)
        for name in (*shape, *names):
            _copy_variable(remote[name], local, name, cut)


def _copy_variable(field: h5py.Dataset, local: netCDF4.Dataset, name: str, cut: dict[str, slice]) -> None:
    axes = (name,) if name in _AXES else tuple(each[0].name.rpartition("/")[2] for each in field.dims)
    fill = field.attrs.get("_FillValue")
    more: dict[str, Any] = {} if field.chunks is None else {"zlib": True, "chunksizes": field.chunks}
    if fill is not None:
        more["fill_value"] = np.ravel(fill)[0]
    made = local.createVariable(name, field.dtype.newbyteorder("="), axes, **more)
    made.setncatts({k: _plain(v) for k, v in field.attrs.items() if k not in _OF_HDF5 and not k.startswith("_Netcdf4")})
    made.set_auto_maskandscale(False)
    part = tuple(slice(None) if name in _AXES else cut.get(axis, slice(None)) for axis in axes)
    made[part] = field[part]


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def _archive_errors(where: str) -> Iterator[None]:
    """What network and file raise, as AcquisitionError."""
    try:
        yield
    except VadoseError:
        raise
    except _RAISED as error:
        raise AcquisitionError(
            "A window of NLDAS-3 could not be read from its archive",
            value=f"{where}: {str(error).splitlines()[0][:160]}",
            remedy="Try again later, or check the address (`nldas3_address`).",
        ) from error
