"""AppEEARS area samples: days of a product stacked in one NetCDF file, on the product's own grid or resampled.

Sources: AppEEARS' readme of area samples: ``<product>.<version>_<resolution>_aid<number>.nc``, CF time, resampling by
the nearest neighbour alone. Its calendar is "julian": days are counted from 2000 on, where it and the common one
agree. No genuine file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from downscaler.errors import GranuleLayoutError
from downscaler.sources.smap.layout import text_of

_NAMED = re.compile(r"(SPL[234]SM[A-Z]{1,3}(?:_E|_NRT)?)[._-](\d{3})(?:\D|$)")


def product_of(path: Path, title: str) -> tuple[str, str] | None:
    """Short name and collection version, from the file's title, else its name; None where neither tells."""
    found = _NAMED.search(title) or _NAMED.search(path.name)
    return (found[1], found[2]) if found else None


def moments_of(file: Any, name: str) -> list[dt.datetime]:
    """UTC of each step of a stack, as its calendar names it.

    Raises GranuleLayoutError where the file has no time that can be decoded, or names one twice.
    """
    import cftime

    time = file.get("time")
    try:
        units, calendar = (
            text_of(time.attrs.get(key, default)) for key, default in (("units", ""), ("calendar", "standard"))
        )
        dates = cftime.num2date(np.asarray(time[...], dtype=float), units, calendar=calendar or "standard")
        found = [
            dt.datetime(day.year, day.month, day.day, day.hour, day.minute, day.second, tzinfo=dt.UTC)
            for day in np.atleast_1d(dates)
        ]
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise GranuleLayoutError(
            f"{name} stacks days, and its time cannot be decoded",
            value=str(error).splitlines()[0] if str(error) else "no variable time",
            allowed="a variable time in days or seconds since a date",
        ) from error
    if len(set(found)) < len(found):
        twice = next(moment for moment, number in Counter(found).items() if number > 1)
        raise GranuleLayoutError(f"{name} holds one time twice", value=twice.isoformat(), allowed="each time once")
    return found
