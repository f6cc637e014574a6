"""SMAP's own climatology on a domain, from all granules of a local folder."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import (
    ClimatologyError,
    GranuleError,
    GranuleMissingError,
    GranuleUnreadableError,
    NoRetrievalError,
    StorageFullError,
)
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.grid import Domain
from downscaler.method.seasonal import CoarseStatistics
from downscaler.sources.smap.day import read_day
from downscaler.sources.smap.names import NEAR_REAL_TIME, PRODUCTS, STANDARD, GranuleName
from downscaler.sources.smap.search import granule_files, identify

_LOG = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
Period = tuple[dt.date, dt.date]
_NAMED = 5  # bad granules that the notes name


@dataclass
class _Gathered:
    """What a pass over the folder has found beside the values."""

    dates: list[dt.date] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    empty: int = 0
    simulated: bool = False


def smap_statistics(
    folder: Path,
    domain: Domain,
    *,
    short_name: str | None = None,
    period: Period | None = None,
    progress: Progress | None = None,
) -> CoarseStatistics:
    """Read every granule below a folder and sum up the recommended retrievals by coarse cell and season.

    Days are read as ``read_day`` reads them, superseded releases left out. A granule that cannot be read is logged
    and named in the notes, and the others go on. Days wait on disk, so that memory does not grow with the archive.

    Args:
        folder: searched with all its subfolders.
        domain: where.
        short_name: the product; without it the first of SPL3SMP_E, SPL3SMP, SPL2SMP_E and SPL2SMP that is there.
        period: first and last day to take; without it all.
        progress: called with (days read, days in all).

    Raises:
        GranuleMissingError: no granule of the product and period.
        GranuleUnreadableError: every granule is bad.
        NoRetrievalError: not one recommended retrieval in the domain.
        StorageFullError: no room for the days in the folder of temporary files.
    """
    product, days = _by_day(Path(folder), short_name, period)
    grid = PRODUCTS[product]
    shape = domain.shape(grid)
    found = _Gathered()
    with tempfile.TemporaryDirectory(prefix="vadose-") as temporary:
        spool = Path(temporary) / "days.f4"
        with spool.open("wb") as stream:
            for values in _read_all(days, domain, found, progress):
                _append(stream, values)
        if not found.dates:
            raise _nothing(found, Path(folder), domain)
        record = np.memmap(spool, dtype=np.float32, mode="r", shape=(len(found.dates), shape.y, shape.x))
        title = f"{product} of {found.dates[0]} to {found.dates[-1]}, recommended retrievals"
        statistics = CoarseStatistics.from_record(record, found.dates, grid, domain, title)
        del record  # the map must be closed before its file goes
    return replace(
        statistics,
        inputs=len(found.inputs),
        digest=_digest(found.inputs),
        simulated=found.simulated,
        notes=tuple(_notes(found)),
    )


def _by_day(folder: Path, short_name: str | None, period: Period | None) -> tuple[str, dict[dt.date, list[Path]]]:
    """The product to read and its files by UTC day, in order of days."""
    if short_name is not None and short_name not in (*STANDARD, *NEAR_REAL_TIME):
        raise ClimatologyError("Unknown SMAP product", value=short_name, allowed=(*STANDARD, *NEAR_REAL_TIME))
    if not folder.is_dir():
        raise GranuleMissingError("Folder of granules not found", value=folder)
    named = [(name, path) for path in granule_files(folder) for name in identify(path)]
    present = [p for p in STANDARD if any(name.short_name == p for name, _ in named)]
    product = short_name or (present[0] if present else None)
    days: dict[dt.date, list[Path]] = {}
    for name, path in named:
        if name.short_name == product:
            for day in _days_of(name):
                if period is None or period[0] <= day <= period[1]:
                    days.setdefault(day, []).append(path)
    if product is None or not days:
        raise GranuleMissingError(
            f"No {short_name or 'SMAP soil moisture'} granule for a climatology was found in {folder}",
            value=f"products {', '.join(present)}" if present else "no granules at all",
            allowed=f"files of {period[0]} to {period[1]}" if period else "SMAP files as NSIDC delivers them (.h5)",
        )
    return product, dict(sorted(days.items()))


def _days_of(name: GranuleName) -> list[dt.date]:
    """UTC days that a granule may hold observations of."""
    return [day for day in (name.date, name.date + dt.timedelta(days=1)) if name.covers(day)]


def _read_all(
    days: dict[dt.date, list[Path]], domain: Domain, found: _Gathered, progress: Progress | None
) -> Iterator[NDArray[np.float32]]:
    """Recommended values [nyc, nxc] of each day that has any; what else there is to know goes to ``found``."""
    for done, (date, paths) in enumerate(days.items(), start=1):
        day = _read(date, paths, domain, found)
        if day is not None:
            found.dates.append(date)
            found.inputs |= {record.name: record.sha256 for record in day.inputs}
            found.simulated |= day.simulated
            kept = np.where(day.data["recommended"].values, day.data["soil_moisture"].values, np.nan)
            yield kept.astype(np.float32)
        if progress is not None:
            progress(done, len(days))


def _read(date: dt.date, paths: Sequence[Path], domain: Domain, found: _Gathered) -> CoarseDay | None:
    """A day without the granules that cannot be read; None when it has no recommended retrieval."""
    try:
        return read_day(paths, domain, date=date)
    except NoRetrievalError:
        found.empty += 1
        return None
    except GranuleError as error:
        failure = error
    sound = [path for path in paths if _is_sound(path, date, domain, found)] if len(paths) > 1 else list(paths)
    if len(sound) == len(paths):  # the only one, or good ones that do not go together
        found.bad.append(f"{', '.join(path.name for path in paths)}: {type(failure).__name__}")
        _LOG.warning("Left out: %s", failure)
        return None
    return _read(date, sound, domain, found) if sound else None


def _is_sound(path: Path, date: dt.date, domain: Domain, found: _Gathered) -> bool:
    """Whether one granule of a day can be read at all; if not it is noted."""
    try:
        read_day([path], domain, date=date)
    except (NoRetrievalError, GranuleMissingError):
        return True
    except GranuleError as error:
        found.bad.append(f"{path.name}: {type(error).__name__}")
        _LOG.warning("Left out: %s", error)
        return False
    return True


def _append(stream: BinaryIO, values: NDArray[np.float32]) -> None:
    try:
        stream.write(values.tobytes())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                "The disk filled up while reading SMAP's days",
                value=tempfile.gettempdir(),
                remedy="Free some space there, or set TMPDIR to another disk.",
            ) from error
        raise


def _nothing(found: _Gathered, folder: Path, domain: Domain) -> GranuleError:
    """The error for a folder that gave not one value."""
    said = f"{found.empty} days without a recommended retrieval, {len(found.bad)} bad granules"
    if found.bad and not found.empty:
        return GranuleUnreadableError(f"No granule in {folder} can be read", value="; ".join(found.bad[:_NAMED]))
    return NoRetrievalError(f"SMAP has no recommended retrieval in domain {domain.name!r} in {folder}", value=said)


def _digest(inputs: dict[str, str]) -> str:
    """SHA-256 over names and checksums of all granules used."""
    return hashlib.sha256("".join(f"{name}\0{sha}\n" for name, sha in sorted(inputs.items())).encode()).hexdigest()


def _notes(found: _Gathered) -> Iterator[str]:
    if found.bad:
        more = f" and {len(found.bad) - _NAMED} more" if len(found.bad) > _NAMED else ""
        yield f"{len(found.bad)} granules could not be read: {'; '.join(found.bad[:_NAMED])}{more}."
    if found.empty:
        yield f"{found.empty} days have no recommended retrieval in the domain."
