"""Services of others: Earthdata with one search and the first bytes of a granule, HydroFrame with one value."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flows.doctor.findings import Answer, Finding, examine, failed, in_turn, passed, skipped, warned
from flows.doctor.machine import clock
from flows.settings import Settings

if TYPE_CHECKING:
    from downscaler.sources.earthdata import Endpoints
    from downscaler.sources.smap import Offer

_HDF5 = b"\x89HDF\r\n\x1a\n"  # the first eight bytes of every granule
_SOON = 14  # days before a token's end from which on it is a warning
_DAYS = 30  # searched for the newest granule: SMAP was in safe mode for weeks before


def archives(settings: Settings) -> Iterator[Finding]:
    """Earthdata where granules come from it, HydroFrame where a PIN is registered; the clock by the former's."""
    yield examine("clock", lambda: clock(settings.earthdata_cmr, settings.earthdata_timeout))
    yield from Earthdata(settings).steps()
    yield examine("HydroFrame", hydroframe)


class Earthdata:
    """Log-in, search and download, each by the smallest real request; what one finds the next one uses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._newest: Offer | None = None

    def steps(self) -> Iterator[Finding]:
        """The four checks in their order."""
        yield from in_turn(
            ("Earthdata credentials", self.credentials),
            ("Earthdata log-in", self.log_in),
            ("SMAP search (CMR)", self.search),
            ("SMAP granule", self.granule),
        )

    @property
    def _endpoints(self) -> Endpoints:
        from downscaler.sources.earthdata import Endpoints

        chosen = self._settings
        return Endpoints(cmr=chosen.earthdata_cmr, login=chosen.earthdata_login, timeout=chosen.earthdata_timeout)

    def credentials(self) -> Answer:
        """Which kind is at hand, and how long a token lives; none of it is shown. Raises CredentialsError."""
        from downscaler.sources.earthdata import credentials_at_hand
        from downscaler.sources.earthdata.translate import token_expiry

        kind = credentials_at_hand(self._settings.earthdata_login)
        if kind is None and self._settings.smap_source != "earthdata":
            return skipped("none, and none are needed: granules come from a folder")
        if kind is None:
            return failed("none are at hand", f"Set EARTHDATA_TOKEN; a token is made at {self._endpoints.profile}.")
        ends = token_expiry() if kind == "token" else None
        if ends is None:
            return passed(kind)
        left = (ends - dt.datetime.now(dt.UTC)).total_seconds() / 86400
        told, remedy = f"token, until {ends:%Y-%m-%d %H:%M} UTC", f"Make a new one at {self._endpoints.profile}."
        if left <= 0:
            return failed(f"{told}: it has expired", remedy)
        return warned(f"{told}: {left:.0f} days", remedy) if left < _SOON else passed(told)

    def log_in(self) -> Answer:
        """Whether the log-in host takes the credentials; raises LoginError."""
        from downscaler.sources.earthdata.client import log_in, log_out

        log_out()  # what an earlier answer said is not asked for
        log_in(self._endpoints)
        return passed(f"{self._settings.earthdata_login} accepts them")

    def search(self) -> Answer:
        """Whether CMR has granules of the last weeks for the domain; raises AcquisitionError."""
        from downscaler import product
        from downscaler.sources.earthdata import Cache
        from downscaler.sources.smap import EarthdataSupply

        chosen = self._settings
        place = EarthdataSupply(
            endpoints=self._endpoints,
            cache=Cache(folder=chosen.cache, limit=int(chosen.cache_limit * 1e9)),
            domain=product.domain(chosen.domain),
            short_name=chosen.smap_product,
            version=chosen.smap_version,
            near_real_time=chosen.near_real_time,
        )
        today = dt.datetime.now(dt.UTC).date()
        offers = place.offers(today - dt.timedelta(days=_DAYS), today)
        if not offers:
            return failed(
                f"no {place.product} of the last {_DAYS} days", place.missing(today - dt.timedelta(days=_DAYS))
            )
        newest = max(offers)
        self._newest = offers[newest][0]
        age = (today - newest).days
        told = f"{len(offers)} days of {place.product} in {_DAYS}, the newest {newest} ({self._newest.file})"
        late = chosen.smap_latency / 24 + 2
        return (
            warned(told, "SMAP's archive is behind; see https://nsidc.org/data/smap.") if age > late else passed(told)
        )

    def granule(self) -> Answer:
        """Whether the newest granule may be downloaded: its first eight bytes; raises AgreementError and its kin."""
        from downscaler.sources.earthdata.client import log_in

        assert self._newest is not None
        assert self._newest.remote is not None
        found = log_in(self._endpoints).first_bytes(self._newest.remote.url, len(_HDF5))
        if found == _HDF5:
            return passed(f"{self._newest.file}: its first bytes are HDF5's")
        return failed(
            f"{self._newest.file}: begins with {found[:8]!r}, not as HDF5 does",
            f"A log-in page comes instead of the file: authorise NSIDC's applications at {self._endpoints.profile}.",
        )


def hydroframe() -> Answer:
    """One value of a HydroFrame run, where its client and a PIN are at hand; raises LoginError and its kin."""
    if importlib.util.find_spec("hf_hydrodata") is None:
        return skipped("hf_hydrodata is not installed (only `--source hydrodata` and SCAN or SNOTEL need it)")
    if not (Path.home() / ".hydrodata" / "pin.json").exists():
        return skipped("no PIN is registered (only `--source hydrodata` and SCAN or SNOTEL need one)")
    from downscaler.sources.parflow.hydrodata.probe import one_value

    day, value = one_value()
    return passed(f"soil moisture of one cell on {day}: {value:.3f}")
