"""Withdraws a published day: it stays in place, marked as deprecated with the reason."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from catalog.items.day import REASON
from catalog.items.index import index_write
from catalog.items.schema import validate_item
from catalog.naming import DayName
from catalog.publish.commit import parse_item
from catalog.store.base import open_store
from catalog.store.documents import Document, serialise
from catalog.store.objects import Write
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain


def withdraw(uri: str | Path, domain: Domain, date: dt.date, reason: str) -> str:
    """Mark a day's item as withdrawn (version extension ``deprecated``, timestamps ``unpublished``) and why.

    Files, revision and links stay, so that whoever used the day finds it and the reason. The same reason again changes
    nothing. ``vadose run`` and ``backfill`` publish the day anew, as the next revision, only when they are forced.

    Args:
        uri: the catalogue.
        domain: of the day.
        date: the day, UTC.
        reason: a sentence for users.

    Returns:
        The address of the item.

    Raises:
        CatalogError: the day is not published, its item is damaged, or no reason is given.
    """
    store, name = open_store(uri), DayName.of(domain, date)
    reason = " ".join(reason.split())
    if not reason:
        raise CatalogError("A withdrawal needs a reason", value=repr(reason))
    with store.lock():
        current = store.get(name.item_key)
        if current is None:
            raise CatalogError(f"{date} is not published for {domain.name}", value=f"{store.uri}/{name.item_key}")

        def change(before: bytes | None) -> bytes:
            item = parse_item(before or b"", name)
            return before or b"" if item["properties"].get(REASON) == reason else serialise(_withdrawn(item, reason))

        after = json.loads(change(current))
        with store.staging() as staging:
            writes = [Write(key=name.item_key, content=change, commit=True), index_write(store, name.item_key, after)]
            store.apply(writes, staging)
    return f"{store.uri}/{name.item_key}"


def _withdrawn(item: Document, reason: str) -> Document:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    properties = item["properties"]
    title = properties["title"].removesuffix(f" (withdrawn: {properties.get(REASON)})")
    item["properties"] = properties | {
        "title": f"{title} (withdrawn: {reason})",
        "deprecated": True,
        "unpublished": now,
        "updated": now,
        REASON: reason,
    }
    validate_item(item)
    return item
