"""Checks a whole catalogue: schemas, links, files, index, extents and stray files, as a list of findings.

One listing tells what is there; every JSON object is read once. Nothing is written: ``catalog.check.repair`` does that.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from catalog.check.cubes import check_cubes
from catalog.check.files import check_file
from catalog.check.places import check_place
from catalog.check.strays import check_beside
from catalog.check.survey import ItemFacts, Survey
from catalog.cube.layout import item_digest
from catalog.items.index import decode, essence
from catalog.items.schema import validate, validate_item
from catalog.naming import (
    NO_DAYS,
    ROOT,
    index_key,
    index_prefix,
    is_archived_key,
    is_item_key,
    is_parent_key,
    parent_key,
)
from catalog.store.base import Store, get_many, open_store
from catalog.store.documents import parse_json, resolve
from downscaler.errors import CatalogError

Progress = Callable[[int, int], None]
DAY = dt.timedelta(days=1)
_BATCH = 256  # objects in memory at a time
_DOWN = ("item", "child")


def check(
    uri: str | Path, *, metadata_only: bool = False, min_age: dt.timedelta = DAY, progress: Progress | None = None
) -> Survey:
    """Check a catalogue; the survey's ``findings`` are empty if it has no faults.

    Args:
        uri: the catalogue.
        metadata_only: compare files by presence and size alone, neither by checksum nor as COGs.
        min_age: in a bucket, files that no item names and that are younger may be a publication in progress.
        progress: told how many objects are done of how many.

    Raises:
        CatalogError: there is no catalogue, or the store cannot be read.
    """
    store = open_store(uri)
    if store.get(ROOT) is None and not store.keys(""):
        raise CatalogError(
            "No catalogue was found", value=store.uri, remedy="Create one with `vadose demo` or `vadose run`."
        )
    tell = progress or (lambda *_: None)
    survey = _look(store, min_age, tell, metadata_only=metadata_only)
    if any(finding.fault for finding in survey.findings):
        # A publication meanwhile is seen half: what two looks have in common is really wrong.
        seen = set(survey.findings)
        survey = _look(store, min_age, tell, metadata_only=metadata_only)
        survey.findings = [finding for finding in survey.findings if finding in seen or not finding.fault]
    if not metadata_only:
        total = len(survey.stats)
        read = sum(is_item_key(key) or is_parent_key(key) or is_archived_key(key) for key in survey.stats)
        _check_contents(survey, lambda done: tell(min(read + done, total), total))
    survey.findings.sort(key=lambda f: (not f.fault, f.key, f.kind, f.what))
    return survey


def _look(store: Store, min_age: dt.timedelta, tell: Progress, *, metadata_only: bool) -> Survey:
    """What one listing and the JSON objects tell."""
    survey = Survey(store=store, stats=store.stats(""))
    keys = [key for key in survey.stats if is_item_key(key) or is_parent_key(key) or is_archived_key(key)]
    total = len(keys) if metadata_only else len(survey.stats)
    for number, (key, content) in enumerate(_contents(store, keys)):
        if content is None:  # gone since it was listed
            del survey.stats[key]
            continue
        _examine(survey, key, content)
        tell(number + 1, total)
    _check_parents(survey)
    _check_assets(survey)
    _check_index(survey)
    _check_extents(survey)
    check_beside(survey, min_age)
    check_cubes(survey, metadata_only=metadata_only)
    return survey


def _contents(store: Store, keys: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        yield from zip(batch, get_many(store, batch), strict=True)


def _examine(survey: Survey, key: str, content: bytes | None) -> None:
    """One object: readable, valid, its links leading somewhere; its facts go into the survey."""
    parent = is_parent_key(key)
    try:
        document = parse_json(content or b"")
        (validate if parent else validate_item)(document)
        facts = None if parent else _facts(key, document)
        check_place(survey, key, document)
    except (ValueError, KeyError, TypeError, AttributeError, CatalogError) as error:
        survey.note("schema", key, error if isinstance(error, CatalogError) else f"unreadable: {error}", mend=parent)
        return
    if facts is None:
        survey.parents[key] = document
    else:
        (survey.archived if is_archived_key(key) else survey.items)[key] = facts
    for link in document["links"]:
        href = link["href"]
        target = resolve(key, href.split("#")[0])
        if urlsplit(href).scheme or link["rel"] == "self":
            continue
        if link["rel"] == "predecessor-version":
            survey.predecessors.add(target)
        if target not in survey.stats:
            survey.note("link", key, f"{link['rel']} leads to a missing object: {href}", mend=parent)


def _facts(key: str, document: Mapping[str, Any]) -> ItemFacts:
    properties = document["properties"]
    files = {
        resolve(key, asset["href"]): (asset.get("file:size"), asset.get("file:checksum"), str(asset.get("type")))
        for asset in document["assets"].values()
        if not urlsplit(asset["href"]).scheme
    }
    moment = properties.get("datetime")
    return ItemFacts(
        essence=essence(document),
        span=(properties.get("start_datetime") or moment, properties.get("end_datetime") or moment),
        bbox=tuple(document["bbox"]),
        revision=int(properties["version"]),
        simulated=bool(properties.get("vadose:simulated")),
        digest=None if properties.get("deprecated") else item_digest(document),
        files=files,
    )


def _check_parents(survey: Survey) -> None:
    """Every item and parent is linked from the object above it."""
    down = {
        key: [resolve(key, link["href"]) for link in document["links"] if link["rel"] in _DOWN]
        for key, document in survey.parents.items()
    }
    linked = {key: set(targets) for key, targets in down.items()}
    for key in (key for key, targets in down.items() if len(targets) > len(linked[key])):
        survey.note("link", key, "has a link twice", mend=True)
    known = [*survey.items, *survey.parents]
    above = {up for key in known for up in _ancestors(key)}
    for key in sorted(above - set(survey.parents)):
        if key not in survey.stats:
            survey.note("link", key, "is missing", mend=key.split("/", 1)[0] not in NO_DAYS)
    for key in known:
        up = parent_key(key)
        if up in linked and key not in linked[up]:
            survey.note("link", key, f"is not linked from {up}", mend=True)
    for key, document in survey.parents.items():
        days = document["type"] == "Collection" and document["id"] not in NO_DAYS
        if days and any(link["rel"] == "item" for link in document["links"]):
            survey.note("layout", key, "days are linked from the collection, not by year and month: publish them again")


def _ancestors(key: str) -> Iterator[str]:
    up = parent_key(key)
    while up is not None:
        yield up
        up = parent_key(up)


def _check_assets(survey: Survey) -> None:
    for key, facts in [*survey.items.items(), *survey.archived.items()]:
        for file, (size, _, _) in facts.files.items():
            there = survey.stats.get(file)
            if there is None:
                survey.note("asset", key, f"lacks its file {file}")
            elif size is not None and there.size != size:
                survey.note("asset", key, f"{file} has {there.size} bytes, recorded are {size}")


def _check_index(survey: Survey) -> None:
    """Every month's index file tells exactly the items that are there."""
    expected: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key, facts in survey.items.items():
        expected[index_key(key)].append(facts.essence)
    damaged = {index_key(key) for key in survey.stats if is_item_key(key) and key not in survey.items}
    present = {key for key in survey.stats if key.endswith(".parquet") and key.startswith(index_prefix(_top(key)))}
    for key in sorted(present - set(expected) - damaged):
        survey.note("index", key, "lists items that do not exist", mend=True)
    for key, content in _contents(survey.store, sorted(set(expected) & present)):
        try:
            told = sorted(map(essence, decode(content, key)))
        except CatalogError as error:
            survey.note("index", key, error, mend=True)
            continue
        if told != sorted(expected[key]):
            wrong = sorted({row[0] for row in set(told) ^ set(expected[key])})
            survey.note("index", key, f"differs from the items: {_few(wrong)}", mend=True)
    for key in sorted(set(expected) - present):
        survey.note("index", key, "is missing", mend=True)


