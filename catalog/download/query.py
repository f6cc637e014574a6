"""A query of a catalogue (box, period, collections), checked before anything is opened."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.naming import NO_DAYS
from downscaler.errors import ConfigError

Box = tuple[float, float, float, float]
_ORDER = "west south east north in degrees, west < east, south < north, as -98.3 34.7 -97.9 35.0"


@dataclass(frozen=True, kw_only=True)
class Query:
    """Selects days of a catalogue; None or empty means all.

    ``bbox`` is west, south, east, north in degrees; ``start`` and ``end`` are days, both included. Raises ConfigError
    when the box or the period is empty, turned round or off the globe.
    """

    bbox: Box | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    collections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bbox is not None:
            _check(self.bbox)
        if self.start and self.end and self.end < self.start:
            raise ConfigError(
                "The period ends before it starts", value=f"{self.start} to {self.end}", allowed="start <= end"
            )

    @property
    def interval(self) -> str | None:
        """The period as STAC's searches take it, both ends open where nothing is said."""
        if self.start is None and self.end is None:
            return None
        start = f"{self.start}T00:00:00Z" if self.start else ".."
        return f"{start}/{f'{self.end}T23:59:59Z' if self.end else '..'}"

    def wants(self, item: Mapping[str, Any]) -> bool:
        """Whether an item is a valid day of the collections, period and box."""
        collection, properties = item.get("collection"), item.get("properties", {})
        if collection in NO_DAYS or properties.get("deprecated"):
            return False
        if self.collections and collection not in self.collections:
            return False
        date = dt.date.fromisoformat(str(properties.get("start_datetime") or properties["datetime"])[:10])
        return self.in_period(date, date) and (self.bbox is None or _meet(self.bbox, item["bbox"]))

    def in_period(self, first: dt.date, last: dt.date) -> bool:
        """Whether a stretch of days and the period have a day in common."""
        return not ((self.start and last < self.start) or (self.end and first > self.end))


def _check(bbox: Box) -> None:
    west, south, east, north = bbox
    if not all(math.isfinite(value) for value in bbox):
        raise ConfigError("A box needs four numbers", value=bbox, allowed=_ORDER)
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        swapped = "Longitude comes first." if abs(south) > 90 or abs(north) > 90 else None
        raise ConfigError("The box is outside the globe", value=bbox, allowed=_ORDER, remedy=swapped)
    if west >= east or south >= north:
        raise ConfigError("The box is reversed or empty", value=bbox, allowed=_ORDER)


def _meet(one: Box, other: list[float]) -> bool:
    west, south, east, north = (*other[:2], *other[-2:]) if len(other) == 4 else (*other[:2], *other[3:5])
    return one[0] <= east and west <= one[2] and one[1] <= north and south <= one[3]
