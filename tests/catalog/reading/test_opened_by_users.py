"""What a user's own tools see: odc-stac, rioxarray, pystac; the picture; ``vadose info``."""

import datetime as dt
import io
import itertools
import shutil

import numpy as np
import odc.stac
import pystac
import pytest
import rioxarray
from PIL import Image

from catalog import describe, publish
from catalog.naming import DayName
from catalog.rasters.layers import COLOURS
from catalog.rasters.thumbnail import MISSING
from downscaler import product
from downscaler.errors import CatalogError

DATE = dt.date(2015, 4, 1)


# rioxarray and odc-stac call functions that affine and shapely announce to remove; nothing of ours does.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning"),
]


@pytest.fixture
def root(published_root):
    return published_root


@pytest.fixture
def day(root, domain):
    return root / DayName.of(domain, DATE).folder


def test_odc_stac_loads_the_catalogue(root, domain, field):
    found = list(pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True))
    data = odc.stac.load(found)
    assert set(data.data_vars) == {variable.name for variable in product.VARIABLES}
    assert data.odc.geobox == domain.geobox()
    assert data.odc.crs.epsg == 6933
    noons = np.array(["2015-04-01T12:00", "2015-04-02T12:00"], dtype="datetime64[m]")
    assert np.array_equal(data.time.values, noons)
    bands = odc.stac.parse_item(found[0]).collection.meta.bands
    for variable in product.VARIABLES:
        array = data[variable.name]
        assert array.dtype == variable.dtype
        assert array.attrs["nodata"] == variable.nodata or np.isnan(array.attrs["nodata"]) == np.isnan(variable.nodata)
        assert bands[variable.name, 1].units == variable.units
    for number in range(2):
        difference = data.soil_moisture.isel(time=number).values - field(domain, seed=number + 1)
        assert np.nanmax(np.abs(difference)) <= product.SOIL_MOISTURE.precision / 2
        assert np.isnan(difference).sum() == 36 * 36


@pytest.mark.parametrize("variable", product.VARIABLES, ids=lambda v: v.name)
def test_rioxarray_opens_every_asset(day, domain, variable):
    with rioxarray.open_rasterio(day / "r002" / f"{variable.name}.tif") as array:
        assert array.rio.crs.to_epsg() == 6933
        assert array.rio.transform().almost_equals(domain.geobox().transform)
        assert array.rio.nodata == variable.nodata or (np.isnan(array.rio.nodata) and np.isnan(variable.nodata))
        assert array.attrs["units"] == variable.units
        # rioxarray takes the band's description for its long name; terra and QGIS name the layer by it.
        assert array.attrs["long_name"] == variable.name
        assert array.attrs.get("standard_name") == variable.standard_name
        assert array.attrs["date"] == "2015-04-01"


def test_rioxarray_masks_what_is_missing(day):
    with rioxarray.open_rasterio(day / "r002" / "observation_time.tif", masked=True) as array:
        assert int(array.isnull().sum()) == 36 * 36
        assert float(array.max()) == 732.0


def test_the_footprint_is_the_domain(day, domain):
    item = pystac.Item.from_file(str(day / f"{day.name}.json"))
    west, south, east, north = item.bbox
    assert west < -98.331
    assert east > -97.882
    assert south < 34.674
    assert north > 35.044
    ring = item.geometry["coordinates"][0]
    assert ring[0] == ring[-1]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring))
    assert area > 0, "GeoJSON rings run counter-clockwise"


def picture(tmp_path, domain, tiles, record, **kwargs):
    publish(tmp_path, record(domain, **kwargs), domain, tiles(domain))
    png = (tmp_path / DayName.of(domain, DATE).folder / "r001" / "thumbnail.png").read_bytes()
    return png, np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def share_of(image, colour):
    return np.mean(np.abs(image - np.array(colour)).max(axis=-1) <= 2)


def test_the_thumbnail_shows_dry_brown_wet_blue_and_missing_grey(tmp_path, domain, tiles, record):
    png, image = picture(tmp_path / "a", domain, tiles, record)
    assert 600 <= max(image.shape) <= 1100
    assert share_of(image, [int(MISSING[i : i + 2], 16) for i in (1, 3, 5)]) == pytest.approx(0.14, abs=0.05)
    dry, wet = np.array(COLOURS(0.1)), np.array(COLOURS(0.9))
    assert dry[0] > dry[2]
    assert wet[2] > wet[0]
    assert (tmp_path / "a").exists()
    assert picture(tmp_path / "b", domain, tiles, record)[0] == png, "the same day, the same picture"


def test_the_thumbnail_of_a_simulated_day_is_stamped(tmp_path, domain, tiles, record):
    red = (0xB3, 0x26, 0x1E)
    plain = picture(tmp_path / "a", domain, tiles, record)[1]
    stamped = picture(tmp_path / "b", domain, tiles, record, simulated=True)[1]
    assert share_of(plain, red) == 0
    assert share_of(stamped, red) > 0.003


def test_info_describes_an_item_and_notices_damage(day, tmp_path):
    day = shutil.copytree(day, tmp_path / day.name)
    path = day / f"{day.name}.json"
    told = describe(path)
    assert (told["kind"], told["id"], told["valid"], told["checksums_ok"]) == ("item", day.name, True, True)
    assert told["datetime"] == "2015-04-01T12:00:00Z"
    assert len(told["assets"]) == 8
    raster = day / "r002" / "lower.tif"
    content = bytearray(raster.read_bytes())
    content[len(content) // 2] ^= 1
    raster.write_bytes(content)
    told = describe(path)
    assert told["damaged_assets"] == ["lower"]
    assert not told["checksums_ok"]
    path.write_text(path.read_text().replace('"EPSG:6933"', "6933"))
    told = describe(path)
    assert not told["valid"]
    assert "projection" in told["problems"][0]


def test_info_describes_collections_and_catalogues(root, domain):
    told = describe(root / DayName.of(domain, DATE).collection_key)
    assert (told["kind"], told["valid"], told["children"]) == ("collection", True, 1)
    told = describe(root / DayName.of(domain, DATE).month_key)
    assert (told["kind"], told["valid"], told["items"]) == ("catalog", True, 2)


def test_info_refuses_other_json(tmp_path):
    (tmp_path / "a.json").write_text('{"type": "FeatureCollection"}')
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(CatalogError, match="not a STAC object"):
        describe(tmp_path / "a.json")
    with pytest.raises(CatalogError, match="not JSON"):
        describe(tmp_path / "b.json")
    with pytest.raises(CatalogError, match="missing"):
        describe(tmp_path / "c.json")
