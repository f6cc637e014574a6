"""The STAC API, the same tests on both backends, asked over HTTP by the clients that people use."""

import datetime as dt
import json
import re

import numpy as np
import odc.stac
import pystac
import pystac_client
import pytest
import requests
from serving import eventually, served

from catalog import publish
from catalog.api import create_app
from catalog.api.stac.holdings import Catalogue
from catalog.api.stac.pgsync import sync
from catalog.items.index import index_keys, rebuild_index
from catalog.items.schema import offline_validator, validate, validate_item
from catalog.publish.withdraw import withdraw
from catalog.store.base import open_store
from catalog.store.objects import Write
from downscaler import product
from downscaler.errors import CatalogError, ConfigError, DatabaseError

LITTLE, VERDE = product.LITTLE_WASHITA, product.UPPER_VERDE
DAYS = [dt.date(2015, 4, 1) + dt.timedelta(days=n) for n in range(3)]
WASHITA = "vadose-sm-1km_little-washita"
EARLY = "version = '1' AND datetime < TIMESTAMP('2015-04-02T00:00:00Z')"
BOX = [-98.2, 34.7, -98.0, 34.9]
QGIS = ("core", "collections", "ogcapi-features", "item-search")
"""What QGIS's STAC client looks for among the conformance classes, by the part of their names that counts."""


@pytest.fixture(scope="session")
def archive(tmp_path_factory, run_record, whole_tiles):
    """Three days of Little Washita (36 km), one of Upper Verde (9 km)."""
    root = tmp_path_factory.mktemp("archive") / "catalog"
    for domain, grid, days in ((LITTLE, "M36", DAYS), (VERDE, "M09", DAYS[:1])):
        for number, day in enumerate(days):
            run = run_record(domain, day)
            run.parameters["smap_grid"] = grid
            publish(root, run, domain, whole_tiles(domain, seed=number))
    return root


@pytest.fixture(scope="session", params=["embedded", "pgstac"])
def api(request, archive):
    """Address of the API on each backend."""
    dsn = None
    if request.param == "pgstac":
        dsn = request.getfixturevalue("postgres")
        sync(archive, dsn)
    with served(create_app(archive, backend=request.param, dsn=dsn, fresh=0.2)) as address:
        yield f"{address}/stac/"


def search(api, **asked):
    answer = requests.get(f"{api}search", params=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page):
    return [feature["id"].rpartition("_")[2] + feature["collection"][-1] for feature in page["features"]]


def refused(api, **asked):
    answer = requests.get(f"{api}search", params=asked, timeout=60)
    assert answer.status_code == 400, (answer.status_code, answer.text)
    return answer.json()["description"]


def test_what_qgis_asks_first(api):
    landing = requests.get(api, timeout=60).json()
    assert landing["type"] == "Catalog"
    assert all(any(name in uri for uri in landing["conformsTo"]) for name in QGIS)
    links = {(link["rel"], link.get("method")): link["href"] for link in landing["links"]}
    assert links["search", "GET"] == links["search", "POST"] == f"{api}search"
    assert requests.get(links["data", None], timeout=60).json()["collections"]
    for rel in ("service-desc", "service-doc", "conformance", "self", "root"):
        assert requests.get(links[rel, None], timeout=60).status_code == 200, rel


def test_pystac_client_searches_pages_and_finds_valid_items(api):
    client = pystac_client.Client.open(api)
    assert {c.id for c in client.get_collections()} == {WASHITA, "vadose-sm-1km_upper-verde"}
    for method in ("GET", "POST"):
        found = client.search(bbox=BOX, datetime="2015-04-01/2015-04-30", limit=1, method=method)
        items = list(found.items())
        assert [item.datetime.day for item in items] == [3, 2, 1]
    item = items[0]
    item.validate(validator=offline_validator())
    collection = client.get_collection(WASHITA)
    collection.validate(validator=offline_validator())
    assert {i.id for i in collection.get_items()} == {i.id for i in items}
    assert client.get_collection(WASHITA).get_item(item.id).to_dict()["assets"] == item.to_dict()["assets"]


