"""What takes seconds to build is built once for a whole run of the suite, whichever of its processes needs it first.

TESTS_ONCE=FOLDER: runs of both halves of one tree share it, as in CI.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` fills, shared by the processes of this run: to read, never to change.

    A build that fails leaves nothing that the next process would take for whole.
    """
    base = Path(os.environ.get("TESTS_ONCE") or factory.getbasetemp())
    if "TESTS_ONCE" not in os.environ and "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # a worker's own folder lies in the run's
    base.mkdir(parents=True, exist_ok=True)
    folder, whole = base / f"once-{name}", base / f"once-{name}.whole"
    with FileLock(f"{folder}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            whole.touch()
    return folder
