"""Long work: what has finished so far, on disk, each part whole or not there; and the cores there are for it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from downscaler.errors import StorageFullError

_PLAN = "plan.json"


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
