"""A cube holds what the GeoTIFFs hold, follows the catalogue, and no reader ever sees half a commit."""

import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import rioxarray  # noqa: F401  (the accessor)
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from catalog import publish
from catalog.cube.layout import index_of, pack, unpack
from catalog.cube.repository import open_repository
from catalog.cube.update import collections_with_days, open_cube, update_cube
from catalog.items.schema import validate
from catalog.naming import DayName, collection_id, cube_folder
from catalog.rasters.encoding import encode
from downscaler import product
from downscaler.errors import CatalogError, CubeError
from downscaler.product import Flag

DATE = dt.date(2015, 4, 1)
LATER = dt.date(2015, 5, 20)  # in another block along time
NAME = collection_id("little-washita")


@pytest.fixture(scope="module")
def two_days(published_root, tmp_path_factory):
    """A catalogue with a cube, to read: 2015-04-01 in its second revision, 2015-04-02."""
    root = shutil.copytree(published_root, tmp_path_factory.mktemp("cube") / "catalog")
    update(root, create=True)
    return root


@pytest.fixture
def own(two_days, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(two_days, tmp_path / "own")


@pytest.fixture(scope="module")
def behind(two_days, domain, tiles, record, tmp_path_factory):
    """A catalogue whose cube lacks a new revision of 2015-04-01 and a new day in another block."""
    root = shutil.copytree(two_days, tmp_path_factory.mktemp("behind") / "catalog")
    publish(root, record(domain, DATE, granule="e" * 64), domain, tiles(domain, seed=6))
    publish(root, record(domain, LATER), domain, tiles(domain, seed=5))
    return root


def update(root, **options):
    return update_cube(root, NAME, collections_with_days(root)[NAME], **options)


def assert_equal_to_the_files(root, name=NAME):
    """Each published day value for value, every other day empty."""
    published = {DayName.of_item(item).date: item for item in collections_with_days(root)[name]}
    with open_cube(root, name) as cube:
        for number, time in enumerate(cube.time.values):
            day = dt.date.fromisoformat(str(time)[:10])
            item = published.pop(day, None)
            assert int(cube.item_revision[number]) == (int(item["properties"]["version"]) if item else 0)
            for variable in product.VARIABLES:
                values = cube[variable.name][number].values
                assert np.array_equal(values, expected(root, item, variable, values), equal_nan=True), (day, variable)
    assert not published, "days that the cube lacks"


def expected(root, item, variable, like):
    """A day's values as a reader decodes them; nothing where there is no item."""
    flags = variable is product.QUALITY_FLAG
    if item is None:
        return np.full_like(like, Flag.FILL.value if flags else np.nan)
    path = Path(root) / DayName.of_item(item).folder / item["assets"][variable.name]["href"]
    with rasterio.open(path) as file:
        stored = file.read(1)
    if flags or variable.precision is not None:
        return stored
    return np.where(stored == variable.nodata, np.nan, stored.astype("float32"))


def test_the_cube_is_the_files_value_for_value(two_days):
    assert_equal_to_the_files(two_days)
    with open_cube(two_days, NAME) as cube:
        assert cube.sizes["time"] == index_of(DATE) + 2
        assert cube.quality_flag.dtype == np.uint16


def test_any_zarr_reader_opens_it_and_cf_says_what_it_is(two_days, domain):
    store = open_repository(two_days, NAME).readonly_session("main").store
    with xr.open_zarr(store, consolidated=False, chunks=None) as cube:
        assert cube.soil_moisture.dtype == np.float32
        assert cube.soil_moisture.rio.crs.to_epsg() == 6933
    with xr.open_dataset(store, engine="zarr", consolidated=False) as cube:
        assert pyproj.CRS.from_cf(cube.crs.attrs) == pyproj.CRS("EPSG:6933")
        assert cube.crs.attrs["grid_mapping_name"] == "lambert_cylindrical_equal_area"
        assert cube.soil_moisture.attrs["standard_name"] == product.SOIL_MOISTURE.standard_name
        assert cube.soil_moisture.attrs["units"] == "m3 m-3"
        flag = cube.quality_flag.attrs
        assert dict(zip(flag["flag_masks"], flag["flag_meanings"].split(), strict=True)) == {
            f.value: f.name.lower() for f in Flag
        }
        box = domain.geobox()
        assert np.allclose(cube.x, box.coordinates["x"].values, atol=1e-6)
        assert np.allclose(cube.y, box.coordinates["y"].values, atol=1e-6)
        with rasterio.open(next(Path(two_days).rglob("soil_moisture.tif"))) as file:
            assert np.allclose(np.array(cube.crs.attrs["GeoTransform"].split(), float), file.transform.to_gdal())


def test_a_point_is_found_by_longitude_and_latitude(two_days, domain):
    with open_cube(two_days, NAME) as cube:
        point = cube.swap_dims(x="lon", y="lat").sel(lon=-98.1, lat=34.9, method="nearest")
        assert abs(float(point.lon) + 98.1) < 0.006
        assert abs(float(point.lat) - 34.9) < 0.006
        series = point.soil_moisture.sel(time=slice("2015-04-01", "2015-04-02")).values
        assert np.isfinite(series).all()


def test_twice_does_nothing(own):
    before = sorted(p for p in own.rglob("*") if p.is_file())
    again = update(own)
    assert (again.written, again.emptied) == ((), ())
    assert sorted(p for p in own.rglob("*") if p.is_file()) == before


def test_new_changed_and_withdrawn_days_follow(behind, tmp_path):
    own = shutil.copytree(behind, tmp_path / "own")
    done = update(own)
    assert (done.written, done.emptied, done.days) == ((DATE, LATER), (), 3)
    assert_equal_to_the_files(own)
    kept = [item for item in collections_with_days(own)[NAME] if DayName.of_item(item).date != DATE]
    done = update_cube(own, NAME, kept)
    assert (done.written, done.emptied, done.days) == ((), (DATE,), 2)
    with open_cube(own, NAME) as cube:
        day = cube.sel(time=str(DATE))
        assert np.isnan(day.soil_moisture).all()
        assert (day.quality_flag == Flag.FILL.value).all()


def test_who_has_it_open_goes_on_and_what_nobody_needs_goes(own, domain, tiles, record):
    with open_cube(own, NAME) as before:
        publish(own, record(domain, DATE, granule="e" * 64), domain, tiles(domain, seed=6))
        update(own)
        held = before.sel(time=str(DATE)).soil_moisture.values
    with open_cube(own, NAME) as after:
        assert not np.array_equal(held, after.sel(time=str(DATE)).soil_moisture.values, equal_nan=True)
    chunks = own / cube_folder(NAME) / "chunks"
    many = len(list(chunks.iterdir()))
    publish(own, record(domain, DATE, granule="f" * 64), domain, tiles(domain, seed=7))
    update(own, keep=dt.timedelta(0))
    assert len(list(chunks.iterdir())) < many
    assert_equal_to_the_files(own)


DRIVER = """
import os, signal, sys
from catalog.cube.update import collections_with_days, update_cube
root, name, at = sys.argv[1:]

def progress(done, total):
    if done == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

update_cube(root, name, collections_with_days(root)[name], create=True, progress=progress)
"""


@pytest.mark.integration
@pytest.mark.parametrize("at", [1, 6, 7])
def test_killed_anywhere_no_reader_sees_half(behind, tmp_path, at):
    """Two blocks of six steps each: a killed one leaves its block as it was, the finished one stands."""
    own = shutil.copytree(behind, tmp_path / "own")
    with open_cube(own, NAME) as cube:
        old = cube.sel(time=str(DATE)).soil_moisture.values
    ended = subprocess.run([sys.executable, "-c", DRIVER, own, NAME, str(at)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    with open_cube(own, NAME) as cube:
        now = cube.sel(time=str(DATE)).soil_moisture.values
        assert np.array_equal(now, old, equal_nan=True) == (at <= 6)
        assert int(cube.item_revision.sel(time=str(DATE))) == (2 if at <= 6 else 3)
        assert np.datetime64(LATER) not in cube.time.values
    done = update(own, keep=dt.timedelta(0))
    assert done.written == ((DATE, LATER) if at <= 6 else (LATER,))
    assert_equal_to_the_files(own)


@pytest.mark.integration
def test_two_updates_at_once_both_end_well(behind, tmp_path):
    own = shutil.copytree(behind, tmp_path / "own")
    line = [sys.executable, "-c", DRIVER, own, NAME, "0"]
    both = [subprocess.Popen(line) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert_equal_to_the_files(own)


def test_simulated_days_and_caveats_are_said(tmp_path, domain, tiles, record):
    publish(tmp_path, record(domain, simulated=True), domain, tiles(domain))
    update(tmp_path, create=True)
    publish(tmp_path, record(domain, LATER, caveats=("Another.",)), domain, tiles(domain))
    update(tmp_path)
    with open_cube(tmp_path, NAME) as cube:
        assert product.SIMULATED_LABEL in cube.attrs["title"]
        assert cube.attrs["simulated"] == 1
        assert "Another." in cube.attrs["caveats"].splitlines()
        assert len(cube.attrs["caveats"].splitlines()) == 2


def test_without_a_cube_or_with_a_damaged_one(own, published_root):
    with pytest.raises(CubeError, match="vadose cube build"):
        open_cube(published_root, NAME)
    with pytest.raises(CubeError, match="vadose cube build"):
        update(published_root)
    assert not (published_root / "cubes" / NAME).exists()
    for snapshot in (own / cube_folder(NAME) / "snapshots").iterdir():
        snapshot.write_bytes(b"rubbish")
    with pytest.raises(CubeError, match="cannot be read"):
        open_cube(own, NAME)
    with pytest.raises(CubeError, match="cannot be read"):
        update(own, create=True)


def test_a_day_of_another_grid_or_a_damaged_file_leaves_the_cube(behind, domain, tmp_path):
    own = shutil.copytree(behind, tmp_path / "own")
    published = collections_with_days(own)[NAME]
    published[-1]["properties"]["proj:shape"] = [36, 36]
    with pytest.raises(CatalogError, match="one grid"):
        update_cube(own, NAME, published)
    name = DayName.of(domain, LATER)
    (own / name.folder / "r001" / "upper.tif").write_bytes(b"II*\0rubbish")
    with pytest.raises(CatalogError, match="cannot be read"):
        update(own)
    with open_cube(own, NAME) as cube:
        assert np.datetime64(LATER) not in cube.time.values


def test_days_before_smap_are_refused():
    with pytest.raises(CubeError, match="before SMAP"):
        index_of(product.FIRST_DAY - dt.timedelta(days=1))
    assert index_of(product.FIRST_DAY) == 0


@given(st.lists(st.one_of(st.none(), st.floats(0.0, 1.0)), min_size=1, max_size=50))
def test_packing_is_exact(values):
    variable = product.SOIL_MOISTURE
    stored = encode(variable, np.array([np.nan if v is None else v for v in values]))
    for dtype in ("float32", "uint16"):  # the second of cubes that earlier versions made
        held = pack(variable, stored, np.dtype(dtype))
        assert held.dtype == dtype
        assert np.array_equal(unpack(variable, held).astype("float32"), stored, equal_nan=True)


def test_what_cannot_be_held_exactly_is_refused():
    with pytest.raises(CatalogError, match="exactly"):
        pack(product.SOIL_MOISTURE, np.array([0.1], "float32"), np.dtype("uint16"))
    with pytest.raises(CatalogError, match="another data type"):
        pack(product.QUALITY_FLAG, np.array([1], "int16"), np.dtype("uint16"))


def test_the_collections_asset_tells_the_axes_and_variables_of_the_cube(two_days):
    """As the datacube, zarr and cf extensions have it, so that a client knows the cube before it opens it."""
    collection = json.loads((two_days / NAME / "collection.json").read_text())
    asset, cube = collection["assets"]["cube"], open_cube(two_days, NAME)
    for name in ("x", "y"):
        values, told = cube[name].values, asset["cube:dimensions"][name]
        step = float(values[1] - values[0])
        assert told["step"] == pytest.approx(step, rel=1e-9)
        assert told["extent"] == pytest.approx(sorted((values[0], values[-1])), abs=1e-3)
        assert told["reference_system"] == 6933
    assert asset["cube:dimensions"]["time"]["extent"] == [f"{product.FIRST_DAY}T00:00:00Z", None]
    told = asset["cube:variables"]
    assert set(told) == {variable.name for variable in product.VARIABLES}
    for name, variable in told.items():
        assert tuple(variable["dimensions"]) == cube[name].dims
        assert variable.get("cf:standard_name") == cube[name].attrs.get("standard_name")
        assert " " not in variable["unit"]
    assert (asset["zarr:zarr_format"], asset["zarr:node_type"], asset["zarr:consolidated"]) == (3, "group", False)
    declared = " ".join(collection["stac_extensions"])
    assert all(f"/{name}/" in declared for name in ("cf", "datacube", "zarr"))
    validate(collection)
