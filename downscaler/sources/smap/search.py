"""The granules of a local folder."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from downscaler.errors import GranuleError, GranuleMissingError, GranuleNameError
from downscaler.sources import hdf5
from downscaler.sources.folders import files_below
from downscaler.sources.smap.granule import open_granules
from downscaler.sources.smap.layout import GROUP
from downscaler.sources.smap.names import GranuleName
from downscaler.sources.smap.offers import Offer, Offers, by_day, choose

_LOG = logging.getLogger(__name__)
_SHARED_SUFFIXES = (".nc", ".nc4")  # of NetCDF files of every kind
SUFFIXES = (".h5", ".hdf5", ".he5", *_SHARED_SUFFIXES)


@dataclass(frozen=True, kw_only=True)
class FolderSupply:
    """Granules below a folder, with all its subfolders; a Supply. ``short_name`` admits one product only."""

    folder: Path
    short_name: str | None = None
    near_real_time: bool = False

    def offers(self, start: dt.date, end: dt.date) -> Offers:
        """The current granules of each day; raises GranuleMissingError without the folder or any granule in it."""
        found = _all(self.folder)
        if not found:  # an unmounted disk must not look like a quiet fortnight
            raise GranuleMissingError(
                "The folder of granules holds no granule at all",
                value=self.folder,
                remedy="Is its disk mounted? Check `granules` in vadose.toml.",
            )
        return by_day(found, start, end, self.short_name, near_real_time=self.near_real_time)

    def arrived(self, since: dt.datetime, start: dt.date, end: dt.date) -> list[Offer]:
        """Granules of a period whose files came since a moment; raises GranuleMissingError without the folder."""
        named = [offer for offer in _all(self.folder) if offer.name is not None and start <= offer.name.date <= end]
        return [offer for offer in named if (moment := offer.arrived()) is not None and moment >= since]

    def fetch(self, offer: Offer) -> Path:
        """Nothing is to be fetched."""
        assert offer.path is not None
        return offer.path

    def missing(self, date: dt.date) -> str:
        """Which granule the folder lacks."""
        return f"Add the granule of {date} to {self.folder}."


def find_granules(
    folder: Path,
    date: dt.date,
    short_name: str | None = None,
    *,
    near_real_time: bool = False,
    without: Collection[Path] = (),
) -> list[Path]:
    """Files below a folder that hold a UTC day, of the best product there: SPL3SMP_E, SPL3SMP, then half orbits.

    One file for a daily product, several for half orbits; superseded releases are left out and logged.
    ``short_name`` admits one product only, ``near_real_time`` the near-real-time stream only; of files ``without``
    older releases are taken. Raises GranuleMissingError when there is none.
    """
    found = _all(folder)
    of_day = [offer for offer in found if offer.name is not None and offer.name.covers(date)]
    chosen = choose(of_day, short_name, near_real_time=near_real_time, without=without)
    if chosen:
        return list(dict.fromkeys(offer.path for offer in chosen if offer.path is not None))
    days = {
        offer.name.date for offer in found if offer.name is not None and short_name in (None, offer.name.short_name)
    }
    raise GranuleMissingError(
        f"No {short_name or ('near-real-time' if near_real_time else 'SMAP soil moisture')} granule of {date} is in "
        f"{folder}",
        value=f"{len(days)} other days, {min(days)} to {max(days)}" if days - {date} else "no granules at all",
        allowed=f"files of {date}",
        remedy="Download the day, or name the file with --granule.",
    )


def _all(folder: Path) -> list[Offer]:
    if not folder.is_dir():
        told = f"{folder}, a file; its folder is asked for" if folder.is_file() else folder
        raise GranuleMissingError(
            "Folder of granules not found", value=told, remedy="Check --granules, or `granules` in vadose.toml."
        )
    return [Offer(file=path.name, name=name, path=path) for path in granule_files(folder) for name in identify(path)]


def granule_files(folder: Path) -> list[Path]:
    """Files below a folder that may be granules by their ending, those that services write (.nc4) among them.

    A NetCDF file that bears no granule's name and holds none of its groups is another thing (weather, a prior).
    """
    found = files_below(folder, SUFFIXES)
    return [path for path in found if path.suffix.lower() not in _SHARED_SUFFIXES or _may_be_granule(path)]


def _may_be_granule(path: Path) -> bool:
    try:
        GranuleName.parse(path)
    except GranuleNameError:
        try:
            with hdf5.opened(path) as file:
                return any(str(name).startswith(GROUP) for name in file)
        except OSError:
            return False
    return True


def identify(path: Path) -> list[GranuleName]:
    """Identity of a file by its name, else its contents: one for each day of a stack, none (logged) for others."""
    try:
        return [GranuleName.parse(path)]
    except GranuleNameError:
        pass
    try:
        return [granule.name for granule in open_granules(path)]
    except GranuleError as error:
        _LOG.warning("Left out: %s", error)
        return []
