"""The cube against the GeoTIFFs it is made from: ten years at a point, sizes, and what a new day costs.

What is scaled: ten years are 3,650 days of 108 x 108 cells, since a point reads one chunk of 32 x 32 cells a month
whatever the domain's size, made of 32 published days over and over; sizes and the cost of a day are of 504 x 504 cells,
one block of the GeoTIFFs and one shard of the cube, of which CONUS has 60. The weather is synthetic: a fixed fine
pattern, a smooth daily field, SMAP's swath gaps. Local disk, warm cache. Ratios of one run.
"""

import copy
import datetime as dt
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as RasterWindow
from scipy.ndimage import gaussian_filter

from catalog import items, publish
from catalog.cube.layout import DAYS, index_of
from catalog.cube.update import open_cube, update_cube
from catalog.naming import DayName, collection_id, cube_folder
from downscaler.ground.grid import Domain, Span, Window
from downscaler.ground.tiles import Tile
from downscaler.product import Flag
from downscaler.records import InputRecord, RunRecord

START, TEN_YEARS, REAL = dt.date(2015, 4, 2), 3650, 32
SWATH, GAP = 14, 7  # M36 columns after which the swath repeats, and of its gap


def domain(side):
    """A square of so many M36 cells."""
    m36 = Window(rows=Span(start=100, stop=100 + side), columns=Span(start=220, stop=220 + side))
    return Domain(name=f"bench-{side}", title="benchmark", m36=m36)


def day_tile(of, number):
    """One day: pattern x wetness + weather, cut by the swath of the day."""
    shape = (of.shape().y, of.shape().x)
    pattern = gaussian_filter(np.random.default_rng(0).standard_normal(shape), 1.5)
    weather = gaussian_filter(np.random.default_rng(number + 1).standard_normal(shape), 12)
    theta = np.clip(0.25 + 0.15 * pattern + 0.6 * weather, 0.03, 0.55)
    every, wide = (SWATH, GAP) if of.m36.shape.x >= SWATH else (3, 1)
    empty = np.broadcast_to((np.arange(shape[1])[None, :] // 36 + 5 * number) % every < wide, shape)
    theta = np.where(empty, np.nan, theta)
    spread = 0.03 + 0.05 * theta
    fields = {
        "soil_moisture": theta,
        "uncertainty": spread,
        "lower": np.clip(theta - 1.6 * spread, 0.0, 1.0),
        "upper": np.clip(theta + 1.6 * spread, 0.0, 1.0),
        "quality_flag": np.where(empty, Flag.FILL.value, np.where(theta > 0.4, 64, 0)).astype(np.uint16),
        "observation_time": np.where(empty, np.nan, 732.0),
    }
    rows, columns = Span(start=0, stop=shape[0]), Span(start=0, stop=shape[1])
    return Tile(window=Window(rows=rows, columns=columns), fields=fields)


def publish_day(root, of, number):
    """Publish one day."""
    date = START + dt.timedelta(days=number)
    noon = dt.datetime.combine(date, dt.time(12, 12), tzinfo=dt.UTC)
    granule = InputRecord(kind="granule", name=f"{date}", version="1", sha256="a" * 64, size=1)
    record = RunRecord(date=date, domain_name=of.name, inputs=(granule,), observed=(noon, noon), simulated=True)
    publish(root, record, of, [day_tile(of, number)])


def many(real, days):
    """So many days' items that use the files of the real ones over and over."""
    made = []
    for number in range(days):
        item = copy.deepcopy(real[number % len(real)])
        source, date = DayName.of_item(item), START + dt.timedelta(days=number)
        name = DayName(domain_name=source.domain_name, date=date)
        item["id"] = name.item_id
        item["properties"]["start_datetime"] = f"{date}T00:00:00Z"
        back = "/".join([".."] * 3)
        for asset in item["assets"].values():
            asset["href"] = f"{back}/{source.folder.split('/', 1)[1]}/{asset['href'].removeprefix('./')}"
        made.append(item)
    return made


def best(run, times=3):
    """Shortest of some times, s."""
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        spent.append(time.perf_counter() - begun)
    return min(spent)


def size(folder, pattern="*"):
    """Bytes of the files below a folder."""
    return sum(p.stat().st_size for p in Path(folder).rglob(pattern) if p.is_file())


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """32 real days of one block of the GeoTIFFs."""
    root, of = tmp_path_factory.mktemp("block"), domain(14)
    for number in range(REAL):
        publish_day(root, of, number)
    return root, collection_id(of.name), list(items(root))


def test_ten_years_at_a_point(tmp_path, block):
    of = domain(3)
    for number in range(REAL):
        publish_day(tmp_path, of, number)
    name = collection_id(of.name)
    begun = time.perf_counter()
    update_cube(tmp_path, name, many(list(items(tmp_path)), TEN_YEARS), create=True)
    built = time.perf_counter() - begun

    def from_the_cube():
        with open_cube(tmp_path, name) as cube:
            return cube.isel(x=50, y=50).soil_moisture.values

    def all_variables():
        with open_cube(tmp_path, name) as cube:
            return cube.isel(x=50, y=50).load()

    assert np.isfinite(from_the_cube()).sum() > TEN_YEARS / 2
    one, every = best(from_the_cube), best(all_variables)
    root, _, real = block
    files = [root / DayName.of_item(item).folder / item["assets"]["soil_moisture"]["href"] for item in real]

    def from_the_files():
        for file in files:
            with rasterio.open(file) as raster:
                raster.read(1, window=RasterWindow(50, 50, 1, 1))

    day = best(from_the_files) / len(files)
    print(f"\n{TEN_YEARS} days at a point, one variable: cube {one:.2f} s, all six {every:.2f} s;")
    print(f"  GeoTIFFs one after the other, a block a day as a virtual cube would: {day * TEN_YEARS:.1f} s")
    print(f"  ratio {day * TEN_YEARS / one:.0f}; built in {built:.0f} s, {built / TEN_YEARS * 1e3:.0f} ms a day")
    assert one < 5.0
    assert every < 15.0


def test_size_and_a_new_day(block):
    root, name, real = block
    last = next(n for n, item in enumerate(real) if index_of(DayName.of_item(item).date) % DAYS == DAYS - 1)
    begun = time.perf_counter()
    update_cube(root, name, real[:last] + real[last + 1 :], create=True, keep=dt.timedelta(0))
    built = time.perf_counter() - begun
    before = size(root / cube_folder(name))
    begun = time.perf_counter()
    update_cube(root, name, real)
    spent = time.perf_counter() - begun
    rewritten = size(root / cube_folder(name)) - before
    files, cube = size(root / name, "*.tif"), before * REAL / (REAL - 1)
    print(
        f"\n{REAL} days of 504 x 504 cells: GeoTIFFs {files / 1e6:.1f} MB, cube {cube / 1e6:.1f} MB: {cube / files:.2f}"
    )
    print(f"  built in {built:.1f} s, {built / (REAL - 1) * 1e3:.0f} ms a day")
    print(f"  the last day of a block of {DAYS}, which is the dearest:")
    print(f"    {spent:.2f} s, writes {rewritten / (files / REAL):.1f} times that day's GeoTIFFs")
    assert cube < 1.5 * files
