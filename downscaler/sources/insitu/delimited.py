"""Text tables of station readings: where the header is, what separates columns, and lines that are broken."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import StationError
from downscaler.sources.insitu.ismn_text import decoded

SUFFIXES = (".csv", ".txt", ".tsv")
SITES = "sites.csv"
_MISSING = ("", "na", "nan", "null", "none", "m")
_FILL = -90.0  # values at and below stand for "no reading": -99.9, -9999
_SHOWN = 80
_SEARCHED = 80  # lines among which a header is looked for
_FORMS = ("%Y%m%d%H%M", "%Y%m%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")
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
        for (number, line), words in zip(
            self.lines, csv.reader((line for _, line in self.lines), delimiter=self.separator), strict=True
        ):
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
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise StationError(f"The header of {path.name} names a column twice", value=", ".join(twice))
    comments += tuple(line for _, line in lines[:at])
    return Table(path, names, comments, lines[at + 1 :], separator)


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
        value = float(text)
    except ValueError:
        return None
    return float("nan") if value <= fill else value


def moment_of(text: str, offset: float = 0.0, forms: Sequence[str] = ()) -> dt.datetime | None:
    """UTC of a local time ``offset`` hours ahead of UTC; a zone in the text wins. None where it is no time.

    ISO 8601, and the same without separators; ``forms`` are what else is known to be meant.
    """
    moment = None
    try:
        moment = dt.datetime.fromisoformat(text if not text.isdigit() else "")
    except ValueError:
        for form in (*_FORMS, *forms):
            try:
                moment = dt.datetime.strptime(text, form)  # noqa: DTZ007  (the zone is set below)
                break
            except ValueError:
                continue
    if moment is None:
        return None
    if moment.tzinfo is not None:
        return moment.astimezone(dt.UTC)
    return moment.replace(tzinfo=dt.UTC) - dt.timedelta(hours=offset)


def times(moments: Sequence[dt.datetime]) -> NDArray[np.datetime64]:
    """UTC moments as datetime64[s]."""
    return np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[s]")


@dataclass(frozen=True, kw_only=True)
class Site:
    """What ``sites.csv`` tells of a station: degrees, hours ahead of UTC, and depths (m) of its variables."""

    lat: float
    lon: float
    utc_offset: float | None = None
    network: str | None = None
    depths: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def site_of(path: Path, site: str) -> Site:
    """What ``sites.csv`` beside a file, or in a folder up to three above, tells of a station.

    Its columns are site, lat and lon; utc_offset (hours), network, variable, depth (m, or depth_from and depth_to)
    where needed, with a line for each variable. Raises StationError where there is no such file or line.
    """
    found = next((folder / SITES for folder in path.resolve().parents[:4] if (folder / SITES).is_file()), None)
    known = _sites(found, found.stat().st_mtime_ns) if found is not None else {}
    if site not in known:
        raise StationError(
            f"{path.name} does not say where its station is, and no {SITES} does",
            value=site,
            allowed=f"a file {SITES} beside it: site,lat,lon,utc_offset,variable,depth (m; hours ahead of UTC)",
            remedy=f"Write {SITES} with a line for {site}.",
        )
    return known[site]


@lru_cache(maxsize=16)
def _sites(path: Path, _changed: int) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for row in read_table(path).rows():
        lat, lon = (degrees_of(row.get(name, "")) for name in ("lat", "lon"))
        if lat is None or lon is None or not (abs(lat) <= 90 and abs(lon) <= 180):
            raise StationError(f"A line of {path} has no place", value=dict(row), allowed="lat and lon in degrees")
        known = sites.get(row["site"], Site(lat=lat, lon=lon))
        depth = depth_of(row)
        named = {row["variable"].lower(): depth} if row.get("variable") and depth else {}
        offset = number_of(row.get("utc_offset", ""))
        sites[row["site"]] = Site(
            lat=lat,
            lon=lon,
            utc_offset=_offset(offset, path, row) if offset is not None else known.utc_offset,
            network=row.get("network") or known.network,
            depths={**known.depths, **named},
        )
    return sites


def _offset(hours: float, path: Path, row: Mapping[str, str]) -> float | None:
    if np.isnan(hours):
        return None
    if not -14 <= hours <= 14:
        raise StationError(f"A line of {path} has no utc_offset", value=dict(row), allowed="-14 to 14 hours")
    return hours


def local_offset(site: Site, name: str, path: Path) -> float:
    """Hours that a station's local standard time is ahead of UTC; raises StationError where they are not told."""
    if site.utc_offset is None:
        raise StationError(
            f"{path.name} is in local time, and sites.csv tells no utc_offset of {name}",
            allowed="utc_offset in hours, such as -6 for Central Standard Time",
        )
    return site.utc_offset


def depth_of(row: Mapping[str, str]) -> tuple[float, float] | None:
    """Depths from and to in m, from columns depth (m), depth_cm, or depth_from and depth_to; None without any."""
    if row.get("depth_from") and row.get("depth_to"):
        found = [number_of(row["depth_from"]), number_of(row["depth_to"])]
    elif row.get("depth_cm"):
        centimetres = number_of(row["depth_cm"])
        found = [None if centimetres is None else centimetres / 100.0] * 2
    else:
        found = [number_of(row.get("depth") or row.get("depth_m") or "")] * 2
    first, last = found
    return (first, last) if first is not None and last is not None and 0 <= first <= last < 100 else None
