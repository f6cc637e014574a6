"""Worker processes: each has its share of the cores and ends with its parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process

from downscaler.errors import SharedMemoryError
from flows import logs

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_worker() -> ProcessPoolExecutor:
    """A process that does one thing at a time, so that its death tells what killed it."""
    # spawn: forking after GDAL and XGBoost have started their threads deadlocks.
    lines = (logs.chosen(), logs.run_name())
    with shared_memory():
        return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), initializer=_begin, initargs=lines)


@contextmanager
def shared_memory() -> Iterator[None]:
    """Tells of locks between processes that cannot be made as SharedMemoryError; the system's error names no path."""
    try:
        yield
    except OSError as error:  # PermissionError, or ENOSYS and ENOSPC where it is missing or full
        raise SharedMemoryError(
            "Processes cannot share locks",
            value=f"/dev/shm: {error.strerror or error}",  # noqa: S108  (only named)
            remedy="Mount a writable tmpfs at /dev/shm (in a container: --shm-size), or work with one process.",
        ) from error


def _begin(form: logs.Format, run: str) -> None:
    logs.start(form, run)
    end_with_parent()


def end_with_parent() -> None:
    """End this process when its parent is gone: it would wait for its next task for ever."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def threads_shared(workers: int) -> Iterator[None]:
    """Have the processes started below use as many threads as each may have of the cores; a setting of theirs wins."""
    share = str(max(1, (os.cpu_count() or 1) // workers))
    unset = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, share))  # read by the libraries when a process starts
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)
