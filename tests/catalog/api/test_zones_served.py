"""Zones over HTTP: series that were made, polygons that are drawn, and what is refused."""

import datetime as dt
import http.client
import json

import numpy as np
import pytest
import shapely
from serving import served

from catalog.api import create_app
from catalog.naming import collection_id
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.zones import SpatialErrors, zone_statistics, zone_weights
from downscaler.sources.zones import Layer, Zone
from downscaler.stores.zones import YearOfZones, rows_of, write_year, year_file

pytest.importorskip("exactextract", reason="zones need exactextract")
PLACE = product.LITTLE_WASHITA
DAYS = [dt.date(2015, 4, 1), dt.date(2015, 4, 2)]
FIELD = shapely.box(-98.1, 34.72, -97.9, 34.95)
GEOJSON = shapely.geometry.mapping(FIELD)


def expected(root, date):
    day = read_rasters(root, PLACE, date, ("soil_moisture", "uncertainty"))
    common, reach = product.ERROR_SPACE
    return zone_statistics(zone_weights([FIELD], PLACE), *day.values(), SpatialErrors(common=common, reach=reach))


@pytest.fixture(scope="module")
def ask(published_root, tmp_path_factory):
    """Asks a running server with zones: status and body."""
    folder = tmp_path_factory.mktemp("zones")
    layer = Layer(name="fields", sha256="0" * 64, zones=(Zone(id="7", name="Seven", geometry=FIELD),))
    made = [rows_of(layer, date, expected(published_root, date)) for date in DAYS]
    write_year(
        year_file(folder, "fields", 2015), made, YearOfZones(days={str(date): "a" for date in DAYS}, simulated=True)
    )
    with served(create_app(published_root, zones=folder)) as address:

        def ask(method, path, body=None):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told = answer.status, answer.read().decode()
            connection.close()
            return told

        yield ask


def test_a_series_that_was_made(ask, published_root):
    status, body = ask("GET", "/zones/fields/7/timeseries")
    told = json.loads(body)
    assert status == 200
    assert (told["name"], told["numberReturned"], told["units"]["mean"]) == ("Seven", 2, "m3 m-3")
    assert [row["date"] for row in told["series"]] == ["2015-04-01", "2015-04-02"]
    assert told["series"][1]["mean"] == pytest.approx(expected(published_root, DAYS[1])["mean"][0], abs=1e-5)
    status, body = ask("GET", "/zones/fields/7/timeseries?start=2015-04-02&f=csv")
    assert status == 200
    assert body.splitlines()[0] == "date,mean,uncertainty,lower,upper,spread,cover,simulated"
    assert [(line[:10], line.rsplit(",", 1)[1]) for line in body.splitlines()[1:]] == [("2015-04-02", "true")]
    assert told["simulated"] is True


def test_a_polygon_that_is_drawn(ask, published_root):
    status, body = ask("POST", "/zones", {"type": "Feature", "properties": {}, "geometry": GEOJSON})
    told = json.loads(body)
    assert status == 200, body
    assert told["collection"] == collection_id(PLACE.name)
    for row, date in zip(told["series"], DAYS, strict=True):
        for name, values in expected(published_root, date).items():
            assert row[name] == pytest.approx(values[0], abs=2e-5), name
    assert told["simulated"] is False
    _, table = ask("POST", "/zones?f=csv", GEOJSON)
    assert [line.rsplit(",", 1)[1] for line in table.splitlines()] == ["simulated", "false", "false"]
    empty = shapely.geometry.mapping(shapely.box(-98.6, 35.0, -98.5, 35.1))  # the corner without values
    status, body = ask("POST", "/zones", empty)
    assert status in (200, 404)
    if status == 200:
        assert np.all([row["cover"] < 1 for row in json.loads(body)["series"]])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/zones/fields/8/timeseries", None, 404, "no series"),
        ("GET", "/zones/..%2Ffields/7/timeseries", None, 404, ""),
        ("GET", "/zones/.hidden/7/timeseries", None, 404, "No layer"),
        ("GET", "/zones/fields/7/timeseries?from=1", None, 400, "No parameter"),
        ("GET", "/zones/fields/7/timeseries?start=May", None, 400, "Invalid date"),
        ("POST", "/zones", {"type": "Point", "coordinates": [1, 2]}, 400, "Polygon"),
        (
            "POST",
            "/zones",
            {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
            400,
            "not valid",
        ),
        ("POST", "/zones", shapely.geometry.mapping(shapely.box(-125, 25, -66, 49)), 400, "km2"),
        ("POST", "/zones", shapely.geometry.mapping(shapely.box(0, 89, 1, 90)), 400, "leaves the grid"),
        ("POST", "/zones", shapely.geometry.mapping(shapely.box(10, 40, 11, 41)), 404, "outside"),
        ("POST", "/zones", {}, 400, "GeoJSON"),
        ("POST", "/zones", {"type": "Polygon", "coordinates": []}, 400, "The polygon has no position"),
        ("POST", "/zones", {"type": "Polygon"}, 400, "The polygon has no position"),
        ("POST", "/zones", {"type": "Polygon", "coordinates": [[0, 1], [1, 1]]}, 400, "The polygon is not a valid"),
    ],
)
def test_what_cannot_be_answered_is_told(ask, method, path, body, status, words):
    got, told = ask(method, path, body)
    assert (got, words in told) == (status, True), told
