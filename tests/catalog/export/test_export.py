"""NetCDF with the numbers of the GeoTIFFs and the attributes of CF and ACDD; metadata of DataCite and Croissant."""

import datetime as dt
import hashlib
import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from publishing import PLACE, publish_day
from pyproj import CRS
from starlette.testclient import TestClient

from catalog.api import create_app
from catalog.export.metadata import croissant, datacite
from catalog.export.netcdf import export_netcdf
from catalog.naming import collection_key
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.errors import CatalogError

DAYS = [dt.date(2024, 5, 20), dt.date(2024, 5, 22)]
# ACDD 1.3, "highly recommended" and "recommended" (https://wiki.esipfed.org/ACDD_1-3); all have to be there.
ACDD = (
    *("title", "keywords", "summary", "Conventions", "id", "naming_authority", "history", "source", "comment"),
    *("processing_level", "acknowledgement", "license", "standard_name_vocabulary", "date_created", "institution"),
    *("creator_name", "creator_email", "creator_url", "project", "publisher_name", "publisher_email", "publisher_url"),
    *("geospatial_bounds", "geospatial_bounds_crs", "geospatial_lat_min", "geospatial_lat_max", "geospatial_lon_min"),
    *("geospatial_lon_max", "geospatial_vertical_min", "geospatial_vertical_max", "geospatial_vertical_positive"),
    *("time_coverage_start", "time_coverage_end", "time_coverage_duration", "time_coverage_resolution"),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export") / "catalog"
    for date in DAYS:
        publish_day(root, date)
    return root


def test_netcdf_holds_the_numbers_of_the_geotiffs(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "days.nc"
    dates = [DAYS[0] + dt.timedelta(days=n) for n in range(3)]
    assert export_netcdf(root, PLACE, dates, out, contact="data@sm.example") == 2
    with xr.open_dataset(out, mask_and_scale=False) as found:
        assert found.sizes == {"time": 2, "bounds": 2, "depth": 2, "y": 72, "x": 72}
        for number, date in enumerate(DAYS):
            for name, stored in read_rasters(root, PLACE, date, [v.name for v in product.VARIABLES]).items():
                np.testing.assert_array_equal(found[name].values[number], stored)
                assert found[name].dtype == stored.dtype
        assert list(found["time"].values) == [np.datetime64(f"{date}T12:00", "ns") for date in DAYS]
        bounds = found["time_bounds"].values.astype("datetime64[D]")
        assert bounds.tolist() == [[date, date + dt.timedelta(days=1)] for date in DAYS]
        assert CRS.from_cf(found["crs"].attrs) == CRS.from_user_input("EPSG:6933")
        affine = PLACE.geobox().affine
        assert found["x"].values[0] == pytest.approx(affine.c + affine.a / 2)
        assert found["soil_moisture"].attrs["standard_name"] == "volume_fraction_of_condensed_water_in_soil"
        masks = found["quality_flag"].attrs["flag_masks"]
        assert masks.tolist() == [flag.value for flag in product.FLAG_MEANINGS]
    with netCDF4.Dataset(out) as file:
        assert [name for name in ACDD if not str(getattr(file, name, ""))] == []
        assert file["soil_moisture"][:].mask.any(), "readers mask what has no value"
        assert file.simulated == "true"
        assert file.creator_email == file.publisher_email == "data@sm.example"
    assert export_netcdf(root, PLACE, DAYS[:1], out, names=["soil_moisture"]) == 1
    with netCDF4.Dataset(out) as file:
        assert "uncertainty" not in file.variables
        assert "creator_email" not in file.ncattrs(), "nobody is made up"
    with pytest.raises(CatalogError, match="None of these days"):
        export_netcdf(root, PLACE, [dt.date(2024, 6, 1)], tmp_path / "none.nc")
    with pytest.raises(CatalogError, match="no such variable"):
        export_netcdf(root, PLACE, DAYS, tmp_path / "none.nc", names=["percentile"])
    assert [path.name for path in tmp_path.iterdir()] == ["days.nc"]


def test_metadata_tells_what_the_collection_is(root: Path) -> None:
    content = (root / collection_key(PLACE.name)).read_bytes()
    document, address = json.loads(content), "https://sm.example/collection.json"
    attributes = datacite(document, address, "10.1234/x")["data"]["attributes"]
    required = ("doi", "titles", "creators", "publisher", "publicationYear", "types", "url")
    assert all(attributes[name] for name in required)
    assert attributes["publicationYear"] == 2024
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    assert attributes["geoLocations"][0]["geoLocationBox"] == {
        "westBoundLongitude": west,
        "eastBoundLongitude": east,
        "southBoundLatitude": south,
        "northBoundLatitude": north,
    }
    assert "doi" not in datacite(document, address)["data"]["attributes"]
    told = croissant(document, address, hashlib.sha256(content).hexdigest())
    sets = {entry["@id"]: entry for entry in told["distribution"] if entry["@type"] == "cr:FileSet"}
    for records in told["recordSet"]:
        (field,) = records["field"]
        files = sets[field["source"]["fileSet"]["@id"]]
        assert len(list((root / document["id"]).glob(files["includes"]))) == len(DAYS)
    client = TestClient(create_app(root))
    served = client.get(f"/datasets/{document['id']}/croissant.json").json()
    file = served["distribution"][0]
    assert hashlib.sha256(client.get(file["contentUrl"]).content).hexdigest() == file["sha256"]
    assert client.get(f"/datasets/{document['id']}/datacite.json").json()["data"]["type"] == "dois"
    assert client.get("/datasets/none/croissant.json").status_code == 404
