"""Where a catalogue lives: a folder or a bucket, written so that a reader never sees half of anything.

A publication is a list of writes applied in order; each object appears whole or not at all, and what readers follow
(item, then the links to it) comes last. A folder is guarded by a lock on its root, a bucket by create-only and
compare-and-swap writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from catalog.bucket import BucketStore
from catalog.facts import ObjectFacts
from catalog.folder import FolderStore
from downscaler.errors import CatalogError

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


class Store(Protocol):
    """Objects by key (relative, with /) below one root.

    ``apply`` writes in the order given. In a folder all is staged, synced and room made before the first object
    appears. After a failure before the commit write the objects it created are removed again. ``exclusive`` says that
    ``lock`` keeps other writers out. Raises StorageFullError and CatalogError.
    """

    uri: str
    exclusive: bool

    def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none."""
        ...

    def facts(self, key: str) -> ObjectFacts | None:
        """Size, time and tag of an object, None where there is none."""
        ...

    def reader(self, key: str) -> BinaryIO:
        """The object opened for reading at any place; raises FileNotFoundError where there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Keys below a folder-like prefix, sorted."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are no error."""
        ...

    def apply(self, writes: Sequence[Write], staging: Path) -> None:
        """Write all, in order."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers of this machine out, where the store can."""
        ...

    def staging(self) -> AbstractContextManager[Path]:
        """A private local folder to build files in, removed at the end whatever happens."""
        ...


def open_store(uri: str | Path) -> Store:
    """The store at a local path, a ``file://`` or an ``s3://bucket/prefix`` address.

    S3 takes its credentials, region and endpoint from the usual ``AWS_*`` variables. Raises CatalogError on another
    scheme.
    """
    text = str(uri)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme == "":
        return FolderStore(Path(text))
    if scheme == "file":
        return FolderStore(Path(unquote(urlsplit(text).path)))
    if scheme == "s3":
        return BucketStore(text)
    raise CatalogError("The catalogue's address has an unknown scheme", value=text, allowed="a path, file://, s3://")
