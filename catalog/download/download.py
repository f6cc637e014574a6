"""Downloads days into a folder that is itself a small catalogue: resumable, verified, parallel.

Each day's item is written when its files are here; it names those alone. So the folder may be read at any time, be
added to, and be made whole by the same call again.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from catalog.download.copy import copied_item, write_copy
from catalog.download.guard import Bounds, Guard
from catalog.download.origin import Found, StoreOrigin, open_origin
from catalog.download.query import Query
from catalog.download.transfer import CopyFrom, Fetch, FetchHttp, bring, name_in
from catalog.naming import DOWNLOAD_LOCK, ROOT, DayName, revision_folder, saved_name
from catalog.store.folder import FolderStore
from downscaler.errors import (
    CatalogError,
    ChecksumError,
    ConfigError,
    NothingFoundError,
    StorageFullError,
    TransferError,
    VadoseError,
)
from downscaler.sources.earthdata.records import RemoteFile

Progress = Callable[[int, int], None]
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SHA256 = re.compile(r"1220([0-9a-f]{64})")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHOWN = 5  # failures that a message names
_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """Result of a download: days written, files downloaded, files already present, bytes downloaded."""

    days: int
    brought: int
    present: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file of a day: what it is there, and where it goes below the folder."""

    asset: str
    remote: RemoteFile
    key: str


@dataclass(kw_only=True)
class _Day:
    """A day on its way; ``waiting`` files are not here yet, ``whole`` are the assets that are."""

    found: Found
    files: Sequence[_File]
    waiting: int
    whole: dict[str, str] = field(default_factory=dict)


def download(
    origin: str,
    out: Path,
    query: Query,
    *,
    assets: Sequence[str] = (),
    workers: int = 4,
    fetch: FetchHttp | None = None,
    progress: Progress | None = None,
    allow_hosts: Sequence[str] = (),
    limits: Bounds | None = None,
) -> Downloaded:
    """Download the matching days' files and items from a catalogue into a folder.

    Args:
        origin: address of a served catalogue or STAC API, a folder, ``file://`` or ``s3://``.
        out: the folder; what is there whole is not brought again.
        query: which days.
        assets: keys of what is wanted of each; empty, all.
        workers: files at a time.
        fetch: brings files over HTTP, with other patience than the usual.
        progress: called with (bytes here, bytes in all) as items tell them.
        allow_hosts: hosts beside the catalogue's own that its links may lead to, each NAME or NAME:PORT.
        limits: how much is taken of the catalogue; by default as the environment says.

    Raises:
        ForeignHostError: the catalogue's links lead to a host that is not its own.
        CatalogError: the catalogue is broken, or beyond the limits.
        NothingFoundError: no day matches.
        ConfigError: no day has an asset of a wanted name, or the folder is in use or holds another catalogue.
        StorageFullError: the disk is full; what had come stays and is gone on with.
        TransferError: some files failed, of which it is a ChecksumError when all came damaged and an UnreachableError
            when all were cut short; all else is kept.
        UnreachableError: the catalogue itself does not answer.
    """
    guard = Guard(origin, allow_hosts, limits)
    source = open_origin(origin, guard)
    served = (fetch or FetchHttp()).within(guard)
    bringing: Fetch = CopyFrom(source.store) if isinstance(source, StoreOrigin) else served
    days = _days(source.find(query), query, assets, out)
    if (out / ROOT).exists() and not (out / DOWNLOAD_LOCK).exists():
        raise ConfigError(
            "The folder holds a catalogue that is not a download",
            value=out,
            remedy="Choose another --out; this folder is left unchanged.",
        )
    with _disk(out), _only(out):
        target = FolderStore(out)
        _require_room(target, days)
        return _Work(target=target, days=days, fetch=bringing, progress=progress).run(workers)


def _asked(query: Query) -> str:
    """What was asked for, in words."""
    west_to_north = ", ".join(f"{bound:g}" for bound in query.bbox or ())
    parts = (
        "days",
        f"in box {west_to_north}" if query.bbox else "",
        f"from {query.start}" if query.start else "",
        f"to {query.end}" if query.end else "",
        f"of {', '.join(query.collections)}" if query.collections else "",
    )
    return " ".join(filter(None, parts))


def _days(found: Sequence[Found], query: Query, assets: Sequence[str], out: Path) -> list[_Day]:
    if not found:
        raise NothingFoundError(
            "No published day matches",
            value=_asked(query),
            remedy="Choose a larger box or period, or another collection; the collections state their extents.",
        )
    known = sorted({key for one in found for key in one.item["assets"]})
    unknown = [name for name in assets if name not in known]
    if unknown:
        raise ConfigError("No day has an asset of that name", value=", ".join(unknown), allowed=known)
    days = []
    for one in found:
        files = [_file(one, key, out) for key in one.item["assets"] if not assets or key in assets]
        if files:
            days.append(_Day(found=one, files=files, waiting=len(files)))
    _require_apart(days)
    return days


def _require_apart(days: Sequence[_Day]) -> None:
    """Raise CatalogError where two files would be written to one place."""
    keys = Counter(file.key for day in days for file in day.files)
    twice = [key for key, number in keys.items() if number > 1]
    if twice:
        raise CatalogError("Two files of the catalogue have one name", value=twice[0])


