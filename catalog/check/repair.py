"""Repairs a catalogue: rebuilds what can be derived from the items, removes what crashed runs left.

No file that an item names is ever touched, nor one that some item may have named: those are reported only.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from catalog.check.check import DAY, Progress, check
from catalog.check.strays import LINKED
from catalog.check.survey import ItemFacts, Survey
from catalog.items.cube import cube_write
from catalog.items.day import domain_of
from catalog.items.index import rebuild_index
from catalog.items.parents import (
    KEPT,
    collection,
    extensions_with,
    item_link,
    link_entry,
    month_document,
    root_document,
    year_document,
)
from catalog.items.schema import validate
from catalog.naming import NO_DAYS, ROOT, DayName, cube_folder, is_archived_key, is_item_key
from catalog.publish.claims import is_void
from catalog.store.base import Store
from catalog.store.documents import Document, parse_json, read_document, resolve, serialise
from catalog.store.objects import Change, Write
from downscaler import product
from downscaler.errors import CatalogError, VadoseError

Links = Callable[[], list[Document]]


def repair(
    uri: str | Path, *, metadata_only: bool = False, min_age: dt.timedelta = DAY, progress: Progress | None = None
) -> tuple[Survey, Survey]:
    """Check a catalogue, repair it, check again; returns both surveys.

    Arguments and errors are those of ``check``. Publications may go on meanwhile.
    """
    before = check(uri, metadata_only=metadata_only, min_age=min_age, progress=progress)
    unseen = any(finding.what.startswith(LINKED) for finding in before.findings)  # days behind it would be unlinked
    if any(finding.mend for finding in before.findings) and not unseen:
        _mend(before)
    return before, check(uri, metadata_only=metadata_only, min_age=min_age, progress=progress)


def _mend(survey: Survey) -> None:
    store, todo = survey.store, [finding for finding in survey.findings if finding.mend]
    _clear(store, [finding.key for finding in todo if finding.kind == "orphan"])
    with store.staging() as staging:  # sweeps what dead processes left
        for name in sorted({finding.key.split("/", 1)[0] for finding in todo if finding.kind == "index"}):
            rebuild_index(store, name)
        if any(finding.kind in ("link", "schema", "extent", "layout") for finding in todo):
            for writes in [*_collections(survey), [_root(store)], _cubes_named(survey)]:
                store.apply(writes, staging)
    for name in sorted({finding.key.split("/")[1] for finding in todo if finding.kind == "cube"}):
        with suppress(VadoseError):  # the second check tells what is left
            _update_cube(store, name)
    with store.lock():  # last: until now they told which days to mend
        store.delete([f.key for f in todo if f.kind == "claim" and is_void(store, f.key)])


def _cubes_named(survey: Survey) -> list[Write]:
    """Each collection with days names its cube, if there is one."""
    return [
        cube_write(name, present=any(key.startswith(f"{cube_folder(name)}/") for key in survey.stats))
        for name in sorted({key.split("/", 1)[0] for key in survey.items} - set(NO_DAYS))
    ]


def _update_cube(store: Store, name: str) -> None:
    from catalog.cube.update import collections_with_days, update_cube

    update_cube(store.uri, name, collections_with_days(store.uri)[name])


def _clear(store: Store, orphans: Sequence[str]) -> None:
    """Remove files of publications that died; under the lock, since one may have come to its end since the survey."""
    with store.lock():
        store.delete([key for key in orphans if not _is_named(store, key)])


def _is_named(store: Store, key: str) -> bool:
    """Whether an item in the file's folder, or an archived one below it, names a file."""
    below = key.rpartition("/r")[0]
    for item in (k for k in store.keys(f"{below}/") if is_item_key(k) or is_archived_key(k)):
        document = parse_json(store.get(item) or b"{}")
        if key in (resolve(item, asset["href"]) for asset in document.get("assets", {}).values()):
            return True
    return False


def _collections(survey: Survey) -> list[list[Write]]:
    """The parents of every collection, each from the items that are there."""
    members: dict[str, dict[str, ItemFacts]] = {}
    for key, facts in survey.items.items():
        members.setdefault(key.split("/", 1)[0], {})[key] = facts
    found = []
    for name, items in members.items():
        with suppress(CatalogError):  # one whose items are none of this product; the second check tells what is left
            found.append(_flat(survey.store, name) if name in NO_DAYS else _dated(survey.store, name, items))
    return found


