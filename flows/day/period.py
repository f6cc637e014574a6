"""Parsing dates, and checking that SMAP can have observed them before any work begins."""

from __future__ import annotations

import datetime as dt

from downscaler.errors import PeriodError
from flows.day.jobs import days_between


def parse_day(text: str | dt.date) -> dt.date:
    """A UTC day from YYYY-MM-DD; raises PeriodError, also for a day that is not in the calendar."""
    try:
        return dt.datetime.strptime(str(text), "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise PeriodError(f"Invalid date {text}; expected YYYY-MM-DD") from None


def today() -> dt.date:
    """Today's date in UTC."""
    return dt.datetime.now(dt.UTC).date()


def makeable(start: dt.date, end: dt.date | None = None) -> list[dt.date]:
    """All days from start to end, or the single day, after checking that SMAP can have observed them.

    Raises PeriodError when the period is reversed, reaches into the future or begins before SMAP's first data.
    """
    from downscaler.product import FIRST_DAY

    days = days_between(start, end or start)
    if days[0] < FIRST_DAY:
        raise PeriodError("SMAP has no data before its first day", value=days[0], allowed=f"{FIRST_DAY} and later")
    if days[-1] > today():
        raise PeriodError("The day is in the future", value=days[-1], allowed=f"{today()} (UTC) and earlier")
    return days
