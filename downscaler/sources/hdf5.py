"""One gate for HDF5 and NetCDF files of others: what is no plain, self-contained file is never read.

An HDF5 file may name other files to read from: external links, external storage, virtual datasets. A file that came
from elsewhere could so make this machine's own files pass for data; such files are refused.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from downscaler.sources import forms

MAGIC = b"\x89HDF\r\n\x1a\n"
_OBJECTS = 100_000  # groups and variables of one file; a granule has some hundred
_LONG_AXIS = 20_000_000  # values of a variable of one dimension, which is read whole
_HOLLOW, _RATIO = 10_000_000_000, 3_000  # declared bytes from which a variable has to hold one byte for so many
_HOLLOW_WHOLE = 1 << 26  # the same of files that are read whole; of others the readers take windows


class RefusedFileError(OSError):
    """A file that is not read; ``what`` says why in one clause, ``remedy`` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)


def require_regular(path: Path) -> None:
    """Raise RefusedFileError for a pipe, device or socket, which could be waited for without end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RefusedFileError(
            f"it cannot be reached ({error.strerror})", "Check the path and its permissions."
        ) from error
    if not stat.S_ISREG(mode):
        raise RefusedFileError("it is not a regular file", "Name a file.")


def is_hdf5(path: Path) -> bool:
    """Whether a regular file begins as HDF5 does."""
    require_regular(path)
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


@contextmanager
def opened(path: Path, *, hollow: int = _HOLLOW) -> Iterator[Any]:
    """An HDF5 file for reading, once nothing in it points outside; RefusedFileError says what is wrong with it.

    ``hollow`` is the declared size of a variable, bytes, from which the file has to hold about as much.
    """
    require_regular(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _refused(path, error) from error
    with file:
        try:
            require_self_contained(file, hollow=hollow)
        except (RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
            raise _refused(path, OSError(str(error))) from error
        yield file


def check(path: Path, *, whole: bool = False) -> None:
    """Raise RefusedFileError unless a file is regular and, where it is HDF5 (NetCDF-4 is), fit for NetCDF's library.

    ``whole``: it is to be read into memory at once, so that what it declares is held against what it holds early.
    """
    if not is_hdf5(path):
        return
    with opened(path, hollow=_HOLLOW_WHOLE if whole else _HOLLOW) as file:
        names: list[str] = []
        file.visititems_links(lambda name, _link: names.append(name))
        try:
            told = forms.fault(file, names)
        except (RuntimeError, KeyError, ValueError, TypeError, OSError, UnicodeError) as error:
            raise _refused(path, OSError(str(error))) from error
    if told is not None:
        raise RefusedFileError(told, "Take the file as its archive delivers it.")


def require_self_contained(file: Any, *, hollow: int = _HOLLOW) -> None:
    """Raise RefusedFileError for links, storage or virtual datasets that read other files, and hollow variables."""
    names: list[str] = []

    def look(name: str, link: Any) -> tuple[str, str] | None:
        """Whatever is returned ends the walk; h5py does not let an exception through."""
        names.append(name)
        if isinstance(link, h5py.ExternalLink):
            return name, str(link.filename)
        return ("", "") if len(names) > _OBJECTS else None

    stopped = file.visititems_links(look)
    if stopped == ("", ""):
        raise RefusedFileError(f"it holds more than {_OBJECTS} objects", "Take the file as its archive delivers it.")
    if stopped is not None:
        raise _points_outside(*stopped)
    for name in names:
        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            continue
        if found.is_virtual or found.external:
            raise _points_outside(name, "a virtual dataset" if found.is_virtual else str(found.external[0][0]))
        _require_filled(name, found, hollow)


def _require_filled(name: str, found: Any, most: int) -> None:
    """Raise RefusedFileError for a variable that declares far more than the file holds of it.

    Deflate packs a thousand bytes into one at best, so what is beyond was never written.
    """
    declared, held = found.size or 0, found.id.get_storage_size()
    declared *= found.dtype.itemsize
    hollow = declared > most and declared > _RATIO * held
    if hollow or (found.ndim == 1 and found.size > _LONG_AXIS) or found.ndim > 8:
        raise RefusedFileError(
            f"{name} declares {declared:,} bytes, shape {found.shape}, and holds {held:,}",
            "Take the file as its archive delivers it.",
        )


def _points_outside(name: str, where: str) -> RefusedFileError:
    return RefusedFileError(
        f"{name} is read from another file ({where})",
        "Take the file as its archive delivers it: nothing in it points outside.",
    )


def _refused(path: Path, error: OSError) -> RefusedFileError:
    told = str(error)
    if "unable to lock file" in told:
        return RefusedFileError(
            "another program holds a lock on it, or its file system has no locks",
            "Wait until that program has closed it; on NFS, Lustre or GPFS set HDF5_USE_FILE_LOCKING=FALSE.",
        )
    if error.errno == errno.EACCES or "Permission denied" in told:
        return RefusedFileError("it may not be read", "Check its permissions.")
    return RefusedFileError(
        f"it is not an HDF5 file, is cut short or damaged ({path.stat().st_size} bytes; {told})",
        "Delete the file and download it again.",
    )