def _file(found: Found, key: str, out: Path) -> _File:
    """An asset as a file to bring; its name is held to be a plain one before it names anything here.

    The file is named by product, domain, date, revision and layer, so that it tells what it is wherever it is put. One
    that an earlier version brought, or began to bring, under its short name keeps that.
    """
    asset, name = found.item["assets"][key], DayName.of_item(found.item)
    url = found.address(asset["href"])
    if not _PLAIN.fullmatch(name_in(url)) or name_in(url).endswith((".part", ".part.json")):
        raise TransferError("A file name in the catalogue is not a plain file name", value=url)
    told = _SHA256.fullmatch(str(asset.get("file:checksum", "")))
    remote = RemoteFile(
        name=name_in(url),
        url=url,
        size=asset.get("file:size"),
        checksum=("SHA-256", told[1]) if told else None,
    )
    revision = revision_folder(int(found.item["properties"].get("version", 1)))
    short = f"{name.folder}/{revision}/{remote.name}"
    if (out / short).is_file() or (out / f"{short}.part").is_file():
        return _File(asset=key, remote=remote, key=short)
    return _File(asset=key, remote=remote, key=f"{name.folder}/{revision}/{saved_name(name, revision, remote.name)}")


@dataclass(kw_only=True)
class _Work:
    """A download under way."""

    target: FolderStore
    days: list[_Day]
    fetch: Fetch
    progress: Progress | None
    total: int = 0
    here: int = 0
    brought: int = 0
    present: int = 0
    nbytes: int = 0
    failures: list[VadoseError] = field(default_factory=list)

    def run(self, workers: int) -> Downloaded:
        """Bring all files; write each day's item when its last file is settled."""
        self.total = sum(file.remote.size or 0 for day in self.days for file in day.files)
        with ThreadPoolExecutor(workers) as pool:
            jobs = {pool.submit(self._bring, file): (day, file) for day in self.days for file in day.files}
            try:
                for job in as_completed(jobs):
                    self._settle(job, *jobs[job])
            except BaseException:  # a full disk, or Ctrl-C: nothing more is begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if self.failures:
            raise _summary(self.failures, sum(len(day.files) for day in self.days))
        days = sum(bool(day.whole) for day in self.days)
        return Downloaded(days=days, brought=self.brought, present=self.present, nbytes=self.nbytes)

    def _bring(self, file: _File) -> bool:
        return bring(file.remote, self.target.root / file.key, self.fetch, self._tell)

    def _tell(self, nbytes: int) -> None:
        self.here += nbytes
        if self.progress:
            self.progress(self.here, self.total)

    def _settle(self, job: Future[bool], day: _Day, file: _File) -> None:
        day.waiting -= 1
        try:
            fresh = job.result()
        except TransferError as error:
            self.failures.append(error)
        else:
            size = (self.target.root / file.key).stat().st_size
            self.brought, self.present = self.brought + fresh, self.present + (not fresh)
            self.nbytes += size if fresh else 0
            if not fresh:
                self._tell(size)
            day.whole[file.asset] = file.key
        if day.waiting == 0 and day.whole:
            self._write_item(day)

    def _write_item(self, day: _Day) -> None:
        """Write a day's item and what leads to it; of one that is no day of this product the files stay alone."""
        try:
            write_copy(self.target, copied_item(self.target, day.found, day.whole))
        except StorageFullError:
            raise
        except (VadoseError, *_MISSHAPEN) as error:
            told = error.what if isinstance(error, VadoseError) else repr(error)[:200]
            self.failures.append(TransferError(f"An item cannot be copied ({told})", value=day.found.href))
            day.whole.clear()


def _summary(failures: Sequence[VadoseError], total: int) -> TransferError:
    """One error for all: of the failures' own type when that is one."""
    kinds = {type(error) for error in failures}
    kind = kinds.pop() if len(kinds) == 1 else TransferError
    assert issubclass(kind, TransferError)
    shown = "; ".join(f"{error.what}: {error.value}" for error in failures[:_SHOWN])
    more = f"; and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    what = "A downloaded file is damaged" if kind is ChecksumError else "Some files could not be downloaded"
    return kind(
        f"{what}: {len(failures)} of {total}",
        value=shown + more,
        remedy="The others are kept. Run the command again to download the rest.",
    )


def _require_room(target: FolderStore, days: Sequence[_Day]) -> None:
    """Raise StorageFullError when what is missing does not fit (before the first byte)."""
    missing = sum(file.remote.size or 0 for day in days for file in day.files if not (target.root / file.key).is_file())
    free = shutil.disk_usage(target.root).free
    if missing > free:
        raise StorageFullError(
            "The download does not fit on the disk",
            value=f"{missing / 1e6:.1f} MB missing, {free / 1e6:.1f} MB free at {target.root}",
            remedy="Choose fewer days or assets, or free some space.",
        )


@contextlib.contextmanager
def _disk(out: Path) -> Iterator[None]:
    """Make the folder; tell a full disk from what else keeps it from being written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(
                "The disk filled up during a download",
                value=out,
                remedy="Free some space and run the command again; it resumes.",
            ) from error
        raise ConfigError("The folder cannot be written", value=f"{out}: {error.strerror or error}") from error


@contextlib.contextmanager
def _only(out: Path) -> Iterator[None]:
    """One download a folder: two would append to the same files."""
    lock = FileLock(out / DOWNLOAD_LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            "Another download into this folder is running", value=out, remedy="Wait for it, or choose another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()