def test_every_served_document_is_valid_and_its_links_are_absolute_and_alive(api):
    landing = requests.get(api, timeout=60).json()
    collections = requests.get(f"{api}collections", timeout=60).json()["collections"]
    items = search(api, limit=100)["features"]
    for document in (landing, *collections):
        validate(document)
    for document in items:
        validate_item(document)
    address = api.removesuffix("stac/")
    for document in (landing, *collections, items[0]):
        for entry in [*document["links"], *document.get("assets", {}).values()]:
            assert entry["href"].startswith(("http://", "https://")), entry
            if entry["href"].startswith(address):
                with requests.get(entry["href"], timeout=60, stream=True) as answer:
                    assert answer.status_code == 200, entry


def test_items_are_the_catalogues_own(api, archive):
    """Whatever searches, the document is the file's: only addresses differ, and they lead to the same bytes."""
    for feature in search(api, limit=100)["features"]:
        canonical = next(link["href"] for link in feature["links"] if link["rel"] == "canonical")
        file = requests.get(canonical, timeout=60).json()
        assert pystac.Item.from_dict(feature).properties == pystac.Item.from_dict(file).properties
        for name in ("id", "geometry", "bbox", "collection", "stac_extensions"):
            assert feature[name] == file[name]
        for key, asset in feature["assets"].items():
            assert asset | {"href": ""} == file["assets"][key] | {"href": ""}
            assert requests.head(asset["href"], timeout=60).headers["content-length"] == str(asset["file:size"])


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo's, not ours
@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")  # its as well
def test_odc_stac_loads_from_the_search(api):
    items = list(pystac_client.Client.open(api).search(collections=[WASHITA]).items())
    days = odc.stac.load(items, bands=["soil_moisture"], chunks=None)
    assert days.sizes["time"] == 3
    mean = float(np.nanmean(days.soil_moisture.isel(time=0)))
    first = next(i for i in items if i.datetime.day == 1)
    stated = first.to_dict()["assets"]["soil_moisture"]["bands"][0]["statistics"]["mean"]
    assert mean == pytest.approx(stated, abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"bbox": "-98.2,34.7,-98.0,34.9"}, ["20150403a", "20150402a", "20150401a"]),
        ({"bbox": "-180,-90,180,90", "limit": 2}, ["20150403a", "20150402a"]),
        ({"bbox": "-98.2,34.7,0,-98.0,34.9,9"}, ["20150403a", "20150402a", "20150401a"]),
        ({"datetime": "2015-04-02T00:00:00Z/2015-04-02T23:59:59Z"}, ["20150402a"]),
        ({"datetime": "2015-04-02t00:00:00z/2015-04-02t23:59:59.5z"}, ["20150402a"]),
        ({"datetime": "2015-04-02T05:00:00Z"}, ["20150402a"]),
        ({"datetime": "2015-04-02T12:00:00Z/.."}, ["20150403a", "20150402a"]),
        ({"datetime": "9999-12-31T23:59:59Z"}, []),
        ({"ids": f"{WASHITA}_20150402"}, ["20150402a"]),
        ({"collections": "vadose-sm-1km_upper-verde"}, ["20150401e"]),
        ({"collections": "no'; DROP TABLE items"}, []),
        ({"intersects": '{"type":"Point","coordinates":[-112.0,35.0]}'}, ["20150401e"]),
        ({"sortby": "+datetime", "collections": WASHITA}, ["20150401a", "20150402a", "20150403a"]),
        ({"sortby": "-properties.datetime", "bbox": "-98.2,34.7,-98.0,34.9"}, ["20150403a", "20150402a", "20150401a"]),
        ({"filter": f"{EARLY} AND collection = '{WASHITA}'"}, ["20150401a"]),
        ({"filter": '"vadose:published_percent" > 80'}, ["20150401e"]),
        ({"filter": '{"op":"=","args":[{"property":"id"},"x"]}', "filter-lang": "cql2-json"}, []),
    ],
)  # fmt: skip
def test_what_a_search_finds(api, asked, expected):
    assert ids(search(api, **asked)) == expected


