"""Granules available for a day, from any source, and the choice among them."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from downscaler.records import file_sha256
from downscaler.sources.earthdata.records import RemoteFile
from downscaler.sources.smap.names import MODELLED, NEAR_REAL_TIME, STANDARD, GranuleName

_LOG = logging.getLogger(__name__)
Offers = Mapping[dt.date, Sequence["Offer"]]
"""Granules by the UTC day they may hold; days without any are not in it."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One available granule: a local file (``path``) or a file of an archive (``remote``)."""

    file: str
    name: GranuleName | None = None
    path: Path | None = None
    remote: RemoteFile | None = None

    @property
    def digest(self) -> str:
        """Identifies its content among others of the same name; reads a local file."""
        if self.path is not None:
            return f"sha256:{file_sha256(self.path)}" if self.path.is_file() else "absent"
        return self.remote.digest if self.remote else "unknown"

    def arrived(self) -> dt.datetime | None:
        """When it came into the folder or was last changed in the archive; None where neither tells."""
        if self.path is not None:
            return dt.datetime.fromtimestamp(self.path.stat().st_mtime, dt.UTC) if self.path.is_file() else None
        return self.remote.revised if self.remote else None


class Supply(Protocol):
    """A source of granules."""

    def offers(self, start: dt.date, end: dt.date) -> Offers:
        """The current granules of each day from ``start`` to ``end``, of one product a day."""

    def arrived(self, since: dt.datetime, start: dt.date, end: dt.date) -> list[Offer]:
        """Granules of a period that came or changed since a moment, used or not."""

    def fetch(self, offer: Offer) -> Path:
        """The local file of an offer, downloaded if necessary."""

    def missing(self, date: dt.date) -> str:
        """A remedy for a day without granules, as a sentence."""


def choose(
    offers: Iterable[Offer],
    short_name: str | None = None,
    *,
    near_real_time: bool = False,
    without: Collection[Path] = (),
) -> list[Offer]:
    """The granules to use: of the best product available, the newest release of each scene.

    Products are tried in the order SPL3SMP_E, SPL3SMP, then half orbits; ``short_name`` admits one alone. The
    near-real-time stream is never mixed with the others: ``near_real_time`` admits it and nothing else. SPL4SMGP is
    taken only where ``short_name`` names it. ``without`` are files not to use: older releases stand in for them, other
    products do not.
    """
    streams = MODELLED if short_name in MODELLED else NEAR_REAL_TIME if near_real_time else STANDARD
    named = [(offer.name, offer) for offer in offers if offer.name is not None]
    for product in streams:
        if short_name not in (None, product):
            continue
        newest: dict[tuple[str, str, int, str], Offer] = {}
        of_product = [pair for pair in named if pair[0].short_name == product]
        for name, offer in sorted(of_product, key=lambda pair: (pair[0], pair[1].file)):
            if offer.path in without:
                continue
            if name.scene in newest:
                _LOG.info("%s is superseded by %s", newest[name.scene].file, offer.file)
            newest[name.scene] = offer
        if of_product:
            return list(newest.values())
    return []


def by_day(
    offers: Sequence[Offer],
    start: dt.date,
    end: dt.date,
    short_name: str | None = None,
    *,
    near_real_time: bool = False,
) -> dict[dt.date, list[Offer]]:
    """The granules to use on each day of a period, as ``choose`` selects them."""
    days = (start + dt.timedelta(days=n) for n in range((end - start).days + 1))
    chosen = {
        day: choose(
            [offer for offer in offers if offer.name is not None and offer.name.covers(day)],
            short_name,
            near_real_time=near_real_time,
        )
        for day in days
    }
    return {day: found for day, found in chosen.items() if found}
