"""Every block of docs/how-to/recipes.md runs against a served catalogue; its results are compared with the files."""

import datetime as dt
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from serving import served

from catalog import items, publish
from catalog.api import create_app
from catalog.cube.update import collections_with_days, update_cube
from catalog.naming import DayName
from downscaler import product
from downscaler.ground.grid import LonLat

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "recipes.md"
DAYS = [dt.date(2024, 5, 23), dt.date(2024, 5, 24)]
SAID = "http://127.0.0.1:8080"
BLOCKS = re.findall(
    r"^## ([^\n]+)|^```(sh|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def blocks(heading):
    """Language and text of the blocks below a heading."""
    found, current = [], None
    for title, language, text in BLOCKS:
        current = title or current
        if text and current.startswith(heading):
            found.append((language, text))
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory, tiles, record):
    """A catalogue of the demo's domain with a cube."""
    root, domain = tmp_path_factory.mktemp("recipes") / "build" / "demo" / "catalog", product.DEMO
    for number, date in enumerate(DAYS):
        publish(root, record(domain, date), domain, tiles(domain, seed=number))
    for name, published in collections_with_days(root).items():
        update_cube(root, name, published, create=True)
    return root


@pytest.fixture(scope="module")
def address(root):
    """It is served on loopback as `vadose serve` does."""
    with served(create_app(root)) as address:
        yield address


@pytest.fixture
def run(address, root, tmp_path, monkeypatch):
    """Runs a block with the address put in; the names that a Python block leaves, the output of a shell's."""
    (tmp_path / "build").symlink_to(root.parents[1])
    monkeypatch.chdir(tmp_path)
    settings = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(block):
        language, text = block
        text = text.replace(SAID, address)
        if language == "sh":
            line = ["bash", "-euo", "pipefail", "-c", text]
            done = subprocess.run(line, env=settings, capture_output=True, text=True, check=False, timeout=180)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            return done.stdout
        names = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what other people's libraries announce
            exec(compile(text, "recipes.md", "exec"), names)
        return names

    return run


def stored(root, day, variable="soil_moisture"):
    """A day's raster as it lies there."""
    (item,) = [item for item in items(root) if DayName.of_item(item).date == day]
    with rasterio.open(root / DayName.of_item(item).folder / item["assets"][variable]["href"]) as file:
        return file.read(1)


def at_the_point(root):
    """The values of both days at the place of the recipes."""
    cell, corner = product.GRID.cell_at(LonLat(lon=-94.4, lat=34.6)), product.DEMO.window()
    row, column = cell.y - corner.rows.start, cell.x - corner.columns.start
    return [stored(root, day)[row, column] for day in DAYS]


def test_every_block_has_a_test():
    known = ["A series", "The cube", "Search", "Maps", "A remote file", "Files"]
    assert sum(len(blocks(name)) for name in known) == sum(bool(text) for _, _, text in BLOCKS)


def test_series(run, root):
    as_csv, in_pandas = blocks("A series")
    header, first, _ = run(as_csv).splitlines()
    assert header.startswith("date,soil_moisture")
    assert first.startswith("2024-05-23")
    assert np.allclose(run(in_pandas)["good"], at_the_point(root), atol=5e-6)


def test_cube(run, root):
    point, fixed, beside = blocks("The cube")
    series = run(point)["series"]
    assert series.soil_moisture.values.tolist() == at_the_point(root)
    assert np.array_equal(run(fixed)["week"], np.mean([stored(root, day) for day in DAYS], axis=0), equal_nan=True)
    assert np.array_equal(run(beside)["day"].soil_moisture, stored(root, DAYS[0]), equal_nan=True)


def test_search(run):
    api, static = blocks("Search")
    for block in (api, static):
        assert sorted(item.id[-8:] for item in run(block)["items"]) == ["20240523", "20240524"]


def test_maps(run):
    (block,) = blocks("Maps")
    maps = run(block)
    assert maps["maps"].sizes["time"] == 2
    assert maps["maps"].odc.crs.epsg == 5070
    assert np.isfinite(maps["good"]).mean() > 0.5


def test_one_file(run, root, tmp_path):
    shell, python = blocks("A remote file")
    assert '"blockxsize"' in run(shell)
    with rasterio.open(tmp_path / "clipped.tif") as file:
        assert np.isin(file.read(1), stored(root, DAYS[0])).mean() > 0.9
    assert run(python)["value"] == at_the_point(root)[0]


def test_files(run, root, tmp_path):
    vadose, stac_asset, curl = blocks("Files")
    assert "2 items; 4 files downloaded" in run(vadose)
    copied = pystac.Catalog.from_file(str(tmp_path / "days" / "catalog.json"))
    assert len(list(copied.get_items(recursive=True))) == 2
    assert "0 files downloaded" in run(vadose)
    run(stac_asset)
    original = next(root.rglob("*20240523/r001/soil_moisture.tif")).read_bytes()
    (brought,) = (tmp_path / "day").rglob("soil_moisture.tif")
    assert brought.read_bytes() == original
    assert "soil_moisture.tif: OK" in run(curl)
    (saved,) = tmp_path.glob("vadose-sm-1km_demo_20240523_r001_soil_moisture.tif")
    saved.write_bytes(original[:1000])
    assert "soil_moisture.tif: OK" in run(curl), "it goes on after what is there"
    assert saved.read_bytes() == original
