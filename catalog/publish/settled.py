"""Whether a day needs making at all: what the catalogue holds already, and what another run has made meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from catalog.naming import DayName
from catalog.publish.state import standing
from catalog.reading.days import find_item, is_current
from catalog.reading.rasters import open_raster
from catalog.store.base import open_store
from catalog.store.documents import resolve
from downscaler import product
from downscaler.ground.blocks import Floats, block_mean
from downscaler.ground.grid import Domain
from downscaler.records import RunRecord
from downscaler.sources.smap.names import newer_release, rank_of


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
    if newer is None:
        newer = _better_stream(published, offered)
    if newer:
        return f"already published from {newer}, which supersedes the given granule; --force publishes anyway"
    midnight = f"{run.date}T00:00:00Z"
    if item and f"{run.observed[1]:%Y-%m-%dT%H:%M:%SZ}" < midnight <= item["properties"]["vadose:observed"][1]:
        return "already published from retrievals of the day itself, whose granule is gone; --force does without"
    return None


def _better_stream(published: Iterable[str], offered: Iterable[str]) -> str | None:
    """A published granule of a better stream than all that is offered: retrievals stand against a model's field."""
    ranks = [rank_of(file) for file in offered]
    if not ranks or None in ranks:
        return None
    best = max(rank for rank in ranks if rank is not None)
    return next((file for file in published if (rank_of(file) or 0) > best), None)


def analysis_stands(run: RunRecord, domain: Domain, uri: str | Path, coarse: Floats) -> str | None:
    """Why a published analysis needs no work though its granules changed: it would hardly change.

    Args:
        run: the record of the run that would make it anew.
        domain: the domain of the analyses.
        uri: the catalogue.
        coarse: the analysis that would be published [nyc, nxc], m3 m-3.

    Returns:
        A sentence; None without a published day, where anything but granules differs, or where a SMAP cell would
        change by more than ``product.ANALYSIS_CHANGE``.
    """
    item = find_item(uri, domain, run.date)
    if item is None or not _same_but_granules(item, run):
        return None
    store, key = open_store(uri), DayName.of(domain, run.date).item_key
    with open_raster(store, resolve(key, item["assets"][product.SOIL_MOISTURE.name]["href"])) as file:
        published = file.read(1, masked=True).astype(np.float64).filled(np.nan)
    known = np.isfinite(published)
    before = block_mean(np.nan_to_num(published), known, published.shape[0] // coarse.shape[0])
    if not np.array_equal(np.isfinite(before), np.isfinite(coarse)):
        return None
    change = float(np.nanmax(np.abs(before - coarse), initial=0.0))
    if change > product.ANALYSIS_CHANGE:
        return None
    return f"already published; other granules would change it by at most {change:.4f} m3 m-3"


def _same_but_granules(item: Mapping[str, Any], run: RunRecord) -> bool:
    properties = item["properties"]
    stood = {(e["kind"], e["sha256"]) for e in properties["vadose:inputs"] if e["kind"] != "granule"}
    versions = properties["vadose:product_version"], properties["vadose:algorithm_version"]
    same = versions == (product.PRODUCT_VERSION, product.ALGORITHM_VERSION)
    return same and stood == {(e.kind, e.sha256) for e in run.inputs if e.kind != "granule"}


def made_since(date: dt.date, domain: Domain, uri: str | Path, planned: int) -> int | None:
    """The revision of a day that another run has made, whole, since ``planned`` stood."""
    stood = standing(uri, domain, [date], held=True).get(date)
    return stood.revision if stood and stood.whole and stood.revision != planned else None
