"""Lets files be looked at by a child process, which is ended by whatever ends HDF5's library, in place of this one.

The child is started with the first file that a process opens, and forks itself for each: a quarter of a second once,
some milliseconds a file. A file that has passed is known by its place, size and time for as long as the process lives.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from downscaler.errors import ConfigError
from downscaler.sources.refused import RefusedFileError

SECONDS, SECONDS_SETTING = 5.0, "VADOSE_READ_SECONDS"
MEMORY, MEMORY_SETTING = 1_000_000_000, "VADOSE_READ_MEMORY"
_KEPT = 10_000  # files that have passed
_passed: dict[tuple[Any, ...], None] = {}


class _Child:
    """The guarded child of this process."""

    def __init__(self) -> None:
        self.process, self.lock = 0, threading.Lock()
        self.asking, self.answering = -1, -1

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the child tells of a file; started anew once where it is gone."""
        line = json.dumps(asked).encode() + b"\n"
        with self.lock:
            for _ in range(2):
                if not self.process:
                    self._start()
                try:
                    _write(self.asking, line)
                    return dict(json.loads(_line(self.answering)))
                except (OSError, EOFError):
                    self._end()
        return {"ended": "the guarded process ended"}

    def _start(self) -> None:
        root = str(Path(__file__).resolve().parents[3])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        line = [sys.executable, "-P", "-m", "downscaler.sources.hdf5.guarded"]
        theirs_in, self.asking = os.pipe()
        self.answering, theirs_out = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        theirs = (theirs_in, theirs_out, nowhere)
        handed = [(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(theirs)]
        try:
            self.process = os.posix_spawn(sys.executable, line, environment, file_actions=handed)
        finally:
            for handle in theirs:
                os.close(handle)

    def _end(self) -> None:
        """Let go of a child that is gone, or that a fork of this process has inherited."""
        for handle in (self.asking, self.answering):
            os.close(handle)
        with suppress(ChildProcessError):
            os.waitpid(self.process, 0)
        self.process = 0

    def forked(self) -> None:
        """In a fork of this process: the child is the other's, and so may be whoever holds the lock."""
        self.lock = threading.Lock()
        if self.process:
            self._end()


_child = _Child()
os.register_at_fork(after_in_child=_child.forked)


def require(path: Path, *, hollow: int, netcdf: bool) -> None:
    """Raise RefusedFileError unless the guarded child lets an HDF5 file pass (``contents.look``)."""
    _require(path, {"hollow": hollow, "netcdf": netcdf})


def require_classic(path: Path) -> None:
    """The same of NetCDF of the classic forms (``contents.look_at_classic``)."""
    _require(path, {"classic": True})


def _require(path: Path, how: dict[str, Any]) -> None:
    found = path.stat()
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, *how.items())
    if key in _passed:
        return
    limits = {"seconds": _limit(SECONDS_SETTING, SECONDS), "memory": int(_limit(MEMORY_SETTING, MEMORY))}
    told = _child.ask({"path": str(path.absolute())} | how | limits)
    if "what" in told:
        raise RefusedFileError(told["what"], told["remedy"])
    if "ended" in told:
        raise RefusedFileError(
            f"its library does not come back from it ({told['ended']})",
            f"Delete the file and download it again. {SECONDS_SETTING} and {MEMORY_SETTING} set what it may take.",
        )
    if len(_passed) >= _KEPT:
        _passed.clear()
    _passed[key] = None


def _limit(setting: str, default: float) -> float:
    given = os.environ.get(setting) or default
    try:
        limit = float(given)
    except ValueError:
        limit = math.nan
    if not 0 < limit < 1e15:  # nor what is no number
        raise ConfigError(f"{setting} must be a number", value=given, allowed="more than 0")
    return limit


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]


def _line(handle: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not (part := os.read(handle, 1 << 16)):
            raise EOFError
        line += part
    return line
