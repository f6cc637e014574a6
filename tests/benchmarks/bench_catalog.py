"""The catalogue at ten years of two collections: what the last publication costs, and how long a check takes.

Items, links and index are real and whole; the files of a day are hard links to those of one real publication of a small
domain, so only their size and number on disk are scaled down, not what the catalogue reads, writes or lists.
"""

import datetime as dt
import json
import os
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from catalog import publish
from catalog.check import check
from catalog.collection import parent_writes, serialise
from catalog.naming import DayName
from catalog.repair import repair
from catalog.store import open_store
from downscaler.grid import Domain, Span, Window
from downscaler.product import Flag
from downscaler.records import InputRecord, RunRecord
from downscaler.tiles import Tile

START, DAYS = dt.date(2015, 4, 1), 3650
DOMAINS = tuple(
    Domain(
        name=name, title=title, m36=Window(rows=Span(start=86, stop=87), columns=Span(start=column, stop=column + 1))
    )
    for name, title, column in (("west", "West", 218), ("east", "East", 219))
)
SAMPLES = 15


def run_record(domain: Domain, date: dt.date) -> RunRecord:
    noon = dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)
    granule = InputRecord(kind="granule", name="granule.h5", version="1", sha256="a" * 64, size=1)
    return RunRecord(
        date=date,
        domain_name=domain.name,
        inputs=(granule,),
        observed=(noon, noon),
        simulated=True,
        caveats=(),
        parameters={},
    )


def tiles(domain: Domain) -> list[Tile]:
    shape = (domain.shape().y, domain.shape().x)
    theta = np.random.default_rng(0).uniform(0.05, 0.4, shape)
    fields = {
        "soil_moisture": theta,
        "uncertainty": np.full(shape, 0.04),
        "lower": np.clip(theta - 0.06, 0, 1),
        "upper": np.clip(theta + 0.06, 0, 1),
        "quality_flag": np.full(shape, int(Flag.CLIPPED), np.uint16),
        "observation_time": np.full(shape, 732.0),
    }
    return [Tile(window=window, fields=fields) for window in domain.blocks(8)]


def build_big_catalog(root: Path, days: int = DAYS) -> Path:
    """A catalogue of ``days`` days of two collections: the first of each published, the others made after it.

    Written in bulk: items and hard links first, then links, extents and index once, by the catalogue's own repair.
    """
    for domain in DOMAINS:
        publish(root, run_record(domain, START), domain, tiles(domain))
        for number in range(1, days):
            copy_day(root, domain, START + dt.timedelta(days=number))
    repair(root, metadata_only=True)
    return root


def copy_day(root: Path, domain: Domain, date: dt.date) -> dict:
    """The first day's item under another date, its files as hard links; returns the item."""
    old, new = DayName.of(domain, START), DayName.of(domain, date)
    text = (root / old.item_key).read_text().replace(old.item_id, new.item_id).replace(str(START), str(date))
    target = root / new.folder / "r001"
    target.mkdir(parents=True)
    for file in (root / old.folder / "r001").iterdir():
        os.link(file, target / file.name)
    item = json.loads(text)
    (root / new.item_key).write_bytes(serialise(item))
    return item


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
