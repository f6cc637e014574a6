"""A served catalogue that is damaged, published to and linked out of meanwhile: clear answers, nothing leaks."""

import datetime as dt
import json
import shutil

import pytest
import requests
from serving import eventually, served

from catalog import publish
from catalog.api import create_app
from downscaler import product
from downscaler.errors import CatalogError

DOMAIN = product.LITTLE_WASHITA
COLLECTION = "vadose-sm-1km_little-washita"
DAYS = [dt.date(2015, 4, 1) + dt.timedelta(days=n) for n in range(3)]
GOOD = {"type": "Feature", "stac_version": "1.1.0", "id": "x", "collection": "c", "links": []}
POLYGON = {"type": "Polygon", "coordinates": "a"}


@pytest.fixture(scope="module")
def published(tmp_path_factory, run_record, whole_tiles):
    root = tmp_path_factory.mktemp("damaged") / "published"
    for number, day in enumerate(DAYS[:2]):
        publish(root, run_record(DOMAIN, day), DOMAIN, whole_tiles(DOMAIN, seed=number))
    return root


@pytest.fixture
def root(published, tmp_path):
    return shutil.copytree(published, tmp_path / "catalog")


def files(root, day):
    return root / COLLECTION / f"2015/04/{COLLECTION}_{day:%Y%m%d}"


def get(address, path):
    return requests.get(f"{address}{path}", timeout=60)


def test_links_out_of_the_catalogue_are_not_followed(root, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "words.json").write_text('{"hidden": "words"}')
    (root / "out.json").symlink_to(secret / "words.json")
    (root / "out").symlink_to(secret)
    (root / "within.json").symlink_to(root / "catalog.json")
    moved = tmp_path / "elsewhere"
    moved.symlink_to(root)
    for served_root in (root, moved):
        with served(create_app(served_root)) as address:
            for path in ("out.json", "out/words.json"):
                answer = get(address, f"/catalog/{path}")
                assert (answer.status_code, 'words"}' in answer.text) == (404, False)
            assert get(address, "/catalog/within.json").json()["type"] == "Catalog"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        json.dumps({"type": "Feature", "id": 5, "properties": None}).encode(),
        json.dumps(GOOD | {"geometry": None, "properties": {"datetime": None}, "assets": {}}).encode(),
        json.dumps(
            GOOD | {"geometry": POLYGON, "bbox": [1], "properties": {"datetime": "yesterday"}, "assets": []}
        ).encode(),
    ],
)
def test_a_damaged_item_leaves_the_others_served_and_new_ones_found(root, run_record, whole_tiles, document):
    item = files(root, DAYS[0]) / f"{COLLECTION}_20150401.json"
    item.write_bytes(document)
    with served(create_app(root, fresh=0.1)) as address:  # at the start ...
        assert len(get(address, "/stac/search").json()["features"]) == 1  # the index knows it, its file is no item
        publish(root, run_record(DOMAIN, DAYS[2]), DOMAIN, whole_tiles(DOMAIN, seed=2))
        days = ["2015-04-03", "2015-04-02"]
        eventually(lambda: [d["date"] for d in get(address, "/dates").json()["dates"]] == days, "the new day is found")
        assert len(get(address, "/stac/search").json()["features"]) == 2


@pytest.mark.parametrize("document", [b"", b"{}", b'{"type": "Collection"}', b'{"type": "Collection", "links": 5}'])
def test_a_collection_that_is_damaged_meanwhile_goes_on_being_served(root, document):
    with served(create_app(root, fresh=0.1)) as address:
        (root / COLLECTION / "collection.json").write_bytes(document)
        for _ in range(3):
            eventually(lambda: get(address, "/healthz").status_code == 200, "it answers")
            assert get(address, f"/stac/collections/{COLLECTION}").json()["id"] == COLLECTION
            assert get(address, f"/timeseries?lon=-98.1&lat=34.8&collection={COLLECTION}").status_code == 200


@pytest.mark.parametrize("document", [b"{", b'{"links": 5}', b'{"links": [{"rel": "child"}]}'])
def test_a_root_that_is_damaged_is_said_at_the_start(root, document):
    (root / "catalog.json").write_bytes(document)
    with pytest.raises(CatalogError, match=r"catalog\.json"):
        create_app(root)


@pytest.mark.parametrize("content", [b"", b"II*\0", None])
def test_a_damaged_raster_is_named_without_the_servers_folder(root, content):
    raster = files(root, DAYS[0]) / "r001" / "soil_moisture.tif"
    if content is None:
        raster.unlink()
    else:
        raster.write_bytes(content)
    with served(create_app(root)) as address:
        for path in (
            "/timeseries?lon=-98.1&lat=34.8",
            f"/tiles/{COLLECTION}/{COLLECTION}_20150401/soil_moisture/8/58/101.png",
        ):
            answer = get(address, path)
            assert answer.status_code == 503
            assert f"{COLLECTION}_20150401/r001/soil_moisture.tif" in answer.json()["description"]
            assert str(root) not in answer.text
        assert get(address, "/timeseries?lon=-98.1&lat=34.8&start=2015-04-02").json()["numberReturned"] == 1


def test_refusals_are_worded_alike(root):
    with served(create_app(root)) as address:
        for answer in (
            requests.post(f"{address}/stac/search", data=b" " * 1_000_001, timeout=60),
            requests.post(f"{address}/stac/search", data=iter([b"{}"]), timeout=60),
            requests.delete(f"{address}/dates", timeout=60),
            get(address, "/nothing"),
            get(address, "/timeseries?lon=-98.1&lat=34.8&start=2015-04-01T99:00"),
        ):
            assert 400 <= answer.status_code < 500
            assert {"code", "description"} == set(answer.json())