def _check_extents(survey: Survey) -> None:
    """A collection's time span and box are those of its items; whether they are simulated too."""
    members: dict[str, list[ItemFacts]] = defaultdict(list)
    for key, facts in survey.items.items():
        members[f"{_top(key)}/collection.json"].append(facts)
    for key, facts_of in members.items():
        document = survey.parents.get(key)
        if document is None or document["id"] in NO_DAYS:
            continue
        span = [min(facts.span[0] for facts in facts_of), max(facts.span[1] for facts in facts_of)]
        told = document["extent"]["temporal"]["interval"][0]
        if told != span:
            survey.note(
                "extent", key, f"time span is {'/'.join(map(str, told))}, items have {'/'.join(span)}", mend=True
            )
        box = document["extent"]["spatial"]["bbox"][0]
        if any(list(facts.bbox) != box for facts in facts_of):
            one = len({facts.bbox for facts in facts_of}) == 1
            survey.note("extent", key, f"box {box} does not match every item", mend=one)
        simulated = sorted({facts.simulated for facts in facts_of})
        if document.get("summaries", {}).get("vadose:simulated") != simulated:
            survey.note("extent", key, f"summary of vadose:simulated is not {simulated}", mend=True)


def _check_contents(survey: Survey, tell: Callable[[int], None]) -> None:
    everything = [*survey.items.values(), *survey.archived.values()]
    files = {key: about for facts in everything for key, about in facts.files.items() if key in survey.stats}
    for number, (key, (_, checksum, kind)) in enumerate(files.items()):
        fault = check_file(survey.store, key, checksum, kind)
        if fault is not None:
            survey.note(fault.kind, key, fault.what)
        tell(number + 1)


def _top(key: str) -> str:
    return key.split("/", 1)[0]


def _few(listed: Sequence[str]) -> str:
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
