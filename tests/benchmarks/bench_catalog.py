"""The catalogue at ten years of two collections: what the last publication costs, and how long a check takes.

Items, links and index are real and whole; the files of a day are hard links to those of one real publication of a small
domain, so only their size and number on disk are scaled down, not what the catalogue reads, writes or lists.
"""

import datetime as dt
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import pytest
from big_catalog import DAYS, DOMAINS, START, build_big_catalog, copy_day, run_record, tiles

from catalog import publish
from catalog.check.check import check
from catalog.items.parents import parent_writes
from catalog.naming import DayName
from catalog.store.base import open_store
from downscaler.ground.grid import Domain

SAMPLES = 15


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    root = tmp_path_factory.mktemp("big") / "catalog"
    begun = time.perf_counter()
    build_big_catalog(root)
    print(f"\nbuilt {DAYS} days of {len(DOMAINS)} collections in {time.perf_counter() - begun:.0f} s")
    yield root
    shutil.rmtree(root)


def links_cost(root: Path, domain: Domain, date: dt.date) -> float:
    """Seconds that a day's links, extents and index take: all of a publication that could grow with the archive."""
    item = copy_day(root, domain, date)
    store, begun = open_store(root), time.perf_counter()
    with store.staging() as staging:
        store.apply(parent_writes(store, DayName.of(domain, date), domain, item), staging)
    return time.perf_counter() - begun


def test_the_last_publication_costs_what_the_first_does(big, tmp_path):
    """Whole publications of the same days of a month, alternating between an empty and the full archive."""
    domain, end = DOMAINS[0], dt.date(2025, 7, 1)
    first, last = [], []
    small = tmp_path / "small"
    publish(small, run_record(domain, START), domain, tiles(domain))
    for number in range(SAMPLES):
        date = end + dt.timedelta(days=number)
        for root, costs in ((small, first), (big, last)):
            begun = time.perf_counter()
            publish(root, run_record(domain, date), domain, tiles(domain))
            costs.append(time.perf_counter() - begun)
    ratio = statistics.median(b / a for a, b in zip(first, last, strict=True))
    alike = [dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(SAMPLES)]
    metadata = statistics.median(links_cost(big, domain, d) / links_cost(small, domain, d) for d in alike)
    print(f"\nlast / first publication: {ratio:.2f} (metadata alone {metadata:.2f}); median {np.median(last):.2f} s")
    assert ratio <= 1.2


def test_a_check_of_the_metadata_takes_less_than_a_minute(big):
    begun = time.perf_counter()
    survey = check(big, metadata_only=True)
    seconds = time.perf_counter() - begun
    print(f"\ncheck --metadata-only of {len(survey.items)} items, {len(survey.stats)} objects: {seconds:.1f} s")
    assert survey.findings == []
    assert seconds < 60
