"""Revisions of an item: the item file is replaced, the assets of every revision stay where they were put."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catalog.items.assets import StagedFile, multihash
from catalog.items.schema import validate_item
from catalog.naming import Revisioned, revision_folder, revision_number, revision_of
from catalog.store.base import Change, Store, Write
from catalog.store.documents import Document, parse_json, resolve, serialise
from downscaler.errors import CatalogError

_LOG = logging.getLogger(__name__)
_SUCCESSOR = "successor-version"


class Build(Protocol):
    """Makes an item's document of a revision."""

    def __call__(self, *, revision: int, old: Document | None) -> Document:
        """The document; ``old`` is the item that it replaces, None for a first one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What stands after a commit; ``changed`` is false where it stood before."""

    revision: int
    changed: bool


def commit(
    store: Store,
    staging: Path,
    name: Revisioned,
    files: Mapping[str, StagedFile],
    *,
    build: Build,
    parents: Callable[[Document], Sequence[Write]],
    unchanged: Callable[[Document], bool] = lambda _: True,
    check: Callable[[], None] = lambda: None,
) -> Committed:
    """Publish an item with its files as its next revision; when they are the same, lost links and files are mended.

    The item is written after its files and before the links to it. To be called under the store's lock.

    Args:
        store: the catalogue.
        staging: a folder for what is being written.
        name: of the item.
        files: by asset key.
        build: makes the item.
        parents: the links that lead to an item, from the collection to the root.
        check: raises where this run may no longer publish; called after the item that stands has been read.
        unchanged: whether an item with the same files still says all that it should.

    Raises:
        StorageFullError, CatalogError: nothing of this call is visible.
    """
    current = store.get(name.item_key)
    check()  # after the look at what stands, and that is replaced only while it stands: nobody comes in between
    old = None if current is None else parse_item(current, name)
    present = revision_number(old) or 0
    if old is not None and _same(old, files) and unchanged(old):
        store.apply([*_restored(store, name, old, files), *parents(old)], staging)
        return Committed(revision=present, changed=False)
    revision = next_revision(store, name, present)
    document = build(revision=revision, old=old)
    validate_item(document)
    below = f"{name.folder}/{revision_folder(revision)}"
    writes = [Write(key=f"{below}/{f.relative}", content=f.facts.path, create=True) for f in files.values()]
    if old is not None:
        writes += [write for write in archive(old, name, present) if not _lost(store, write)]
    writes.append(Write(key=name.item_key, content=replacing(current, serialise(document)), commit=True))
    store.apply([*writes, *parents(document)], staging)
    return Committed(revision=revision, changed=True)


def _same(old: Document, files: Mapping[str, StagedFile]) -> bool:
    present = {key: asset.get("file:checksum") for key, asset in old["assets"].items()}
    return present == {key: file.facts.fields["file:checksum"] for key, file in files.items()}


def _restored(store: Store, name: Revisioned, old: Document, files: Mapping[str, StagedFile]) -> list[Write]:
    """Writes of those files of a standing item that are missing, cut or otherwise not what it says."""
    writes = []
    for key, file in files.items():
        where, told = resolve(name.item_key, old["assets"][key]["href"]), file.facts.fields["file:checksum"]
        stored = store.get(where)
        if stored is None or multihash(hashlib.sha256(stored).hexdigest()) != told:
            _LOG.warning("%s was %s and is restored", where, "missing" if stored is None else "damaged")
            writes.append(Write(key=where, content=file.facts.path))
    return writes


def _lost(store: Store, write: Write) -> bool:
    """Whether a write changes an object that is not there: an archived item that was lost holds up no other."""
    return callable(write.content) and store.get(write.key) is None


def parse_item(content: bytes, name: Revisioned) -> Document:
    """The item that stands in the catalogue; raises CatalogError when it is damaged."""
    try:
        document = parse_json(content)
        validate_item(document)
    except (ValueError, CatalogError) as error:
        raise CatalogError(
            "The published item is damaged", value=f"{name.item_key}: {error}", remedy="Restore or remove it."
        ) from error
    return dict(document)


def next_revision(store: Store, name: Revisioned, present: int) -> int:
    """The number after the published one; files of publications that died on the way are cleared or passed over."""
    numbered = [(number, key) for key in store.keys(f"{name.folder}/") if (number := revision_of(name, key))]
    orphans = [key for number, key in numbered if number > present]
    if store.exclusive:
        store.delete(orphans)  # the lock is held, so nobody is still writing them
        return present + 1
    return max([present, *(number for number, _ in numbered)]) + 1


def archive(old: Document, name: Revisioned, revision: int) -> list[Write]:
    """The item that is about to be replaced, kept beside its assets, with links that hold from there.

    It leads to its successor and the latest, both the item that replaces it; the one before it now leads to it.
    """

    def moved(href: str) -> str:
        if "://" in href:
            return href
        own = f"./{revision_folder(revision)}/"
        return f"./{href.removeprefix(own)}" if href.startswith(own) else f"../{href.removeprefix('./')}"

    document = json.loads(json.dumps(old))
    for entry in [*document["links"], *document["assets"].values()]:
        entry["href"] = moved(entry["href"])
    document["properties"]["deprecated"] = True
    latest = {"href": f"../{name.item_id}.json", "type": "application/geo+json"}
    document["links"] += [{"rel": _SUCCESSOR, **latest}, {"rel": "latest-version", **latest}]
    validate_item(document)
    writes = [Write(key=f"{name.folder}/{revision_folder(revision)}/item.json", content=serialise(document))]
    for link in old["links"]:
        if link["rel"] == "predecessor-version":
            key = f"{name.folder}/{link['href'].removeprefix('./')}"
            writes.append(Write(key=key, content=_succeeded_by(revision)))
    return writes


def _succeeded_by(revision: int) -> Change:
    """A change of an archived item: it is followed by the archived item of a revision, no longer by the latest."""

    def change(before: bytes | None) -> bytes:
        try:
            document = parse_json(before or b"{}")
        except ValueError:
            return before or b""  # damaged, as the check of the catalogue tells
        if not document.get("links"):
            raise CatalogError("An earlier revision's item is missing", remedy="Restore it from a copy.")
        others = [link for link in document["links"] if link["rel"] != _SUCCESSOR]
        href = f"../{revision_folder(revision)}/item.json"
        document["links"] = [*others, {"rel": _SUCCESSOR, "href": href, "type": "application/geo+json"}]
        return serialise(document)

    return change


def replacing(expected: bytes | None, content: bytes) -> Change:
    """A change that goes through only while the item is still the one that this publication started from."""

    def change(before: bytes | None) -> bytes:
        if before != expected:
            raise CatalogError("Another publication of the same item was faster", remedy="Run the command again.")
        return content

    return change
