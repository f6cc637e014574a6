"""Sources of a download: a STAC API, which is searched, or a static catalogue, whose links are followed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests

from catalog.download.guard import Guard, GuardedSession
from catalog.download.query import Query
from catalog.download.shape import has_shape, require_links
from catalog.naming import NO_DAYS, DayName
from catalog.reading.days import items
from catalog.store.base import Store, open_store
from catalog.store.documents import Document, parse_document
from downscaler.errors import CatalogError, UnreachableError

TIMEOUT = (10.0, 60.0)
"""Seconds to connect and between two pieces of an answer."""
_TRIES = 6
_AT_ONCE = 8  # item documents of a static catalogue
_PAGE = 100  # items of an answer of a search
_IDLE = 3  # pages without a new item, one after the other
_ITEM_SEARCH = re.compile(r"https://api\.stacspec\.org/v1\.\d+\.\d+[^/]*/item-search$")
_PLACES = ("stac", "catalog/catalog.json", "catalog.json")  # below the address of `vadose serve`
_MONTH = re.compile(r"-(\d{4})(?:-(\d{2}))?$")


@dataclass(frozen=True, kw_only=True)
class Found:
    """An item and the address that its relative links count from."""

    item: Document
    href: str

    def address(self, href: str) -> str:
        """A link of the item, absolute; raises CatalogError where it is no address."""
        if "://" in href:
            return href
        # urljoin knows no s3: it is told of a scheme that it knows, for the while of the joining.
        scheme, _, rest = self.href.partition("://")
        return f"{scheme}://" + joined(f"http://{rest}", href).removeprefix("http://")


class Origin(Protocol):
    """A catalogue that items are found in."""

    def find(self, query: Query) -> list[Found]:
        """The days that match, in order; raises UnreachableError and CatalogError."""
        ...


def open_origin(address: str, guard: Guard | None = None) -> Origin:
    """A served catalogue or STAC API (http, https), a folder, ``file://`` or ``s3://bucket/prefix``.

    ``guard`` says what may be asked of it; unset, what its own host gives. Raises UnreachableError when nothing answers
    or what answers is no catalogue, CatalogError on an unknown scheme.
    """
    if urlsplit(address).scheme in ("http", "https"):
        return _open_served(address, guard or Guard(address))
    store = open_store(address)
    if store.get("catalog.json") is None:
        raise UnreachableError(
            "No catalogue was found",
            value=address,
            allowed="a folder or s3://bucket/prefix with catalog.json, or the address of a service",
        )
    return StoreOrigin(store)


@dataclass(frozen=True)
class StoreOrigin:
    """A catalogue in a folder or bucket."""

    store: Store

    def find(self, query: Query) -> list[Found]:
        """All matching days, by links from the root."""
        found = []
        for item in items(self.store.uri):
            if _wanted(item, query, self.store.uri):
                name = DayName.of_item(item)
                found.append(Found(item=item, href=f"{self.store.uri}/{name.item_key}"))
        return found


def _wanted(item: Document, query: Query, where: str) -> bool:
    """Whether an item is a day that the query selects; raises CatalogError where it has not the shape of a day."""
    return item.get("collection") not in NO_DAYS and has_shape(item, where) and query.wants(item)


def joined(address: str, href: str) -> str:
    """A link counted from an address; raises CatalogError where it is no address."""
    try:
        return urljoin(address, href)
    except ValueError as error:
        raise CatalogError("A link of the catalogue is no address", value=f"{address}: {href[:200]!r}") from error


@dataclass(frozen=True)
class StaticOrigin:
    """A catalogue served as files, walked by its links; years and months out of the period are not opened."""

    session: GuardedSession
    root: str

    def find(self, query: Query) -> list[Found]:
        """All matching days, by links from the root."""
        limits, hrefs = self.session.guard.limits, set[str]()
        for href in self._items(self.root, get_json(self.session, self.root), query, {self.root}, limits.link_depth):
            hrefs.add(href)
            _require_few(len(hrefs), limits.items, self.root)
        ordered = sorted(hrefs)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            documents = pool.map(lambda href: get_json(self.session, href), ordered)
            return [
                Found(item=item, href=href)
                for href, item in zip(ordered, documents, strict=True)
                if _wanted(item, query, href)
            ]

    def _items(self, address: str, document: Document, query: Query, seen: set[str], deep: int) -> Iterator[str]:
        """Addresses of the items below a document; ``seen`` were opened already, and at most ``deep`` links lead on."""
        for link in require_links(document, address):
            href = joined(address, link["href"])
            if link["rel"] == "item":
                yield href
            elif link["rel"] == "child" and href not in seen:
                if deep <= 1:
                    raise CatalogError(
                        "The catalogue's links lead deeper than a download follows them",
                        value=address,
                        remedy="VADOSE_DOWNLOAD_LINK_DEPTH sets the limit.",
                    )
                seen.add(href)
                child = get_json(self.session, href)
                if _may_hold(child, query):
                    yield from self._items(href, child, query, seen, deep - 1)


def _require_few(number: int, most: int, where: str) -> None:
    if number > most:
        raise CatalogError(
            "The catalogue has more days than one download brings",
            value=where,
            allowed=f"{most:,}",
            remedy="Choose a shorter period, or set VADOSE_DOWNLOAD_ITEMS.",
        )


def _may_hold(document: Document, query: Query) -> bool:
    """Whether days of the query may lie below a collection, year or month."""
    if document.get("type") == "Collection":
        identifier = str(document.get("id"))
        return identifier not in NO_DAYS and (not query.collections or identifier in query.collections)
    found = _MONTH.search(str(document.get("id")))
    if found is None:
        return True
    year, month = int(found[1]), int(found[2] or 0)
    if not (dt.MINYEAR <= year < dt.MAXYEAR and month <= 12):
        return True
    first = dt.date(year, month or 1, 1)
    following = dt.date(year + 1, 1, 1) if month in (0, 12) else dt.date(year, month + 1, 1)
    return query.in_period(first, following - dt.timedelta(days=1))


@dataclass(frozen=True)
class SearchOrigin:
    """A STAC API with item search."""

    session: GuardedSession
    root: str

    def find(self, query: Query) -> list[Found]:
        """All matching days, page by page."""
        import pystac_client
        from pystac import STACError
        from pystac_client.exceptions import APIError
        from pystac_client.stac_api_io import StacApiIO

        io = StacApiIO(timeout=TIMEOUT)
        io.session = self.session
        broken = (KeyError, TypeError, ValueError, AttributeError, LookupError, RecursionError, STACError)
        try:
            client = pystac_client.Client.open(self.root, stac_io=io)
            search = client.search(
                bbox=query.bbox, datetime=query.interval, collections=list(query.collections) or None, limit=_PAGE
            )
            found = self._select(search.pages_as_dicts(), query)
        except (APIError, requests.RequestException) as error:
            if (refusal := self.session.guard.refusal) is not None:  # pystac-client keeps an error's text alone
                raise refusal from error
            raise UnreachableError("The search of the catalogue failed", value=f"{self.root}: {error}") from error
        except broken as error:
            raise CatalogError("An answer of the search is none", value=f"{self.root}: {error!r}"[:300]) from error
        return [found[key] for key in sorted(found, key=lambda key: key[1])]

    def _select(self, pages: Iterator[Document], query: Query) -> dict[tuple[str, str], Found]:
        """The wanted items of a search by collection and identifier; of pages that bring nothing new some are read."""
        seen: set[tuple[str, str]] = set()
        found: dict[tuple[str, str], Found] = {}
        idle = 0
        for page in pages:
            before = len(seen)
            for item in _features(page, self.root):
                key = str(item.get("collection")), str(item.get("id"))
                seen.add(key)
                if _wanted(item, query, self.root):
                    found[key] = Found(item=item, href=_own_address(item, self.root))
            _require_few(len(seen), self.session.guard.limits.items, self.root)
            idle = 0 if len(seen) > before else idle + 1
            if idle >= _IDLE:
                raise CatalogError("The search's pages go round in a circle", value=self.root)
        return found


def _features(page: Document, where: str) -> list[Document]:
    features = page.get("features", [])
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise CatalogError("A page of the search holds no items", value=where)
    return features


def _own_address(item: Mapping[str, Any], root: str) -> str:
    own = [link["href"] for link in item.get("links", []) if link.get("rel") == "self"]
    return joined(root, own[0]) if own else root


def _open_served(address: str, guard: Guard) -> Origin:
    """The API at an address or just below it, else the static catalogue there."""
    session = GuardedSession(guard, _TRIES)
    last: UnreachableError | None = None
    below = address if address.endswith("/") else f"{address}/"
    for place in (address, *(urljoin(below, name) for name in _PLACES)):
        try:
            document = get_json(session, place)
        except UnreachableError as error:
            if error.__cause__ is not None:  # nobody is there: other paths will not answer either
                raise
            last = last or error
            continue
        told = document.get("conformsTo")
        if isinstance(told, list) and any(_ITEM_SEARCH.match(str(uri)) for uri in told):
            return SearchOrigin(session, place)
        if document.get("type") in ("Catalog", "Collection"):
            return StaticOrigin(session, place)
    raise last or UnreachableError(
        "The address is not a STAC catalogue", value=address, allowed="a catalogue or STAC API"
    )


def get_json(session: requests.Session, address: str) -> Document:
    """A JSON object over HTTP.

    Raises UnreachableError, with a cause only when the server does not answer; CatalogError when a found answer is
    broken JSON.
    """
    try:
        answer = session.get(address, timeout=TIMEOUT, headers={"Accept": "application/geo+json, application/json"})
    except requests.RequestException as error:
        raise UnreachableError("The catalogue does not answer", value=f"{address}: {error}") from error
    if answer.status_code != requests.codes.ok or "json" not in answer.headers.get("Content-Type", ""):
        raise UnreachableError(
            "The answer is not a STAC object",
            value=f"{address}: HTTP {answer.status_code}, {answer.headers.get('Content-Type')}",
            allowed="a catalogue's JSON",
        )
    return parse_document(answer.content, address)
