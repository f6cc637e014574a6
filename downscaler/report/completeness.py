"""Completeness and latency of a period: every granule on offer against what was made of it. A document and a page."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from downscaler import product

Document = dict[str, Any]
PRODUCED = ("published", "stale", "withdrawn")
"""States of a day that has been published."""
QUANTILES = {"median": 0.5, "nine_of_ten": 0.9, "worst": 1.0}


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of the period: its state, the newest granule on offer (empty: none), and the moments of its way (UTC).

    ``observed`` is SMAP's last observation used, ``released`` when the granule came into the archive or folder or was
    last changed there, ``published`` when the day's first revision stood; each None where it is not known.
    """

    date: dt.date
    state: str
    granule: str = ""
    why: str = ""
    observed: dt.datetime | None = None
    released: dt.datetime | None = None
    published: dt.datetime | None = None


def completeness(days: Sequence[Day], *, title: str, collection: str, source: str, made: dt.datetime) -> Document:
    """Counts, shares, latencies in hours, and the days of which nothing was made though a granule was on offer.

    Args:
        days: of the whole period, in order.
        title: the product's and domain's.
        collection: identifier of the collection.
        source: where granules come from, in words.
        made: when this was looked up (UTC).
    """
    return {
        "title": title,
        "collection": collection,
        "source": source,
        "made": f"{made:%Y-%m-%dT%H:%M:%SZ}",
        "period": [str(days[0].date), str(days[-1].date)],
        "total": _counted(days),
        "months": {month: _counted(held) for month, held in _by_month(days).items()},
        "latency_hours": latencies(days),
        "open": [
            {"date": str(day.date), "granule": day.granule, "state": day.state, "why": day.why}
            for day in days
            if day.granule and day.state not in (*PRODUCED, "no-coverage")
        ],
    }


def _counted(days: Sequence[Day]) -> Document:
    """Days by state, with a granule, done of these; ``share`` is the done ones' (None without a granule)."""
    offered = [day for day in days if day.granule]
    done = sum(day.state in (*PRODUCED, "no-coverage") for day in offered)
    return {
        "days": len(days),
        "with_granule": len(offered),
        "done": done,
        "share": done / len(offered) if offered else None,
        "produced": sum(day.state in PRODUCED for day in days),
        "states": dict(sorted(Counter(day.state for day in days).items())),
    }


def _by_month(days: Iterable[Day]) -> dict[str, list[Day]]:
    found: dict[str, list[Day]] = {}
    for day in days:
        found.setdefault(f"{day.date:%Y-%m}", []).append(day)
    return found


def latencies(days: Iterable[Day]) -> Document:
    """Quantiles of hours from observation to release, from there to publication, and of both; None without a day.

    A day that was published before its granule was last changed (reprocessed since) tells nothing of the first two.
    """
    told: dict[str, list[float]] = {"archive": [], "production": [], "total": []}
    for day in days:
        if day.observed is None or day.published is None:
            continue
        told["total"].append(_hours(day.observed, day.published))
        if day.released is not None and day.observed <= day.released <= day.published:
            told["archive"].append(_hours(day.observed, day.released))
            told["production"].append(_hours(day.released, day.published))
    return {
        stage: {name: round(float(np.quantile(hours, q)), 2) for name, q in QUANTILES.items()} | {"days": len(hours)}
        if hours
        else None
        for stage, hours in told.items()
    }


def _hours(first: dt.datetime, last: dt.datetime) -> float:
    return (last - first).total_seconds() / 3600


def page(document: Mapping[str, Any]) -> str:
    """The document as one page that loads nothing."""
    loader = jinja2.PackageLoader("downscaler.report", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("completeness.html.j2").render(d=document, product=product.TITLE)
