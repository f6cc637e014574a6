"""Weather files from NASA Earthdata: searches, downloads and verifies what a folder lacks of a period."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from downscaler.errors import AbsentDataError, ConfigError, GranuleUnreadableError, WeatherUnreadableError
from downscaler.ground.grid import Domain
from downscaler.sources.earthdata import Cache, Endpoints, RemoteFile, remote_file
from downscaler.sources.weather import imerg, nldas2
from downscaler.sources.weather.files import below, date_in, opened


@dataclass(frozen=True, kw_only=True)
class Collection:
    """How a source is named at Earthdata and how many files make a day."""

    short_name: str
    version: str
    file: re.Pattern[str]
    suffix: str
    per_day: int

    @property
    def released(self) -> bool:
        """Whether a day's file is replaced by one of a later release, under another name."""
        return "release" in self.file.groupindex


COLLECTIONS = {
    "nldas2": Collection(
        short_name=nldas2.SHORT_NAME, version=nldas2.VERSION, file=nldas2.FILE, suffix=".nc", per_day=24
    ),
    "imerg": Collection(short_name=imerg.SHORT_NAME, version=imerg.VERSION, file=imerg.FILE, suffix=".nc4", per_day=1),
}


def fetch_weather(
    kind: str, folder: Path, days: Iterable[dt.date], domain: Domain, endpoints: Endpoints
) -> dict[dt.date, int]:
    """Download the files of some days that ``folder`` lacks from Earthdata, or has in an older release; verify them.

    Args:
        kind: a key of ``COLLECTIONS``.
        folder: where files are kept; none is evicted.
        days: UTC days.
        domain: what the files have to cover.
        endpoints: search service, log-in host and patience.

    Returns:
        The days that are still not whole, with the number of files that they have: the archive does not have them yet.

    Raises:
        ConfigError: the source is not Earthdata's.
        AbsentDataError: the archive has no file of any of the days.
        AcquisitionError: what stops a search or a download, and its kin; StorageFullError.
    """
    from downscaler.sources.earthdata.client import log_in
    from downscaler.sources.smap.earthdata import box

    if kind not in COLLECTIONS:
        raise ConfigError("This weather source is not available from Earthdata", value=kind, allowed=COLLECTIONS)
    collection, wanted = COLLECTIONS[kind], sorted(set(days))
    there = _count(collection, folder)
    asked = wanted if collection.released else [d for d in wanted if there.get(d, 0) < collection.per_day]
    if not asked:
        return {}
    account, cache = log_in(endpoints), Cache(folder=folder, limit=None)
    period = tuple(
        dt.datetime.combine(day, time, dt.UTC) for day, time in ((asked[0], dt.time.min), (asked[-1], dt.time.max))
    )
    query = {"short_name": collection.short_name, "version": collection.version, "temporal": period}
    records = account.search(query | {"bounding_box": box(domain)})
    offered = _of_days(collection, (remote_file(r, collection.suffix) for r in records), set(asked))
    for remote in _newer(collection, offered, folder):
        cache.fetch(remote, lambda u, d, f: account.download(u, d, force=f), _opens)
    there = _count(collection, folder)
    if not any(there.get(day) for day in wanted):
        raise AbsentDataError(
            f"Earthdata has no {collection.short_name} {collection.version} of these days",
            value=f"{wanted[0]} to {wanted[-1]}",
            remedy="Wait until they are published: NLDAS-2 is about 3.5 days late, IMERG about 14 hours.",
        )
    return {day: there.get(day, 0) for day in wanted if there.get(day, 0) < collection.per_day}


def _of_days(collection: Collection, remotes: Iterable[RemoteFile], days: set[dt.date]) -> list[RemoteFile]:
    """The files whose names are of the collection and of the days, each once: the newest release of a name's day."""
    found = {}
    for remote in sorted(remotes, key=lambda r: r.name):
        match = collection.file.fullmatch(remote.name)
        if match and date_in(match[1]) in days:
            found[match[1] if collection.per_day == 1 else remote.name] = remote
    return list(found.values())


def _newer(collection: Collection, remotes: Iterable[RemoteFile], folder: Path) -> list[RemoteFile]:
    """The files that a folder does not have in the same or a later release."""
    if not collection.released:
        return list(remotes)
    held: dict[str, str] = {}
    for match in _there(collection, folder):
        held[match[1]] = max(match["release"], held.get(match[1], ""))
    offered = [(remote, collection.file.fullmatch(remote.name)) for remote in remotes]
    return [remote for remote, match in offered if match and match["release"] > held.get(match[1], "")]


def _count(collection: Collection, folder: Path) -> dict[dt.date, int]:
    """How many files each day has below a folder."""
    counts: dict[dt.date, int] = {}
    for match in _there(collection, folder):
        if (day := date_in(match[1])) is not None:
            counts[day] = counts.get(day, 0) + 1
    return counts


def _there(collection: Collection, folder: Path) -> list[re.Match[str]]:
    """The collection's files below a folder, each name once."""
    try:
        names = {path.name for path in below(folder)}
    except WeatherUnreadableError:
        return []
    return [match for name in sorted(names) if (match := collection.file.fullmatch(name))]


def _opens(path: Path) -> None:
    try:
        with opened(path):
            pass
    except WeatherUnreadableError as error:
        raise GranuleUnreadableError("Not a NetCDF file", value=error.value) from error
