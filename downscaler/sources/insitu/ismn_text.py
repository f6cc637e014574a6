"""Parses the text of ISMN files: readings, invalid lines and the header."""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import io
import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from downscaler.sources.insitu.series import FileReport

CEOP, HEADER_VALUES = "ceop_sep", "header_values"
_TIME = r"\d{4}/(?:0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01])\s+(?:[01]\d|2[0-3]):[0-5]\d"
_LAST_DAYS = re.compile(r"(\d{4})/(\d{2})/(29|30|31)\b")  # of which some months have none
_NUMBER = r"(?:[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?|nan|NaN)"
# what follows the provider's own flag is dropped: some providers write several words
_VALUES = re.compile(rf"\s*({_TIME}\s+{_NUMBER}\s+\S+\s+\S+)(?:\s.*)?$")
_CEOP = re.compile(rf"\s*({_TIME}\s+{_TIME}(?:\s+\S+){{8}}\s+{_NUMBER}\s+\S+\s+\S+)(?:\s.*)?$")
_PLACE = slice(3, 8)  # latitude, longitude, elevation, depth from and to in a header
_SHOWN = 80
_FIRST_LINES = 10
# substring -> broad class; the first that fits, so mosaics of cropland are cropland
_COVERS = (
    ("crop", "cropland"),
    ("wetland", "wetland"),
    ("flooded", "wetland"),
    ("forest", "forest"),
    ("tree", "forest"),
    ("wood", "forest"),
    ("savanna", "shrubland and savanna"),
    ("shrub", "shrubland and savanna"),
    ("grass", "grassland"),
    ("herbaceous", "grassland"),
    ("pasture", "grassland"),
    ("meadow", "grassland"),
    ("urban", "built-up"),
    ("built", "built-up"),
    ("bare", "bare or sparse"),
    ("barren", "bare or sparse"),
    ("sparse", "bare or sparse"),
    ("moss", "bare or sparse"),
    ("water", "water"),
    ("snow", "snow and ice"),
)


def format_of(text: str) -> str:
    """The format of a file, from its first lines: one of them may be broken."""
    first = [line for line in text.splitlines()[:_FIRST_LINES] if line.strip()]
    return CEOP if any(len(line.split()) == 15 and _CEOP.match(line) for line in first) else HEADER_VALUES


def sort_out(text: str, report: FileReport) -> tuple[list[str], list[str], FileReport]:
    """The header and the lines of a file that are readings; the report counts the others.

    Returns:
        Header lines (one, or none in CEOP format), reading lines, and the report with ``lines``, ``readings``,
        ``bad_lines`` and ``first_bad``; with ``problem`` when the header is not one.
    """
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not numbered:
        return [], [], replace(report, problem="the file is empty")
    header: list[str] = []
    pattern = _CEOP
    if format_of(text) == HEADER_VALUES:
        header, pattern, numbered = [numbered[0][1]], _VALUES, numbered[1:]
        problem = header_problem(header[0])
        if problem is not None:
            return header, [], replace(report, lines=len(numbered), problem=problem)
    matches = [(number, line, pattern.match(line) if _on_the_calendar(line) else None) for number, line in numbered]
    if pattern is _CEOP:  # each line tells its place and depths; a file has one
        place = next((_ceop_place(line) for _, line, match in matches if match), ())
        matches = [(n, line, match if match and _ceop_place(line) == place else None) for n, line, match in matches]
    lines = [match.group(1) for _, _, match in matches if match]
    bad = [(number, line) for number, line, match in matches if not match]
    first = f"line {bad[0][0]}: {bad[0][1].strip()[:_SHOWN]!r}" if bad else None
    report = replace(report, lines=len(numbered), readings=len(lines), bad_lines=len(bad), first_bad=first)
    return header, lines, report


def _ceop_place(line: str) -> tuple[object, ...]:
    """Latitude and longitude (to some 100 m) and depths of a line in CEOP format, as numbers where they are."""
    words = line.split()[7:12]
    try:
        lat, lon, _, top, bottom = (float(word) for word in words)
    except ValueError:
        return tuple(words)
    return round(lat, 3), round(lon, 3), top, bottom


def _on_the_calendar(line: str) -> bool:
    """Whether the dates of a line exist: no 30 February."""
    for year, month, day in _LAST_DAYS.findall(line):
        try:
            dt.date(int(year), int(month), int(day))
        except ValueError:
            return False
    return True


def decoded(content: bytes) -> str:
    """Text of a station file: UTF-8 (with or without its mark), UTF-16 where a mark says so, else Latin-1."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def in_ascii(text: str) -> str:
    """Text with accents taken off, as the network's own package can read it; other letters become ``x``.

    Not ``_``, which separates the parts of a file's name.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.encode("ascii", errors="replace").decode("ascii").replace("?", "x") if not text.isascii() else text


def originals(texts: Iterable[str]) -> Callable[[str], str]:
    """What gives names back their accents: words of ``texts`` by how ``in_ascii`` writes them."""
    words = {in_ascii(word): word for text in texts for word in text.split() if not word.isascii()}
    return lambda name: " ".join(words.get(word, word) for word in name.split(" "))


def network_of(first: str) -> str:
    """The network that the first line of a file tells; folders have any name."""
    words = first.split()
    return words[5] if len(words) == 15 and _CEOP.match(first) else words[1]


def header_problem(header: str) -> str | None:
    """Why a line is not a header of the header + values format; None if it is one."""
    words = header.split()
    try:
        lat, lon, _, depth_from, depth_to = (float(word) for word in words[_PLACE])
    except ValueError:
        lat = lon = depth_from = depth_to = float("nan")
    plausible = abs(lat) <= 90 and abs(lon) <= 180 and 0 <= depth_from <= depth_to
    if len(words) >= 9 and plausible:
        return None
    return f"wrong header {header.strip()[:_SHOWN]!r}: no network, station, latitude, longitude, elevation and depths"


def broad_cover(value: object) -> str | None:
    """One of ten land cover classes from ISMN's name or ESA CCI's code; None if unknown."""
    from ismn.const import LANDCOVER

    words = {code: name for name, code in LANDCOVER.items()}
    text = (
        words.get(int(value), "") if isinstance(value, (int, float, np.number)) and value == value else str(value or "")
    )
    return next((broad for part, broad in _COVERS if part in text.lower()), None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the package's progress bars, prints, logs and warnings; restores its loggers afterwards."""
    loggers = [logging.getLogger(name) for name in ("ismn", "ismn_meta_collector")]
    before = [logger.disabled for logger in loggers]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled
