"""Files, tiles, dates and time series of a served catalogue, from a folder and from a bucket."""

import csv
import datetime as dt
import io
import subprocess
import sys

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from publishing import publish_day
from serving import eventually, served
from starlette.testclient import TestClient

from catalog import open_store, publish
from catalog.api import create_app
from catalog.api.data.tiles import render
from catalog.api.middleware import POLICY
from catalog.cube.update import collections_with_days, update_cube
from catalog.naming import collection_id
from catalog.publish.withdraw import withdraw
from catalog.rasters.layers import COLOURS, DERIVED_LAYERS, DIFFERENCE, LAYERS
from catalog.rasters.thumbnail import RANGE
from catalog.reading.rasters import read_rasters
from catalog.reading.retrieval import less_smap
from catalog.reading.series import cell_at, flag_names
from catalog.store.base import Write
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.grid import LonLat
from downscaler.product import FLAG_MEANINGS, Flag

DOMAIN = product.LITTLE_WASHITA
COLLECTION = "vadose-sm-1km_little-washita"
DAYS = [dt.date(2015, 4, 1) + dt.timedelta(days=n) for n in range(3)]
HERE = {"lon": -98.1, "lat": 34.8}
SEEN, GAP = (40, 50), (3, 3)


@pytest.fixture(scope="module")
def root(tmp_path_factory, run_record, whole_tiles):
    """Three days of 2 x 2 M36 cells; the north-western one has no retrieval."""
    root = tmp_path_factory.mktemp("service") / "catalog"
    for number, day in enumerate(DAYS):
        run = run_record(DOMAIN, day, simulated=True)
        run.parameters["smap_grid"] = "M36"
        publish(root, run, DOMAIN, whole_tiles(DOMAIN, seed=number))
    return root


@pytest.fixture(scope="module")
def address(root):
    with served(create_app(root)) as address:
        yield address


def get(address, path, **options):
    return requests.get(f"{address}{path}", timeout=60, **options)


