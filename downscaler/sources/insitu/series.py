"""Common output of all station readers: one sensor's readings at a time, and a report per file.

Flags are ISMN's whatever the network, so that one word means one thing (Dorigo et al. 2013, doi:10.2136/vzj2012.0097).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from downscaler.ground.cells import cells_of
from downscaler.ground.grid import Domain

COLUMNS = ("network", "station", "sensor", "depth_from", "depth_to", "lat", "lon", "time", "value", "flag")
GOOD, OUT_OF_RANGE, FROZEN, MISSING_FLAG = "G", "C02", "D01", "M"
_KNOWN = {GOOD, MISSING_FLAG, "U", *(f"C{n:02d}" for n in range(1, 4)), *(f"D{n:02d}" for n in range(1, 11))}
_PERCENT = 1.0  # m3 m-3; when the median of a sensor lies above, its unit is another


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """Location of a sensor: depths in m below ground, degrees; ``land_cover``, ``clay`` and ``sand`` if known."""

    network: str
    station: str
    name: str
    depth_from: float
    depth_to: float
    lat: float
    lon: float
    land_cover: str | None = None
    clay: float | None = None
    sand: float | None = None


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """Report on one file, or on one sensor of a file with several; every line is in exactly one count.

    Attributes:
        file: name of the file or query.
        lines: lines or values that are readings or should be.
        readings: those that were read.
        bad_lines: those that could not be; ``first_bad`` shows the first.
        missing: readings that the network itself marks as missing.
        duplicates: readings left out since the same one stands before.
        contradictions: readings left out since others of the same time and another value stand there too.
        unknown_flags: readings whose flag is not ISMN's; they are kept, and not taken for good.
        out_of_range: readings outside 0 to 1 m3 m-3; kept, and flagged C02.
        left_out: why a sound file is not asked for, such as a sensor that is too deep.
        problem: why the whole file is refused, None where it is not.
    """

    file: str
    lines: int = 0
    readings: int = 0
    bad_lines: int = 0
    first_bad: str | None = None
    missing: int = 0
    duplicates: int = 0
    contradictions: int = 0
    unknown_flags: int = 0
    out_of_range: int = 0
    left_out: str | None = None
    problem: str | None = None

    @property
    def clean(self) -> bool:
        """Whether the file had no problem."""
        counts = (self.bad_lines, self.duplicates, self.contradictions, self.unknown_flags, self.out_of_range)
        return self.problem is None and not any(counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One sensor's readings in order of time: ``time`` datetime64[s] UTC, ``value`` m3 m-3, ``flag`` ISMN's; all [n].

    ``daily`` says that a reading is the mean of the day that it is stamped with.
    """

    sensor: Sensor
    time: NDArray[np.datetime64]
    value: NDArray[np.float64]
    flag: NDArray[np.str_]
    daily: bool = False

    @property
    def good(self) -> NDArray[np.bool_]:
        """Readings of good quality: ``G`` and no other flag [n]."""
        return np.asarray((self.flag == GOOD) & np.isfinite(self.value))


Read = tuple[Series | None, FileReport]
"""A sensor (None if its file is refused) and the report on the file."""


def checked(series: Series, report: FileReport, domain: Domain | None = None) -> Read:
    """A cleaned series (sorted, unique times, m3 m-3) and the report on what was found.

    Refused, with the reason in ``problem``, are sensors in another unit (the median of what is flagged good, or of
    all where nothing is, lies above 1: percent), and stations outside ``domain``. Readings of equal time and value
    count once; where values differ none is kept, since nothing tells which is right.
    """
    if domain is not None and not within(domain, series.sensor):
        place = f"{series.sensor.lat:.4f}, {series.sensor.lon:.4f}"
        return None, replace(report, problem=f"station outside the domain {domain.name} (latitude, longitude {place})")
    series, duplicates, contradictions = _each_time_once(series)
    value, flag = series.value, series.flag.copy()
    judged = value[series.good] if series.good.any() else value[np.isfinite(value)]
    if judged.size and float(np.median(judged)) > _PERCENT:
        found = float(np.median(judged))
        return None, replace(report, problem=f"unit is not m3 m-3: the median is {found:g}, apparently percent")
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(value) & ((value < 0.0) | (value > 1.0))
    flag = np.where(beyond & (flag == GOOD), OUT_OF_RANGE, flag).astype(np.str_)
    report = replace(
        report,
        duplicates=duplicates,
        contradictions=contradictions,
        unknown_flags=int(unknown_flags(flag).sum()),
        out_of_range=int(beyond.sum()),
    )
    return replace(series, flag=flag), report


