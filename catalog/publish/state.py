"""How a period's days stand in the catalogue, read with few requests: what is done is skipped by this."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.items.schema import read_document, resolve
from catalog.naming import ROOT, DayName
from catalog.publish.claims import left
from catalog.store.base import Store, open_store
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
    uri: str | Path, domain: Domain, dates: Iterable[dt.date], *, held: bool = False
) -> dict[dt.date, Standing]:
    """Those of some days that are published; ``held`` says that the claims on them are the caller's own.

    A day whose item stands without the links to it, or whose maker died at work, is not whole: making it again mends
    it.
    Raises CatalogError when an object cannot be read.
    """
    store, linked = open_store(uri), _Links()
    open_claims = set() if held else left(store, domain)
    found = {}
    for date in dates:
        name = DayName.of(domain, date)
        if store.get(name.item_key) is not None:
            item = read_document(store, name.item_key)
            found[date] = Standing(item=item, whole=date not in open_claims and linked.lead_to(store, name))
    return found


class _Links:
    """The links of catalogues above the items, each read once."""

    def __init__(self) -> None:
        self._children: dict[str, frozenset[str]] = {}

    def lead_to(self, store: Store, name: DayName) -> bool:
        """Whether root, collection, year and month each lead to the next, down to the item."""
        chain = [ROOT, name.collection_key, name.year_key, name.month_key, name.item_key]
        return all(child in self._of(store, parent) for parent, child in itertools.pairwise(chain))

    def _of(self, store: Store, key: str) -> frozenset[str]:
        if key not in self._children:
            links = read_document(store, key)["links"] if store.get(key) is not None else ()
            self._children[key] = frozenset(resolve(key, e["href"]) for e in links if e["rel"] in ("child", "item"))
        return self._children[key]
