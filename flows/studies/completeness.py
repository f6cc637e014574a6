"""Completeness and latency of a period, however long: one search of what is on offer against the catalogue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from downscaler.errors import GranuleMissingError

if TYPE_CHECKING:
    from downscaler.report.completeness import Day
    from flows.day.jobs import DayJob


def make_completeness(job: DayJob, start: dt.date, end: dt.date, *, publish: bool = True) -> tuple[dict[str, Any], str]:
    """The document of a period and the address of its page (the page's text where it is not published).

    Raises GranuleMissingError without a source of granules, and as ``flows.days.state.survey``.
    """
    from catalog.naming import collection_id
    from catalog.publish.report import publish_completeness
    from downscaler import product
    from downscaler.report.completeness import completeness, page

    own = job.each()[0]
    domain = product.domain(own.domain)
    document = completeness(
        days_of(own, start, end),
        title=f"{product.TITLE}, {domain.title}",
        collection=collection_id(domain.name),
        source="NASA Earthdata (CMR)" if own.download is not None else "a folder",
        made=dt.datetime.now(dt.UTC),
    )
    text = page(document)
    return document, publish_completeness(own.catalog, domain, document, text) if publish else text


def days_of(job: DayJob, start: dt.date, end: dt.date) -> list[Day]:
    """Every day of a period with its state and the moments of its way."""
    from downscaler import product
    from downscaler.report.completeness import Day
    from flows.day.granules import supply
    from flows.days.state import survey

    place = supply(job)
    if place is None:
        raise GranuleMissingError("No source of granules is configured", remedy="Set `granules` or EARTHDATA_TOKEN.")
    offered = place.offers(start, end)
    items = _items(job.catalog, product.domain(job.domain).name, start, end)
    found = []
    for state in survey(job, start, end):
        arrivals = [moment for offer in offered.get(state.date, ()) if (moment := offer.arrived()) is not None]
        told = items.get(state.date, {})
        found.append(
            Day(
                date=state.date,
                state=state.state,
                granule=state.granule,
                why=state.why,
                released=max(arrivals, default=None),
                observed=_moment(told["vadose:observed"][1]) if told else None,
                published=_moment(told["created"]) if told else None,
            )
        )
    return found


def _items(catalog: str, domain: str, start: dt.date, end: dt.date) -> dict[dt.date, Mapping[str, Any]]:
    """Properties of the published days, read from the index: one file a month."""
    from catalog.items.index import read_index
    from catalog.naming import collection_id
    from catalog.store.base import open_store

    months = sorted({f"{start + dt.timedelta(days=n):%Y-%m}" for n in range((end - start).days + 1)})
    items = read_index(open_store(catalog), collection_id(domain), months)
    return {dt.date.fromisoformat(i["properties"]["start_datetime"][:10]): i["properties"] for i in items}


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
