"""Search and time series of ten years: 3,650 items in each of two collections, asked over HTTP on loopback.

The catalogue is that of ``bench_catalog.py``. `make bench` prints the figures and writes build/bench/search.json.
"""

import datetime as dt
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from big_catalog import DAYS, DOMAINS, START, build_big_catalog
from postgres import running_postgres
from serving import served

from catalog.api import create_app
from catalog.cube import collections_with_days, update_cube
from catalog.naming import collection_id
from catalog.pgsync import sync

OUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "search.json"
NAME = collection_id(DOMAINS[0].name)
ASKED, UNCOUNTED = 100, 5
SLOWEST = 0.100  # seconds, p95
figures: dict[str, object] = {}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("search") / "catalog"
    build_big_catalog(root)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def address(archive):
    """The embedded service, just started: no document has been asked for yet."""
    begun = time.perf_counter()
    app = create_app(archive)
    told("embedded: start", seconds=time.perf_counter() - begun)
    with served(app) as address:
        yield address


def told(name, **found):
    figures[name] = {key: round(float(value), 4) for key, value in found.items()}
    print(f"\n{name}: {figures[name]}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1))


def search_seconds(address):
    """Seconds of each search: boxes of both collections or of one, each with another month."""
    seconds, rng = [], np.random.default_rng(0)
    months = rng.permutation((DAYS - 31) // 30)[: ASKED + UNCOUNTED]  # none twice: no answer is at hand
    with requests.Session() as session:
        for month in months:
            first = START + dt.timedelta(days=30 * int(month))
            west = -98.6 + 0.1 * rng.random()
            asked = {
                "bbox": f"{west},34.4,{west + 1.5},35.2",
                "datetime": f"{first}T00:00:00Z/{first + dt.timedelta(days=30)}T23:59:59Z",
                "limit": 100,
            }
            begun = time.perf_counter()
            page = session.get(f"{address}/stac/search", params=asked, timeout=60).json()
            seconds.append(time.perf_counter() - begun)
            assert len(page["features"]) in (31, 62), len(page["features"])
    return seconds[UNCOUNTED:]


def check_searches(name, address):
    seconds = search_seconds(address)
    found = {f"p{p}": np.percentile(seconds, p) for p in (50, 95, 100)}
    told(name, **found, searches=len(seconds))
    assert found["p95"] < SLOWEST or os.environ.get("VADOSE_BENCH_BUSY"), found


def test_search_by_box_and_month_on_the_embedded_api(address):
    check_searches("embedded: search", address)


def test_search_by_box_and_month_on_pgstac(archive):
    with running_postgres() as dsn:
        begun = time.perf_counter()
        sync(archive, dsn)
        told("pgstac: sync", seconds=time.perf_counter() - begun)
        with served(create_app(archive, backend="pgstac", dsn=dsn)) as address:
            check_searches("pgstac: search", address)


def series(address):
    asked = {"lon": -98.4, "lat": 35.0, "start": str(START), "end": str(START + dt.timedelta(days=DAYS - 1))}
    begun = time.perf_counter()
    answer = requests.get(f"{address}/timeseries", params=asked | {"collection": NAME}, timeout=300).json()
    return time.perf_counter() - begun, answer["series"]


def test_ten_years_at_a_point_from_files_and_from_the_cube(archive, address):
    seconds, of_files = series(address)
    told("series of ten years: files", seconds=seconds, days=len(of_files))
    begun = time.perf_counter()
    update_cube(archive, NAME, collections_with_days(archive)[NAME], create=True)
    told("cube: build", seconds=time.perf_counter() - begun)
    first, of_cube = series(address)
    again, _ = series(address)
    told("series of ten years: cube", first=first, again=again, days=len(of_cube))
    assert of_cube == of_files
    assert len(of_files) == DAYS