def test_a_search_document_finds_the_same(api):
    body = {"collections": [WASHITA], "sortby": [{"field": "datetime", "direction": "asc"}], "limit": 2}
    body |= {"filter": {"op": "=", "args": [{"property": "version"}, "1"]}, "filter-lang": "cql2-json"}
    page = requests.post(f"{api}search", json=body, timeout=60).json()
    assert ids(page) == ["20150401a", "20150402a"]
    following = next(link for link in page["links"] if link["rel"] == "next")
    assert following["method"] == "POST"
    page = requests.post(following["href"], json=following["body"], timeout=60).json()
    assert ids(page) == ["20150403a"]
    assert "next" not in [link["rel"] for link in page["links"]]


def test_fields_are_picked(api):
    feature = search(api, fields="id,properties.datetime", limit=1)["features"][0]
    assert feature["properties"] == {"datetime": "2015-04-03T12:00:00Z"}
    assert "assets" not in feature
    feature = search(api, fields="-assets,-properties.title", limit=1)["features"][0]
    assert "assets" not in feature
    assert "title" not in feature["properties"]
    assert feature["geometry"]["type"] == "Polygon"
    assert len(search(api, limit=1)["features"][0]["properties"]) > 20


def test_queryables_name_what_items_have(api):
    for address in (f"{api}queryables", f"{api}collections/{WASHITA}/queryables"):
        properties = requests.get(address, timeout=60).json()["properties"]
        assert properties["vadose:published_percent"] == {"type": "number"}
        assert properties["datetime"]["format"] == "date-time"
        assert "$ref" not in json.dumps(properties)  # STAC Browser would fetch it from another host


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"bbox": "0,50,10,40"}, "latitude|south"),
        ({"bbox": "-1000,-90,1000,90"}, "-180 to 180|Bounding box"),
        ({"bbox": "nan,0,1,1"}, ""),
        ({"bbox": "1,2,3"}, "4 or 6"),
        ({"datetime": "yesterday"}, "RFC 3339"),
        ({"datetime": "2015-04-02T00:00:00Z/2015-04-01T00:00:00Z"}, "before"),
        ({"datetime": "2015-99-01T00:00:00Z"}, ""),
        ({"limit": 0}, "greater than"),
        ({"filter": "(("}, ""),
        ({"intersects": '{"type":"Polygon","coordinates":[]}'}, ""),
        ({"intersects": "x"}, ""),
        ({"intersects": "[1]"}, "GeoJSON geometry"),
        ({"intersects": "1"}, "GeoJSON geometry"),
        ({"intersects": '{"type":"Polygon","coordinates":[[1,2]]}'}, "GeoJSON Polygon"),
        ({"bbox": "0,0,1,1", "intersects": '{"type":"Point","coordinates":[0,0]}'}, ""),
        ({"token": "next:nonsense"}, ""),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_with_a_reason(api, asked, text):
    assert re.search(text, refused(api, **asked))


def test_geometries_that_are_unusual_are_searched_by(api):
    point = {"type": "Point", "coordinates": [-98.1, 34.8], "bbox": [10.0, 0.0, -10.0, 0.0]}
    for geometry in (point, {"type": "GeometryCollection", "geometries": [point, point]}):
        answer = requests.post(f"{api}search", json={"intersects": geometry}, timeout=60)
        assert answer.status_code == 200, answer.text
        assert ids(answer.json()) == ["20150403a", "20150402a", "20150401a"]


