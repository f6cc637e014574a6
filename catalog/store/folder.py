"""A catalogue in a local folder: staged on the same disk, synced, then renamed into place."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from catalog.store.disk import storage_errors
from catalog.store.objects import LONGEST_KEY, ObjectFacts, Stat, Write, can_hold
from catalog.store.waiting import take
from downscaler.errors import CatalogError
from downscaler.records import sync

STAGING = ".staging"


class FolderStore:
    """Objects are files below ``root``; renames make each appear whole, a lock on ``root`` keeps writers apart."""

    exclusive = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        if self.root.is_file():
            raise CatalogError(
                "A catalogue is a folder, this is a file",
                value=self.root,
                remedy="Name the folder that holds, or is to hold, its catalog.json.",
            )
        self.uri = self.root.as_uri()
        self._mutex = threading.RLock()
        self._depth = 0

    def get(self, key: str) -> bytes | None:
        """The file's bytes, None where there is none."""
        with storage_errors(self.root), _absent_is_none(), _opened(self._path(key)) as file:
            return file.read()
        return None

    def facts(self, key: str) -> ObjectFacts | None:
        """Size, time and tag of a file, None where there is none."""
        with storage_errors(self.root), _absent_is_none():
            found = self._path(key).stat()
            if stat.S_ISREG(found.st_mode):
                return ObjectFacts(size=found.st_size, modified=found.st_mtime, tag=_tag(found))
        return None

    def reader(self, key: str) -> BinaryIO:
        """The file, opened."""
        with _absent_is_none():
            return _opened(self._path(key))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key[:LONGEST_KEY])

    def _path(self, key: str) -> Path:
        """The file of a key; raises FileNotFoundError where no store could hold one of that name."""
        if not can_hold(key):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key[:LONGEST_KEY])
        return self.root / key

    def keys(self, prefix: str) -> list[str]:
        """Keys of all files below a folder, sorted."""
        return list(self.stats(prefix))

    def stats(self, prefix: str) -> dict[str, Stat]:
        """Size and time of every file below a folder, by key, sorted."""
        found: dict[str, Stat] = {}
        start, waiting = len(str(self.root)) + 1, [str(self.root / prefix)]
        with storage_errors(self.root):
            while waiting:
                for entry in _entries(waiting.pop()):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        with contextlib.suppress(FileNotFoundError):  # gone meanwhile; its neighbours are not
                            found[entry.path[start:]] = _stat(entry)
        return dict(sorted(found.items()))

    def leads_elsewhere(self, key: str) -> bool:
        """Whether a listed file is a symbolic link to a folder, whose files are not listed."""
        path = self.root / key
        return path.is_symlink() and path.is_dir()

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files and the folders that they leave empty."""
        with storage_errors(self.root):
            for key in keys:
                path = self.root / key
                path.unlink(missing_ok=True)
                for folder in path.parents:
                    if folder == self.root or not folder.is_dir() or any(folder.iterdir()):
                        break
                    folder.rmdir()

    def apply(self, writes: Sequence[Write], staging: Path) -> None:
        """Stage and sync everything; only then rename, in order."""
        with self.lock(), storage_errors(self.root):
            moves = [(write, self._stage(write, staging, number)) for number, write in enumerate(writes)]
            created: list[str] = []
            try:
                for write, staged in moves:
                    self._move(write, staged, created)
            except BaseException:
                self.delete(created)
                raise

    def _move(self, write: Write, staged: Path | None, created: list[str]) -> None:
        """Rename a staged file into place; ``created`` keeps what a failure has to undo, nothing after the commit."""
        target = self.root / write.key
        if write.create:
            created.append(write.key)
        if staged is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
            sync(target.parent)
        if write.commit:
            created.clear()

    def _stage(self, write: Write, staging: Path, number: int) -> Path | None:
        """The synced file to move; None when the object already holds the content."""
        target = self.root / write.key
        if write.create and target.exists():
            raise CatalogError(
                "Another publication of the same day was faster", value=target, remedy="Run the command again."
            )
        if isinstance(write.content, Path):
            staged = write.content
        else:
            before = self.get(write.key)
            after = write.content if isinstance(write.content, bytes) else write.content(before)
            if after == before:
                return None
            staged = staging / f"object-{number}"
            staged.write_bytes(after)
        sync(staged)
        return staged

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the advisory lock of the root folder; the kernel lets go of it when a process dies.

        Raises CatalogError, which tells the holder, when it has been waited for too long.
        """
        with self._mutex:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                with storage_errors(self.root):
                    self.root.mkdir(parents=True, exist_ok=True)
                    handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    take(handle, self.root)
                    yield
                finally:
                    os.close(handle)
            finally:
                self._depth -= 1

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder below ``.staging``, locked while in use; those of killed processes are swept first."""
        with storage_errors(self.root):
            folder, handle = self._claim()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)
            with self.lock(), contextlib.suppress(OSError):  # others may still be at work there
                (self.root / STAGING).rmdir()

    def stale_staging(self) -> list[str]:
        """Staging folders that no living process holds, relative to the root."""
        parent = self.root / STAGING
        found = sorted(parent.iterdir()) if parent.is_dir() else []
        return [path.relative_to(self.root).as_posix() for path in found if not _held(path)]

    def _claim(self) -> tuple[Path, int]:
        # Under the store's lock, so that nobody sweeps a folder between its making and its locking.
        with self.lock():
            parent = self.root / STAGING
            parent.mkdir(parents=True, exist_ok=True)
            for stale in list(parent.iterdir()):
                _sweep(stale)
            folder = Path(tempfile.mkdtemp(dir=parent))
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            return folder, handle


def _opened(path: Path) -> BinaryIO:
    """A regular file, opened; a pipe, which would be waited for, or an endless device is none of the store's files."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ENOENT
    raise OSError(code, os.strerror(code), str(path))


@contextlib.contextmanager
def _absent_is_none() -> Iterator[None]:
    """Leave the block where a file is not there, also because this file system takes no name that long."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing when it is gone."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stat(entry: os.DirEntry[str]) -> Stat:
    found = entry.stat(follow_symlinks=False)
    modified = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
    return Stat(size=found.st_size, modified=modified, tag=_tag(found))


def _tag(found: os.stat_result) -> str:
    """Changes whenever a file is replaced: time in nanoseconds, size and inode."""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"


def _sweep(folder: Path) -> None:
    """Remove a staging folder that no living process holds."""
    if not _held(folder):  # nobody takes it meanwhile: the store's lock is held
        shutil.rmtree(folder, ignore_errors=True)


def _held(folder: Path) -> bool:
    """Whether a living process holds a staging folder, or its owner has just removed it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
