"""A search as SQL for DuckDB: every text and number of the client is a parameter, never a part of the statement."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from catalog.api.requests import bad
from catalog.api.stac.filters import COMPARISONS
from catalog.store.documents import Document

Bound = str | float | bool | dt.datetime | list[str]
_TYPES = {"string": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "date-time": "TIMESTAMPTZ"}
_FIRST, _LAST = "TIMESTAMPTZ '-infinity'", "TIMESTAMPTZ 'infinity'"
_DAY = dt.timedelta(days=1) - dt.timedelta(microseconds=1)


def kind_of(schema: Mapping[str, Any]) -> str:
    """What a queryable holds by its JSON Schema: string, number, boolean, date-time or geometry."""
    if schema.get("type") == "object":
        return "geometry"
    return str(schema.get("format") or schema["type"])


class Statement:
    """One search: its conditions and their parameters, in order."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self.parameters: list[Bound] = []

    def select(self, terms: Mapping[str, Any], source: str) -> str:
        """``SELECT`` of collection and identifier of the items of ``source`` that match, in order."""
        made: dict[str, Callable[[Any], str]] = {
            "collections": partial(self._one_of, "collection"),
            "ids": partial(self._one_of, "id"),
            "bbox": self._boxes,
            "intersects": lambda geometry: f"ST_Intersects(geometry, {self._geometry(geometry)})",
            "datetime": self._period,
            "filter": self.condition,
        }
        conditions = [make(terms[name]) for name, make in made.items() if name in terms]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        order = ", ".join(
            f"{_column(field[1:])} {'DESC' if field[0] == '-' else 'ASC'}"
            for field in terms.get("sortby", ("+collection", "+id"))
        )
        return f"SELECT collection, id FROM {source}{where} ORDER BY {order}"  # noqa: S608 - names are quoted here

    def _bind(self, value: Bound) -> str:
        self.parameters.append(value)
        return "?"

    def _one_of(self, column: str, names: Sequence[str]) -> str:
        return f"list_contains({self._bind(list(names))}::VARCHAR[], {column})"

    def _boxes(self, bbox: Sequence[float]) -> str:
        """Items in a box; one whose west lies east of its east goes across the antimeridian."""
        west, south, east, north = bbox
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        found = []
        for left, right in spans:
            corners = ", ".join(self._bind(v) for v in (left, south, right, north))
            found.append(f"ST_Intersects(geometry, ST_MakeEnvelope({corners})::GEOMETRY('OGC:CRS84'))")
        return f"({' OR '.join(found)})"

    def _geometry(self, geometry: Document) -> str:
        return f"ST_GeomFromGeoJSON({self._bind(json.dumps(geometry))})"

    def _period(self, text: str) -> str:
        start, end = _ends(text)
        begins = f"coalesce(start_datetime, datetime) <= {end if isinstance(end, str) else self._bind(end)}"
        ends = f"coalesce(end_datetime, datetime) >= {start if isinstance(start, str) else self._bind(start)}"
        return f"{begins} AND {ends}"

    def condition(self, node: Any) -> str:
        """A checked filter's node as a condition; raises HTTP 400 where kinds do not fit."""
        if isinstance(node, bool):
            return "true" if node else "false"
        if "property" in node:
            return self._typed(node, "boolean")
        name, args = node["op"], node["args"]
        if name in ("and", "or"):
            return "(" + f" {name.upper()} ".join(self.condition(arg) for arg in args) + ")"
        if name == "not":
            return f"(NOT {self.condition(args[0])})"
        if name == "isNull":
            return f"({self._typed(args[0], self._kind(args[0]))} IS NULL)"
        if name.startswith("s_"):
            return f"ST_{name[2:].capitalize()}({', '.join(self._placed(arg) for arg in args)})"
        if name.startswith("t_"):
            return self._temporal(name[2:], *args)
        if name == "like":
            left, pattern = (self._typed(arg, "string") for arg in args)
            return f"({left} LIKE {pattern} ESCAPE '\\')"
        return self._compared(name, args)

    def _compared(self, name: str, args: Sequence[Any]) -> str:
        operands = [args[0], *args[1]] if name == "in" else list(args)
        kind = self._common(operands)
        if name == "in":
            first, *others = (self._typed(arg, kind) for arg in operands)
            return f"({first} IN ({', '.join(others)}))"
        values = [self._typed(arg, kind) for arg in operands]
        if name == "between":
            return f"({values[0]} BETWEEN {values[1]} AND {values[2]})"
        assert name in COMPARISONS, name
        return f"({values[0]} {name} {values[1]})"

    def _common(self, operands: Sequence[Any]) -> str:
        """The one kind of operands that are compared; a text among times is a time."""
        kinds = {self._kind(operand) for operand in operands}
        if kinds == {"date-time", "string"}:
            return "date-time"
        if len(kinds) > 1 or kinds == {"geometry"}:
            raise bad(f"The filter compares {' with '.join(sorted(kinds))}.")
        return kinds.pop()

    def _kind(self, node: Any) -> str:
        if isinstance(node, dict):
            if "property" in node:
                return self._kinds[node["property"]]
            return "string" if node.get("op") == "casei" else "date-time"
        return "boolean" if isinstance(node, bool) else "string" if isinstance(node, str) else "number"

    def _typed(self, node: Any, kind: str) -> str:
        """An operand as an expression of a kind; raises HTTP 400 where it is of another."""
        if self._kind(node) != kind and (self._kind(node), kind) != ("string", "date-time"):
            raise bad(f"The filter compares {self._kind(node)} with {kind}.")
        if isinstance(node, dict) and "property" in node:
            column = _column(node["property"])
            return column if kind == "geometry" else f"TRY_CAST({column} AS {_TYPES[kind]})"
        if isinstance(node, dict) and node.get("op") == "casei":
            return f"lower({self._typed(node['args'][0], 'string')})"
        if kind == "date-time":
            return self._bind(_instants(node)[0])
        return self._bind(float(node) if kind == "number" else node)

    def _placed(self, node: Document) -> str:
        return "geometry" if "property" in node else self._geometry(node)

    def _temporal(self, name: str, one: Any, other: Any) -> str:
        """Relation of two extents in time, each from its first to its last instant."""
        relations = {
            "after": "{a0} > {b1}",
            "before": "{a1} < {b0}",
            "contains": "{a0} < {b0} AND {a1} > {b1}",
            "during": "{a0} > {b0} AND {a1} < {b1}",
            "equals": "{a0} = {b0} AND {a1} = {b1}",
            "intersects": "{a0} <= {b1} AND {a1} >= {b0}",
            "disjoint": "NOT ({a0} <= {b1} AND {a1} >= {b0})",
        }
        parts = relations[name].split("{")
        text = parts[0]
        for part in parts[1:]:  # parameters are bound in the order in which they stand
            text += self._end((one, other)["ab".index(part[0])], int(part[1])) + part[3:]
        return f"({text})"

    def _end(self, node: Any, end: int) -> str:
        if isinstance(node, dict) and "interval" in node:
            node = node["interval"][end]
            if node == "..":
                return (_FIRST, _LAST)[end]
        if isinstance(node, dict) and "property" in node:
            return self._typed(node, "date-time")
        if not isinstance(node, str | dict):
            raise bad("A temporal operator takes times.")
        return self._bind(_instants(node)[end])


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _instants(node: Any) -> tuple[dt.datetime, dt.datetime]:
    """First and last instant of a literal: the same of a time, a whole day of a date."""
    text = node if isinstance(node, str) else next(iter(node.values()))
    try:
        found = dt.datetime.fromisoformat(text.upper())  # RFC 3339 knows a small t and z too
        first = found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
        last = first + _DAY if len(text) == len("2015-04-01") else first
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise bad(
            f"Invalid time {str(text)[:40]!r} in the filter. Allowed: 2015-04-01, 2015-04-01T12:00:00Z."
        ) from None
    return first, last


def _ends(text: str) -> tuple[dt.datetime | str, dt.datetime | str]:
    """First and last instant of an RFC 3339 time or interval, open ends as SQL."""
    first, slash, last = text.partition("/")
    if not slash:
        return _instants(first)
    start = _FIRST if first in ("", "..") else _instants(first)[0]
    end = _LAST if last in ("", "..") else _instants(last)[1]
    return start, end
