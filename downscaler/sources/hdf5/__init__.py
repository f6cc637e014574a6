"""One gate for HDF5 and NetCDF files of others: each is looked at in a guarded child before this process opens it.

The child (``guard``, ``guarded``) refuses what is no plain, self-contained file (``contents``) and is itself what ends
where a file ends HDF5's library or never lets it come back. NetCDF is then read through HDF5 by h5netcdf, of old forms
by SciPy, and not by NetCDF's own library, which trusts what a file says of its dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from downscaler.sources.hdf5 import guard
from downscaler.sources.hdf5.contents import HOLLOW, HOLLOW_WHOLE, RATIO, refused
from downscaler.sources.refused import RefusedFileError, require_regular

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MAGIC", "RefusedFileError", "check", "dataset", "is_hdf5", "opened", "require_regular"]
MAGIC = b"\x89HDF\r\n\x1a\n"
_CACHE = 1 << 24  # bytes of unpacked blocks that HDF5 keeps of a variable, for as long as it is open
_OLD = (b"CDF\x01", b"CDF\x02")


def is_hdf5(path: Path) -> bool:
    """Whether a regular file begins as HDF5 does."""
    return _start(path) == MAGIC


def _start(path: Path) -> bytes:
    require_regular(path)
    with path.open("rb") as stream:
        return stream.read(len(MAGIC))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file for reading, once the guarded child has let it pass; RefusedFileError says what is wrong with it."""
    require_regular(path)
    guard.require(path, hollow=HOLLOW, netcdf=False)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise refused(path, error) from error
    with file:
        yield file


def check(path: Path, *, whole: bool = False) -> None:
    """Raise RefusedFileError unless a file is regular and, where it is HDF5 (NetCDF-4 is), may be read.

    ``whole``: it is to be read into memory at once, so that what it declares is held against what it holds early.
    """
    if is_hdf5(path):
        guard.require(path, hollow=HOLLOW_WHOLE if whole else HOLLOW, netcdf=True)


def dataset(path: Path, *, whole: bool = False, **decoding: Any) -> xr.Dataset:
    """A NetCDF file, opened lazily by xarray; ``decoding`` is that of ``xarray.open_dataset``.

    Raises RefusedFileError as ``check``, or for a file that is neither NetCDF nor HDF5; otherwise what xarray raises.
    """
    import xarray as xr
    from xarray.backends import H5NetCDFStore

    check(path, whole=whole)
    if (start := _start(path)) == MAGIC:
        store: Any = H5NetCDFStore.open(path, phony_dims="access", driver_kwds={"rdcc_nbytes": _CACHE})
        try:
            # h5netcdf opens a variable anew for each window, and with the last one open goes what HDF5 has unpacked
            file = store.ds._h5file
            _require_full(store.ds)
            store.ds.kept = [file[name] for name in file if file.get(name, getclass=True) is h5py.Dataset]
            return xr.open_dataset(store, engine="store", **decoding)
        except BaseException:
            store.close()
            raise
    if start[:4] in _OLD:
        guard.require_classic(path)
        return xr.open_dataset(path, engine="scipy", **decoding)
    if start[:3] == b"CDF":
        raise RefusedFileError("it is NetCDF of the 64-bit data form", "Write it as NetCDF-4: nccopy -k nc4 OLD NEW.")
    raise RefusedFileError(
        f"it is neither NetCDF nor HDF5, is cut short or damaged ({path.stat().st_size} bytes)",
        "Delete the file and download it again.",
    )


def _require_full(file: Any) -> None:
    """Raise RefusedFileError for a variable that h5netcdf would fill up to a far longer unlimited dimension.

    It makes the whole of it in memory, whatever part is asked for.
    """
    for name, variable in file.variables.items():
        stored, shape = variable._h5ds, tuple(variable.shape)
        declared = math.prod(shape) * stored.dtype.itemsize
        if shape != stored.shape and declared > max(HOLLOW_WHOLE, RATIO * stored.id.get_storage_size()):
            raise RefusedFileError(
                f"{name} holds {stored.shape} and has dimensions of {shape}, {declared:,} bytes",
                "Take the file as its archive delivers it.",
            )
