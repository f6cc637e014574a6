"""What the blocks of an HDF5 variable unpack to, before HDF5's library unpacks them; run in a guarded child.

HDF5 gives a block that unpacks to more than it declares all the memory that it asks for. Deflate packs a thousand
bytes into one at best, so a block has to be long to do harm, and only the long ones are unpacked here, within bounds.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import h5py

from downscaler.sources.refused import RefusedFileError

LARGEST = 1 << 29  # bytes; blocks that cannot unpack to more are not looked at
_BEST = 1032  # bytes that deflate makes of one at most
_CHECKSUM = 4  # bytes of Fletcher's
TRIED = 1 << 26  # bytes that are unpacked of one file, below a second; a record of years has gigabytes
_PIECE = 1 << 20
_REMEDY = "Take the file as its archive delivers it."


def require_honest(name: str, data: Any, left: int) -> int:
    """Raise RefusedFileError for a variable that is deflated twice, or whose block unpacks to more than it declares.

    ``data`` is an h5py dataset. Blocks that cannot exceed ``LARGEST`` are not looked at, of longer ones those within
    ``left`` bytes of the file's ``TRIED``. Returns what is left.
    """
    if data.chunks is None:
        return left
    filters = [data.id.get_create_plist().get_filter(number)[0] for number in range(_filters(data))]
    if filters.count(h5py.h5z.FILTER_DEFLATE) > 1:
        raise RefusedFileError(f"{name} is deflated more than once", _REMEDY)
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return left
    declared, mask = math.prod(data.chunks) * data.dtype.itemsize, 1 << filters.index(h5py.h5z.FILTER_DEFLATE)
    for place in _long(data, mask):
        if left <= 0:
            break
        left -= _require_within(name, data.id.read_direct_chunk(place)[1], declared)
    return left


def _filters(data: Any) -> int:
    return int(data.id.get_create_plist().get_nfilters())


def _long(data: Any, mask: int) -> list[tuple[int, ...]]:
    """Places of the deflated blocks that may unpack to more than ``LARGEST``."""
    found: list[tuple[int, ...]] = []

    def look(block: Any) -> None:
        if block.size > LARGEST // _BEST and not block.filter_mask & mask:
            found.append(tuple(block.chunk_offset))

    data.id.chunk_iter(look)
    return found


def _require_within(name: str, packed: bytes, declared: int) -> int:
    """Bytes that a block unpacks to; what cannot be unpacked is left to the reader."""
    unpacking, size, waiting = zlib.decompressobj(), 0, packed
    while waiting and not unpacking.eof:
        try:
            size += len(unpacking.decompress(waiting, _PIECE))
        except zlib.error:
            return size
        waiting = unpacking.unconsumed_tail
        if size > declared + _CHECKSUM:
            raise RefusedFileError(
                f"a block of {name} declares {declared:,} bytes and unpacks to {size:,} or more", _REMEDY
            )
    return size
