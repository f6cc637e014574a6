"""How the product stands, as numbers for Prometheus: freshness, gaps by cause, latency, failures, skill at stations.

All is read from the catalogue, so that the service and every run tell the same. ``METRICS`` declares each name once;
dashboard and alert rules (deploy/observe) are held against it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from catalog.items.day import is_withdrawn
from catalog.items.index import read_index
from catalog.items.parents import VALIDATION
from catalog.naming import NO_DAYS, ROOT, domain_name
from catalog.publish.failures import FOLDER, Failure, parse_failure
from catalog.reading.days import children
from catalog.store.base import Store, get_many
from catalog.store.documents import Document, read_document
from downscaler import product
from downscaler.errors import CatalogError

WINDOW = 30  # days up to the newest published one whose gaps and latencies are told
QUANTILES = (0.5, 0.9, 1.0)
NO_GRANULE = "no granule"
"""Cause of a gap of which no failure is noted: nothing was ever on offer for the day."""
NOT_MADE = "not made"
"""Cause of such a gap where items are made from analyses, not from granules."""
_DERIVED = (product.PERCENTILE, product.ROOT_ZONE, product.OUTLOOK)
METRICS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vadose_newest_day_timestamp_seconds": ("End of the newest published day, seconds since 1970.", ("collection",)),
    "vadose_newest_publication_timestamp_seconds": (
        "When a day was last published or made anew, seconds since 1970.",
        ("collection",),
    ),
    "vadose_published_days": (f"Published days among the {WINDOW} up to the newest one.", ("collection",)),
    "vadose_missing_days": (f"Days without a product among those {WINDOW}, by cause.", ("collection", "cause")),
    "vadose_withdrawn_days": (f"Withdrawn days among those {WINDOW}.", ("collection",)),
    "vadose_failed_days": (
        "Days with a noted failure, by class of error, whatever their age.",
        ("collection", "error"),
    ),
    "vadose_latency_seconds": (
        f"From the last observation used to the first publication, over those {WINDOW} days; quantile 1 is the worst.",
        ("collection", "quantile"),
    ),
    "vadose_validation_gain": (
        "Paired gain over SMAP at stations, positive where the product is better, with the ends of its 95 % interval.",
        ("collection", "figure", "bound"),
    ),
    "vadose_validation_coverage_ratio": (
        "Share of station readings within the published 90 % interval.",
        ("collection",),
    ),
    "vadose_validation_timestamp_seconds": ("Last day that was validated, seconds since 1970.", ("collection",)),
}
"""Name, meaning and labels of each metric that the catalogue tells."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One number of a metric."""

    name: str
    labels: tuple[str, ...]
    value: float


def catalogue_samples(store: Store) -> list[Sample]:
    """The numbers of all collections of days; raises CatalogError where the store is away or a document is damaged."""
    found: list[Sample] = []
    for key in children(store, ROOT):
        document = read_document(store, key)
        name = str(document["id"])
        if document["type"] == "Collection" and name not in NO_DAYS:
            found += collection_samples(name, document, _last_items(store, document), _failures(store, name))
    return found


def _last_items(store: Store, document: Document) -> list[Document]:
    """Items of the months in which the last days lie, newest first."""
    end = _time(document["extent"]["temporal"]["interval"][0][1]).date()
    months = sorted({f"{end - dt.timedelta(days=age):%Y-%m}" for age in range(WINDOW)})
    return sorted(read_index(store, str(document["id"]), months), key=lambda item: str(item["id"]), reverse=True)


def _failures(store: Store, collection: str) -> list[Failure]:
    keys = store.keys(f"{FOLDER}/{collection}/")
    parsed = (parse_failure(content or b"") for content in get_many(store, keys))
    return [failure for failure in parsed if failure is not None]


