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
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from catalog.download.query import Query
from catalog.naming import NO_DAYS, DayName
from catalog.reading.days import items
from catalog.store.base import Store, open_store
from catalog.store.documents import Document
from downscaler.errors import CatalogError, UnreachableError

BUSY = (429, 500, 502, 503, 504)
TIMEOUT = (10.0, 60.0)
"""Seconds to connect and between two pieces of an answer."""
_TRIES = 5
_AT_ONCE = 8  # item documents of a static catalogue
_PAGE = 100  # items of an answer of a search
_ITEM_SEARCH = re.compile(r"https://api\.stacspec\.org/v1\.\d+\.\d+[^/]*/item-search$")
_PLACES = ("stac", "catalog/catalog.json", "catalog.json")  # below the address of `vadose serve`
_MONTH = re.compile(r"-(\d{4})(?:-(\d{2}))?$")


@dataclass(frozen=True, kw_only=True)
class Found:
    """An item and the address that its relative links count from."""

    item: Document
    href: str

    def address(self, href: str) -> str:
        """A link of the item, absolute."""
        if "://" in href:
            return href
        # urljoin knows no s3: it is told of a scheme that it knows, for the while of the joining.
        scheme, _, rest = self.href.partition("://")
        return f"{scheme}://" + urljoin(f"http://{rest}", href).removeprefix("http://")


class Origin(Protocol):
    """A catalogue that items are found in."""

    def find(self, query: Query) -> list[Found]:
        """The days that match, in order; raises UnreachableError and CatalogError."""
        ...


def open_origin(address: str) -> Origin:
    """A served catalogue or STAC API (http, https), a folder, ``file://`` or ``s3://bucket/prefix``.

    Raises UnreachableError when nothing answers or what answers is no catalogue, CatalogError on an unknown scheme.
    """
    if urlsplit(address).scheme in ("http", "https"):
        return _open_served(address)
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
            if query.wants(item):
                name = DayName.of_item(item)
                found.append(Found(item=item, href=f"{self.store.uri}/{name.item_key}"))
        return found


@dataclass(frozen=True)
class StaticOrigin:
    """A catalogue served as files, walked by its links; years and months out of the period are not opened."""

    session: requests.Session
    root: str

    def find(self, query: Query) -> list[Found]:
        """All matching days, by links from the root."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            hrefs = sorted(self._items(self.root, get_json(self.session, self.root), query))
            documents = pool.map(lambda href: get_json(self.session, href), hrefs)
            return [
                Found(item=item, href=href) for href, item in zip(hrefs, documents, strict=True) if query.wants(item)
            ]

    def _items(self, address: str, document: Document, query: Query) -> Iterator[str]:
        for link in document.get("links", []):
            href = urljoin(address, link.get("href", ""))
            if link.get("rel") == "item":
                yield href
            elif link.get("rel") == "child":
                child = get_json(self.session, href)
                if _may_hold(child, query):
                    yield from self._items(href, child, query)


def _may_hold(document: Document, query: Query) -> bool:
    """Whether days of the query may lie below a collection, year or month."""
    if document.get("type") == "Collection":
        identifier = document.get("id")
        return identifier not in NO_DAYS and (not query.collections or identifier in query.collections)
    found = _MONTH.search(str(document.get("id")))
    if found is None:
        return True
    year, month = int(found[1]), int(found[2] or 0)
    first = dt.date(year, month or 1, 1)
    following = dt.date(year + 1, 1, 1) if month in (0, 12) else dt.date(year, month + 1, 1)
    return query.in_period(first, following - dt.timedelta(days=1))


@dataclass(frozen=True)
class SearchOrigin:
    """A STAC API with item search."""

    root: str

    def find(self, query: Query) -> list[Found]:
        """All matching days, page by page."""
        import pystac_client
        from pystac_client.exceptions import APIError
        from pystac_client.stac_api_io import StacApiIO

        io = StacApiIO(timeout=TIMEOUT, max_retries=_patience())
        try:
            client = pystac_client.Client.open(self.root, stac_io=io)
            search = client.search(
                bbox=query.bbox, datetime=query.interval, collections=list(query.collections) or None, limit=_PAGE
            )
            documents = [item for item in search.items_as_dicts() if query.wants(item)]
        except (APIError, requests.RequestException) as error:
            raise UnreachableError("The search of the catalogue failed", value=f"{self.root}: {error}") from error
        made = [Found(item=item, href=_own_address(item, self.root)) for item in documents]
        return sorted(made, key=lambda found: str(found.item["id"]))


def _own_address(item: Mapping[str, Any], root: str) -> str:
    own = [link["href"] for link in item.get("links", []) if link.get("rel") == "self"]
    return urljoin(root, own[0]) if own else root


def _open_served(address: str) -> Origin:
    """The API at an address or just below it, else the static catalogue there."""
    session = new_session(_patience())
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
        if any(_ITEM_SEARCH.match(uri) for uri in document.get("conformsTo", [])):
            return SearchOrigin(place)
        if document.get("type") in ("Catalog", "Collection"):
            return StaticOrigin(session, place)
    raise last or UnreachableError(
        "The address is not a STAC catalogue", value=address, allowed="a catalogue or STAC API"
    )


def _patience() -> Retry:
    return Retry(
        total=_TRIES, backoff_factor=0.2, status_forcelist=BUSY, allowed_methods={"GET", "POST"}, retry_after_max=30
    )


def new_session(retries: Retry | int = 0) -> requests.Session:
    """A session with our user agent and optional retries for busy servers."""
    session = requests.Session()
    session.headers["User-Agent"] = "vadose"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries, pool_maxsize=32))
    return session


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
    try:
        document = answer.json()
    except ValueError as error:
        raise CatalogError("An object of the catalogue is not JSON", value=f"{address}: {error}") from error
    if not isinstance(document, dict):
        raise CatalogError("An object of the catalogue is not a JSON object", value=address)
    return document
