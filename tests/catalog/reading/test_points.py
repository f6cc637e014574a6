"""A catalogue's days at cells: as a plain loop would read them, each file once."""

import datetime as dt

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from catalog import open_store, publish
from catalog.reading.points import published_days, sample_days
from catalog.reading.rasters import Cell, read_rasters, value_at
from catalog.store.base import Write
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M36

DOMAIN = product.LITTLE_WASHITA


@pytest.fixture
def root(tmp_path, record, tiles):
    """Three days of 2 x 2 M36 cells, made from 36 km granules."""
    for number in range(3):
        run = record(DOMAIN, dt.date(2015, 4, 1) + dt.timedelta(days=number))
        run.parameters["smap_grid"] = "M36"
        publish(tmp_path / "catalog", run, DOMAIN, tiles(DOMAIN, seed=number))
    return tmp_path / "catalog"


@pytest.fixture
def at():
    rng = np.random.default_rng(0)
    shape = DOMAIN.shape()
    return rng.integers(0, shape.y, 40), rng.integers(0, shape.x, 40)


def test_days_are_found_in_order_and_by_period(root):
    days = published_days(root, DOMAIN)
    assert [day.date.day for day in days] == [1, 2, 3]
    assert all(day.grid is M36 for day in days)
    assert [day.date.day for day in published_days(root, DOMAIN, (dt.date(2015, 4, 2), dt.date.max))] == [2, 3]
    assert published_days(root.parent / "nowhere", DOMAIN) == []


def test_values_are_those_of_the_whole_rasters_and_smap_is_their_block_mean(root, at):
    days = published_days(root, DOMAIN)
    found = sample_days(root, DOMAIN, days, *at)
    assert found.theta.shape == (40, 3)
    for number, day in enumerate(days):
        whole = read_rasters(root, DOMAIN, day.date, ("soil_moisture", "quality_flag", "observation_time"))
        theta = whole["soil_moisture"].astype(float)
        np.testing.assert_array_equal(found.theta[:, number], theta[at])
        seen = np.isfinite(theta[at])
        np.testing.assert_array_equal(found.flags[seen, number], whole["quality_flag"][at][seen])
        assert (found.flags[~seen, number] == product.Flag.FILL).all()
        np.testing.assert_array_equal(np.isnan(found.observed[number]), np.isnan(theta[at]))
        coarse = block_mean(theta, np.isfinite(theta), 36)
        np.testing.assert_allclose(found.smap[:, number], coarse[at[0] // 36, at[1] // 36], rtol=1e-12)


def test_one_thread_and_several_give_the_same(root, at):
    days = published_days(root, DOMAIN)
    one, three = (sample_days(uri, DOMAIN, days, *at, workers=n) for uri, n in ((root, 1), (root.as_uri(), 3)))
    np.testing.assert_array_equal(one.theta, three.theta)
    np.testing.assert_array_equal(one.smap, three.smap)


def test_a_bucket_is_read_like_a_folder(root, at, bucket):
    """The very objects of the folder behind S3; one that is lost or cut is told by its address."""
    folder, objects = open_store(root), open_store(bucket)
    writes = [Write(key=key, content=folder.get(key)) for key in folder.keys("")]
    with objects.staging() as staging:
        objects.apply(writes, staging)
    days = published_days(root, DOMAIN)
    found = published_days(bucket, DOMAIN)
    assert found == days
    told = []
    one = sample_days(root, DOMAIN, days, *at)
    other = sample_days(bucket, DOMAIN, found, *at, progress=lambda done, total: told.append((done, total)))
    for name in ("theta", "smap", "flags", "observed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert told == [(1, 3), (2, 3), (3, 3)]
    key = days[1].keys["soil_moisture"]
    with objects.staging() as staging:
        objects.apply([Write(key=key, content=folder.get(key)[:3000])], staging)
    with pytest.raises(CatalogError, match=f"{key} cannot be read"):
        sample_days(bucket, DOMAIN, found, *at)
    objects.delete([key])
    with pytest.raises(CatalogError, match=f"{key} is missing from the catalogue"):
        sample_days(bucket, DOMAIN, found, *at)


def test_a_lost_or_foreign_raster_is_told_by_its_name(root, at):
    days = published_days(root, DOMAIN)
    file = root / days[1].keys["soil_moisture"]
    with rasterio.open(file) as raster:
        profile = raster.profile | {"width": 16, "height": 16, "tiled": False, "blockxsize": None, "blockysize": None}
    file.unlink()
    with pytest.raises(CatalogError, match=file.name):
        sample_days(root, DOMAIN, days, *at)
    del profile["blockxsize"], profile["blockysize"]
    with rasterio.open(file, "w", **profile) as raster:
        raster.write(np.zeros((16, 16), np.float32), 1)
    with pytest.raises(CatalogError, match="not on the domain's grid"):
        sample_days(root, DOMAIN, days, *at)


@pytest.mark.parametrize("change", ["place", "projection"])
def test_a_raster_of_another_place_or_projection_is_told(root, at, change):
    """It has the rows and columns of the domain, and every value would be of another cell."""
    days = published_days(root, DOMAIN)
    file = root / days[1].keys["soil_moisture"]
    with rasterio.open(file) as raster:
        profile, values = dict(raster.profile), raster.read()
    moved = (
        {"transform": profile["transform"] @ Affine.translation(5, 0)} if change == "place" else {"crs": "EPSG:5070"}
    )
    with rasterio.open(file, "w", **profile | moved) as raster:
        raster.write(values)
    with pytest.raises(CatalogError, match="not on the domain's grid"):
        sample_days(root, DOMAIN, days, *at)
    column, row = 3, 4
    x, y = profile["transform"] @ (column + 0.5, row + 0.5)
    lon, lat = Transformer.from_crs(profile["crs"], "EPSG:4326", always_xy=True).transform(x, y)
    cell, store = Cell(row=row, column=column, lon=lon, lat=lat), open_store(root)
    value_at(store, days[0].keys["soil_moisture"], cell)
    with pytest.raises(CatalogError, match="on another grid"):
        value_at(store, days[1].keys["soil_moisture"], cell)


def test_a_day_that_does_not_tell_smaps_grid_is_told(tmp_path, record, tiles):
    publish(tmp_path, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    with pytest.raises(CatalogError, match="SMAP's grid"):
        published_days(tmp_path, DOMAIN)


def test_a_raster_that_only_leads_to_another_file_is_not_followed(root, at, tmp_path):
    """A VRT by the name of a GeoTIFF would have the reader open whatever it names."""
    days = published_days(root, DOMAIN)
    file = root / days[1].keys["soil_moisture"]
    kept = tmp_path / "kept.tif"
    file.rename(kept)
    rasterio.shutil.copy(kept, file, driver="VRT")
    with pytest.raises(CatalogError, match="cannot be read"):
        sample_days(root, DOMAIN, days, *at)
