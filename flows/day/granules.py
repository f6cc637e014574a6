"""Finds a day's granules: those named, else the newest in the folder or in NASA's archive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from downscaler.errors import GranuleMissingError, GranuleNameError
from flows.day.jobs import DayJob

if TYPE_CHECKING:
    from downscaler.sources.smap import GranuleName, Offer, Supply


def locate(
    date: dt.date, job: DayJob, offers: list[Offer] | None = None, *, without: Collection[Path] = ()
) -> list[Path]:
    """The day's granule files, brought here where they are not; raises GranuleMissingError without any.

    ``offers`` is filled with what was on offer, also when fetching it fails. In the place of files ``without`` a folder
    gives its older releases.
    """
    found = on_offer(date, job, without=without)
    if offers is not None:
        offers[:] = found
    paths = [path for path in fetch(found, job) if path not in without]
    if not paths:
        raise GranuleMissingError(f"No granule of {date} can be read")
    return paths


def on_offer(date: dt.date, job: DayJob, *, without: Collection[Path] = ()) -> list[Offer]:
    """The granules that hold the day: those named, else what the folder or the archive has.

    Raises GranuleMissingError without any, and whatever stops a search.
    """
    if job.granules:
        return _named(date, job.granules)
    place = supply(job)
    if place is None:
        raise GranuleMissingError(
            f"No granule is given for {date}",
            remedy="Give --granule FILE or --granules DIR, set `granules` in vadose.toml, or have it "
            "fetched: set EARTHDATA_TOKEN.",
        )
    if job.folder is not None:
        return _in_folder(date, job, job.folder, without)
    found = place.offers(date, date).get(date)
    if not found:
        raise GranuleMissingError(f"Earthdata has no granule of {date}", remedy=place.missing(date))
    return list(found)


def fetch(offers: Sequence[Offer], job: DayJob) -> list[Path]:
    """The files of some offers; only those of an archive are downloaded, into the cache."""
    at_hand = [offer.path for offer in offers if offer.path is not None]
    if len(at_hand) == len(offers):
        return at_hand
    place = supply(job)
    assert place is not None
    return [place.fetch(offer) for offer in offers]


def supply(job: DayJob) -> Supply | None:
    """The folder or archive of a job; None when it has neither."""
    from downscaler import product
    from downscaler.sources.earthdata import Cache
    from downscaler.sources.smap import EarthdataSupply, FolderSupply

    if job.download is not None:
        return EarthdataSupply(
            endpoints=job.download.endpoints,
            cache=Cache(folder=job.download.cache, limit=job.download.limit),
            domain=product.domain(job.domain),
            short_name=job.smap_product,
            version=job.download.version,
            near_real_time=job.near_real_time,
        )
    if job.folder is not None:
        return FolderSupply(folder=job.folder, short_name=job.smap_product, near_real_time=job.near_real_time)
    return None


def first_and_second(job: DayJob) -> tuple[DayJob | None, DayJob | None]:
    """The jobs that read SMAP and its second source; of files that are named outright each takes its own.

    None for SMAP where the second source's files alone are named, and for the second source where none is set, for
    analyses, and where SMAP's files alone are named and no folder is there to look in.
    """
    if job.second_source is None or job.is_analysis:
        return job, None
    named = [path for path in job.granules if _is_modelled(path)]
    own = replace(job, granules=tuple(path for path in job.granules if path not in named))
    download = replace(job.download, version=None) if job.download is not None else None
    other = replace(
        job,
        granules=tuple(named),
        download=download,
        smap_product=job.second_source,
        near_real_time=False,
        second_source=None,
    )
    nowhere = bool(job.granules) and not named and job.folder is None
    return (None if named and not own.granules else own), (None if nowhere else other)


def _is_modelled(path: Path) -> bool:
    name = name_of(path)
    return name is not None and name.modelled


def earlier(job: DayJob) -> DayJob:
    """The job by which days before are read: its folder or archive, unless files alone are named (no network then)."""
    return replace(job, granules=()) if job.folder is not None else job


def in_window(date: dt.date, job: DayJob, days: int) -> list[str]:
    """Files on offer for a day and those before it that its analysis draws on, with a retrieval here or without.

    An analysis has looked at all of them: only what is not among them came later. Raises what stops a search.
    """
    place = None if job.granules else supply(job)
    if place is None:
        return [path.name for path in job.granules]
    offered = place.offers(date - dt.timedelta(days=days - 1), date)
    return [offer.file for _, offers in sorted(offered.items()) for offer in offers]


def _in_folder(date: dt.date, job: DayJob, folder: Path, without: Collection[Path]) -> list[Offer]:
    from downscaler.sources.smap import Offer, find_granules

    paths = find_granules(folder, date, job.smap_product, near_real_time=job.near_real_time, without=without)
    return [Offer(file=path.name, name=name_of(path), path=path) for path in paths]


def _named(date: dt.date, granules: tuple[Path, ...]) -> list[Offer]:
    """Those named files that hold the day; a file that does not bear a granule's name may hold any."""
    from downscaler.sources.smap import Offer

    absent = [path for path in granules if not path.is_file()]
    if absent:
        raise GranuleMissingError(
            "A granule given by --granule is not there or no file",
            value=absent[0],
            remedy="A folder of granules is named by --granules." if absent[0].is_dir() else "Check its path.",
        )
    offers = [Offer(file=path.name, name=name_of(path), path=path) for path in granules]
    of_day = [offer for offer in offers if offer.name is None or offer.name.covers(date)]
    if not of_day:
        names = ", ".join(path.name for path in granules)
        raise GranuleMissingError(f"None of the given granules has the date {date}", value=names)
    return of_day


def name_of(path: Path | str) -> GranuleName | None:
    """What a file's name says; None where it is no granule's."""
    from downscaler.sources.smap import GranuleName

    try:
        return GranuleName.parse(path)
    except GranuleNameError:
        return None
