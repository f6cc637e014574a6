"""Periods that days are gathered in: three days, ISO weeks, months. Calendar arithmetic alone."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Literal

Length = Literal["day", "three days", "week", "month"]
ANCHOR = dt.date(2015, 3, 31)
"""A first day of three: SMAP's first."""
_DAY = dt.timedelta(days=1)


def first_day(length: Length, date: dt.date) -> dt.date:
    """First day of the period that holds a day: weeks begin on Monday (ISO 8601), threes are counted from ANCHOR."""
    if length == "week":
        return date - dt.timedelta(days=date.weekday())
    if length == "month":
        return date.replace(day=1)
    return date - dt.timedelta(days=(date - ANCHOR).days % 3) if length == "three days" else date


def last_day(length: Length, date: dt.date) -> dt.date:
    """Last day of the period that holds a day."""
    first = first_day(length, date)
    if length == "month":
        return first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return first + dt.timedelta(days={"day": 0, "three days": 2, "week": 6}[length])


def days_of(length: Length, date: dt.date) -> list[dt.date]:
    """All days of the period that holds a day, in order."""
    first, last = first_day(length, date), last_day(length, date)
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def periods(length: Length, start: dt.date, end: dt.date) -> list[dt.date]:
    """First days of all periods that hold a day from start to end, in order; none where end is before start."""
    found, first = [], first_day(length, start)
    while first <= end:
        found.append(first)
        first = last_day(length, first) + _DAY
    return found
