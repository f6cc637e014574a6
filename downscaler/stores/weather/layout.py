"""The layout of a weather store: variables, packing, slots and the record of a day, declared once."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

KIND = "vadose-weather"
SCHEMA_VERSION = "1"
SLOTS = 40_000  # a century of days; what is not written takes no room
CHUNK = 288  # cells: the tile of prior and model
RECORDS = "days"
MATCHINGS = "matching"
UNMATCHED, OWN = "none", "the prior's own forcing"
MISSING = 65_535


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A stored variable: value = number * scale, ``MISSING`` where there is none."""

    name: str
    units: str
    title: str
    scale: float
    cell_methods: str

    def pack(self, values: NDArray[np.floating]) -> NDArray[np.uint16]:
        """Numbers of values; rounding errs by at most half the scale."""
        whole = np.rint(np.nan_to_num(np.asarray(values, dtype=np.float64)) / self.scale)
        numbers = np.clip(whole, 0, MISSING - 1).astype(np.uint16)
        return np.where(np.isfinite(values), numbers, np.uint16(MISSING))

    def unpack(self, numbers: NDArray[np.uint16], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Values of numbers, NaN where there is none; written into ``out`` where that is given."""
        values = np.multiply(numbers, np.float32(self.scale), out=out)
        if (gone := numbers == MISSING).any():
            values[gone] = np.nan
        return values


PRECIPITATION = Packed(
    name="precipitation", units="mm", title="Precipitation of the UTC day", scale=0.02, cell_methods="time: sum"
)
AIR_TEMPERATURE = Packed(
    name="air_temperature",
    units="K",
    title="Mean air temperature of the UTC day",
    scale=0.01,
    cell_methods="time: mean",
)
VARIABLES = {v.name: v for v in (PRECIPITATION, AIR_TEMPERATURE)}


@dataclass(frozen=True, kw_only=True)
class DayRecord:
    """A day of one source in the store.

    ``slot`` is its place along time; ``latency`` preliminary or final; ``fetched`` when it was written (UTC);
    ``sha256`` of the packed numbers by variable; ``inputs`` the files it was made from; ``matching`` what was done to
    make it like the prior's weather.
    """

    date: dt.date
    source: str
    title: str
    slot: int
    latency: str
    version: str
    fetched: dt.datetime
    sha256: Mapping[str, str]
    inputs: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    matching: str = UNMATCHED
    mean: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_temperature(self) -> bool:
        """Whether the source brought temperature."""
        return AIR_TEMPERATURE.name in self.sha256

    @property
    def name(self) -> str:
        """The record's file name."""
        return f"{self.date}.{self.source}.json"

    def same_as(self, other: DayRecord) -> bool:
        """Whether another record of the day and source tells of the same numbers, version and latency."""
        return (self.sha256, self.latency, self.version) == (other.sha256, other.latency, other.version)

    def text(self) -> str:
        """As JSON."""
        plain = asdict(self) | {"date": self.date.isoformat(), "fetched": self.fetched.isoformat(timespec="seconds")}
        return json.dumps(plain, indent=1, ensure_ascii=False)


def parse_record(text: str) -> DayRecord:
    """A record from its JSON; raises ValueError, KeyError or TypeError for another text."""
    plain = json.loads(text)
    return DayRecord(
        date=dt.date.fromisoformat(plain["date"]),
        source=str(plain["source"]),
        title=str(plain["title"]),
        slot=int(plain["slot"]),
        latency=str(plain["latency"]),
        version=str(plain["version"]),
        fetched=dt.datetime.fromisoformat(plain["fetched"]),
        sha256={str(k): str(v) for k, v in dict(plain["sha256"]).items()},
        inputs=tuple(plain["inputs"]),
        notes=tuple(plain["notes"]),
        matching=str(plain["matching"]),
        mean={str(k): float(v) for k, v in dict(plain["mean"]).items()},
    )


def slots_text(slots: Mapping[dt.date, int]) -> str:
    """Slots of days, short: ``2026-02-05:3-40,x2,44``, of the last day and those before it, x for days without.

    Empty without any day.
    """
    if not slots:
        return ""
    parts: list[list[int]] = []  # first and last slot, or -1 and the number of days without one
    day, last = min(slots), max(slots)
    while day <= last:
        slot = slots.get(day, -1)
        if parts and (slot == -1 == parts[-1][0] or (slot == parts[-1][1] + 1 and parts[-1][0] >= 0)):
            parts[-1][1] += 1
        else:
            parts.append([slot, 1 if slot < 0 else slot])
        day += dt.timedelta(days=1)
    return f"{last}:" + ",".join(f"x{b}" if a < 0 else f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def slots_of(text: str) -> dict[dt.date, int]:
    """Days and slots that ``slots_text`` wrote; none for another text."""
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2}):((?:x?\d+|\d+-\d+)(?:,(?:x?\d+|\d+-\d+))*)", text)
    if match is None:
        return {}
    slots: list[int | None] = []
    for part in match[2].split(","):
        if part.startswith("x"):
            slots += [None] * int(part[1:])
            continue
        first, _, last = part.partition("-")
        slots += range(int(first), int(last or first) + 1)
    end = dt.date.fromisoformat(match[1])
    days = (end - dt.timedelta(days=len(slots) - 1 - n) for n in range(len(slots)))
    return {day: slot for day, slot in zip(days, slots, strict=True) if slot is not None}