def within(domain: Domain, sensor: Sensor) -> bool:
    """Whether a sensor stands on the domain's window of the product grid."""
    return bool(cells_of(domain, np.array([sensor.lon]), np.array([sensor.lat]))[2][0])


def unknown_flags(flags: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Where a flag, or one of several separated by commas, is not in ISMN's vocabulary [n]."""
    names = np.unique(flags)
    unknown = [name for name in names if not {part.strip() for part in str(name).split(",")} <= _KNOWN]
    return np.isin(flags, unknown)


def _each_time_once(series: Series) -> tuple[Series, int, int]:
    order = np.argsort(series.time, kind="stable")
    time, value, flag = series.time[order], series.value[order], series.flag[order]
    first = np.r_[True, time[1:] != time[:-1]] if time.size else np.zeros(0, bool)
    if first.all():
        return replace(series, time=time, value=value, flag=flag), 0, 0
    group = np.cumsum(first) - 1
    low, high = (f.at for f in (np.fmin, np.fmax))
    lowest, highest = np.full(group[-1] + 1, np.nan), np.full(group[-1] + 1, np.nan)
    low(lowest, group, value)
    high(highest, group, value)
    torn = (lowest != highest) & np.isfinite(lowest)
    keep = first & ~torn[group]
    contradictions = int(torn[group].sum())
    kept = replace(series, time=time[keep], value=value[keep], flag=flag[keep])
    return kept, int((~keep).sum()) - contradictions, contradictions


def tidy(series: Iterable[Series]) -> pd.DataFrame:
    """Series as one table, a row a reading, with ``COLUMNS``; names and flags are categories to spare memory."""
    parts = [frame_of(one) for one in series]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    table = pd.concat(parts, ignore_index=True)
    return table.astype(dict.fromkeys(("network", "station", "sensor", "flag"), "category"))


def frame_of(series: Series) -> pd.DataFrame:
    """One sensor's readings with ``COLUMNS``."""
    s = series.sensor
    return pd.DataFrame(
        {
            "network": s.network,
            "station": s.station,
            "sensor": s.name,
            "depth_from": s.depth_from,
            "depth_to": s.depth_to,
            "lat": s.lat,
            "lon": s.lon,
            "time": series.time.astype("datetime64[s]"),
            "value": series.value,
            "flag": series.flag,
        },
        columns=list(COLUMNS),
    )


def series_of(table: pd.DataFrame) -> Iterator[Series]:
    """The inverse of ``tidy``: sensors of a table in their order of appearance."""
    keys: list[Any] = list(COLUMNS[:7])
    for key, part in table.groupby(keys, sort=False, observed=True):
        values: Any = key  # a tuple of names and numbers, which pandas types as hashable alone
        network, station, name, depth_from, depth_to, lat, lon = values
        sensor = Sensor(
            network=str(network),
            station=str(station),
            name=str(name),
            depth_from=float(depth_from),
            depth_to=float(depth_to),
            lat=float(lat),
            lon=float(lon),
        )
        yield Series(
            sensor=sensor,
            time=part["time"].to_numpy(dtype="datetime64[s]"),
            value=part["value"].to_numpy(dtype=float),
            flag=part["flag"].to_numpy(dtype=str),
        )
