"""What an HDF5 file holds, looked at as a whole before any of it is believed; run in a guarded child (``guarded``).

An HDF5 file may name other files to read from: external links, external storage, virtual datasets. A file that came
from elsewhere could so make this machine's own files pass for data; such files are refused. So are variables that
declare far more than the file holds, and for NetCDF forms that are none. Whatever HDF5's library interprets is read
here once, so that a file by which it ends its process, or never comes back, ends the child: attributes, texts, lists
of blocks, a first and a last block.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from downscaler.sources.hdf5 import blocks, forms
from downscaler.sources.refused import RefusedFileError

HOLLOW, HOLLOW_WHOLE = 10_000_000_000, 1 << 26
"""Declared bytes from which a variable has to hold one byte for each 3,000; the same of files that are read whole."""
RATIO = 3_000
_OBJECTS = 100_000  # groups and variables of one file; a granule has some hundred
_LONG_AXIS = 20_000_000  # values of a variable of one dimension, which is read whole
_TEXTS = 1_000_000  # texts of one variable
_AT_ONCE, _TRIED = 1 << 22, 1 << 25  # bytes of a block that is tried, and of all that is tried of a file's numbers
_PLAIN = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_AS_DELIVERED = "Take the file as its archive delivers it."
_FAULTS = (RuntimeError, KeyError, ValueError, TypeError, UnicodeError)


def look(path: Path, *, hollow: int, netcdf: bool) -> None:
    """Raise RefusedFileError unless an HDF5 file may be read.

    ``hollow`` is the declared size of a variable, bytes, from which the file has to hold about as much; ``netcdf``
    whether its forms have to be those of NetCDF.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise refused(path, error) from error
    with file:
        try:
            names = _self_contained(file, hollow)
            if netcdf:
                _require_forms(file, names)
            _try(file, names)
        except RefusedFileError:
            raise
        except (*_FAULTS, OSError) as error:
            raise refused(path, OSError(str(error))) from error


def look_at_classic(path: Path) -> None:
    """Raise RefusedFileError for NetCDF of the classic forms whose header SciPy cannot read, MemoryError for a bomb."""
    from scipy.io import netcdf_file

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is still mapped when it is closed
            netcdf_file(path, "r", mmap=True).close()
    except (*_FAULTS, OSError, IndexError, ArithmeticError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise RefusedFileError(f"its header is damaged ({told})", "Delete the file and download it again.") from error


def _self_contained(file: Any, hollow: int) -> list[str]:
    """Names of all objects, once no link, storage or virtual dataset leads to other files and no variable is hollow."""
    names: list[str] = []

    def look(name: str, link: Any) -> tuple[str, str] | None:
        """Whatever is returned ends the walk; h5py does not let an exception through."""
        names.append(name)
        if isinstance(link, h5py.ExternalLink):
            return name, str(link.filename)
        return ("", "") if len(names) > _OBJECTS else None

    stopped = file.visititems_links(look)
    if stopped == ("", ""):
        raise RefusedFileError(f"it holds more than {_OBJECTS} objects", _AS_DELIVERED)
    if stopped is not None:
        raise _points_outside(*stopped)
    left = blocks.TRIED
    for name in names:
        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            continue
        if found.is_virtual or found.external:
            raise _points_outside(name, "a virtual dataset" if found.is_virtual else str(found.external[0][0]))
        _require_filled(name, found, hollow)
        left = blocks.require_honest(name, found, left)
    return names


def _require_filled(name: str, found: Any, most: int) -> None:
    """Raise RefusedFileError for a variable that declares far more than the file holds of it.

    Deflate packs a thousand bytes into one at best, so what is beyond was never written.
    """
    declared, held = found.size or 0, found.id.get_storage_size()
    declared *= found.dtype.itemsize
    hollow = declared > most and declared > RATIO * held
    long = found.ndim == 1 and found.size > _LONG_AXIS
    if hollow or long or found.ndim > 8 or (found.dtype.hasobject and (found.size or 0) > _TEXTS):
        raise RefusedFileError(
            f"{name} declares {declared:,} bytes, shape {found.shape}, and holds {held:,}",
            _AS_DELIVERED,
        )


def _require_forms(file: Any, names: Sequence[str]) -> None:
    """Raise RefusedFileError for what is no NetCDF."""
    if (told := forms.fault(file, names)) is not None:
        raise RefusedFileError(told, _AS_DELIVERED)


def _try(file: Any, names: Sequence[str]) -> None:
    """Read what HDF5 interprets; raises MemoryError where that takes more than there is."""
    left = _TRIED
    for name in ("/", *names):
        node = file.get(name)
        if node is None:
            continue
        for number in range(h5py.h5a.get_num_attrs(node.id)):
            with _left_to_the_reader():
                node.attrs[h5py.h5a.open(node.id, index=number).name.decode("utf-8", "replace")]
        if isinstance(node, h5py.Dataset):
            with _left_to_the_reader():
                [axis[0].name for axis in node.dims if len(axis)]  # as h5netcdf looks for dimensions
            with _left_to_the_reader():
                left -= _try_values(node, left)


@contextmanager
def _left_to_the_reader() -> Iterator[None]:
    """Errors of a part that the reader may not need; but for a lack of memory, which HDF5 tells in words."""
    try:
        yield
    except (*_FAULTS, OSError) as error:
        if "alloc" in str(error):
            raise MemoryError(str(error)) from error


def _try_values(data: Any, left: int) -> int:
    """Read a variable's list of blocks and, within ``left`` bytes, values; the bytes that were read.

    Texts, which HDF5 keeps apart, and numbers packed otherwise than by deflate are read whole.
    """
    if not data.size:
        return 0
    if data.chunks is not None:
        data.id.get_num_chunks()
    if data.dtype.hasobject or not _plainly_packed(data):
        for part in data.iter_chunks() if data.chunks is not None else [()]:
            data[part]
        return 0
    block = data.chunks or data.shape
    size = data.dtype.itemsize
    for length in block:
        size *= length
    if size > min(_AT_ONCE, left):
        return 0
    data[tuple(slice(0, length) for length in block)]
    if data.chunks is not None:
        last = [(whole - 1) // length * length for whole, length in zip(data.shape, block, strict=True)]
        data[tuple(slice(start, None) for start in last)]
    return int(2 * size)


def _plainly_packed(data: Any) -> bool:
    known = data.id.get_create_plist()
    return all(known.get_filter(number)[0] in _PLAIN for number in range(known.get_nfilters()))


def _points_outside(name: str, where: str) -> RefusedFileError:
    return RefusedFileError(
        f"{name} is read from another file ({where})",
        "Take the file as its archive delivers it: nothing in it points outside.",
    )


def refused(path: Path, error: OSError) -> RefusedFileError:
    """What is told of a file that HDF5 does not open."""
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
