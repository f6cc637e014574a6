"""SMAP granules from NASA Earthdata: searched by product, day and domain, downloaded into the cache."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyproj import Transformer

from downscaler.errors import GranuleLayoutError, GranuleNameError, LoginError, broken_as
from downscaler.ground.grid import CRS, Domain
from downscaler.sources.earthdata import Cache, Endpoints, remote_file
from downscaler.sources.earthdata.records import is_in_cloud
from downscaler.sources.smap.granule import open_granule
from downscaler.sources.smap.level4 import check_level4
from downscaler.sources.smap.names import HALF_ORBIT_LENGTH, HALF_ORBITS, NEAR_REAL_TIME, STANDARD, GranuleName
from downscaler.sources.smap.offers import Offer, Offers, by_day

_LOG = logging.getLogger(__name__)
_LATEST = 10  # days within which a granule may still come
CURRENT_VERSION = "006"
"""Collection version of SPL3SMP_E that NSIDC delivers."""


@dataclass(frozen=True, kw_only=True)
class EarthdataSupply:
    """Granules that Earthdata has of one product over a domain; a Supply.

    ``short_name`` is SPL3SMP_E without one, SPL2SMP_NRT for the near-real-time stream; ``version`` the collection's
    ("006"), any without one. Logs in before the first search.
    """

    endpoints: Endpoints
    cache: Cache
    domain: Domain
    short_name: str | None = None
    version: str | None = None
    near_real_time: bool = False

    @property
    def product(self) -> str:
        """The short name that is searched for."""
        return self.short_name or (NEAR_REAL_TIME[0] if self.near_real_time else STANDARD[0])

    def offers(self, start: dt.date, end: dt.date) -> Offers:
        """The current granules of each day, by one search for the whole period.

        Raises AcquisitionError and its kin, GranuleNameError when not one record of several can be used.
        """
        found = list(self._usable(self._search(self._query(start, end))))
        return by_day(found, start, end, self.product, near_real_time=self.near_real_time)

    def arrived(self, since: dt.datetime, start: dt.date, end: dt.date) -> list[Offer]:
        """Granules of a period whose record came or changed since a moment; a search that mostly finds none is cheap.

        Raises as ``offers``.
        """
        return list(self._usable(self._search(self._query(start, end) | {"revision_date": (since, None)})))

    def _search(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        from downscaler.sources.earthdata.client import log_in, log_out

        try:
            return log_in(self.endpoints).search(query)
        except LoginError:
            log_out()  # a token may be renewed while the process lives
            raise

    def _query(self, start: dt.date, end: dt.date) -> dict[str, Any]:
        first = dt.datetime.combine(start, dt.time(), dt.UTC)
        if self.product in HALF_ORBITS:
            first -= HALF_ORBIT_LENGTH  # one that began before midnight
        last = dt.datetime.combine(end, dt.time(23, 59, 59), dt.UTC)
        query: dict[str, Any] = {
            "short_name": self.product,
            "temporal": (first, last),
            "bounding_box": box(self.domain),
        }
        return query | ({"version": self.version.zfill(3)} if self.version else {})

    def _usable(self, records: list[dict[str, Any]]) -> Iterator[Offer]:
        """Offers of all records that name a SMAP granule; an unusable one is logged, unless there are no others.

        Of several records of one file, as there are while an archive moves, the one in the cloud counts.
        """
        faults: list[GranuleNameError] = []
        best: dict[str, tuple[tuple[bool, str], Offer]] = {}
        for record in records:
            try:
                with broken_as(GranuleNameError, "A record of the archive cannot be read"):
                    remote = remote_file(record, ".h5")
                name = GranuleName.parse(remote.name)
            except GranuleNameError as error:
                _LOG.warning("Left out: %s", error)
                faults.append(error)
                continue
            rank = _standing(record, remote.url)
            if remote.name not in best or rank > best[remote.name][0]:
                best[remote.name] = (rank, Offer(file=remote.name, name=name, remote=remote))
        if faults and not best:
            raise faults[0]
        yield from (offer for _, offer in best.values())

    def fetch(self, offer: Offer) -> Path:
        """The verified file; raises AcquisitionError and its kin, DownloadError, StorageFullError."""
        from downscaler.sources.earthdata.client import log_in

        assert offer.remote is not None
        return self.cache.fetch(
            offer.remote,
            lambda url, folder, force: log_in(self.endpoints).download(url, folder, force=force),
            _as_named(offer),
        )

    def missing(self, date: dt.date) -> str:
        """What to expect of the archive."""
        asked = self.product + (f" version {self.version.zfill(3)}" if self.version else "")
        if (dt.datetime.now(dt.UTC).date() - date).days <= _LATEST:
            return f"NSIDC has no {asked} of {date} over {self.domain.name} yet; daily granules take about two days."
        return (
            f"Earthdata has no {asked} of {date} over {self.domain.name}, though days as old are all there: "
            + (f"the version may be retired or unknown; {CURRENT_VERSION} is current. " if self.version else "")
            + "SMAP may have observed nothing that day, too."
        )


def _standing(record: dict[str, Any], url: str) -> tuple[bool, str]:
    """Rank of a record among those of one file: held in the cloud, then the latest revision."""
    meta = record.get("meta", {})
    in_cloud = is_in_cloud(url) or str(meta.get("provider-id", "")).endswith(("_CPRD", "CLOUD"))
    return in_cloud, str(meta.get("revision-date", ""))


def box(domain: Domain) -> tuple[float, float, float, float]:
    """West, south, east and north edge of a domain in degrees."""
    edges = domain.geobox().boundingbox
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    (west, east), (south, north) = to_degrees.transform((edges.left, edges.right), (edges.bottom, edges.top))
    return round(west, 6), round(south, 6), round(east, 6), round(north, 6)


def _as_named(offer: Offer) -> Callable[[Path], None]:
    """A check that the file opens and is the granule that its name in the archive says."""

    def inspect(path: Path) -> None:
        """Raises GranuleLayoutError where the file belongs to another product or day."""
        if offer.name is not None and offer.name.modelled:
            check_level4(path, offer.name)
            return
        try:
            inside = open_granule(path).name
        except GranuleNameError:
            return  # the file says nothing of itself: its name in the archive stands
        assert offer.name is not None
        if inside.short_name != offer.name.short_name or not inside.covers(offer.name.date):
            raise GranuleLayoutError(
                "The file is a different granule than its name states",
                value=f"{inside.short_name} {inside.version} of {inside.date}",
            )

    return inspect
