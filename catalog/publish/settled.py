"""Whether a day needs making at all: what the catalogue holds already, and what another run has made meanwhile."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from catalog.publish.state import standing
from catalog.reading.days import find_item, is_current
from downscaler.ground.grid import Domain
from downscaler.records import RunRecord
from downscaler.sources.smap.names import is_near_real_time, newer_release


def already_there(run: RunRecord, domain: Domain, uri: str | Path) -> str | None:
    """Why the day needs no work: the catalogue holds it from the same inputs, or from a newer release of a granule.

    None where it does. Raises CatalogError when the day's item is damaged.
    """
    if is_current(uri, run, domain):
        return "already published from the same inputs, model and versions"
    item = find_item(uri, domain, run.date)
    published = [entry["name"] for entry in item["properties"]["vadose:inputs"]] if item else []
    offered = [entry.name for entry in run.inputs if entry.kind == "granule"]
    newer = newer_release(published, offered)
    if newer is None and offered and all(map(is_near_real_time, offered)):
        newer = next((file for file in published if is_near_real_time(file) is False), None)
    if newer:
        return f"already published from {newer}, which supersedes the granule given; --force publishes all the same"
    midnight = f"{run.date}T00:00:00Z"
    if item and f"{run.observed[1]:%Y-%m-%dT%H:%M:%SZ}" < midnight <= item["properties"]["vadose:observed"][1]:
        return "already published from retrievals of the day itself, whose granule is gone; --force carries forward"
    return None


def made_since(date: dt.date, domain: Domain, uri: str | Path, planned: int) -> int | None:
    """The revision of a day that another run has made, whole, since ``planned`` stood."""
    stood = standing(uri, domain, [date], held=True).get(date)
    return stood.revision if stood and stood.whole and stood.revision != planned else None
