"""Waiting for a folder's lock: told who holds it, and not for ever."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from pathlib import Path

from downscaler.errors import CatalogError, ConfigError

SETTING = "VADOSE_LOCK_SECONDS"
PATIENCE = 600.0  # seconds; a publication holds the lock for as long as its files take to be renamed
_TOLD_AFTER, _LOOK = 5.0, 0.05
_log = logging.getLogger(__name__)


def patience() -> float:
    """Seconds that a lock is waited for: ``VADOSE_LOCK_SECONDS``, by default ten minutes."""
    given = os.environ.get(SETTING, str(PATIENCE))
    try:
        seconds = float(given)
        assert 0 <= seconds < 1e9
    except (ValueError, AssertionError):
        raise ConfigError(f"{SETTING} must be a number of seconds", value=given, allowed="0 or more") from None
    return seconds


def take(handle: int, folder: Path) -> None:
    """Take the lock of an opened folder; raises CatalogError, which tells the holder, when patience is over."""
    started, told, pause = time.monotonic(), False, 0.001
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
        else:
            return
        if waited >= patience():
            raise CatalogError(
                "The catalogue is locked by another process",
                value=f"{folder}: {holder(handle)}, waited {waited:.0f} s",
                remedy=f"Let it come to its end, or end it. {SETTING} says how long to wait.",
            )
        if waited >= _TOLD_AFTER and not told:
            told = True
            _log.warning("Waiting for the lock of %s, held by %s", folder, holder(handle))
        time.sleep(pause)
        pause = min(2 * pause, _LOOK)


def holder(handle: int) -> str:
    """Who holds the lock of an opened folder, as far as this machine's kernel tells."""
    found = os.fstat(handle)
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return "a process that is not known here"
    for fields in (line.split() for line in locks):
        if "->" not in fields and "FLOCK" in fields and wanted in fields:
            process = fields[fields.index(wanted) - 1]
            return f"process {process}{_command(process)}"
    return "a process that is not known here"


def _command(process: str) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        state = (
            Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
        )
    except OSError:
        return ""
    said = " ".join(Path(word.decode(errors="replace")).name for word in words[:3] if word)
    said = " ".join(said.split())[:60]
    return f" ({said}{', stopped' if state == 'T' else ''})"
