"""Whether a bucket writes conditionally, asked once before any work: what keeps two runs from undoing each other."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

import obstore.store
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.exceptions import BaseError as ObjectStoreError

from catalog.store.bucket import BucketStore
from catalog.store.disk import storage_errors
from downscaler.errors import ConditionalWriteError

_BRIEF: Any = {"max_retries": 1, "retry_timeout": dt.timedelta(seconds=30)}
_REFUSED = ("501", "notimplemented", "not implemented", "a header you provided implies functionality")
_FOLDER = "claims/probe"  # what a crash leaves there is cleared away like a claim


@lru_cache(maxsize=8)
def require_conditional_writes(uri: str | Path) -> None:
    """Try create-only and compare-and-swap writes on an object that is removed again; a folder needs none of them.

    Six small requests, once in a process for each catalogue.

    Raises:
        ConditionalWriteError: the store refuses such writes, or overwrites all the same.
        CatalogError: the store cannot be reached or written.
    """
    if not str(uri).startswith("s3://"):
        return
    where = BucketStore(str(uri)).uri
    with storage_errors(where):
        objects = obstore.store.S3Store.from_url(where, retry_config=_BRIEF)
        fault = _fault(objects, f"{_FOLDER}/{uuid.uuid4().hex}.json")
    if fault is not None:
        raise ConditionalWriteError(
            "The object store has no conditional writes",
            value=f"{where}: {fault}",
            allowed="a store that heeds If-None-Match and If-Match, such as Amazon S3, MinIO or SeaweedFS",
            remedy="Use a newer version of the store, or publish into a folder.",
        )


def _fault(objects: Any, key: str) -> str | None:
    """What the store does wrong; None where its writes are conditional."""
    try:
        objects.put(key, b"1", mode="create")
        try:
            objects.put(key, b"2", mode="create")
        except (AlreadyExistsError, FileExistsError, PreconditionError):
            return _swap_fault(objects, key)
        else:
            return "it overwrote an object that was only to be created"
    except ObjectStoreError as error:
        if any(words in str(error).lower() for words in _REFUSED):
            return "it refuses them (HTTP 501)"
        raise
    finally:
        _remove(objects, key)


def _swap_fault(objects: Any, key: str) -> str | None:
    tag = objects.head(key)["e_tag"]
    objects.put(key, b"2", mode={"e_tag": tag})
    try:
        objects.put(key, b"3", mode={"e_tag": tag})
    except PreconditionError:
        return None
    return "it replaced an object that had changed"


def _remove(objects: Any, key: str) -> None:
    """What is left over harms nothing: a sweep or a repair removes it."""
    try:
        objects.delete(key)
    except (ObjectStoreError, OSError):
        return
