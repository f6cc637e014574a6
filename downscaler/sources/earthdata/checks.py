"""Checks that a file on disk is the file that an archive describes."""

from __future__ import annotations

import hashlib
import logging
import zlib
from pathlib import Path

from downscaler.sources.earthdata.records import RemoteFile

_LOG = logging.getLogger(__name__)
_HASHES = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-2": "sha256",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
_SUMS = {"CRC-32": zlib.crc32, "Adler-32": zlib.adler32}
_BLOCK = 1 << 20


def fault(path: Path, remote: RemoteFile) -> str | None:
    """Why a file differs from the archive's description; None when size and checksum agree."""
    size = path.stat().st_size
    if _looks_like_a_page(path):
        return f"received a web page of {size} bytes instead of the file (a log-in or outage page)"
    if remote.size is not None and size != remote.size:
        return f"{size} bytes instead of {remote.size}"
    if remote.checksum is None:
        return None
    algorithm, wanted = remote.checksum
    found = checksum(path, algorithm)
    if found is None:
        _LOG.warning("%s: cannot verify checksums of type %s", remote.name, algorithm)
        return None
    return None if found == wanted.removeprefix("0x").zfill(len(found)) else f"{algorithm} {found} instead of {wanted}"


def checksum(path: Path, algorithm: str) -> str | None:
    """Hexadecimal checksum of a type that UMM-G names; None for unknown types."""
    if algorithm in _HASHES:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, _HASHES[algorithm]).hexdigest()
    if algorithm in _SUMS:
        value = _SUMS[algorithm](b"")
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                value = _SUMS[algorithm](block, value)
        return f"{value:08x}"
    return None


def _looks_like_a_page(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(256).lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html", b"<?xml"))
