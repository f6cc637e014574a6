"""Published days of a collection, and how requests name them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request

from catalog.api.requests import absent, api_root, bad, base, known_parameters
from catalog.api.stac.holdings import Catalogue, Holdings
from catalog.api.stac.shelves import Entry
from catalog.items.day import REASON
from catalog.items.links import FILES
from catalog.naming import NO_DAYS, domain_name
from downscaler import product

router = APIRouter()
CollectionQuery = Annotated[
    str | None,
    Query(description="A collection; without it the analysis where there is one, needed where there are several areas"),
]


@router.get("/dates", summary="Published days, latest first", dependencies=[Depends(known_parameters)])
def dates(request: Request, collection: CollectionQuery = None) -> dict[str, Any]:
    """Every published day with its item and where to find it; withdrawn days with the reason."""
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now()
    of = chosen_collection(held, collection)
    root, files = api_root(request), base(request)
    listed = []
    for entry in held.days(of):
        properties, identifier = entry.record["properties"], entry.record["id"]
        links = {
            "item": f"{root}collections/{quote(of)}/items/{quote(identifier)}",
            "file": files + FILES.removeprefix("../") + quote(entry.key),
            "tiles": f"{files}tiles/{quote(of)}/{quote(identifier)}/{{layer}}/{{z}}/{{x}}/{{y}}.png?v={entry.tag}",
        }
        listed.append(
            {
                "date": str(day_of(entry)),
                "item": identifier,
                "revision": properties.get("version"),
                "title": properties.get("title"),
                "simulated": properties.get("vadose:simulated"),
                "published_percent": properties.get("vadose:published_percent"),
                "links": links,
            }
        )
    document = held.collections[of][1]
    extent = document["extent"]["spatial"]["bbox"][0]
    withdrawn = [
        {"date": str(day_of(entry)), "item": entry.record["id"], "reason": entry.record["properties"].get(REASON)}
        for entry in held.withdrawn(of)
    ]
    about = {"collection": of, "title": document.get("title"), "bbox": extent}
    return about | {"dates": listed, "withdrawn": withdrawn}


def day_of(entry: Entry) -> dt.date:
    """The day of an item."""
    return dt.date.fromisoformat(str(entry.record["properties"]["datetime"])[:10])


def simulated_in(days: Sequence[Entry]) -> bool | None:
    """Whether any of some days is simulated; of no day nothing is known."""
    return any(day.record["properties"].get("vadose:simulated") for day in days) if days else None


def day_collections(held: Holdings) -> list[str]:
    """Collections whose items are days."""
    return [name for name in held.collections if name not in NO_DAYS]


def chosen_collection(held: Holdings, wanted: str | None) -> str:
    """The collection that is named, or the one that is meant; HTTP 404 and 400 say which there are."""
    present = day_collections(held)
    listed = ", ".join(present) or "none"
    if wanted is not None:
        if wanted not in present:
            raise absent(f"Unknown collection {wanted[:80]!r}. Available: {listed}.")
        return wanted
    if not present:
        raise absent("No days are published yet.")
    meant = meant_by(present)
    if meant is None:
        raise bad(f"collection is needed, one of: {listed}.")
    return meant


def meant_by(names: Sequence[str]) -> str | None:
    """The collection meant where none is named: of one area's products the analysis, else the SMAP-conserving days.

    None where the collections are of several areas, or of other products alone.
    """
    kinds = {name: product.kind_of(domain_name(name)) for name in names}
    areas = {domain_name(name).removeprefix(kind.prefix) for name, kind in kinds.items()}
    if len(names) == 1:
        return names[0]
    order = [product.ANALYSIS, product.CONSERVING.prefix]
    found = [name for prefix in order for name, kind in kinds.items() if kind.prefix == prefix]
    return found[0] if found and len(areas) == 1 else None


def found_entry(held: Holdings, collection: str, item: str) -> Entry:
    """An item's entry; HTTP 404 where there is none."""
    entry = held.entries.get((collection, item))
    if entry is None:
        raise absent(f"No item {item[:80]!r} in the collection {collection[:80]!r}.")
    return entry
