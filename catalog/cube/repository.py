"""The Icechunk repository of a collection's cube, below the catalogue in a folder or bucket.

Icechunk keeps Zarr in snapshots: a reader sees one whole commit, whatever is being written or dies meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from catalog.naming import cube_folder
from catalog.store.base import Store, open_store
from catalog.store.folder import FolderStore
from downscaler.errors import CubeError, MissingExtraError

if TYPE_CHECKING:
    import icechunk

BRANCH = "main"


def storage(uri: str | Path, collection: str) -> icechunk.Storage:
    """Icechunk's address of a collection's cube; S3 takes the same ``AWS_*`` variables as the catalogue.

    Raises MissingExtraError without the package, CatalogError on an address of an unknown scheme.
    """
    _require()
    import icechunk

    store, folder = open_store(uri), cube_folder(collection)
    if isinstance(store, FolderStore):
        icechunk.set_logs_filter("error")  # it warns of concurrent writers of a folder, whom `only_writer` keeps out
        return icechunk.local_filesystem_storage(str(store.root / folder))
    parts = urlsplit(store.uri)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return icechunk.s3_storage(
        bucket=parts.netloc,
        prefix=f"{unquote(parts.path).strip('/')}/{folder}".lstrip("/"),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        endpoint_url=endpoint,
        allow_http=endpoint is not None and endpoint.startswith("http://"),
        from_env=True,
        force_path_style=endpoint is not None,  # servers of one's own rarely have a name per bucket
    )


def _require() -> None:
    try:
        import icechunk  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "A cube needs packages that are not installed", value="icechunk", remedy="pip install 'vadose[cube]'"
        ) from None


def exists(uri: str | Path, collection: str) -> bool:
    """Whether the collection has a cube."""
    store = open_store(uri)
    if isinstance(store, FolderStore) and not (store.root / cube_folder(collection)).is_dir():
        return False  # asking Icechunk would make the folder
    with cube_errors(uri, collection):
        import icechunk

        return icechunk.Repository.exists(storage(uri, collection))


def open_repository(uri: str | Path, collection: str, *, create: bool = False) -> icechunk.Repository:
    """A collection's cube; raises CubeError where there is none and none shall be made."""
    if not create and not exists(uri, collection):
        raise CubeError(
            "The collection has no cube", value=f"{uri}: {collection}", remedy="Build one with `vadose cube build`."
        )
    with cube_errors(uri, collection):
        import icechunk

        place = storage(uri, collection)
        return icechunk.Repository.open_or_create(place) if create else icechunk.Repository.open(place)


@contextlib.contextmanager
def cube_errors(uri: str | Path, collection: str) -> Iterator[None]:
    """Turn what Icechunk raises into CubeError."""
    _require()
    import icechunk

    try:
        yield
    except icechunk.ConflictError as error:
        raise CubeError(
            "Another update of the cube was faster", value=collection, remedy="Run the command again."
        ) from error
    except (icechunk.IcechunkError, FileNotFoundError) as error:  # zarr says of a damaged group that there is none
        said = str(error).strip().splitlines()
        raise CubeError(
            "The cube cannot be read or written", value=f"{uri}: {collection}: {said[0] if said else error!r}"
        ) from error


@contextlib.contextmanager
def only_writer(store: Store, collection: str) -> Iterator[None]:
    """Keep other updates of this machine out of a folder's cube; a bucket's commits are conditional instead."""
    if not isinstance(store, FolderStore):
        yield
        return
    folder = store.root / cube_folder(collection)
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        yield
