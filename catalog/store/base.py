"""Storage of a catalogue in a folder or bucket; readers never see partial writes.

A publication is a list of writes applied in order; each object appears whole or not at all, and what readers follow
(item, then the links to it) comes last. A folder is guarded by a lock on its root, a bucket by create-only and
compare-and-swap writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from catalog.store.bucket import BucketStore
from catalog.store.folder import FolderStore
from catalog.store.objects import Change, ObjectFacts, Stat, Write
from downscaler.errors import CatalogError

__all__ = ["Change", "Stat", "Store", "Write", "get_many", "open_store"]
_READERS = 16  # requests at a time


class Store(Protocol):
    """Objects by key (relative, with /) below one root.

    ``apply`` writes in the order given. In a folder all is staged, synced and room made before the first object
    appears. After a failure before the commit write is tried the objects it created are removed again; from then
    on they stay, since a store that broke down may have taken the commit. ``exclusive`` says that
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

    def stats(self, prefix: str) -> dict[str, Stat]:
        """Size and time of every object below a folder-like prefix, by key, sorted."""
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

    S3 takes its credentials, region, endpoint and number of attempts from the usual ``AWS_*`` variables
    (``AWS_MAX_ATTEMPTS``, 10 by default). Raises CatalogError on another scheme.
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


def get_many(store: Store, keys: Sequence[str]) -> list[bytes | None]:
    """The bytes of several objects, None where there is none; side by side where each is a request of its own."""
    if store.exclusive or len(keys) < 2:
        return [store.get(key) for key in keys]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(store.get, keys))
