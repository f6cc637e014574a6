"""Long work: what has finished so far, on disk, each part whole or not there; and the cores there are for it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from downscaler.errors import BusyError, OutputError, StorageFullError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_PLAN = "plan.json"
_Result = TypeVar("_Result")


class Spread(Protocol):
    """Does one work on each of many numbered items, here or elsewhere.

    What is spread beyond this process has to be picklable, and to keep what is large in files that all of them reach.
    """

    def __call__(self, work: Callable[[int], _Result], items: Sequence[int], /) -> Iterator[tuple[int, _Result]]:
        """Items with their results as they come; raises what the work raises."""


def in_turn(work: Callable[[int], _Result], items: Sequence[int], /) -> Iterator[tuple[int, _Result]]:
    """The items one after the other in this process."""
    return ((item, work(item)) for item in items)


def in_processes(workers: int) -> Spread:
    """The items among processes of this machine; in turn for one."""
    return in_turn if workers == 1 else partial(_in_pool, workers)


def _in_pool(workers: int, work: Callable[[int], _Result], items: Sequence[int], /) -> Iterator[tuple[int, _Result]]:
    # spawn: forking after BLAS and XGBoost have started their threads deadlocks
    pool = ProcessPoolExecutor(min(workers, max(len(items), 1)), mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(work, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class Parts:
    """Finished parts under a folder."""

    folder: Path

    def under(self, name: str) -> Parts:
        """The parts of a smaller piece of the same work."""
        return Parts(self.folder / name)

    def part(self, name: str, make: Callable[[Path], object]) -> Path:
        """A part's folder: as it stands where it was finished, else filled by ``make``.

        Raises:
            StorageFullError: no room on the disk; what was half written is taken away.
        """
        whole = self.folder / name
        if whole.is_dir():
            return whole
        partial = whole.with_name(f".{whole.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            make(partial)
            partial.rename(whole)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError("The disk filled up", value=whole) from error
            raise
        return whole


@contextmanager
def replacing(out: Path, what: str) -> Iterator[Path]:
    """A file to write beside ``out``: it takes its place once the block has ended well, and is gone otherwise.

    Raises:
        OutputError: ``out`` is a folder, or may not be written.
        StorageFullError: no room on the disk; it says ``what`` was written.
    """
    if out.is_dir():
        raise OutputError("The output is a folder", value=out, allowed="a file")
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        _begin(partial, out)
        yield partial
        partial.replace(out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"The disk filled up while writing {what}", value=out) from error
        raise
    finally:
        with suppress(OSError):  # where no file could be made, there may be no folder
            partial.unlink()


def folder_to_write(out: Path) -> Path:
    """A folder, made where it is not there; raises OutputError where a file stands or nothing may be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(
            "The output is no folder", value=out, remedy="Name a folder; no file may stand there."
        ) from None
    except PermissionError as error:
        raise OutputError("The output cannot be written", value=f"{out}: {error.strerror}") from None
    return out


def _begin(partial: Path, out: Path) -> None:
    """An empty file, so that what hinders the writing is told before the work."""
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        remedy = "Name a file in a folder that may be written."
        raise OutputError("The output cannot be written", value=f"{out}: {error.strerror}", remedy=remedy) from error


def resumed(folder: Path, plan: Mapping[str, Any]) -> Parts:
    """The parts of work with this very plan; those of another plan are removed."""
    text = json.dumps(plan, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    file = folder / _PLAN
    if not file.is_file() or file.read_text(encoding="utf-8") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file.write_text(digest, encoding="utf-8")
    return Parts(folder)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Be the only process that writes ``out`` within the block; a process that dies lets go.

    Raises:
        BusyError: another one is at it.
    """
    lock = out.with_name(f".{out.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        if fcntl is not None and not _locked(file.fileno(), lock):
            raise BusyError(
                "Another process is writing this output",
                value=out,
                remedy="Wait until it is done, or choose another output.",
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _locked(file: int, lock: Path) -> bool:
    """Whether an open file is ours alone now, and still the one under its name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file).st_ino == lock.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks
        return True


@contextmanager
def scratch() -> Iterator[Parts]:
    """Parts in a temporary folder that goes with the block."""
    with TemporaryDirectory(prefix="vadose-parts-") as folder:
        yield Parts(Path(folder))


def cores() -> int:
    """Threads that this process may keep busy: ``OMP_NUM_THREADS``, else the cores that it may run on."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
