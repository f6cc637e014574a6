"""Where a day's granules are: those named, else the newest ones in the folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from downscaler.errors import GranuleMissingError, GranuleNameError
from flows.jobs import DayJob


def locate(date: dt.date, job: DayJob) -> list[Path]:
    """The day's granule files: those named, else the newest ones in the folder; raises GranuleMissingError."""
    from downscaler.sources.smap import find_granules

    if job.granules:
        return _named(date, job.granules)
    if job.folder is None:
        raise GranuleMissingError(
            f"No granule is named for {date}",
            remedy="Give --granule FILE or --granules DIR, or set `granules` in vadose.toml.",
        )
    return find_granules(job.folder, date, job.smap_product)


def _named(date: dt.date, granules: tuple[Path, ...]) -> list[Path]:
    """Those named files that hold the day; a file that does not bear a granule's name may hold any."""
    from downscaler.sources.smap import GranuleName

    absent = [path for path in granules if not path.is_file()]
    if absent:
        raise GranuleMissingError("A granule named by --granule is not there", value=absent[0])

    def may_hold(path: Path) -> bool:
        try:
            return GranuleName.parse(path).covers(date)
        except GranuleNameError:
            return True

    of_day = [path for path in granules if may_hold(path)]
    if not of_day:
        names = ", ".join(path.name for path in granules)
        raise GranuleMissingError(f"None of the granules named is of {date}", value=names)
    return of_day
