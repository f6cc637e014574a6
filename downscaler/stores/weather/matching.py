"""How the rain of each source is matched to the prior's: a file of the weather store for each."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from downscaler.errors import WeatherUnreadableError
from downscaler.method.weather.rain_matching import RainMatching
from downscaler.records import sync
from downscaler.stores.weather.layout import MATCHINGS, OWN, UNMATCHED


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A matching in a store: to which prior, and on how many days of which period; ``own`` is the prior's forcing."""

    rain: RainMatching = field(repr=False)
    prior: str
    days: int
    first: dt.date
    last: dt.date

    def told(self, month: int) -> str:
        """What was done to a day of a month, in words."""
        if not self.rain.covers(month):
            return UNMATCHED
        return f"wet days and amounts of {self.prior}, from {self.days} days of {self.first} to {self.last}"


def kept_matching(path: Path, source: str) -> Kept | None:
    """The matching of a source that a store holds; None without. Raises WeatherUnreadableError for a damaged one."""
    file = path / MATCHINGS / f"{source}.json"
    if not file.is_file():
        return None
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return Kept(
            rain=RainMatching.of(told["figures"]),
            prior=str(told["prior"]),
            days=int(told["days"]),
            first=dt.date.fromisoformat(told["first"]),
            last=dt.date.fromisoformat(told["last"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeatherUnreadableError(
            "A matching of rain is damaged",
            value=f"{file}: {error}",
            remedy="Delete that file, then fit it again: vadose weather match.",
        ) from error


def told_of(kept: Kept | None, *, own: bool, month: int) -> str:
    """What a day's record says of its matching."""
    return OWN if own else UNMATCHED if kept is None else kept.told(month)


def keep_matching(path: Path, source: str, kept: Kept) -> None:
    """Write a source's matching into a store, by a rename."""
    told = {
        "prior": kept.prior,
        "days": kept.days,
        "first": kept.first.isoformat(),
        "last": kept.last.isoformat(),
        "figures": kept.rain.figures(),
    }
    final = path / MATCHINGS / f"{source}.json"
    final.parent.mkdir(exist_ok=True)
    new = final.with_name(f".{final.name}.{os.getpid()}")
    new.write_text(json.dumps(told), encoding="utf-8")
    sync(new)
    new.replace(final)
    sync(final.parent)
