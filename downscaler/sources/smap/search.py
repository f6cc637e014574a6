"""The granules of a day in a local folder."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

from downscaler.errors import GranuleError, GranuleMissingError, GranuleNameError
from downscaler.sources.smap.granule import open_granule
from downscaler.sources.smap.names import PRODUCTS, GranuleName

_LOG = logging.getLogger(__name__)


def find_granules(folder: Path, date: dt.date, short_name: str | None = None) -> list[Path]:
    """Files below a folder that hold a UTC day, of the best product there: SPL3SMP_E, SPL3SMP, then half orbits.

    One file for a daily product, several for half orbits; superseded releases are left out and logged.
    ``short_name`` admits one product only. Raises GranuleMissingError when there is none.
    """
    if not folder.is_dir():
        raise GranuleMissingError("There is no such folder of granules", value=folder)
    found: list[tuple[GranuleName, Path]] = []
    days: set[dt.date] = set()
    for path in sorted(folder.rglob("*.h5")):
        name = identify(path)
        if name is None or (short_name is not None and name.short_name != short_name):
            continue
        days.add(name.date)
        if name.covers(date):
            found.append((name, path))
    for product in PRODUCTS:
        newest: dict[tuple[str, str, int, str], Path] = {}
        for name, path in sorted((f for f in found if f[0].short_name == product), key=lambda f: (f[0], f[1])):
            if name.scene in newest:
                _LOG.info("%s is superseded by %s", newest[name.scene].name, path.name)
            newest[name.scene] = path
        if newest:
            return list(newest.values())
    raise GranuleMissingError(
        f"No {short_name or 'SMAP soil moisture'} granule of {date} is in {folder}",
        value=f"{len(days)} other days, {min(days)} to {max(days)}" if days else "no granules at all",
        allowed=f"files of {date}",
        remedy="Download the day or give the file itself.",
    )


def identify(path: Path) -> GranuleName | None:
    """What a file is, by its name, else by what it says inside; None (logged) for anything else."""
    try:
        return GranuleName.parse(path)
    except GranuleNameError:
        pass
    try:
        return open_granule(path).name
    except GranuleError as error:
        _LOG.warning("Left out: %s", error)
        return None
