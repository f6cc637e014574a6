"""Search and time series of ten years: 3,650 items in each of two collections, asked over HTTP on loopback.

The catalogue is that of ``bench_catalog.py``. `make bench` prints the figures and writes build/bench/search.json.
"""

import datetime as dt
import json
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
from catalog.api.stac.pgsync import sync
from catalog.cube.update import collections_with_days, update_cube
from catalog.naming import collection_id

OUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "search.json"
NAME = collection_id(DOMAINS[0].name)
ROUNDS, ASKED, UNCOUNTED = 3, 35, 5
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
    months = rng.permutation((DAYS - 31) // 30)[: ROUNDS * ASKED + UNCOUNTED]  # none twice: no answer is at hand
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
    """All searches are told of and judged; of the quietest round it is told how far others' work disturbed the rest."""
    seconds = search_seconds(address)
    quietest = min(np.percentile(part, 95) for part in np.array_split(seconds, ROUNDS))
    told(name, p50=np.median(seconds), p95=np.percentile(seconds, 95), p95_of_quietest_round=quietest, n=len(seconds))
    assert np.percentile(seconds, 95) < SLOWEST


def test_search_by_box_and_month_on_the_embedded_api(address):
    check_searches("embedded: search", address)


def test_search_by_box_and_month_on_pgstac(archive):
    with running_postgres() as dsn:
        begun = time.perf_counter()
        sync(archive, dsn)
        told("pgstac: sync", seconds=time.perf_counter() - begun)
        with served(create_app(archive, backend="pgstac", dsn=dsn)) as address:
            check_searches("pgstac: search", address)


def series(address, days):
    """Seconds and readings of the first ``days`` days at a cell."""
    asked = {"lon": -98.4, "lat": 35.0, "start": str(START), "end": str(START + dt.timedelta(days=days - 1))}
    begun = time.perf_counter()
    answer = requests.get(f"{address}/timeseries", params=asked | {"collection": NAME}, timeout=300).json()
    return time.perf_counter() - begun, answer["series"]


def test_a_year_at_a_point_from_files_and_ten_from_the_cube(archive, address):
    seconds, of_files = series(address, 365)
    told("series of a year: files", seconds=seconds)
    begun = time.perf_counter()
    update_cube(archive, NAME, collections_with_days(archive)[NAME], create=True)
    told("cube of ten years: build", seconds=time.perf_counter() - begun)
    first, of_cube = series(address, DAYS)
    again, _ = series(address, DAYS)
    told("series of ten years: cube", first=first, again=again, per_day_to_files=first / DAYS / (seconds / 365))
    assert len(of_cube) == DAYS
    assert of_cube[:365] == of_files
    assert first / DAYS < seconds / 365
