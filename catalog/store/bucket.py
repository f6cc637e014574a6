"""A catalogue in an S3 bucket: create-only and compare-and-swap writes instead of a lock."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import obstore.store
from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

from catalog.store.disk import storage_errors
from catalog.store.objects import ObjectFacts, Stat, Write, can_hold
from downscaler.errors import CatalogError
from downscaler.sources.ranged import open_ranged

_TRIES = 50  # a month's catalogue is swapped once per published day: as many workers as that may collide
_MARK = "vadose-publication"  # an object's metadata: which publication created it
_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".tif": "image/tiff",
    ".png": "image/png",
}


@dataclass(frozen=True)
class _Publication:
    """One ``apply``: the mark that its new objects carry, and those that a failure has to undo."""

    mark: str
    created: list[str]


def _patience() -> Any:
    """How often a request is tried: ``AWS_MAX_ATTEMPTS``, else 10 times within three minutes."""
    given = os.environ.get("AWS_MAX_ATTEMPTS", "10")
    if not given.isdecimal() or int(given) < 1:
        raise CatalogError("AWS_MAX_ATTEMPTS is not a number of attempts", value=given, allowed="1, 2, ...")
    return {"max_retries": int(given) - 1, "retry_timeout": dt.timedelta(minutes=3)}


class BucketStore:
    """Objects below ``s3://bucket/prefix``; configured by the ``AWS_*`` environment."""

    exclusive = False

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        with storage_errors(uri):
            self._objects = obstore.store.S3Store.from_url(self.uri, retry_config=_patience())

    def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none."""
        with storage_errors(self.uri):
            return self._read(key)[0]

    def _read(self, key: str) -> tuple[bytes | None, str | None]:
        if not can_hold(key):
            return None, None
        try:
            found = self._objects.get(key)
            return bytes(found.bytes()), found.meta["e_tag"]
        except (NotFoundError, FileNotFoundError):
            return None, None

    def facts(self, key: str) -> ObjectFacts | None:
        """Size, time and tag of an object, None where there is none."""
        if not can_hold(key):
            return None
        with storage_errors(self.uri):
            try:
                meta = self._objects.head(key)
            except (NotFoundError, FileNotFoundError):
                return None
        known = _stat(meta)
        return ObjectFacts(size=known.size, modified=known.modified.timestamp(), tag=known.tag)

    def reader(self, key: str) -> BinaryIO:
        """The object, read by ranges of 64 KiB where they are asked for."""
        if not can_hold(key):
            raise FileNotFoundError(f"{self.uri}/{key}")
        with storage_errors(self.uri):
            try:
                return open_ranged(self._objects, key)
            except (NotFoundError, FileNotFoundError):
                raise FileNotFoundError(f"{self.uri}/{key}") from None

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted."""
        return list(self.stats(prefix))

    def stats(self, prefix: str) -> dict[str, Stat]:
        """Size and time of every object below a prefix, by key, sorted."""
        with storage_errors(self.uri):
            entries = (entry for batch in self._objects.list(prefix, chunk_size=1000) for entry in batch)
            found = {entry["path"]: _stat(entry) for entry in entries}
        return dict(sorted(found.items()))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are no error."""
        with storage_errors(self.uri):
            for key in keys:
                self._objects.delete(key)

    def apply(self, writes: Sequence[Write], staging: Path) -> None:
        """Put each object in order; a change is retried on what another writer left."""
        publication = _Publication(mark=uuid.uuid4().hex, created=[])
        try:
            for write in writes:
                with storage_errors(self.uri):
                    self._apply_one(write, publication)
        except BaseException:
            with contextlib.suppress(CatalogError):  # a store that is gone takes no deletion either
                self.delete(publication.created)
            raise

    def _apply_one(self, write: Write, publication: _Publication) -> None:
        if callable(write.content):
            self._change(write, publication)
            return
        if not write.create:
            self._put(write.key, write.content, mode="overwrite")
            return
        try:
            self._put(write.key, write.content, mode="create", mark=publication.mark)
        except (AlreadyExistsError, FileExistsError) as error:
            # A server that took the object and then failed to say so is asked again, and finds it there.
            if self._objects.get(write.key).attributes.get(_MARK) != publication.mark:
                raise CatalogError(
                    "Another publication of the same day was faster", value=write.key, remedy="Run the command again."
                ) from error
        publication.created.append(write.key)

    def _put(self, key: str, content: Path | bytes, *, mode: Any, mark: str | None = None) -> None:
        kind = {"Content-Type": _TYPES.get(Path(key).suffix, "application/octet-stream")}
        # A conditional write has to be a single request.
        multipart = None if mode == "overwrite" else False
        attributes = kind if mark is None else kind | {_MARK: mark}
        self._objects.put(key, content, mode=mode, use_multipart=multipart, attributes=attributes)

    def _change(self, write: Write, publication: _Publication) -> None:
        assert callable(write.content)
        tried: bytes | None = None
        for _ in range(_TRIES):
            before, tag = self._read(write.key)
            if before is not None and before == tried:
                return  # it was written, and only the answer was lost
            after = write.content(before)
            if after == before:
                return
            if write.commit:
                publication.created.clear()  # whatever is answered, from here on the item may stand
            tried = after
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


def _stat(meta: Any) -> Stat:
    """What a listing or a HEAD request tells; the time is the tag where the server gives none."""
    tag = str(meta["e_tag"] or meta["last_modified"].timestamp()).strip('"')
    return Stat(size=meta["size"], modified=meta["last_modified"], tag=tag)
