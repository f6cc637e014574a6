"""Opening a weather store and reading days of it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from downscaler.errors import BROKEN, PriorCoverageError, WeatherUnreadableError, broken_as
from downscaler.ground.grid import M01, Domain, Window, domain_of
from downscaler.method.tile.weather import DaysOfWeather
from downscaler.method.weather.antecedent import Antecedent
from downscaler.records import InputRecord
from downscaler.sources.zarrs import attributes_of, own_files
from downscaler.stores.weather.antecedent_days import Kept, Part, is_whole, kept_of, open_kept, read_kept, run_slots
from downscaler.stores.weather.layout import (
    KIND,
    RECORDS,
    SCHEMA_VERSION,
    VARIABLES,
    DayRecord,
    parse_record,
    slots_text,
)

Array = NDArray[np.float32]
_REMEDY = "Copy it again, or build it again: vadose weather build."


@dataclass(frozen=True)
class Weather:
    """A weather store as it was when it was opened; later days and versions are seen when it is opened again."""

    path: Path
    domain: Domain
    attributes: Mapping[str, Any] = field(repr=False)
    records: tuple[DayRecord, ...] = field(repr=False)

    @cached_property
    def best(self) -> Mapping[dt.date, DayRecord]:
        """The record that counts for each day: final before preliminary, then in the store's order of sources."""
        order = {name: n for n, name in enumerate(self.order)}

        def rank(record: DayRecord) -> tuple[bool, int]:
            return record.latency != "final", order.get(record.source, len(order))

        chosen: dict[dt.date, DayRecord] = {}
        for record in self.records:
            known = chosen.get(record.date)
            if known is None or rank(record) < rank(known):
                chosen[record.date] = record
        return dict(sorted(chosen.items()))

    @property
    def order(self) -> tuple[str, ...]:
        """Sources by preference among equally final ones."""
        return tuple(self.attributes["order"])

    def require(self, domain: Domain) -> None:
        """Raise PriorCoverageError unless the store covers the domain."""
        if not self.domain.holds(domain):
            raise PriorCoverageError(
                f"The weather store {self.path} does not cover the domain {domain.name!r}",
                value=f"weather of {self.domain.name!r}",
                remedy=f"Build one with: vadose weather build ... --domain {domain.name}",
            )

    def read(self, name: str, dates: Sequence[dt.date], domain: Domain, window: Window) -> Array:
        """A variable on some days, [day, y, x]; NaN for days and cells without it.

        Args:
            name: ``precipitation`` (mm) or ``air_temperature`` (K).
            dates: the days.
            domain: where ``window`` (M01 cells) is counted from.
            window: rows and columns.
        """
        held = [self.best.get(date) for date in dates]
        return self.read_slots(name, [r.slot if r and name in r.sha256 else None for r in held], domain, window)

    def read_slots(self, name: str, slots: Sequence[int | None], domain: Domain, window: Window) -> Array:
        """The same by slot, also of versions of days that no longer count; NaN for None."""
        here = self._own_window(domain, window)
        rows, columns = here.rows, here.columns
        made = np.empty((len(slots), len(rows), len(columns)), dtype=np.float32)
        made[[slot is None for slot in slots]] = np.nan
        for days, piece in _pieces(slots):
            numbers = np.asarray(self._arrays[name][piece, rows.slice, columns.slice])
            VARIABLES[name].unpack(numbers, out=made[days])
        return made

    @cached_property
    def _arrays(self) -> Mapping[str, Any]:
        group = zarr.open_group(self.path, mode="r", zarr_format=3)
        return {name: group[name] for name in VARIABLES}

    @cached_property
    def _kept_part(self) -> Part:
        return open_kept(self.path)

    def _own_window(self, domain: Domain, window: Window) -> Window:
        """A domain's window counted from the store's own corner."""
        origin = domain.window(M01).relative_to(self.domain.window(M01))
        return Window(rows=window.rows.shifted(origin.rows.start), columns=window.columns.shifted(origin.columns.start))

    def antecedent(self, kept: Kept, domain: Domain, window: Window) -> dict[str, Antecedent] | None:
        """Antecedent rain and temperature of a day on a window, by variable; None where days have to be read."""
        return read_kept(self._kept_part, kept, self._own_window(domain, window))

    def upto(self, date: dt.date) -> DaysOfWeather:
        """The days up to one, as downscaling takes them."""
        held = {day: record for day, record in self.best.items() if day <= date}
        early = frozenset(day for day, record in held.items() if record.latency != "final")
        digest = hashlib.sha256("".join(f"{r.date}{sorted(r.sha256.items())}" for r in held.values()).encode())
        told = {
            "name": self.path.name,
            "sha256": digest.hexdigest(),
            "sources": sorted({r.title for r in held.values()}),
        }
        kept = self.kept(date)
        return DaysOfWeather(
            tuple(held),
            self.read,
            None if kept is None else partial(self.antecedent, kept),
            key=f"{self.path.resolve()}{digest.hexdigest()}",
            versions={day: _digest(record) for day, record in held.items()},
            preliminary=early,
            told=told,
        )

    def kept(self, date: dt.date) -> Kept | None:
        """The antecedent weather that is kept of a day; None where that was made of other days than count now."""
        return kept_of(self.path, date, run_slots(self.best, date))

    def record(self, dates: Sequence[dt.date]) -> InputRecord:
        """The store's days as an input of a product; ``sha256`` is of the numbers of just these days."""
        used = [self.best[date] for date in dates if date in self.best]
        digest = hashlib.sha256("".join(f"{r.date}{sorted(r.sha256.items())}" for r in used).encode()).hexdigest()
        kinds = sorted({f"{r.source} {r.latency}" for r in used})
        return InputRecord(
            kind="weather",
            name=self.path.name,
            version=slots_text({r.date: r.slot for r in used}),
            sha256=digest,
            size=0,
            title="Daily precipitation and air temperature",
            attributes={
                "sources": kinds,
                "days": {r.date.isoformat(): f"{r.source} {r.version} {r.latency}".strip() for r in used},
                "missing": [date.isoformat() for date in dates if date not in self.best],
                "matching": sorted({f"{r.source}: {r.matching}" for r in used}),
                "notes": sorted({note for r in used for note in r.notes}),
            },
        )

    def damaged(self) -> list[str]:
        """Days whose stored numbers are not those that were written, by name; reads everything once."""
        bad = []
        for record in self.records:
            for name, digest in record.sha256.items():
                try:
                    numbers = np.ascontiguousarray(self._arrays[name][record.slot])
                    found = hashlib.sha256(numbers.tobytes()).hexdigest()
                except BROKEN as error:
                    found = str(error)
                if found != digest:
                    bad.append(f"{record.date} {record.source} {name}")
        held = ((date, kept) for date in self.best if (kept := self.kept(date)) is not None)
        return bad + [f"{date} antecedent" for date, kept in held if not is_whole(self.path, kept)]