def _flat(store: Store, name: str) -> list[Write]:
    """A collection of models or validations with the links to all its items; a lost one is made by publishing."""
    key = f"{name}/collection.json"
    if store.get(key) is None:
        return []

    def links() -> list[Document]:
        return [item_link(_stem(item)) for item in store.keys(f"{name}/") if is_item_key(item)]

    def kept(before: bytes | None) -> Document:
        document = parse_json(before or b"{}")
        document["links"] = [link for link in document["links"] if link["rel"] != "item"]
        return dict(document)

    return [Write(key=key, content=_rebuilding(kept, links))]


def _dated(store: Store, name: str, items: Mapping[str, ItemFacts]) -> list[Write]:
    """Months, years and the collection of a domain."""
    some = _telling_items(items)
    documents = [read_document(store, key) for key in some]
    domain = domain_of(documents[0])
    days = {_stem(key): DayName(domain_name=domain.name, date=_date(key)) for key in items}
    months = {day.month_key: day for day in days.values()}
    years = {day.year_key: day for day in days.values()}
    writes = [
        Write(key=key, content=_rebuilding(_plainly(month_document(day, domain)), _items_below(store, key)))
        for key, day in months.items()
    ]
    writes += [
        Write(key=key, content=_rebuilding(_plainly(year_document(day, domain)), _folders_below(store, key, day)))
        for key, day in years.items()
    ]

    def whole(before: bytes | None) -> Document:
        document: Document | None = None
        since = [key for key in store.keys(f"{name}/") if is_item_key(key) and key not in items]
        for item in [*documents, *(read_document(store, key) for key in since)]:
            document = collection(domain, item, document)
        assert document is not None
        links = document.pop("links")
        stood = _parsed(before)
        kept = {key: value for key, value in stood.items() if key in KEPT and stood.get("id") == name}
        extensions = extensions_with(kept.get("assets", {}))
        return document | {"stac_extensions": extensions} | kept | {"links": links}

    key = f"{name}/collection.json"
    return [*writes, Write(key=key, content=_rebuilding(whole, _folders_below(store, key, None)))]


def _telling_items(items: Mapping[str, ItemFacts]) -> list[str]:
    """The few items that a collection's span and summaries follow from."""
    first = min(items, key=lambda key: items[key].span[0])
    last = max(items, key=lambda key: items[key].span[1])
    kinds = {facts.simulated: key for key, facts in items.items()}
    return list(dict.fromkeys([first, last, *kinds.values()]))


def _items_below(store: Store, month_key: str) -> Links:
    below = month_key.removesuffix(ROOT)
    return lambda: [item_link(_stem(key)) for key in store.keys(below) if is_item_key(key)]


def _folders_below(store: Store, key: str, day: DayName | None) -> Links:
    """Links to the months of a year, or to the years of a collection, that hold items."""
    below = key.rsplit("/", 1)[0] + "/"

    def links() -> list[Document]:
        inside = sorted({item.removeprefix(below).split("/", 1)[0] for item in store.keys(below) if is_item_key(item)})
        titles = {name: name if day is None else f"{day.date:%Y}-{name}" for name in inside}
        return [link_entry("child", f"./{name}/{ROOT}", title) for name, title in titles.items()]

    return links


def _root(store: Store) -> Write:
    def links() -> list[Document]:
        keys = [key for key in store.keys("") if re.fullmatch(r"[^/]+/collection\.json", key)]
        titles = {key: str(read_document(store, key).get("title", key)) for key in keys}
        plain = {key: title.removesuffix(f" ({product.SIMULATED_LABEL})") for key, title in titles.items()}
        return [link_entry("child", f"./{key}", title) for key, title in plain.items()]

    return Write(key=ROOT, content=_rebuilding(_plainly(root_document()), links))


def _plainly(document: Document) -> Callable[[bytes | None], Document]:
    """A parent that nothing of what stood there before goes into."""
    return lambda _: document


def _rebuilding(build: Callable[[bytes | None], Document], links: Links) -> Change:
    """A change that writes a parent anew; its links are looked up each time, so that none of a new item is lost."""

    def change(before: bytes | None) -> bytes:
        document = build(before)
        below = sorted(links(), key=lambda link: str(link["href"]))
        document = document | {"links": [*document["links"], *below]}
        validate(document)
        return serialise(document)

    return change


def _parsed(content: bytes | None) -> Document:
    try:
        return dict(parse_json(content or b"{}"))
    except (ValueError, TypeError):
        return {}


def _stem(key: str) -> str:
    return key.rsplit("/", 1)[-1].removesuffix(".json")


def _date(key: str) -> dt.date:
    return dt.datetime.strptime(_stem(key)[-8:], "%Y%m%d").replace(tzinfo=dt.UTC).date()
