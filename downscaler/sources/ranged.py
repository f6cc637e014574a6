"""An object of a bucket as a file that can be read at any place, each piece by a range request."""

from __future__ import annotations

import io
from typing import Any

_BUFFER = 64 * 1024  # bytes a request; a COG's header, or one block of it


class RangedObject(io.RawIOBase):
    """Reads an object of known size by ranges; to be wrapped by ``open_ranged``."""

    def __init__(self, objects: Any, key: str, size: int) -> None:
        super().__init__()
        self._objects, self._key, self._size, self._at = objects, key, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next piece begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here or from the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with one request; the number of bytes, 0 at the end."""
        stop = min(self._size, self._at + len(buffer))
        if stop <= self._at:
            return 0
        piece = bytes(self._objects.get_range(self._key, start=self._at, end=stop))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def open_ranged(objects: Any, key: str) -> io.BufferedReader:
    """An object of an obstore, opened for reading; raises obstore's NotFoundError where there is none."""
    return io.BufferedReader(RangedObject(objects, key, objects.head(key)["size"]), _BUFFER)
