"""What a store tells of an object without reading it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ObjectFacts:
    """Size in bytes, time of the last change in seconds since 1970, and a tag that changes with the content."""

    size: int
    modified: float
    tag: str
