"""Bounds on what a block of a Zarr store unpacks to, told before memory is asked for it.

A block says how large it is (Zstandard, Blosc, LZ4) or not at all (deflate, bzip2, LZMA); either way a few bytes can
become more than a machine has. ``install`` puts these bounds before zarr's and numcodecs' own codecs, whose results
stay theirs.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from numcodecs import BZ2, LZ4, LZMA, Blosc, GZip, Zlib, Zstd
from numcodecs.registry import register_codec as register_numcodec
from zarr import config
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.registry import register_codec

from downscaler.sources.refused import LARGEST_BLOCK, RefusedFileError

_DEFLATE = 1032  # bytes that deflate makes of one at most
_SMALL, _BEST = 1 << 26, 1 << 15  # bytes that any block may tell; bytes that Zstandard, the best, makes of one
_PIECE = 1 << 20
_BLOSC_HEADER = 16  # versions, flags, size of an item; bytes unpacked, of a block, packed
_ZSTD, _SKIPPED, _ZSTD_BLOCK = 0xFD2FB528, 0x184D2A50, 1 << 17  # magic numbers, bytes of a block at most (RFC 8878)


def _word(data: bytes | memoryview, start: int, length: int = 4) -> int:
    return int.from_bytes(data[start : start + length], "little")


def zstd_size(data: memoryview) -> int:
    """Bytes that Zstandard's frames unpack to: as declared, or at most by their blocks; RFC 8878, section 3.1."""
    total = at = 0
    while at + 4 <= len(data):
        if _word(data, at) & 0xFFFFFFF0 == _SKIPPED:
            at += 8 + _word(data, at + 4)
            continue
        if _word(data, at) != _ZSTD:
            break
        declared, at, checksum = _zstd_header(data, at + 4)
        size, at = _zstd_blocks(data, at)
        total += size if declared is None else declared
        at += checksum
    return total


def _zstd_header(data: memoryview, at: int) -> tuple[int | None, int, int]:
    """Declared bytes of a frame, where its blocks begin, and the bytes of its checksum."""
    told = _word(data, at, 1)
    single, kept = bool(told & 0x20), (0, 1, 2, 4)[told & 3]
    at += 1 + (not single) + kept
    length = (1 if single else 0, 2, 4, 8)[told >> 6]
    declared = _word(data, at, length) + (256 if length == 2 else 0) if length else None
    return declared, at + length, 4 if told & 4 else 0


def _zstd_blocks(data: memoryview, at: int) -> tuple[int, int]:
    """Bytes that a frame's blocks unpack to at most, and where they end."""
    total, last = 0, False
    while not last and at + 3 <= len(data):
        head = _word(data, at, 3)
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        total += _ZSTD_BLOCK if kind == 2 else size
        at += 3 + (1 if kind == 1 else size)
    return total, at


def blosc_size(data: memoryview) -> int:
    """Bytes that a block of Blosc says it unpacks to.

    Raises RefusedFileError for one that says it is longer than it is: Blosc believes it, and reads on.
    """
    if len(data) < _BLOSC_HEADER or _word(data, 12) > len(data):
        raise RefusedFileError(f"a block of {len(data):,} bytes is cut short or damaged", "Copy the store again.")
    return _word(data, 4)


def _streamed(begin: Callable[[], Any], data: memoryview) -> int:
    """Bytes that a stream unpacks to, or the first count beyond ``LARGEST_BLOCK``; a piece is in memory at a time."""
    size, waiting = 0, bytes(data)
    while waiting and size <= LARGEST_BLOCK:  # members may follow one another
        unpacking = begin()
        while not unpacking.eof and size <= LARGEST_BLOCK:
            try:
                piece = unpacking.decompress(waiting, _PIECE)
            except (zlib.error, lzma.LZMAError, OSError, EOFError):
                return size
            waiting = getattr(unpacking, "unconsumed_tail", b"")
            if not piece and not waiting and getattr(unpacking, "needs_input", True):
                return size
            size += len(piece)
        waiting = unpacking.unused_data
    return size


def _deflated(wbits: int) -> Callable[[memoryview], int]:
    def size(data: memoryview) -> int:
        most = len(data) * _DEFLATE
        return most if most <= LARGEST_BLOCK else _streamed(lambda: zlib.decompressobj(wbits), data)

    return size


SIZES: dict[type, Callable[[memoryview], int]] = {
    Zstd: zstd_size,
    Blosc: blosc_size,
    LZ4: lambda data: _word(data, 0),
    GZip: _deflated(31),
    Zlib: _deflated(15),
    BZ2: lambda data: _streamed(bz2.BZ2Decompressor, data),
    LZMA: lambda data: _streamed(lzma.LZMADecompressor, data),
}
"""What a block unpacks to at most, by numcodecs' class."""
_TELLING = (Zstd, Blosc, LZ4)


def require_bounded(codec: type, data: Any) -> None:
    """Raise RefusedFileError for a block that would unpack to more than ``LARGEST_BLOCK``, or tells what it cannot."""
    view = memoryview(data).cast("B")
    most = LARGEST_BLOCK
    if codec in _TELLING:
        most = min(most, max(_SMALL, _BEST * len(view)))
    if (size := SIZES[codec](view)) > most:
        raise RefusedFileError(
            f"a block of {len(view):,} bytes unpacks to {size:,} or more; at most {most:,} are read",
            "Take the store as its maker delivers it.",
        )


def _bounded(codec: type) -> type:
    """One of numcodecs' classes with the bound before its decoding."""

    def decode(self: Any, buf: Any, out: Any = None) -> Any:
        require_bounded(codec, buf)
        return codec.decode(self, buf, out)  # type: ignore[attr-defined]

    return type(codec.__name__, (codec,), {"decode": decode, "__module__": __name__})


class BoundedZstd(ZstdCodec):
    """Zarr's Zstandard, bounded."""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        require_bounded(Zstd, chunk_bytes.as_numpy_array())
        return super()._decode_sync(chunk_bytes, chunk_spec)


class BoundedBlosc(BloscCodec):
    """Zarr's Blosc, bounded."""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        require_bounded(Blosc, chunk_bytes.as_numpy_array())
        return super()._decode_sync(chunk_bytes, chunk_spec)


class BoundedGzip(GzipCodec):
    """Zarr's gzip, bounded."""

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        require_bounded(GZip, chunk_bytes.as_numpy_array())
        return super()._decode_sync(chunk_bytes, chunk_spec)


def install() -> None:
    """Let zarr read every block through a bound, in this process from now on; once is enough."""
    if config.get("codecs.zstd") == _name(BoundedZstd):
        return
    for codec in SIZES:
        register_numcodec(_bounded(codec))
    for name, bounded in (("blosc", BoundedBlosc), ("gzip", BoundedGzip), ("zstd", BoundedZstd)):
        register_codec(name, bounded)
        config.set({f"codecs.{name}": _name(bounded)})


def _name(codec: type) -> str:
    return f"{codec.__module__}.{codec.__qualname__}"
