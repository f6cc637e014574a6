"""Alerts beside the catalogue: a ledger of each rule, and one Atom feed of all, under ``reports/alerts/``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from catalog.naming import REPORTS
from catalog.store.base import Store, Write
from catalog.store.documents import Document, parse_document, serialise
from downscaler import product

FOLDER = f"{REPORTS}/alerts"
FEED = f"{FOLDER}/feed.xml"
_ATOM = "http://www.w3.org/2005/Atom"
_NEWEST = 200  # entries of the feed


def ledger_key(rule: str) -> str:
    """Where a rule's ledger lies."""
    return f"{FOLDER}/{rule}.json"


def read_ledger(store: Store, rule: str) -> Document:
    """A rule's ledger; empty where there is none. Raises CatalogError where it is damaged."""
    content = store.get(ledger_key(rule))
    return {} if content is None else parse_document(content, f"{store.uri}/{ledger_key(rule)}")


def write_alerts(store: Store, ledgers: Mapping[str, Document], base: str) -> str:
    """Write changed ledgers and the feed of all that there are; the feed's key.

    Args:
        store: of the catalogue.
        ledgers: those that changed, by rule.
        base: address of the catalogue, for the links; with a slash at its end.
    """
    with store.staging() as folder, store.lock():
        kept = {key: store.get(key) for key in store.keys(f"{FOLDER}/") if key.endswith(".json")}
        held = {key: parse_document(content, key) for key, content in kept.items() if content is not None}
        held |= {ledger_key(rule): ledger for rule, ledger in ledgers.items()}
        events = [event for ledger in held.values() for event in ledger.get("events", {}).values()]
        writes = [Write(key=ledger_key(rule), content=serialise(ledger)) for rule, ledger in ledgers.items()]
        store.apply([*writes, Write(key=FEED, content=atom(events, base))], folder)
    return FEED


def atom(events: Sequence[Mapping[str, Any]], base: str) -> bytes:
    """The newest alerts as an Atom feed; the same alerts give the same bytes.

    Source: RFC 4287.
    """
    newest = sorted(events, key=lambda event: (event["updated"], event["date"], event["id"]), reverse=True)[:_NEWEST]
    feed = Element("feed", xmlns=_ATOM)
    SubElement(feed, "id").text = urn(base)
    SubElement(feed, "title").text = f"{product.TITLE}: alerts"
    SubElement(feed, "updated").text = newest[0]["updated"] if newest else "1970-01-01T00:00:00Z"
    SubElement(SubElement(feed, "author"), "name").text = "vadose"
    SubElement(feed, "link", rel="self", href=f"{base}{FEED}")
    for event in newest:
        entry = SubElement(feed, "entry")
        SubElement(entry, "id").text = event["id"]
        SubElement(entry, "title").text = event["title"]
        SubElement(entry, "published").text = event["published"]
        SubElement(entry, "updated").text = event["updated"]
        SubElement(entry, "link", rel="alternate", type="application/geo+json", href=event["link"])
        SubElement(entry, "category", term=event["rule"])
        SubElement(entry, "summary").text = event["summary"]
    indent(feed)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(feed, encoding="unicode")}\n'.encode()


def urn(text: str) -> str:
    """An identifier that follows from a text alone."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"
