"""A cache of verified downloads: limited in size, safe for several processes."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from downscaler.errors import CacheError, DownloadError, GranuleError, StorageFullError
from downscaler.records import sync
from downscaler.sources.earthdata.checks import fault
from downscaler.sources.earthdata.records import RemoteFile

if TYPE_CHECKING:
    from filelock import FileLock

_LOG = logging.getLogger(__name__)
_IN_USE = 3600.0  # s after its last use in which a file is not evicted: another process may be about to open it
_STALE = 86400.0  # s after which a staging folder belongs to no living download
Download = Callable[[str, Path, bool], Path]
"""Downloads an address into a folder, replacing an existing file if the last argument is true; returns the file."""
Inspect = Callable[[Path], None]
"""Opens a file; raises GranuleError when it is not what it should be."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder of verified files: ``files/``, ``quarantine/`` for what failed, ``locks/``.

    It holds at most ``limit`` bytes; None where all of it is needed at once.
    """

    folder: Path
    limit: int | None

    def fetch(self, remote: RemoteFile, download: Download, inspect: Inspect) -> Path:
        """The verified file, downloaded if it is missing or incomplete; once, however many processes ask.

        A download with another size, checksum or content is made once more, then put into quarantine with the reason.

        Raises:
            DownloadError: the second download is bad too.
            StorageFullError: the disk is full.
            CacheError: the folder cannot be used.
            AcquisitionError: what ``download`` raises.
        """
        target = self.folder / "files" / remote.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._lock(remote.name):
                if target.is_file() and self._whole(target, remote, inspect):
                    os.utime(target)
                    return target
                self._bring(remote, target, download, inspect)
            self._sweep()
            if self.limit is not None:
                self._evict(target, self.limit)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(
                    "The disk that holds the cache is full",
                    value=self.folder,
                    remedy="Free some space, then run the command again.",
                ) from error
            raise CacheError(
                "The cache cannot be used",
                value=f"{self.folder}: {error.strerror or error}",
                remedy="Check the folder's permissions, or set `cache` to another folder.",
            ) from error
        return target

    def _lock(self, name: str) -> FileLock:
        from filelock import FileLock

        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"{name}.lock")

    def _whole(self, target: Path, remote: RemoteFile, inspect: Inspect) -> bool:
        reason = _reason(target, remote, inspect)
        if reason:
            _LOG.warning("Cached file %s is damaged (%s); downloading it again", remote.name, reason)
        return reason is None

    def _bring(self, remote: RemoteFile, target: Path, download: Download, inspect: Inspect) -> None:
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=self.folder))
        try:
            reason = None
            for force in (False, True):
                path = download(remote.url, staging, force)
                reason = _reason(path, remote, inspect)
                if reason is None:
                    sync(path)
                    path.replace(target)
                    return
                _LOG.warning("%s: %s%s", remote.name, reason, "" if force else "; downloading it once more")
            kept = self._quarantine(path, remote, str(reason))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        raise DownloadError(
            f"{remote.name} was damaged in two downloads",
            value=reason,
            allowed=f"{remote.size or 'any number of'} bytes, {' '.join(remote.checksum or ('no checksum stated',))}",
            remedy=f"It is kept in {kept} with the reason beside it. Try again later, or contact the archive.",
        )

    def _quarantine(self, path: Path, remote: RemoteFile, reason: str) -> Path:
        """Keep the last bad copy of a name, out of reach of every reader (its name does not end in .h5)."""
        folder = self.folder / "quarantine"
        folder.mkdir(exist_ok=True)
        kept = folder / f"{remote.name}.bad"
        path.replace(kept)
        facts = {"name": remote.name, "reason": reason, "size": remote.size, "checksum": remote.checksum}
        kept.with_suffix(".json").write_text(json.dumps(facts | {"time": time.time()}) + "\n", encoding="utf-8")
        return kept

    def _evict(self, keep: Path, limit: int) -> None:
        """Remove what was not used for longest until the limit holds; files used within the hour stay."""
        with self._lock("evict"):
            held = [p for name in ("files", "quarantine") for p in (self.folder / name).glob("*")]
            facts = sorted((s.st_mtime, s.st_size, p) for p in held if (s := _stat(p)) and S_ISREG(s.st_mode))
            excess = sum(size for _, size, _ in facts) - limit
            for used, size, path in facts:
                if excess <= 0:
                    return
                if path != keep and time.time() - used > _IN_USE and self._remove(path):
                    excess -= size
        if excess > 0:
            _LOG.warning(
                "The cache %s exceeds its limit by %.1f MB: all of its files are in use", self.folder, excess / 1e6
            )

    def _remove(self, path: Path) -> bool:
        from filelock import Timeout

        try:
            with self._lock(path.name).acquire(timeout=0):
                path.unlink(missing_ok=True)
        except Timeout:
            return False
        _LOG.info("Removed %s from the cache", path.name)
        return True

    def _sweep(self) -> None:
        """Staging folders of processes that were killed."""
        for folder in self.folder.glob(".staging-*"):
            found = _stat(folder)  # another process may just have removed its own
            if found and time.time() - found.st_mtime > _STALE:
                shutil.rmtree(folder, ignore_errors=True)


def _stat(path: Path) -> os.stat_result | None:
    """What there is to know of a path; None where it has gone meanwhile."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _reason(path: Path, remote: RemoteFile, inspect: Inspect) -> str | None:
    wrong = fault(path, remote)
    if wrong is not None:
        return wrong
    try:
        inspect(path)
    except GranuleError as error:
        told = str(error.value).replace(str(path), path.name)  # where it lies now is about to go
        return error.what + (f" ({told})" if error.value is not None else "")
    return None
