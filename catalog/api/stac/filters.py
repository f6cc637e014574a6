"""CQL2 filters: parsed strictly, and only what is on the list goes on to a search engine."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import cql2

from catalog.api.requests import MOST_POSITIONS, bad, checked_geometry
from catalog.store.documents import Document

LONGEST_TEXT = 16_384
DEEPEST = 24
MOST_PARTS = 1_000
LONGEST_LITERAL = 1_024
_MOST_NOTS, _MOST_SIGNS = 100, 1_500  # what a parser that calls itself can take of the text
_MOST_TRIES = 200_000  # characters that it may look at: 0.06 s; the longest text three brackets deep is within
_MOST_WILDCARDS = 16
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
LOGICAL = ("and", "or", "not")
SPATIAL = ("contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within")
TEMPORAL = ("after", "before", "contains", "disjoint", "during", "equals", "intersects")
OPERATORS = (
    *LOGICAL,
    *COMPARISONS,
    "isNull",
    "like",
    "between",
    "in",
    "casei",
    *(f"s_{name}" for name in SPATIAL),
    *(f"t_{name}" for name in TEMPORAL),
)
"""All operators and functions of CQL2 that a filter may use."""
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def checked_filter(expression: Any, language: str | None, queryables: Mapping[str, Any]) -> Document | bool:
    """A filter as CQL2-JSON with known properties alone, named as the queryables name them.

    Args:
        expression: CQL2 text, or CQL2-JSON as text or object.
        language: ``cql2-text`` or ``cql2-json``; None where the expression itself tells.
        queryables: names that may be filtered by, with their JSON Schemas.

    Raises HTTP 400 where the filter cannot be parsed, uses what is not served, or is too large.
    """
    if language not in (None, "cql2-text", "cql2-json"):
        raise bad(f"Unknown filter-lang {str(language)[:40]!r}. Allowed: cql2-text, cql2-json.")
    if isinstance(expression, str):
        expression = _of_json(expression) if language == "cql2-json" else _of_text(expression)
    if not isinstance(expression, dict | bool):
        raise bad("A filter is a CQL2 condition: text, or a JSON object with op and args.")
    checked: Document | bool = _Walk(queryables).condition(expression)
    return checked


def checked_crs(crs: str | None) -> None:
    """Refuse a filter-crs that geometries are not read in."""
    if crs is not None and crs != CRS84:
        raise bad(f"Unsupported filter-crs {crs[:80]!r}. Allowed: {CRS84}.")


def _of_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise bad("filter is not valid JSON, as filter-lang=cql2-json requires.") from None


def _of_text(text: str) -> Any:
    """CQL2 text as CQL2-JSON. What nests too deep is refused before the parser sees it."""
    if len(text) > LONGEST_TEXT:
        raise bad(f"A filter in text has at most {LONGEST_TEXT:,} characters; cql2-json takes more.")
    nots, signs = len(re.findall(r"\bnot\b", text, re.IGNORECASE)), len(re.findall(r"[-+*/%^]", text))
    if nots > _MOST_NOTS or signs > _MOST_SIGNS or _tries(text) > _MOST_TRIES:
        raise bad(f"A filter in text nests brackets less deep, or is shorter, and has at most {_MOST_NOTS} NOT.")
    try:
        return cql2.parse_text(text).to_json()
    except Exception as error:  # noqa: BLE001 - of odd geometries cql2 raises Exception itself
        place = re.search(r"-->\s*\d+:(\d+)", str(error))
        where = f" at character {place.group(1)}" if place else ""
        raise bad(f"filter is not valid CQL2 text: check it{where}.") from None


def _tries(text: str) -> int:
    """How often the parser may look at a character: of a text that is none it tries each bracket in two ways.

    Raises HTTP 400 where brackets do not match; those in quotes do not count.
    """
    tries = depth = 0
    for character in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        tries += 1 << min(depth, DEEPEST)
    if depth != 0:
        raise bad("filter is not valid CQL2 text: its brackets do not match.")
    return tries


class _Walk:
    """One walk through a filter, which counts its parts."""

    def __init__(self, queryables: Mapping[str, Any]) -> None:
        self._known, self._left, self._positions = queryables, MOST_PARTS, MOST_POSITIONS

    def condition(self, node: Any, depth: int = 0) -> Any:
        """A node that is true or false."""
        if isinstance(node, bool):
            return node
        if isinstance(node, dict) and set(node) == {"property"}:
            return self._operand(node, depth)
        name, args = self._operation(node, depth)
        if name in LOGICAL:
            _count(name, args, 1 if name == "not" else None)
            return {"op": name, "args": [self.condition(arg, depth + 1) for arg in args]}
        if name == "in":
            _count(name, args, 2)
            if not isinstance(args[1], list) or not args[1]:
                raise bad("in takes an operand and a list of values.")
            return {"op": name, "args": [self._operand(args[0], depth), [self._operand(a, depth) for a in args[1]]]}
        _count(name, args, {"isNull": 1, "between": 3}.get(name, 2))
        if name == "like":
            _check_pattern(args[1])
        if name == "casei":
            raise bad("casei is not a condition: use it around the operands of a comparison.")
        operand = self._extent if name.startswith("t_") else self._place if name.startswith("s_") else self._operand
        return {"op": name, "args": [operand(arg, depth + 1) for arg in args]}

    def _operation(self, node: Any, depth: int) -> tuple[str, list[Any]]:
        self._count_part(depth)
        if not isinstance(node, dict) or not isinstance(node.get("op"), str) or not isinstance(node.get("args"), list):
            raise bad("A part of the filter is not a CQL2 condition: op or args is missing.")
        if node["op"] not in OPERATORS:
            raise bad(f"The filter uses {node['op'][:40]!r}, which is not served. Allowed: {', '.join(OPERATORS)}.")
        return node["op"], node["args"]

    def _count_part(self, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise bad(f"A filter has at most {MOST_PARTS:,} parts, nested at most {DEEPEST} deep.")

    def _operand(self, node: Any, depth: int) -> Any:
        """A property, a literal, or casei of one."""
        self._count_part(depth)
        if isinstance(node, dict) and set(node) == {"property"}:
            return {"property": self._property(node["property"])}
        if isinstance(node, dict) and node.get("op") == "casei":
            _, args = self._operation(node, depth)
            _count("casei", args, 1)
            return {"op": "casei", "args": [self._operand(args[0], depth + 1)]}
        if isinstance(node, dict) and "op" in node:
            name, _ = self._operation(node, depth)
            raise bad(f"{name} is a condition; it cannot be compared.")
        if isinstance(node, dict) and len(node) == 1 and next(iter(node)) in ("date", "timestamp"):
            ((kind, text),) = node.items()
            return {kind: _text(text)}
        if isinstance(node, bool):
            return node
        if isinstance(node, int | float) and math.isfinite(node) and abs(node) < 1e300:
            return node
        return _text(node)

    def _property(self, name: Any) -> str:
        known = str(name).removeprefix("properties.")
        if known not in self._known:
            raise bad(f"Nothing can be filtered by {str(name)[:80]!r}. /queryables names what can.")
        return known

    def _place(self, node: Any, depth: int) -> Any:
        """An operand of a spatial operator: the geometry of the items, or one that is given."""
        self._count_part(depth)
        if isinstance(node, dict) and set(node) == {"property"}:
            if (name := self._property(node["property"])) != "geometry":
                raise bad(f"A spatial operator takes the property geometry, not {name!r}.")
            return {"property": name}
        if isinstance(node, dict) and set(node) == {"bbox"}:
            node = _outline(node["bbox"])
        geometry = checked_geometry(node)
        if geometry is None:
            raise bad("A spatial operator takes the property geometry and a geometry.")
        self._positions -= json.dumps(geometry).count("[")
        if self._positions < 0:
            raise bad(f"A filter takes at most {MOST_POSITIONS:,} positions.")
        return geometry

    def _extent(self, node: Any, depth: int) -> Any:
        """An operand of a temporal operator: an instant or an interval, whose ends may be properties."""
        self._count_part(depth)
        if isinstance(node, dict) and set(node) == {"interval"}:
            ends = node["interval"]
            if not isinstance(ends, list) or len(ends) != 2:
                raise bad("An interval has two ends.")
            return {"interval": [self._operand(end, depth + 1) for end in ends]}
        return self._operand(node, depth)


def _count(name: str, args: list[Any], wanted: int | None) -> None:
    if len(args) != wanted if wanted is not None else not args:
        raise bad(f"{name} takes {'operands' if wanted is None else wanted}, not {len(args)}.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise bad("Unsupported operand in the filter; expected a property, number, text, boolean or time.")
    if len(value) > LONGEST_LITERAL:
        raise bad(f"A text in a filter has at most {LONGEST_LITERAL:,} characters.")
    return value


def _check_pattern(pattern: Any) -> None:
    inner = pattern["args"][0] if isinstance(pattern, dict) and pattern.get("op") == "casei" else pattern
    if not isinstance(inner, str) or inner.count("%") > _MOST_WILDCARDS:
        raise bad(f"like takes a text as its pattern, with at most {_MOST_WILDCARDS} times %.")


def _outline(bbox: Any) -> Document:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(isinstance(v, int | float) for v in bbox):
        raise bad("A bbox of a filter has four numbers.")
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
