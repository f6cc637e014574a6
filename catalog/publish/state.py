"""How a period's days stand in the catalogue, read with few requests: what is done is skipped by this."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.naming import DayName
from catalog.publish.claims import left
from catalog.reading.days import Links
from catalog.store.base import open_store
from catalog.store.documents import read_document
from downscaler.errors import CatalogError
from downscaler.ground.grid import Domain


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A published day: its item, and whether its publication came to its end (all links there, no claim left)."""

    item: Mapping[str, Any]
    whole: bool

    @property
    def revision(self) -> int:
        """The revision that stands."""
        return int(self.item["properties"]["version"])


def standing(
    uri: str | Path,
    domain: Domain,
    dates: Iterable[dt.date],
    *,
    held: bool = False,
    damaged: dict[dt.date, str] | None = None,
) -> dict[dt.date, Standing]:
    """Those of some days that are published; ``held`` says that the claims on them are the caller's own.

    A day whose item stands without the links to it, or whose maker died at work, is not whole: making it again mends
    it. Days whose items cannot be read go into ``damaged``, with what is wrong.

    Raises CatalogError when an object cannot be read; where ``damaged`` is given, not for items.
    """
    store, linked = open_store(uri), Links()
    open_claims = set() if held else left(store, domain)
    found = {}
    for date in dates:
        name = DayName.of(domain, date)
        if store.get(name.item_key) is None:
            continue
        try:
            item = read_document(store, name.item_key)
        except CatalogError as error:
            if damaged is None:
                raise
            damaged[date] = f"{error.what}: restore {name.item_key}, or remove it and make the day again"
            continue
        found[date] = Standing(item=item, whole=date not in open_claims and linked.lead_to(store, name))
    return found
