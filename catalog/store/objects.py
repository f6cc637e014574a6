"""Objects to write, and facts about stored objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[bytes | None], bytes]
"""From what an object holds now (None where there is none) to what it shall hold."""
LONGEST_NAME, LONGEST_KEY = 255, 1024  # bytes of UTF-8: of a file's name in the usual file systems, of a key in S3


def can_hold(key: str) -> bool:
    """Whether a folder and a bucket could hold an object of that key: nothing is where nothing can be."""
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return False
    longest = max(len(name) for name in encoded.split(b"/"))
    return len(encoded) <= LONGEST_KEY and longest <= LONGEST_NAME and b"\0" not in encoded


@dataclass(frozen=True, kw_only=True)
class Write:
    """One object to write: a staged file (moved), bytes, or a change of what is there.

    ``create`` never replaces an object; ``commit`` marks the write that makes the ones before it visible.
    """

    key: str
    content: Path | bytes | Change
    create: bool = False
    commit: bool = False


@dataclass(frozen=True, kw_only=True)
class Stat:
    """What a store knows of an object without reading it: bytes, when it was written (UTC), a tag of its content."""

    size: int
    modified: dt.datetime
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class ObjectFacts:
    """Size in bytes, time of the last change in seconds since 1970, and a tag that changes with the content."""

    size: int
    modified: float
    tag: str
