"""The index beside the JSON: STAC GeoParquet, one file for each collection and month, derived from the items there.

Every publication writes its month's file anew from all items of that month, so one that a crash left behind is mended
by the next. Two kinds of values are not kept, since the format's library has no place for them: a band's ``nodata`` of
"nan" (``restore`` puts it back) and the ``count`` of its statistics.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rustac

from catalog.items.schema import validate_core
from catalog.naming import index_key, index_prefix, is_item_key, partition
from catalog.store.base import Store, get_many
from catalog.store.documents import Document, parse_json
from catalog.store.objects import Change, Write
from downscaler.errors import CatalogError

_NAN = "nan"


_PANIC = (
    "PanicException"  # what a panic of Rust's becomes, of damaged Parquet too: a BaseException without a public name
)


def index_keys(store: Store, collection: str) -> list[str]:
    """Keys of a collection's index files, in order of time; none where it is not indexed."""
    return [key for key in store.keys(index_prefix(collection)) if key.endswith(".parquet")]


def read_index(store: Store, collection: str, months: Sequence[str] | None = None) -> list[Document]:
    """The items of a collection as its index tells them, by identifier.

    Args:
        store: the catalogue.
        collection: identifier of the collection.
        months: only these, as YYYY-MM.

    Raises:
        CatalogError: a file of the index is damaged.
    """
    wanted = None if months is None else {f"{index_prefix(collection)}{month}.parquet" for month in months}
    keys = [key for key in index_keys(store, collection) if wanted is None or key in wanted]
    found = [item for key, content in zip(keys, get_many(store, keys), strict=True) for item in decode(content, key)]
    return sorted(found, key=lambda item: str(item["id"]))


def rebuild_index(store: Store, collection: str) -> list[str]:
    """Write a collection's index anew from its items and drop files that tell of none; returns the keys changed."""
    items = [key for key in store.keys(f"{collection}/") if is_item_key(key)]
    firsts = {index_key(key): key for key in items}
    changed = []
    with store.staging() as staging, store.lock():
        for key, item_key in firsts.items():
            before = store.get(key)
            store.apply([index_write(store, item_key, force=True)], staging)
            if store.get(key) != before:
                changed.append(key)
        lost = [key for key in index_keys(store, collection) if key not in firsts]
        store.delete(lost)
    return changed + lost


def index_write(store: Store, item_key: str, item: Mapping[str, Any] | None = None, *, force: bool = False) -> Write:
    """The write that brings an item's index file up to date with all items of its month.

    ``item`` is one that is being published: it counts where the store has an older one or none yet. A file that
    tells the same is left as it is, but for ``force``.
    """
    key = index_key(item_key)

    def change(before: bytes | None) -> bytes:
        items = stored_items(store, item_key)
        if item is not None:
            items[item_key] = _newer(item, items.get(item_key))
        if before is not None and not force and _tells(before, key, items.values()):
            return before
        return encode(items.values())

    content: Change = change
    return Write(key=key, content=content)


def stored_items(store: Store, item_key: str) -> dict[str, Document]:
    """All readable items of the same index file, by key."""
    keys = [key for key in store.keys(partition(item_key)) if is_item_key(key)]
    found = ((key, _parse(content)) for key, content in zip(keys, get_many(store, keys), strict=True))
    return {key: item for key, item in found if item is not None}


def encode(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Items as STAC GeoParquet, in order of their identifiers."""
    documents = [_without_nan(item) for item in sorted(items, key=lambda item: str(item["id"]))]
    with tempfile.TemporaryDirectory(prefix="vadose-") as folder:
        path = Path(folder) / "items.parquet"
        try:
            rustac.write_sync(str(path), documents)
        except rustac.RustacError as error:
            raise CatalogError("An item cannot be indexed", value=f"{error}"[:300]) from error
        return path.read_bytes()


def decode(content: bytes | None, key: str) -> list[Document]:
    """The items of an index file, times as the catalogue writes them; raises CatalogError when it is damaged."""
    with tempfile.TemporaryDirectory(prefix="vadose-") as folder:
        path = Path(folder) / "items.parquet"
        path.write_bytes(content or b"")
        try:
            found = [restore(item) for item in rustac.read_sync(str(path))["features"]]
            [essence(item) for item in found]
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
                raise
            raise CatalogError(
                "A file of the index is damaged", value=f"{key}: {error}", remedy="`vadose catalog check --repair`."
            ) from error
    return found


def restore(item: Document) -> Document:
    """An item of the index as the catalogue has it: its box a list, times with Z, NaN as nodata of floats."""
    times = {
        name: value.removesuffix("+00:00") + "Z"
        for name, value in item["properties"].items()
        if isinstance(value, str) and value.endswith("+00:00")
    }
    for asset in item["assets"].values():
        for band in asset.get("bands", ()):
            if str(band.get("data_type", "")).startswith("float"):
                band.setdefault("nodata", _NAN)
    return item | {"bbox": list(item["bbox"]), "properties": item["properties"] | times}


def essence(item: Mapping[str, Any]) -> tuple[str, ...]:
    """What has to agree between an item and the index: identity, revision, time of change, state and every file."""
    properties = item["properties"]
    files = [f"{key} {asset['href']} {asset.get('file:checksum')}" for key, asset in sorted(item["assets"].items())]
    told = (properties.get(name) for name in ("datetime", "version", "updated", "deprecated"))
    return (str(item["id"]), *map(str, told), *files)


def _tells(content: bytes, key: str, items: Iterable[Mapping[str, Any]]) -> bool:
    try:
        return sorted(map(essence, decode(content, key))) == sorted(map(essence, items))
    except CatalogError:
        return False


def _newer(item: Mapping[str, Any], stored: Document | None) -> Document:
    """The later of two states of an item: by revision, then by time of change; the one at hand when they tie."""
    if stored is None:
        return dict(item)

    def age(document: Mapping[str, Any]) -> tuple[int, str]:
        properties = document["properties"]
        return int(properties["version"]), str(properties.get("updated"))

    return stored if age(stored) > age(item) else dict(item)


def _parse(content: bytes | None) -> Document | None:
    try:
        item = parse_json(content or b"")
        essence(item)
        validate_core(item)
    except (ValueError, KeyError, TypeError, AttributeError, CatalogError):
        return None  # a damaged item is for the check to report, and stops no other's publication
    return dict(item)


def _without_nan(item: Mapping[str, Any]) -> Document:
    copy: Document = json.loads(json.dumps(item))
    for asset in copy["assets"].values():
        for band in asset.get("bands", ()):
            if band.get("nodata") == _NAN:
                del band["nodata"]
    return copy
