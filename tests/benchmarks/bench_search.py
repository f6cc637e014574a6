"""Search and time series of ten years: 3,650 items in each of two collections, asked over HTTP on loopback.

The items are real ones of a small domain under other dates; every day's assets are the same files, linked. Written to
build/bench as search-BACKEND.json (`make bench`).
"""

import datetime as dt
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from postgres import running_postgres
from serving import served

from catalog.api import create_app
from catalog.pgsync import sync

OUT = Path(__file__).resolve().parents[2] / "build" / "bench"
DAYS, START = 3650, dt.date(2015, 4, 1)
COLLECTIONS = ("vadose-sm-1km_little-washita", "vadose-sm-1km_second")
ASKED = 60
SLOWEST = 0.100  # seconds, p95


def _grow(root, first, collection):
    """Ten years of a collection made from its first item: documents of their own, asset files linked."""
    document = json.loads(first.read_text())
    source = json.loads((root / COLLECTIONS[0] / "collection.json").read_text())
    children = {}
    for number in range(DAYS):
        day = START + dt.timedelta(days=number)
        name = f"{collection}_{day:%Y%m%d}"
        folder = root / collection / f"{day:%Y}" / f"{day:%m}" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "r001").exists():
            (folder / "r001").symlink_to(first.parent / "r001")
        times = {
            "datetime": f"{day}T12:00:00Z",
            "start_datetime": f"{day}T00:00:00Z",
            "end_datetime": f"{day}T23:59:59Z",
        }
        item = document | {"id": name, "collection": collection, "properties": document["properties"] | times}
        (folder / f"{name}.json").write_text(json.dumps(item))
        children.setdefault(f"{day:%Y}/{day:%m}", []).append({"rel": "item", "href": f"./{name}/{name}.json"})
    for month, links in children.items():
        (root / collection / month / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": links}))
    months = [{"rel": "child", "href": f"./{month}/catalog.json"} for month in children]
    (root / collection / "collection.json").write_text(json.dumps(source | {"id": collection, "links": months}))


@pytest.fixture(scope="module")
def archive(tmp_path_factory, bench_day):
    root = tmp_path_factory.mktemp("search") / "catalog"
    first = bench_day(root)
    for collection in COLLECTIONS:
        _grow(root, first, collection)
    links = [{"rel": "child", "href": f"./{collection}/collection.json"} for collection in COLLECTIONS]
    (root / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": links}))
    return root


@pytest.fixture(scope="module")
def bench_day():
    """Publishes one real day and gives the path of its item."""
    import importlib.util

    place = Path(__file__).resolve().parents[1] / "catalog" / "conftest.py"
    spec = importlib.util.spec_from_file_location("catalog_days", place)
    assert spec is not None
    assert spec.loader is not None
    days = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(days)

    def make(root):
        from catalog import publish
        from downscaler import product

        run = days.run_record(product.LITTLE_WASHITA, START)
        run.parameters["smap_grid"] = "M36"
        publish(root, run, product.LITTLE_WASHITA, days.whole_tiles(product.LITTLE_WASHITA))
        return next(root.glob("*/2015/04/*0401/*0401.json"))

    return make


def _percentiles(seconds):
    return {f"p{p}": round(float(np.percentile(seconds, p)), 4) for p in (50, 95)}


def _search_times(address):
    seconds, rng = [], np.random.default_rng(0)
    with requests.Session() as session:
        for number in range(ASKED + 5):
            month = START + dt.timedelta(days=int(rng.integers(0, DAYS - 31)))
            end = month + dt.timedelta(days=30)
            west = -98.4 + 0.3 * rng.random()
            asked = {
                "bbox": f"{west},34.6,{west + 0.2},34.9",
                "datetime": f"{month}T00:00:00Z/{end}T23:59:59Z",
                "limit": 100,
            }
            started = time.perf_counter()
            page = session.get(f"{address}/stac/search", params=asked, timeout=60).json()
            if number >= 5:
                seconds.append(time.perf_counter() - started)
            assert len(page["features"]) == 62
    return seconds


@pytest.mark.parametrize("backend", ["embedded", "pgstac"])
def test_search_by_box_and_month(archive, backend):
    if backend == "embedded":
        started = time.perf_counter()
        app = create_app(archive)
        opened = time.perf_counter() - started
        with served(app) as address:
            seconds = _search_times(address)
            started = time.perf_counter()
            asked = {"lon": -98.1, "lat": 34.8, "start": str(START), "end": str(START + dt.timedelta(days=DAYS))}
            asked |= {"collection": COLLECTIONS[0]}
            series = requests.get(f"{address}/timeseries", params=asked, timeout=300).json()
            extra = {"open_s": round(opened, 2), "series_10_years_s": round(time.perf_counter() - started, 2)}
            assert len(series["series"]) == DAYS
    else:
        with running_postgres() as dsn:
            started = time.perf_counter()
            sync(archive, dsn)
            extra = {"sync_s": round(time.perf_counter() - started, 2)}
            with served(create_app(archive, backend="pgstac", dsn=dsn)) as address:
                seconds = _search_times(address)
    found = _percentiles(seconds) | extra
    print(backend, found)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"search-{backend}.json").write_text(json.dumps(found))
    assert found["p95"] < SLOWEST or os.environ.get("VADOSE_BENCH_BUSY"), found
