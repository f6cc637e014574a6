"""The fields extension: which parts of an item a search answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from catalog.store.documents import Document

ALWAYS = ("type", "stac_version", "id", "collection")
_USUAL = {
    "geometry",
    "bbox",
    "links",
    "assets",
    "properties.datetime",
    "properties.title",
    "properties.vadose:simulated",
}


def pick(item: Document, fields: Any) -> Document:
    """The parts of an item that are wanted, or all but the unwanted ones.

    Args:
        item: a STAC item.
        fields: names, unwanted ones with a minus (GET), or an object with ``include`` and ``exclude`` (POST). Where
            none is named, or the object says that it includes nothing, what makes a STAC item is wanted.

    Source: https://github.com/stac-api-extensions/fields, include and exclude semantics; whether a day is simulated
    is told with what makes an item.
    """
    include, exclude = _split(fields)
    if exclude and not include and "include" not in getattr(fields, "model_fields_set", ()):
        wanted = copy.deepcopy(item)
        for name in exclude:
            _drop(wanted, name.split("."))
        return wanted
    if not include:
        include = {name for name in _USUAL if not any(f"{name}.".startswith(f"{unwanted}.") for unwanted in exclude)}
    wanted = {name: item[name] for name in ALWAYS if name in item}
    for name in sorted(include, key=lambda name: name.count(".")):  # a whole before its parts, which may be wanted back
        _copy(item, wanted, name.split("."))
        for unwanted in exclude:
            if unwanted != name and unwanted.startswith(f"{name}."):
                _drop(wanted, unwanted.split("."))
    for name in exclude - include:
        if not any(kept.startswith(f"{name}.") for kept in include):
            _drop(wanted, name.split("."))
    return wanted


def _split(fields: Any) -> tuple[set[str], set[str]]:
    if not fields:
        return set(), set()
    if hasattr(fields, "include"):
        return set(fields.include or ()), set(fields.exclude or ())
    names: Iterable[str] = [name.strip() for name in fields]
    exclude = {name[1:] for name in names if name.startswith("-")}
    return {name.lstrip("+ ") for name in names if not name.startswith("-")} - {""}, exclude


def _copy(source: Document, target: Document, path: list[str]) -> None:
    head, *rest = path
    if head not in source:
        return
    if rest and isinstance(source[head], dict):
        _copy(source[head], target.setdefault(head, {}), rest)
    elif not rest:
        target[head] = copy.deepcopy(source[head])


def _drop(document: Document, path: list[str]) -> None:
    head, *rest = path
    if rest and isinstance(document.get(head), dict):
        _drop(document[head], rest)
    elif not rest:
        document.pop(head, None)
