"""A catalogue in an S3 bucket: create-only and compare-and-swap writes instead of a lock."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import obstore.store
from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

from catalog.facts import ObjectFacts
from catalog.ranged import open_ranged
from catalog.room import storage_errors
from downscaler.errors import CatalogError

if TYPE_CHECKING:
    from catalog.store import Write

_TRIES = 50  # a month's catalogue is swapped once per published day: as many workers as that may collide
_TYPES = {".json": "application/json", ".tif": "image/tiff", ".png": "image/png"}


class BucketStore:
    """Objects below ``s3://bucket/prefix``; configured by the ``AWS_*`` environment."""

    exclusive = False

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        with storage_errors(uri):
            self._objects = obstore.store.S3Store.from_url(self.uri)

    def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none."""
        return self._read(key)[0]

    def _read(self, key: str) -> tuple[bytes | None, str | None]:
        with storage_errors(self.uri):
            try:
                found = self._objects.get(key)
                return bytes(found.bytes()), found.meta["e_tag"]
            except (NotFoundError, FileNotFoundError):
                return None, None

    def facts(self, key: str) -> ObjectFacts | None:
        """Size, time and tag of an object, None where there is none."""
        with storage_errors(self.uri):
            try:
                meta = self._objects.head(key)
            except (NotFoundError, FileNotFoundError):
                return None
        tag = str(meta["e_tag"] or meta["last_modified"].timestamp()).strip('"')
        return ObjectFacts(size=meta["size"], modified=meta["last_modified"].timestamp(), tag=tag)

    def reader(self, key: str) -> BinaryIO:
        """The object, read by ranges of 64 KiB where they are asked for."""
        with storage_errors(self.uri):
            try:
                return open_ranged(self._objects, key)
            except (NotFoundError, FileNotFoundError):
                raise FileNotFoundError(f"{self.uri}/{key}") from None

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted."""
        with storage_errors(self.uri):
            return sorted(entry["path"] for batch in self._objects.list(prefix) for entry in batch)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are no error."""
        with storage_errors(self.uri):
            for key in keys:
                self._objects.delete(key)

    def apply(self, writes: Sequence[Write], staging: Path) -> None:
        """Put each object in order; a change is retried on what another writer left."""
        created: list[str] = []
        try:
            for write in writes:
                with storage_errors(self.uri):
                    self._apply_one(write)
                if write.create:
                    created.append(write.key)
                if write.commit:
                    created.clear()
        except BaseException:
            self.delete(created)
            raise

    def _apply_one(self, write: Write) -> None:
        if callable(write.content):
            self._change(write)
            return
        try:
            self._put(write.key, write.content, mode="create" if write.create else "overwrite")
        except (AlreadyExistsError, FileExistsError) as error:
            raise CatalogError(
                "Another publication of the same day came first", value=write.key, remedy="Run it again."
            ) from error

    def _put(self, key: str, content: Path | bytes, *, mode: Any) -> None:
        kind = _TYPES.get(Path(key).suffix, "application/octet-stream")
        # A conditional write has to be a single request.
        multipart = None if mode == "overwrite" else False
        self._objects.put(key, content, mode=mode, use_multipart=multipart, attributes={"Content-Type": kind})

    def _change(self, write: Write) -> None:
        assert callable(write.content)
        for _ in range(_TRIES):
            before, tag = self._read(write.key)
            after = write.content(before)
            if after == before:
                return
            mode: Any = "create" if tag is None else {"e_tag": tag}
            with contextlib.suppress(PreconditionError, AlreadyExistsError):  # another writer was faster: look again
                self._put(write.key, after, mode=mode)
                return
        raise CatalogError(
            "The catalogue changed faster than it could be updated", value=write.key, remedy="Use fewer workers."
        )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """No lock: a bucket's writes are conditional instead."""
        yield

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder in the system's temporary directory."""
        with tempfile.TemporaryDirectory(prefix="vadose-") as folder:
            yield Path(folder)
