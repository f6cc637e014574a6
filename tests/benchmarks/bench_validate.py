"""Match-ups at the size of CONUS: 2,000 stations x 365 days, against the plain loop over files (`make bench`).

The catalogue is made economically: four different days of the CONUS window are published in full (real COGs of 2,916 x
4,824 cells), and the other days' items point to copies of their files (hard links), so that 365 days are opened and
read but four are written. The page cache serves both contestants alike.
"""

import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter, zoom

from catalog import publish
from catalog.reading.points import PublishedDay, published_days, sample_days
from catalog.store.base import open_store
from downscaler import product
from downscaler.ground.grid import M09
from downscaler.ground.tiles import Tile
from downscaler.records import InputRecord, RunRecord

DOMAIN, START = product.CONUS, dt.date(2023, 1, 1)
DAYS, STATIONS, FULL = 365, 2000, 4
LOOPED = 2  # days that the plain loop reads; the rest is in proportion
LIMIT_MINUTES, LIMIT_MB = 10.0, 1500.0


def tiles_of(seed):
    """A whole day: swaths of SMAP with soil moisture of several scales, a value of its own in each M09 cell."""
    shape = DOMAIN.shape()
    rng = np.random.default_rng(seed)
    coarse = gaussian_filter(rng.standard_normal((shape.y // 9, shape.x // 9)), 12) * 1.2
    field = 0.22 + zoom(coarse, 9, order=1) + 0.02 * rng.standard_normal((shape.y, shape.x)).astype(np.float32)
    field = np.clip(field, 0.03, 0.55)
    field[:, (np.arange(shape.x) // 500 + seed) % 2 == 0] = np.nan
    for window in DOMAIN.blocks():
        theta = field[window.rows.slice, window.columns.slice]
        empty = np.isnan(theta)
        yield Tile(
            window=window,
            fields={
                "soil_moisture": theta,
                "uncertainty": np.where(empty, np.nan, 0.04),
                "lower": np.clip(theta - 0.06, 0.0, 1.0),
                "upper": np.clip(theta + 0.06, 0.0, 1.0),
                "quality_flag": np.where(empty, 1, 0).astype(np.uint16),
                "observation_time": np.where(empty, np.nan, 720.0),
            },
        )


def record(date):
    morning = dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)
    return RunRecord(
        date=date,
        domain_name=DOMAIN.name,
        inputs=(InputRecord(kind="granule", name="x.h5", version="1", sha256="a" * 64, size=1),),
        observed=(morning, morning),
        simulated=True,
        parameters={"smap_grid": M09.name},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A catalogue of 365 days, whose days after the fourth repeat the files of the first four under their own names."""
    folder = tmp_path_factory.mktemp("bench") / "catalog"
    for number in range(FULL):
        publish(folder, record(START + dt.timedelta(days=number)), DOMAIN, tiles_of(number))
    full = published_days(folder, DOMAIN)
    for number in range(FULL, DAYS):
        copy_day(folder, full[number % FULL], START + dt.timedelta(days=number))
    yield folder
    shutil.rmtree(folder)


def copy_day(root: Path, day: PublishedDay, date: dt.date) -> None:
    """A day under another date: its item and links by the catalogue's own rules, its files as hard links."""
    from catalog.items.parents import parent_writes
    from catalog.naming import DayName
    from catalog.store.documents import serialise

    old, new = DayName.of(DOMAIN, day.date), DayName.of(DOMAIN, date)
    text = (root / old.item_key).read_text().replace(old.item_id, new.item_id).replace(str(day.date), str(date))
    item = json.loads(text)
    target = root / new.folder / "r001"
    target.mkdir(parents=True)
    for file in (root / old.folder / "r001").iterdir():
        os.link(file, target / file.name)
    (root / new.item_key).write_bytes(serialise(item))
    store = open_store(root)
    with store.staging() as staging:
        store.apply(parent_writes(store, new, DOMAIN, item), staging)


@pytest.fixture(scope="module")
def stations():
    rng = np.random.default_rng(0)
    shape = DOMAIN.shape()
    return rng.integers(0, shape.y, STATIONS), rng.integers(0, shape.x, STATIONS)


CHILD = """
import resource, sys, time
sys.path.insert(0, {here!r})
import numpy as np
from bench_validate import DOMAIN, STATIONS, published_days, sample_days
rng = np.random.default_rng(0)
shape = DOMAIN.shape()
at = rng.integers(0, shape.y, STATIONS), rng.integers(0, shape.x, STATIONS)
began = time.perf_counter()
days = published_days({root!r}, DOMAIN)
listed = time.perf_counter() - began
found = sample_days({root!r}, DOMAIN, days, *at, workers=2)
seconds, usage = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
print(listed, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, found.theta.shape)
"""


def plain_loop(root: Path, days: list[PublishedDay], rows, columns) -> np.ndarray:
    """What one would write first: for every station and day open the rasters and read the cell and its SMAP cell."""
    result = np.full((2, len(rows), len(days)), np.nan)
    for number, day in enumerate(days):
        for site, (row, column) in enumerate(zip(rows, columns, strict=True)):
            top, left = row // 9 * 9, column // 9 * 9
            with rasterio.open(root / day.keys["soil_moisture"]) as file:
                block = file.read(1, window=((top, top + 9), (left, left + 9)))
            for name in ("quality_flag", "observation_time"):
                with rasterio.open(root / day.keys[name]) as file:
                    file.read(1, window=((row, row + 1), (column, column + 1)))
            result[0, site, number] = block[row - top, column - left]
            if np.isfinite(block).any():
                result[1, site, number] = np.nanmean(block.astype(float))
    return result


def test_match_ups_of_2000_stations_and_365_days(root, stations):
    child = CHILD.format(here=str(Path(__file__).parent), root=str(root))
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    listed, seconds, busy, peak = (float(word) for word in done.stdout.split()[:4])
    days = published_days(root, DOMAIN)
    assert len(days) == DAYS
    began, busy_before = time.perf_counter(), time.process_time()
    plain = plain_loop(root, days[:LOOPED], *stations)
    looped = (time.perf_counter() - began) * DAYS / LOOPED
    looped_busy = (time.process_time() - busy_before) * DAYS / LOOPED
    found = sample_days(root, DOMAIN, days[:LOOPED], *stations)
    np.testing.assert_array_equal(found.theta, plain[0])
    np.testing.assert_allclose(found.smap, plain[1], rtol=1e-6)
    rate = STATIONS * DAYS / seconds
    shape = DOMAIN.shape()
    print(
        f"\n{STATIONS} stations x {DAYS} days on {shape.y} x {shape.x} cells: {seconds:.0f} s ({busy:.0f} s of "
        f"processor, {listed:.1f} s listing items), {rate:,.0f} station-days a second, peak {peak:.0f} MB; "
        f"ten years in {seconds / 6:.0f} min\nplain loop over files: {looped / 60:.0f} min ({looped_busy / 60:.0f} min "
        f"of processor; measured on {LOOPED} days, in proportion), {looped / seconds:.0f} times as long"
    )
    assert looped > 10 * seconds
    assert seconds < 60 * LIMIT_MINUTES
    assert peak < LIMIT_MB


def test_judging_2000_sites_of_365_days():
    """Bootstrap, paired differences, strata and tables of the same size, without the reading."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "downscaler" / "validation"))
    from test_skill import make_matchups

    from downscaler.validation.summary import Extras, summarise

    matchups = make_matchups(networks=40, per_network=50, days=DAYS, domain=DOMAIN)
    facts = {"title": "bench", "domain": "conus", "window_hours": 3.0, "deepest": 0.1}
    began = time.perf_counter()
    found = summarise(matchups, Extras(), facts=facts)
    seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{found.document['sites']} sites x {DAYS} days judged in {seconds:.0f} s, peak {peak:.0f} MB")
    assert found.document["sites"] == STATIONS
