"""Which time a file is of, as its name tells: ParFlow's step numbers, ranges of hours, dates, water years.

Sources: ParFlow user manual, section "CLM" for ``NAME.APCP.000001_to_000024.pfb`` (planes of hours 1 to 24);
``hf_hydrodata.get_gridded_file`` for ``{hour_start}_to_{hour_end}``, ``{daynum}``, ``{ymd}``, ``{mdy}``, ``WY{wy}`` and
``{wy_daynum}`` in names.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from downscaler.errors import PriorSchemaError

Kind = Literal["step", "range", "date", "water year"]
_YEARS = range(1900, 2101)
_OWN = re.compile(r"\.out\.[a-z_]+\.(\d{5,})$")  # ParFlow's own output, whatever dates the run's name holds
_RANGE = re.compile(r"(?<!\d)(\d+)_to_(\d+)(?!\d)")
_WATER_YEAR = re.compile(r"(?<![A-Za-z0-9])WY[_-]?(\d{4})(?!\d)", re.IGNORECASE)
_YMD = re.compile(
    r"(?<!\d)(\d{4})([-._]?)(\d{2})\2(\d{2})(?:[T_\- .]?(\d{2})[.:h-]?(\d{2})[.:m-]?(\d{2})?|(\d{2}))?(?!\d)"
)
_MDY = re.compile(r"(?<!\d)(\d{2})([-._]?)(\d{2})\2(\d{4})(?!\d)")
_DOY = re.compile(r"(?<!\d)(\d{4})(\d{3})(?!\d)")  # year and day of year
_MONTH = re.compile(
    r"(?<![A-Za-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?![A-Za-z])", re.IGNORECASE
)
_NUMBER = re.compile(r"(\d+)(?=\D*$)")
_SHORT = re.compile(r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")  # 051001 may be 2005-10-01
_COPY = re.compile(r"\s*(?:\(\d+\)|- Copy(?: \(\d+\))?|_copy\d*)$", re.IGNORECASE)
FORMS = (
    "names that end in a step number (run.out.satur.00012.pfb), hold a range of steps (APCP.000001_to_000024.pfb), a "
    "date (20240501, 2024-05-01, 05012024, 2024122), or WY2024 and the number of the day; each once"
)


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a name tells: ``kind`` and, as the kind has it, first and last step, or a moment (UTC).

    ``month_first`` says that the date was written as month, day, year.
    """

    kind: Kind
    first: int | None = None
    last: int | None = None
    moment: dt.datetime | None = None
    month_first: bool = False

    @property
    def order(self) -> tuple[float, int]:
        """For sorting files of one kind."""
        return (self.moment.timestamp() if self.moment else 0.0, self.first or 0)


def read_names(names: Sequence[str], where: str) -> dict[str, Named]:
    """What each of some file names (with folders, ending left off) tells of its time; all must tell it alike.

    A date that all names share is part of the run's name, not of the time. Raises PriorSchemaError for a name that
    tells nothing, names that tell it in several ways, two files of one time, and copies (``... (1)``).
    """
    shared = _shared_dates(names)
    told: dict[str, Named] = {}
    for name in names:
        one = _read(name, shared)
        if one is None or _COPY.search(name):
            raise _unclear(where, name)
        told[name] = one
    if all(one.kind == "step" and _SHORT.search(name) and not _OWN.search(name) for name, one in told.items()):
        raise _unclear(where, f"{next(iter(told))}: a step, or a year of two digits with month and day")
    kinds = {one.kind: name for name, one in told.items()}
    if len(kinds) > 1:
        raise _unclear(where, " and ".join(sorted(kinds.values())))
    _check_once(told, where)
    return dict(sorted(told.items(), key=lambda pair: (pair[1].order, pair[0])))


def _unclear(where: str, value: str) -> PriorSchemaError:
    return PriorSchemaError(f"Files of {where} cannot be told apart by time", value=value, allowed=FORMS)


def _read(name: str, shared: bool) -> Named | None:
    own = _OWN.search(name)
    if own:
        return Named(kind="step", first=int(own[1]))
    span = _RANGE.search(name)
    year = _WATER_YEAR.search(name)
    start = dt.datetime(int(year[1]) - 1, 10, 1, tzinfo=dt.UTC) if year and int(year[1]) in _YEARS else None
    if span:
        first, last = int(span[1]), int(span[2])
        return Named(kind="water year" if start else "range", first=first, last=last, moment=start)
    moment, month_first = (None, False) if shared else _date(name)
    if moment:
        return Named(kind="date", moment=moment, month_first=month_first)
    if start is None and _MONTH.search(name.rsplit("/", 1)[-1]):
        return None  # "01.Oct" is a date in words, and its number no step
    number = _NUMBER.search(_WATER_YEAR.sub("", name) if start else name.rsplit("/", 1)[-1])
    if start:
        return Named(kind="water year", first=int(number[1]) if number else None, moment=start)
    return Named(kind="step", first=int(number[1])) if number else None


def _date(name: str) -> tuple[dt.datetime | None, bool]:
    """The first date in a name, and whether it is written as month, day, year (else year first)."""
    for found in _YMD.finditer(name):
        hours = (found[5] or found[8] or "0", found[6] or "0", found[7] or "0")
        if moment := _moment(found[1], found[3], found[4], *hours):
            return moment, False
    for found in _MDY.finditer(name):
        if moment := _moment(found[4], found[1], found[3]):
            return moment, True
    for found in _DOY.finditer(name):
        if moment := _moment(found[1], "01", "01"):
            day = moment + dt.timedelta(days=int(found[2]) - 1)
            if day.year == moment.year:
                return day, False
    return None, False


def _moment(year: str, month: str, day: str, *clock: str) -> dt.datetime | None:
    if int(year) not in _YEARS:
        return None
    try:
        midnight = dt.datetime(int(year), int(month), int(day), tzinfo=dt.UTC)
        hour, minute, second = (int(part) for part in clock or ("0", "0", "0"))
        return midnight.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        return None


def _shared_dates(names: Sequence[str]) -> bool:
    """Whether several names hold one and the same date, which then is the run's."""
    return len(names) > 1 and len({_date(name) for name in names}) == 1


def _check_once(told: Mapping[str, Named], where: str) -> None:
    """Two files of one step are refused; of one date only where no other number tells them apart."""
    seen: dict[object, str] = {}
    for name, one in told.items():
        key = (one, re.sub(r"\D+", " ", name) if one.kind == "date" else "")
        if key in seen:
            raise _unclear(where, f"{seen[key]} and {name}")
        seen[key] = name