@pytest.mark.parametrize("body", [[], "text", 1, 0.5, True, None, ["bbox"]])
def test_a_search_document_that_is_no_object_is_refused(api, body):
    kind = {"Content-Type": "application/json"}
    answer = requests.post(f"{api}search", data=json.dumps(body), headers=kind, timeout=60)
    assert answer.status_code == 400, (answer.status_code, answer.text)
    assert answer.json()["description"]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"', "{", '{"limit": [}'])
def test_a_search_document_that_is_none_is_refused(api, body):
    answer = requests.post(f"{api}search", data=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 400, answer.text
    assert re.search("JSON|The body", answer.json()["description"])


def test_what_is_absent_is_said(api):
    for path in ("collections/none", "collections/none/items", f"collections/{WASHITA}/items/none", "nothing"):
        answer = requests.get(api + path, timeout=60)
        assert answer.status_code == 404
        assert answer.json()["description"]


def test_nothing_can_be_written(api):
    item = search(api, limit=1)["features"][0]
    one = f"{api}collections/{WASHITA}/items"
    for method, address in (("POST", one), ("PUT", f"{one}/{item['id']}"), ("PATCH", one), ("DELETE", api)):
        assert requests.request(method, address, json=item, timeout=60).status_code == 405, (method, address)
    assert requests.post(f"{api}collections", json={}, timeout=60).status_code == 405
    assert requests.options(f"{api}search", timeout=60).headers["Allow"] == "GET, POST"
    refused = requests.post(
        f"{api.removesuffix('stac/')}catalog/{'a/' * 2000}", timeout=60
    )  # no pattern runs away on it
    assert (refused.status_code, refused.elapsed.total_seconds() < 5) == (405, True)
    assert requests.post(f"{api}search", data=b" " * 2_000_000, timeout=60).status_code == 413


def test_pages_hold_while_days_are_published(tmp_path, run_record, whole_tiles):
    """A page's token names the last item seen: a day that comes in between neither repeats nor hides one."""
    for day in DAYS[:2]:
        publish(tmp_path, run_record(LITTLE, day), LITTLE, whole_tiles(LITTLE))
    with served(create_app(tmp_path, fresh=0.1)) as address:
        page = search(f"{address}/stac/", limit=1)
        assert ids(page) == ["20150402a"]
        publish(tmp_path, run_record(LITTLE, DAYS[2]), LITTLE, whole_tiles(LITTLE))
        eventually(
            lambda: search(f"{address}/stac/", limit=1)["features"][0]["id"].endswith("03"), "a new day is found"
        )
        following = next(link["href"] for link in page["links"] if link["rel"] == "next")
        assert ids(requests.get(following, timeout=60).json()) == ["20150401a"]
        publish(tmp_path, run_record(LITTLE, DAYS[2], granule="d" * 64), LITTLE, whole_tiles(LITTLE, seed=5))
        one = f"{address}/stac/collections/{WASHITA}/items/{WASHITA}_20150403"
        eventually(lambda: requests.get(one, timeout=60).json()["properties"]["version"] == "2", "a revision is found")


def test_sync_sends_what_changed_and_removes_what_is_gone(postgres, tmp_path, run_record, whole_tiles):
    import psycopg

    for day in DAYS:
        publish(tmp_path, run_record(LITTLE, day), LITTLE, whole_tiles(LITTLE))
    address = new_database(postgres, "other")
    assert (first := sync(tmp_path, address)).sent == 3
    assert (first.removed, first.unchanged, first.collections) == (0, 0, 1)
    assert sync(tmp_path, address).unchanged == 3
    publish(tmp_path, run_record(LITTLE, DAYS[0], granule="d" * 64), LITTLE, whole_tiles(LITTLE, seed=5))
    again = sync(tmp_path, address)
    assert (again.sent, again.removed, again.unchanged) == (1, 0, 2)
    month = next(tmp_path.glob("*/2015/04/catalog.json"))
    document = json.loads(month.read_text())
    document["links"] = [link for link in document["links"] if not link["href"].endswith("20150402.json")]
    month.write_text(json.dumps(document))
    assert sync(tmp_path, address).removed == 1
    with psycopg.connect(address) as connection:
        connection.execute("SET search_path TO pgstac, public")
        rows = connection.execute("SELECT id, content->'properties'->>'version' FROM items ORDER BY id").fetchall()
    assert rows == [(f"{WASHITA}_20150401", "2"), (f"{WASHITA}_20150403", "1")]


@pytest.mark.parametrize("backend", ["embedded", "pgstac"])
def test_a_withdrawn_day_is_found_and_marked(backend, request, tmp_path, run_record, whole_tiles):
    """By its identifier and by a search, with the reason; ``vadose catalog sync`` brings the mark to the database."""
    for day in DAYS[:2]:
        publish(tmp_path, run_record(LITTLE, day), LITTLE, whole_tiles(LITTLE))
    address = None
    if backend == "pgstac":
        address = new_database(request.getfixturevalue("postgres"), "withdrawn")
        sync(tmp_path, address)
    with served(create_app(tmp_path, backend=backend, dsn=address, fresh=0.1)) as root:
        api = f"{root}/stac/"
        for every in ({}, {"filter": "deprecated IS NULL"}):
            assert ids(search(api, **every)) == ["20150402a", "20150401a"]
        withdraw(tmp_path, LITTLE, DAYS[0], "The granule was damaged.")
        if address is not None:
            assert (sent := sync(tmp_path, address)).sent == 1, sent
        one = f"{api}collections/{WASHITA}/items/{WASHITA}_20150401"
        eventually(lambda: requests.get(one, timeout=60).json()["properties"].get("deprecated") is True, "the mark")
        assert requests.get(one, timeout=60).json()["properties"]["vadose:withdrawn"] == "The granule was damaged."
        eventually(lambda: ids(search(api, filter="deprecated = true")) == ["20150401a"], "a search knows the mark")
        assert ids(search(api, filter="deprecated IS NULL")) == ["20150402a"]
        assert ids(search(api)) == ["20150402a", "20150401a"]
        assert [f["properties"].get("deprecated", False) for f in search(api)["features"]] == [False, True]


@pytest.mark.parametrize("where", ["folder", "bucket"])
@pytest.mark.parametrize("lost", ["all", "a month", "damaged"])
def test_a_catalogue_without_its_index_is_served_by_its_links(where, lost, request, caplog, run_record, whole_tiles):
    """The same entries either way; what is missing is said, and a repair is noticed."""
    uri = request.getfixturevalue("tmp_path" if where == "folder" else "bucket")
    for day in (DAYS[0], dt.date(2015, 5, 1)):
        publish(uri, run_record(LITTLE, day), LITTLE, whole_tiles(LITTLE))
    store = open_store(uri)
    catalogue = Catalogue(store, fresh=0)
    whole = dict(catalogue.now().entries)
    assert len(whole) == 2
    assert "without an index" not in caplog.text
    keys = index_keys(store, WASHITA)
    if lost == "damaged":
        with store.staging() as staging:
            store.apply([Write(key=keys[0], content=b"PAR1 nonsense")], staging)
    else:
        store.delete(keys if lost == "all" else keys[:1])
    for seen in (Catalogue(store, fresh=0), catalogue):
        eventually(lambda seen=seen: seen.now().shelves[WASHITA].branches, "the loss is noticed")
        assert dict(seen.now().entries) == whole
        assert ids_of(seen.now().search({})) == ids_of(whole)
    assert "without an index" in caplog.text
    rebuild_index(store, WASHITA)
    eventually(lambda: not catalogue.now().shelves[WASHITA].branches, "the repair is noticed")
    assert dict(catalogue.now().entries) == whole


def ids_of(found):
    return sorted(identifier for _, identifier in found)


def new_database(postgres, name):
    """Address of another, empty database of the same server."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres.rpartition('/')[0]}/{name}"


def test_a_backend_that_cannot_be_is_said(archive):
    with pytest.raises(ConfigError, match="--dsn"):
        create_app(archive, backend="pgstac")
    with pytest.raises(ConfigError, match="postgresql://"):
        create_app(archive, backend="pgstac", dsn="mysql://x")
    with pytest.raises(ConfigError, match="embedded, pgstac"):
        create_app(archive, backend="other")
    with pytest.raises(DatabaseError, match="cannot be reached"):
        sync(archive, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(CatalogError, match="No catalogue"):
        create_app(archive / "nothing")
