"""The JSON objects of a catalogue: read, written and followed from one to the next."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from catalog.store.base import Store
from downscaler.errors import CatalogError

Document = dict[str, Any]
"""A JSON object, such as a STAC item or collection."""


_DEEPEST = 100  # brackets within brackets of any object of a catalogue: an item has some ten
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def serialise(document: Mapping[str, Any]) -> bytes:
    """A STAC object as the catalogue stores it."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_document(store: Store, key: str) -> Document:
    """A STAC object of the store; raises CatalogError when it is missing or no JSON object."""
    content = store.get(key)
    if content is None:
        raise CatalogError("A linked object is missing from the catalogue", value=f"{store.uri}/{key}")
    return parse_document(content, f"{store.uri}/{key}")


def parse_document(content: bytes, where: str) -> Document:
    """A JSON object; raises CatalogError where it is none."""
    try:
        document = parse_json(content)
    except ValueError as error:
        raise CatalogError(
            "An object of the catalogue is not JSON",
            value=f"{where}: {error}",
            remedy="`vadose catalog check --repair` tells what is damaged and mends what it can.",
        ) from error
    if not isinstance(document, dict):
        raise CatalogError("An object of the catalogue is not a JSON object", value=where)
    return document


def parse_json(content: bytes) -> Any:
    """JSON that may be damaged or made to harm; ValueError also where it nests too deep or holds NaN or 1e999."""
    if depth_of(content, _DEEPEST) > _DEEPEST:
        raise ValueError(f"it nests more than {_DEEPEST} deep")
    return json.loads(content, parse_constant=_no_number, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def depth_of(content: bytes, enough: int) -> int:
    """How deep brackets nest in JSON, outside of its texts; more than ``enough`` is not counted further."""
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", _TEXTS.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > enough:
            break
    return deepest


def resolve(key: str, href: str) -> str:
    """The key that a relative link in the object ``key`` points to."""
    parts = key.split("/")[:-1]
    for step in href.split("/"):
        if step == "..":
            parts = parts[:-1]
        elif step not in (".", ""):
            parts.append(step)
    return "/".join(parts)
