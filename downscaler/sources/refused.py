"""Why a file of others is not read, and what to do: the one error of the gates, and the first thing they look at."""

from __future__ import annotations

import stat
from pathlib import Path

LARGEST_BLOCK = 1 << 30  # bytes that a block of a store may unpack to, as declared or as packed


class RefusedFileError(OSError):
    """A file that is not read; ``what`` says why in one clause, ``remedy`` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)


def require_regular(path: Path) -> None:
    """Raise RefusedFileError for a pipe, device or socket, which could be waited for without end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RefusedFileError(
            f"it cannot be reached ({error.strerror})", "Check the path and its permissions."
        ) from error
    if not stat.S_ISREG(mode):
        raise RefusedFileError("it is not a regular file", "Name a file.")