def _digest(record: DayRecord) -> str:
    """What changes with a day's numbers, short enough for a name."""
    return hashlib.sha256(str(sorted(record.sha256.items())).encode()).hexdigest()[:16]


def _pieces(slots: Sequence[int | None]) -> Iterator[tuple[slice, slice]]:
    """Runs of days in successive slots, and these slots: read in one piece, days cost a fifth of a list of them."""
    first = 0
    for n in range(1, len(slots) + 1):
        begin = slots[first]
        if n == len(slots) or begin is None or slots[n] != begin + n - first:
            if begin is not None:
                yield slice(first, n), slice(begin, begin + n - first)
            first = n


def is_weather(path: Path) -> bool:
    """Whether a folder says that it is a weather store."""
    try:
        return bool(attributes_of(path)["kind"] == KIND)
    except BROKEN:
        return False


def open_weather(path: Path | str) -> Weather:
    """Open a weather store.

    Raises:
        WeatherUnreadableError: there is no store, it has another version, or a day's record is damaged.
    """
    path = Path(path)
    with broken_as(WeatherUnreadableError, "The weather store is damaged", path, _REMEDY):
        return _open(path)


def _open(path: Path) -> Weather:
    if not is_weather(path):
        raise WeatherUnreadableError(
            "Not a weather store",
            value=path if path.exists() else f"{path} (not there)",
            allowed="a folder written by: vadose weather build",
        )
    for _ in own_files(path):
        pass  # raises for a link out of the store, or a pipe, which would be waited for
    attributes = dict(zarr.open_group(path, mode="r", zarr_format=3).attrs)
    if attributes.get("schema_version") != SCHEMA_VERSION:
        raise WeatherUnreadableError(
            f"The weather store {path} has another version",
            value=attributes.get("schema_version"),
            allowed=SCHEMA_VERSION,
            remedy="Build it again: vadose weather build.",
        )
    order = attributes.get("order")
    if not (isinstance(order, list) and all(isinstance(source, str) for source in order)):
        raise WeatherUnreadableError(
            f"The weather store {path} does not tell the order of its sources",
            value=order,
            allowed="a list of names of sources",
            remedy=_REMEDY,
        )
    return Weather(path, domain_of(attributes), attributes, tuple(_records(path)))


def _records(path: Path) -> list[DayRecord]:
    found = []
    for file in sorted((path / RECORDS).glob("*.json")):
        try:
            found.append(parse_record(file.read_text(encoding="utf-8")))
        except BROKEN as error:
            raise WeatherUnreadableError(
                "The record of a day is damaged",
                value=f"{file}: {error}",
                remedy="Delete that file and add the day again: vadose weather extend.",
            ) from error
    return found


def describe(path: Path) -> dict[str, Any]:
    """What ``vadose info`` tells of a weather store; raises as ``open_weather``."""
    weather = open_weather(path)
    with broken_as(WeatherUnreadableError, "The weather store is damaged", path, _REMEDY):
        return _described(weather)


def _described(weather: Weather) -> dict[str, Any]:
    days = list(weather.best)
    gaps = [(a, b) for a, b in pairwise(days) if (b - a).days > 1]
    preliminary = [str(day) for day, record in weather.best.items() if record.latency != "final"]
    return {
        "kind": "weather store",
        "domain": weather.domain.name,
        "days": len(days),
        "first": str(days[0]) if days else None,
        "last": str(days[-1]) if days else None,
        "gaps": [f"{a + dt.timedelta(days=1)} to {b - dt.timedelta(days=1)}" for a, b in gaps],
        "preliminary": preliminary,
        "sources": sorted({record.source for record in weather.best.values()}),
        "matching": sorted({f"{record.source}: {record.matching}" for record in weather.best.values()}),
        "order": list(weather.order),
    }
