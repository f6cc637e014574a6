"""Text tables of station readings: where the header is, what separates columns, and lines that are broken."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import StationError
from downscaler.sources.insitu.ismn_text import decoded

SUFFIXES = (".csv", ".txt", ".tsv")
_MISSING = ("", "na", "nan", "null", "none", "m")
_FILL = -90.0  # values at and below stand for "no reading": -99.9, -9999
MOST_COLUMNS = 10_000
"""Columns of a table; networks have some hundred at most."""
_SHOWN = 80
_SEARCHED = 80  # lines among which a header is looked for
_FORMS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")
_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""By their number alone: strptime takes 20241220 for 2:20 on 2 January where it may."""
_FIRST_YEAR = 1900  # no network is older; seconds since 1970 (1712123123) read as a date lie before
_UTC = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
US_FORMS = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")
"""Of networks that write the month first; elsewhere 05/06/2024 could be either, and is no time."""
IsHeader = Callable[[tuple[str, ...]], bool]


@dataclass
class Table:
    """Rows of a file as texts by column name, in lower case; ``comments`` are the lines before the header."""

    path: Path
    columns: tuple[str, ...]
    comments: tuple[str, ...]
    lines: list[tuple[int, str]]
    separator: str
    bad: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[Mapping[str, str]]:
        """Each line that has as many columns as the header; others are counted as bad."""
        for number, line in self.lines:
            words = next(csv.reader([line], delimiter=self.separator), [])  # alone: an open quote spoils one line
            if len(words) > len(self.columns) and not any(word.strip() for word in words[len(self.columns) :]):
                words = words[: len(self.columns)]  # a comma at the end of each line
            if len(words) != len(self.columns):
                self.spoil(number, line)
                continue
            yield {**dict(zip(self.columns, (word.strip() for word in words), strict=True)), "": str(number)}

    def spoil(self, number: int, line: str) -> None:
        """Count a line that is no reading."""
        self.bad.append(f"line {number}: {line.strip()[:_SHOWN]!r}")


def header_of(path: Path, is_header: IsHeader | None = None) -> tuple[str, ...]:
    """Column names of a text table in lower case, from its first lines; empty for anything else.

    The header is the first line that is no remark, or with ``is_header`` the first that it knows: reports begin with
    titles.
    """
    if path.is_dir() or path.suffix.lower() not in SUFFIXES:
        return ()
    with path.open("rb") as stream:
        start = decoded(stream.read(65536))
    lines = [line for line in start.splitlines() if line.strip() and not line.startswith("#")]
    at = _header_at(lines, is_header)
    return () if at is None else _names(lines[at], _separator(lines[at]))


def _header_at(lines: Sequence[str], is_header: IsHeader | None) -> int | None:
    for at, line in enumerate(lines[:_SEARCHED]):
        if not (at == 0 and line.strip().lower().startswith("sep=")) and (
            is_header is None or is_header(_names(line, _separator(line)))
        ):
            return at
    return None


def read_table(path: Path, is_header: IsHeader | None = None) -> Table:
    """The whole table, its header found as ``header_of`` does.

    Raises StationError where the file cannot be read, has no header, or one that names a column twice.
    """
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise StationError("A station file cannot be read", value=f"{path.name}: {error}") from error
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    comments = tuple(line for _, line in numbered if line.startswith("#"))
    lines = [(number, line) for number, line in numbered if not line.startswith("#")]
    at = _header_at([line for _, line in lines], is_header)
    if at is None:
        raise StationError("A station file is empty" if not lines else "A station file has no header", value=path.name)
    separator = _separator(lines[at][1])
    names = _names(lines[at][1], separator)
    if len(names) > MOST_COLUMNS:
        raise StationError(
            f"The header of {path.name} names too many columns", value=len(names), allowed=f"{MOST_COLUMNS}"
        )
    twice = repeated(names)
    if twice:
        raise StationError(f"The header of {path.name} names a column twice", value=", ".join(twice))
    comments += tuple(line for _, line in lines[:at])
    return Table(path, names, comments, lines[at + 1 :], separator)


def repeated(names: Iterable[str]) -> list[str]:
    """The names that stand more than once."""
    return sorted(name for name, number in Counter(names).items() if name and number > 1)


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _names(line: str, separator: str) -> tuple[str, ...]:
    names = [word.strip().lower() for word in next(csv.reader([line], delimiter=separator), [])]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def degrees_of(text: str) -> float | None:
    """A latitude or longitude; None where it is none."""
    value = number_of(text, fill=-900.0)
    return value if value is not None and abs(value) <= 180.0 else None


def number_of(text: str, *, fill: float = _FILL) -> float | None:
    """A reading; NaN where the file marks it as missing, None where it is no number."""
    if text.lower() in _MISSING:
        return float("nan")
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        return None
    if not np.isfinite(value):
        return None  # inf and 1e999 are no reading
    return float("nan") if value <= fill else value


def moment_of(text: str, offset: float = 0.0, forms: Sequence[str] = ()) -> dt.datetime | None:
    """UTC of a local time ``offset`` hours ahead of UTC; a zone in the text wins. None where it is no time.

    ISO 8601, and the same without separators; ``forms`` are what else is known to be meant.
    """
    stripped = _UTC.sub("", text)
    moment = _moment(stripped, forms)
    if moment is None or moment.year < _FIRST_YEAR:
        return None
    if stripped != text:
        moment = moment.replace(tzinfo=moment.tzinfo or dt.UTC)
    if moment.tzinfo is not None:
        return moment.astimezone(dt.UTC)
    return moment.replace(tzinfo=dt.UTC) - dt.timedelta(hours=offset)


def _moment(text: str, forms: Sequence[str]) -> dt.datetime | None:
    """A time as it stands, in its zone where one is told."""
    if text.isdigit():
        forms = (_DIGITS[len(text)],) if len(text) in _DIGITS else ()
    else:
        with suppress(ValueError):
            return dt.datetime.fromisoformat(text)
        forms = (*_FORMS, *forms)
    for form in forms:
        with suppress(ValueError):
            return dt.datetime.strptime(text, form)  # noqa: DTZ007  (the caller knows the zone)
    return None


def is_date(text: str) -> bool:
    """Whether a text that ``moment_of`` takes is a day without an hour."""
    return len(text) == 8 if text.isdigit() else not re.search(r"[:T ]", text, re.IGNORECASE)


def times(moments: Sequence[dt.datetime]) -> NDArray[np.datetime64]:
    """UTC moments as datetime64[s]."""
    return np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[s]")
