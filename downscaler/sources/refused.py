"""The one error of the gates for files of others: why a file is not read, and what to do."""

from __future__ import annotations


class RefusedFileError(OSError):
    """A file that is not read; ``what`` says why in one clause, ``remedy`` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)