def test_files_are_served_in_parts_and_revalidated(address, root):
    key = f"{COLLECTION}/2015/04/{COLLECTION}_20150401/r001/soil_moisture.tif"
    content = (root / key).read_bytes()
    whole = get(address, f"/catalog/{key}")
    assert whole.content == content
    assert whole.headers["content-type"].startswith("image/tiff")
    assert "immutable" in whole.headers["cache-control"]
    size = len(content)
    for asked, start, stop in (
        ("0-99", 0, 100),
        ("100-", 100, size),
        ("-50", size - 50, size),
        ("10-999999999", 10, size),
    ):
        part = get(address, f"/catalog/{key}", headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, content[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    for asked in (f"{size}-", "-0", "5-2"):
        answer = get(address, f"/catalog/{key}", headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    for ignored in ("bytes=0-1,5-6", "lines=1-2", "bytes=a-b"):
        assert get(address, f"/catalog/{key}", headers={"Range": ignored}).content == content
    tag = whole.headers["etag"]
    for known in ({"If-None-Match": f'"x", W/{tag}'}, {"If-Modified-Since": whole.headers["last-modified"]}):
        answer = get(address, f"/catalog/{key}", headers=known)
        assert (answer.status_code, answer.content) == (304, b"")
    stale = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert get(address, f"/catalog/{key}", headers=stale).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["../secret", "%2e%2e/secret", "..%2fsecret", "%2fetc%2fpasswd", ".staging/x", "a/./b", "a//b", "a%00b", "a%5Cb",
     "failures/x", "claims/x", "catalog.json/x", "x" * 3000],
)  # fmt: skip
def test_nothing_but_the_catalogue_is_served(address, root, path):
    (root.parent / "secret").write_text("hidden words")
    for folder in ("failures", "claims"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "x").write_text("hidden words")
    for prefix in ("/catalog/", "/tiles/", "/stac/collections/", "/viewer/"):
        request = requests.Request("GET", address).prepare()
        request.url = f"{address}{prefix}{path}"  # as it is: the client would tidy it
        with requests.Session() as session:
            answer = session.send(request, timeout=60)
        assert answer.status_code in (404, 400), prefix
        assert "hidden words" not in answer.text


def test_every_answer_has_the_security_headers_and_no_other_method(address):
    for path in ("/", "/healthz", "/stac/", "/catalog/catalog.json", "/nothing", "/timeseries", "/browser/"):
        answer = get(address, path, headers={"Origin": "http://elsewhere.example"})
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "server" not in answer.headers or "uvicorn" in answer.headers["server"]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert requests.request(method, address + path, timeout=60).status_code in (404, 405)
    page = get(address, "/stac/api.html").text
    assert "http://" not in page
    assert "https://" not in page
    health = get(address, "/healthz").json()
    assert (health["status"], health["collections"], health["items"]) == ("ok", 1, 3)


def test_dates_are_listed_latest_first_with_links_that_lead_there(address):
    listed = get(address, "/dates").json()
    assert listed["collection"] == COLLECTION
    assert [entry["date"] for entry in listed["dates"]] == ["2015-04-03", "2015-04-02", "2015-04-01"]
    entry = listed["dates"][0]
    assert entry["simulated"] is True
    assert get("", entry["links"]["item"]).json()["id"] == entry["item"] == get("", entry["links"]["file"]).json()["id"]
    tile = entry["links"]["tiles"].format(layer="soil_moisture", z=0, x=0, y=0)
    assert get("", tile).headers["content-type"] == "image/png"
    assert get(address, "/dates?collection=none").status_code == 404


def pixels(answer):
    assert answer.headers["content-type"] == "image/png", answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


def tile_of(lon, lat, z):
    """Column and row of the Web Mercator tile that holds a point, and the pixel in it."""
    x = (lon + 180) / 360 * 2**z
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z
    return int(x), int(y), int((x % 1) * 256), int((y % 1) * 256)


def centre(root, at):
    document = get_collection(root)
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    cell = cell_at(document, (west + east) / 2, (south + north) / 2)
    from pyproj import Transformer

    box = DOMAIN.geobox()
    x, y = box.affine @ (at[1] + 0.5, at[0] + 0.5)
    assert cell is not None
    return Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform(x, y)


def get_collection(root):
    import json

    return json.loads((root / COLLECTION / "collection.json").read_text())


@pytest.mark.parametrize("layer", LAYERS)
def test_a_tiles_pixel_has_the_legends_colour_of_the_rasters_value(address, root, layer):
    item = f"{COLLECTION}_20150402"
    lon, lat = centre(root, SEEN)
    x, y, column, row = tile_of(lon, lat, 11)
    drawn = pixels(get(address, f"/tiles/{COLLECTION}/{item}/{layer}/11/{x}/{y}.png"))[row, column]
    whole = read_rasters(root, DOMAIN, DAYS[1], ("soil_moisture", "quality_flag"))
    if layer == DIFFERENCE:
        value = less_smap(whole["soil_moisture"].astype(float), whole["quality_flag"] & 4 > 0, 36)[SEEN]
    else:
        value = read_rasters(root, DOMAIN, DAYS[1], (layer,))[layer][SEEN]
    style = LAYERS[layer]
    assert tuple(drawn) == style.colours()[int(style.indices(np.array([value]))[0])]
    lon, lat = centre(root, GAP)
    x, y, column, row = tile_of(lon, lat, 11)
    drawn = pixels(get(address, f"/tiles/{COLLECTION}/{item}/{layer}/11/{x}/{y}.png"))[row, column]
    assert (drawn[3] == 0) != (layer == "quality_flag")  # the flags say why there is nothing


def test_tiles_far_away_are_transparent_and_revalidated(address):
    path = f"/tiles/{COLLECTION}/{COLLECTION}_20150402/soil_moisture/5/20/20.png"
    answer = get(address, path)
    assert not pixels(answer)[..., 3].any()
    again = get(address, path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{COLLECTION}/none/soil_moisture/1/0/0.png", "No item"),
        (f"none/{COLLECTION}_20150402/soil_moisture/1/0/0.png", "No item"),
        (f"{COLLECTION}/{COLLECTION}_20150402/thumbnail/1/0/0.png", "No layer"),
        (f"{COLLECTION}/{COLLECTION}_20150402/soil_moisture/1/2/0.png", "Zoom 1"),
        (f"{COLLECTION}/{COLLECTION}_20150402/soil_moisture/99/0/0.png", "z:"),
        (f"{COLLECTION}/{COLLECTION}_20150402/soil_moisture/1/-1/0.png", "x:"),
    ],
)
def test_tiles_that_cannot_be_are_refused(address, path, text):
    answer = get(address, f"/tiles/{path}")
    assert answer.status_code in (400, 404)
    assert text in answer.json()["description"]


def test_the_difference_is_none_on_average_and_absent_in_filled_cells():
    rng = np.random.default_rng(0)
    theta = rng.uniform(0.1, 0.4, (72, 72))
    theta[:36, :36] = np.nan
    theta[40, 40] = np.nan
    filled = np.zeros(theta.shape, bool)
    filled[36:, :36] = True
    found = less_smap(theta, filled, 36)
    assert np.isnan(found[:36, :36]).all()
    assert np.isnan(found[36:, :36]).all()
    assert np.isnan(found[40, 40])
    for block in (found[:36, 36:], found[36:, 36:]):
        assert abs(np.nanmean(block)) < 1e-7


def test_the_legend_is_the_thumbnails_and_every_flag_has_its_colour(address):
    layers = {layer["name"]: layer for layer in get(address, "/layers").json()["layers"]}
    assert set(layers) == set(LAYERS | DERIVED_LAYERS)
    assert layers["soil_moisture"]["range"] == list(RANGE)
    assert LAYERS["soil_moisture"].colours()[254] == tuple(round(255 * part) for part in COLOURS(1.0))
    assert layers["soil_moisture"]["units"] == product.SOIL_MOISTURE.units
    assert {entry["value"] for entry in layers["quality_flag"]["classes"]} == {0, *map(int, FLAG_MEANINGS)}


@given(st.integers(0, 1023))
def test_of_several_flags_the_first_by_precedence_is_drawn(bits):
    layer = LAYERS["quality_flag"]
    value, _, _ = layer.classes[int(layer.indices(np.array([bits]))[0])]
    assert value == next((v for v, _, _ in layer.classes if bits & v), 0)


def test_rendering_hides_what_is_masked_or_missing():
    values = np.array([[0.0, 0.25], [np.nan, 0.5]])
    image = np.asarray(Image.open(io.BytesIO(render(LAYERS["soil_moisture"], values, values == 0.5))).convert("RGBA"))
    assert image[..., 3].tolist() == [[255, 255], [0, 0]]


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_series_is_what_the_rasters_hold(root, address, where, request):
    if where == "bucket":
        bucket = request.getfixturevalue("bucket")
        folder, objects = open_store(root), open_store(bucket)
        with objects.staging() as staging:
            objects.apply([Write(key=key, content=folder.get(key)) for key in folder.keys(COLLECTION)], staging)
            objects.apply([Write(key="catalog.json", content=folder.get("catalog.json"))], staging)
        address = request.getfixturevalue("run_served")(create_app(bucket))
    for at in (SEEN, GAP):
        lon, lat = centre(root, at)
        answer = get(address, f"/timeseries?lon={lon}&lat={lat}&start=2015-04-01&end=2015-04-30")
        series = answer.json()
        assert (series["cell"]["row"], series["cell"]["column"]) == at
        assert [row["date"] for row in series["series"]] == [str(day) for day in DAYS]
        names = ("soil_moisture", "uncertainty", "lower", "upper", "quality_flag")
        for day, row in zip(DAYS, series["series"], strict=True):
            whole = read_rasters(root, DOMAIN, day, names)
            for name in names:
                stored = float(whole[name][at])
                assert row[name] == (None if np.isnan(stored) else pytest.approx(stored, abs=1e-5))
            assert row["flags"] == list(flag_names(int(whole["quality_flag"][at])))
        table = list(csv.DictReader(io.StringIO(get(address, f"/timeseries?lon={lon}&lat={lat}&f=csv").text)))
        assert [row["soil_moisture"] for row in table] == [
            "" if row["soil_moisture"] is None else str(row["soil_moisture"]) for row in series["series"]
        ]
    x, y, _, _ = tile_of(*centre(root, SEEN), 9)
    assert pixels(get(address, f"/tiles/{COLLECTION}/{COLLECTION}_20150402/difference/9/{x}/{y}.png"))[..., 3].any()
    key = f"{COLLECTION}/2015/04/{COLLECTION}_20150401/r001/thumbnail.png"
    assert get(address, f"/catalog/{key}", headers={"Range": "bytes=1-3"}).content == b"PNG"


@pytest.fixture
def run_served():
    """Serves applications until the test ends."""
    import contextlib

    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))


