"""Distinguishes a full disk from other failed writes, whichever library reports it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from obstore.exceptions import BaseError as ObjectStoreError
from rasterio._err import CPLE_BaseError  # GDAL's own errors; rasterio.errors does not export them
from rasterio.errors import RasterioError

from downscaler.errors import CatalogError, StorageFullError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_TEXTS = ("no space left", "storagefull", "quota", "insufficient storage", "file too large")
_REMEDY = "Nothing of this day was published. Free some space, then run the day again."


def require_room(folder: Path, nbytes: int) -> None:
    """Raise StorageFullError when the folder's disk has less than ``nbytes`` free (before the expensive step)."""
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise _full(folder, f"{free / 1e6:.1f} MB free", allowed=f"at least {nbytes / 1e6:.1f} MB free")


def _full(where: Path | str, value: object, *, allowed: str | None = None) -> StorageFullError:
    where = str(where).split("/.staging/")[0]  # a place that still exists when the message is read
    return StorageFullError("The disk or bucket is full", value=f"{where}: {value}", allowed=allowed, remedy=_REMEDY)


def _broken(where: Path | str, error: Exception) -> CatalogError:
    """The place is the value, not the sentence: a service tells its clients the sentence alone."""
    return CatalogError("The catalogue could not be read or written", value=f"{where}: {error}")


def _no_room(folder: Path, nbytes: int) -> OSError | None:
    """Why the file system refuses a file of ``nbytes``, None when it would take it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, max(nbytes, 1))
    except OSError as error:
        return error if error.errno in _FULL else None
    return None


@contextlib.contextmanager
def storage_errors(where: Path | str, *, needs: int = 0) -> Iterator[None]:
    """Turn a failed write below into StorageFullError or CatalogError.

    GDAL says only that a write failed, so after its errors the file system of the folder ``where`` is asked for a
    file of ``needs`` bytes: its refusal (no space, quota, size limit) is the cause.
    """
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        refusal = _no_room(Path(where), needs)
        if refusal is not None:
            raise _full(where, f"{error} ({refusal.strerror})") from error
        raise CatalogError("A raster could not be written", value=f"{where}: {error}") from error
    except OSError as error:
        if error.errno in _FULL:
            raise _full(where, error.strerror) from error
        raise _broken(where, error) from error
    except ObjectStoreError as error:
        if any(text in str(error).lower() for text in _FULL_TEXTS):
            raise _full(where, error) from error
        raise _broken(where, error) from error