def collection_samples(
    name: str, document: Document, items: Sequence[Document], failures: Sequence[Failure]
) -> Iterator[Sample]:
    """The numbers of one collection; of means over 3 days, weeks and months only when they were made, and failures.

    Args:
        name: its identifier, the label ``collection``.
        document: the collection.
        items: at least those of the last ``WINDOW`` days, newest first.
        failures: what is noted of its days.
    """
    kind = product.kind_of(domain_name(name))
    standing = {_day(item): item["properties"] for item in items if not is_withdrawn(item)}
    if standing:
        last = max(_time(properties["published"]).timestamp() for properties in standing.values())
        yield _sample("vadose_newest_publication_timestamp_seconds", last, name)
    if standing and kind.length == "day":  # means of longer periods follow the days: they are neither late nor missing
        newest = max(standing)
        window = [newest - dt.timedelta(days=age) for age in range(WINDOW)]
        withdrawn = {_day(item) for item in items if is_withdrawn(item)}
        yield _sample("vadose_newest_day_timestamp_seconds", _seconds(newest) + 86400, name)
        yield _sample("vadose_published_days", sum(day in standing for day in window), name)
        yield _sample("vadose_withdrawn_days", sum(day in withdrawn for day in window), name)
        gaps = [day for day in window if day not in standing and day not in withdrawn]
        yield from _missing(name, gaps, failures, NOT_MADE if kind in _DERIVED else NO_GRANULE)
        yield from _latencies(name, [standing[day] for day in window if day in standing])
    failed = Counter(failure.error for failure in failures if failure.kind == "failed")
    yield from (_sample("vadose_failed_days", count, name, error) for error, count in sorted(failed.items()))
    yield from _validation(name, document.get(VALIDATION))


def _missing(name: str, gaps: Iterable[dt.date], failures: Sequence[Failure], unnoted: str) -> Iterator[Sample]:
    noted = {failure.date: failure.error for failure in failures}
    causes = Counter(noted.get(day, unnoted) for day in gaps)
    yield from (_sample("vadose_missing_days", causes[cause], name, cause) for cause in sorted({unnoted, *causes}))


def _latencies(name: str, days: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """Quantiles over days of the time from the last observation to the first revision."""
    waits = [(_time(day["created"]) - _time(day["vadose:observed"][1])).total_seconds() for day in days]
    for quantile in QUANTILES if waits else ():
        yield _sample("vadose_latency_seconds", float(np.quantile(waits, quantile)), name, f"{quantile:g}")


def _validation(name: str, headline: Mapping[str, Any] | None) -> Iterator[Sample]:
    if headline is None:
        return
    end = dt.date.fromisoformat(str(headline["period"][1])[:10])
    yield _sample("vadose_validation_timestamp_seconds", _seconds(end), name)
    for figure in ("rmsd", "ubrmsd", "r"):
        for bound, value in (headline["gains"].get("smap", {}).get(figure) or {}).items():
            if bound in ("low", "value", "high") and value is not None:
                yield _sample("vadose_validation_gain", float(value), name, figure, bound)
    coverage = headline.get("interval_coverage")
    if coverage is not None:
        yield _sample("vadose_validation_coverage_ratio", float(coverage), name)


def _sample(metric: str, value: float, *labels: str) -> Sample:
    return Sample(name=metric, labels=labels, value=float(value))


def _day(item: Mapping[str, Any]) -> dt.date:
    return dt.date.fromisoformat(str(item["properties"]["start_datetime"])[:10])


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _seconds(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()


class Families:
    """Samples in the form that Prometheus's own client writes; a collector of its registry."""

    def __init__(self, samples: Iterable[Sample], declared: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        self._families = {
            name: GaugeMetricFamily(name, told, labels=labels) for name, (told, labels) in declared.items()
        }
        for sample in samples:
            if len(sample.labels) != len(declared[sample.name][1]):
                raise CatalogError("A metric has other labels than declared", value=f"{sample.name}{sample.labels}")
            self._families[sample.name].add_metric(sample.labels, sample.value)

    def collect(self) -> Iterator[Metric]:
        """The metrics that have any number."""
        yield from (family for family in self._families.values() if family.samples)


def exposition(samples: Iterable[Sample], declared: Mapping[str, tuple[str, tuple[str, ...]]] = METRICS) -> bytes:
    """Samples as Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(samples, declared))
    return bytes(generate_latest(registry))