def test_the_format_follows_f_or_the_accept_header(address):
    for f, accept, kind in (
        (None, "*/*", "application/json"),
        (None, "text/csv", "text/csv"),
        ("CoverageJSON", "text/csv", "application/prs.coverage+json"),
        ("csv", "application/json", "text/csv"),
    ):
        answer = get(address, "/timeseries", params=HERE | ({"f": f} if f else {}), headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(kind)


def test_edr_gives_a_valid_coverage(address):
    path = f"/edr/collections/{COLLECTION}/position"
    coverage = get(address, path, params={"coords": "POINT(-98.1 34.8)", "datetime": "2015-04-02/.."}).json()
    assert coverage["domain"]["domainType"] == "PointSeries"
    assert coverage["domain"]["axes"]["t"]["values"] == ["2015-04-02T12:00:00Z", "2015-04-03T12:00:00Z"]
    assert set(coverage["ranges"]) == set(coverage["parameters"])
    assert all(r["shape"] == [2] == [len(r["values"])] for r in coverage["ranges"].values())
    series = get(address, path, params={"coords": "POINT(-98.1 34.8)", "datetime": "2015-04-02", "f": "json"}).json()
    assert [row["date"] for row in series["series"]] == ["2015-04-02"]
    assert coverage["ranges"]["soil_moisture"]["values"][0] == series["series"][0]["soil_moisture"]


@pytest.mark.parametrize(
    ("asked", "status", "text"),
    [
        ({"lon": 999}, 400, "not on the globe"),
        ({"lon": "nan"}, 400, "not on the globe"),
        ({"lon": "1,2,3"}, 400, "lon"),
        ({"lon": 10.0}, 404, "no cell at 10"),
        ({"lat": -90}, 404, "no cell"),
        ({"start": "yesterday"}, 400, "Invalid date 'yesterday' for start"),
        ({"end": "2015-13-45"}, 400, "Invalid date '2015-13-45' for end"),
        ({"start": "2015-04-02", "end": "2015-04-01"}, 400, "after"),
        ({"start": "0001-01-01", "end": "9999-12-31"}, 400, "at most 10 years"),
        ({"end": "0001-01-01"}, 200, ""),
        ({"collection": "none"}, 404, "Unknown collection"),
        ({"f": "xml"}, 400, "f:"),
        ({"star": "2015-04-01"}, 400, "No parameter 'star'. Those here are: lon, lat, start, end, collection, f."),
    ],
)
def test_a_series_that_cannot_be_is_refused_with_a_reason(address, asked, status, text):
    answer = get(address, "/timeseries", params=HERE | asked)
    assert answer.status_code == status, answer.text
    assert text in answer.text


def test_a_time_with_a_zone_is_of_its_utc_day(address):
    asked = HERE | {"start": "2015-04-01T20:00:00-06:00", "end": "2015-04-03T01:00:00+02:00"}
    series = get(address, "/timeseries", params=asked).json()["series"]
    assert [row["date"] for row in series] == ["2015-04-02"]


def test_a_parameter_that_stands_twice_is_refused(address):
    """One of the two would count, without a word."""
    for path, name in (("/timeseries?lon=-98.1&lat=34.8&lon=-98.2", "lon"), ("/stac/search?limit=1&limit=2", "limit")):
        answer = get(address, path)
        assert answer.status_code == 400
        assert f"'{name}' stands 2 times" in answer.json()["description"]


def test_many_points_at_once_are_refused(address):
    path = f"/edr/collections/{COLLECTION}/position"
    many = "MULTIPOINT(" + ",".join(f"({-98 - n / 1e5} 34.8)" for n in range(500)) + ")"
    for coords in (many, "POINT(1)", "POINT(1 2 3)", "POINT(1.1.1 2)", "POLYGON((0 0,1 1,0 1,0 0))", ""):
        answer = get(address, path, params={"coords": coords})
        assert answer.status_code == 400
        assert "coords" in answer.json()["description"]


@given(lon=st.floats(-98.55, -97.9), lat=st.floats(34.5, 35.1))
def test_the_cell_of_a_point_is_the_grids(root, lon, lat):
    found = cell_at(get_collection(root), lon, lat)
    index = product.GRID.cell_at(LonLat(lon=lon, lat=lat))
    window = DOMAIN.m36
    assert found is not None
    assert found.row == index.y - window.rows.start * product.GRID.per_m36
    assert found.column == index.x - window.columns.start * product.GRID.per_m36


def test_flag_names_follow_the_bits():
    assert flag_names(0) == ()
    assert flag_names(Flag.FILL | Flag.URBAN) == ("fill", "urban")


def test_analyses_have_no_difference_to_smap(tmp_path):
    """The mean of their cells is their own: no retrieval can be read back."""
    answers = {}
    for domain in (DOMAIN, product.analysis_of(DOMAIN)):
        publish_day(tmp_path, DAYS[0], domain, grid="M36")
        of = collection_id(domain.name)
        answers[domain.name] = f"/tiles/{of}/{of}_20150401/{DIFFERENCE}/1/0/0.png"
    client = TestClient(create_app(tmp_path))
    assert [client.get(path).status_code for path in answers.values()] == [200, 404]


def test_a_day_of_smap_l4_has_no_difference_to_a_retrieval(tmp_path):
    """Where SMAP was silent the cells' mean is that of a model."""
    shape = (DOMAIN.shape().y, DOMAIN.shape().x)
    for day, flag in ((DAYS[0], 0), (DAYS[1], int(Flag.SMAP_L4))):
        publish_day(tmp_path, day, grid="M36", more={"quality_flag": np.full(shape, flag, np.uint16)})
    client = TestClient(create_app(tmp_path))
    lon, lat = HERE.values()
    x, y, _, _ = tile_of(lon, lat, 11)
    drawn = [
        pixels(client.get(f"/tiles/{COLLECTION}/{COLLECTION}_{day:%Y%m%d}/{DIFFERENCE}/11/{x}/{y}.png"))[..., 3].any()
        for day in DAYS[:2]
    ]
    assert drawn == [True, False]


def test_a_lost_raster_is_the_services_trouble_and_a_lost_item_is_left_out(tmp_path, run_record, whole_tiles):
    for day in DAYS[:2]:
        publish(tmp_path, run_record(DOMAIN, day), DOMAIN, whole_tiles(DOMAIN))
    next(tmp_path.glob("*/2015/04/*0401/r001/soil_moisture.tif")).unlink()
    next(tmp_path.glob("*/2015/04/*0402/*0402.json")).unlink()
    with served(create_app(tmp_path)) as address:
        found = get(address, "/stac/search").json()
        assert [feature["id"] for feature in found["features"]] == [f"{COLLECTION}_20150401"]
        assert found["numberReturned"] == 1
        assert get(address, f"/stac/collections/{COLLECTION}/items/{COLLECTION}_20150402").status_code == 404
        answer = get(address, "/timeseries", params=HERE)
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text
        tile = get(address, f"/tiles/{COLLECTION}/{COLLECTION}_20150401/{DIFFERENCE}/1/0/0.png")
        assert tile.status_code == 404  # its provenance does not state SMAP's grid


def test_gdal_reads_windows_of_the_served_rasters(address):
    """What QGIS does: /vsicurl/ with range requests; in a process of its own, as GDAL keeps Python's lock meanwhile."""
    url = f"/vsicurl/{address}/catalog/{COLLECTION}/2015/04/{COLLECTION}_20150401/r001/soil_moisture.tif"
    code = f"import rasterio; print(rasterio.open({url!r}).read(1, window=((40, 41), (50, 51)))[0, 0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert 0.0 < float(done.stdout) < 1.0


def test_a_public_address_is_in_every_link(root):
    with served(create_app(root, public_url="https://soil.example.org/vadose/")) as address:
        page = get(address, "/stac/search?limit=1").json()
        hrefs = [link["href"] for link in page["links"]] + [a["href"] for a in page["features"][0]["assets"].values()]
        hrefs += [entry["links"]["tiles"] for entry in get(address, "/dates").json()["dates"]]
        assert all(href.startswith("https://soil.example.org/vadose/") for href in hrefs)


def test_a_withdrawn_day_is_no_date_and_no_reading(tmp_path, run_record, whole_tiles):
    for day in DAYS[:2]:
        publish(tmp_path, run_record(DOMAIN, day), DOMAIN, whole_tiles(DOMAIN))
    withdraw(tmp_path, DOMAIN, DAYS[1], "The granule was damaged.")
    with served(create_app(tmp_path)) as address:
        assert [entry["date"] for entry in get(address, "/dates").json()["dates"]] == ["2015-04-01"]
        assert [row["date"] for row in get(address, "/timeseries", params=HERE).json()["series"]] == ["2015-04-01"]


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_series_is_the_same_from_the_cube_and_follows_what_it_lacks(where, request, run_record, whole_tiles):
    """The cube is asked for days that it holds as they are published, the files for all others."""
    uri = request.getfixturevalue("tmp_path" if where == "folder" else "bucket")
    for number, day in enumerate(DAYS):
        publish(uri, run_record(DOMAIN, day), DOMAIN, whole_tiles(DOMAIN, seed=number))
    with served(create_app(uri, fresh=0.1)) as address:
        points = [HERE, {"lon": -98.4, "lat": 35.0}]  # a value, and the gap in the north-west
        before = [get(address, "/timeseries", params=at).json()["series"] for at in points]
        update_cube(uri, COLLECTION, collections_with_days(uri)[COLLECTION], create=True)
        assert [get(address, "/timeseries", params=at).json()["series"] for at in points] == before
        publish(uri, run_record(DOMAIN, DAYS[1], granule="e" * 64), DOMAIN, whole_tiles(DOMAIN, seed=9))
        eventually(
            lambda: get(address, "/timeseries", params=HERE).json()["series"][1] != before[0][1],
            "a revision is read from its files while the cube has the old one",
        )
        after = get(address, "/timeseries", params=HERE).json()["series"]
        assert [after[0], after[2]] == [before[0][0], before[0][2]]


def test_the_cube_alone_is_read_where_it_is_up_to_date(tmp_path, run_record, whole_tiles):
    for day in DAYS[:2]:
        publish(tmp_path, run_record(DOMAIN, day), DOMAIN, whole_tiles(DOMAIN))
    update_cube(tmp_path, COLLECTION, collections_with_days(tmp_path)[COLLECTION], create=True)
    for raster in tmp_path.glob("*/2015/04/*/r001/*.tif"):
        raster.unlink()
    with served(create_app(tmp_path)) as address:
        assert len(get(address, "/timeseries", params=HERE).json()["series"]) == 2


def test_where_nothing_is_published_yet_it_is_refused_or_begins_empty(tmp_path, run_record, whole_tiles):
    """As containers start together on an empty volume: healthy, then with the first day."""
    place = tmp_path / "catalog"
    with pytest.raises(CatalogError, match="No catalogue is there"):
        create_app(place)
    with served(create_app(place, fresh=0.1, empty=True)) as address:
        for path in ("/", "/stac/", "/stac/collections", "/stac/search", "/metrics"):
            assert get(address, path).status_code == 200, path
        assert get(address, "/healthz").json()["items"] == 0
        run = run_record(DOMAIN, DAYS[0], simulated=True)
        run.parameters["smap_grid"] = "M36"
        publish(place, run, DOMAIN, whole_tiles(DOMAIN, seed=0))
        eventually(lambda: get(address, "/healthz").json()["items"] == 1, "the first day does not appear")
