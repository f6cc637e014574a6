"""What passes between a catalogue and its store: objects to write, and what is known of those that are there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[bytes | None], bytes]
"""From what an object holds now (None where there is none) to what it shall hold."""


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
