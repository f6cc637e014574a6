"""A name that no store can hold is not there, on every route that takes one; and no answer tells where things lie."""

import pytest
import requests
from serving import served

from catalog import publish
from catalog.api import create_app
from catalog.api.answers import add_error_answers
from catalog.store.disk import storage_errors
from downscaler import product
from downscaler.errors import CatalogError

COLLECTION = "vadose-sm-1km_little-washita"
DAY = f"{COLLECTION}_20150401"
SNAPSHOT = "0" * 20
ROUTES = (
    "/catalog/{}",
    f"/catalog/{COLLECTION}/{{}}",
    "/cube/{}",
    f"/cube/{COLLECTION}/main/{{}}",
    f"/cube/{{}}/{SNAPSHOT}/zarr.json",
    "/tiles/{}/x/soil_moisture/0/0/0.png",
    f"/tiles/{COLLECTION}/{{}}/soil_moisture/0/0/0.png",
    f"/tiles/{COLLECTION}/{DAY}/{{}}/0/0/0.png",
    "/stac/collections/{}",
    "/stac/collections/{}/items",
    f"/stac/collections/{COLLECTION}/items/{{}}",
    "/dates?collection={}",
    "/edr/collections/{}/position?coords=POINT(-98.1 34.8)",
    "/viewer/{}",
    "/browser/{}",
)
NAMES = (
    "x" * 256,
    "x" * 3000,
    "é" * 200,
    "日" * 86,
    "a/" * 510 + "abcde",
    "/".join(["x" * 250] * 20),
    "\U0001f4a7" * 64,
)


@pytest.fixture(scope="module", params=["folder", "bucket"])
def place(request, published_root, whole_tiles, run_record):
    """A catalogue in a folder, and its address; the same in a bucket."""
    if request.param == "folder":
        yield str(published_root)
        return
    with pytest.MonkeyPatch.context() as patch:
        import boto3

        server = request.getfixturevalue("s3_server")
        for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_ENDPOINT_URL", server)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
        client.create_bucket(Bucket="names")
        client.close()
        domain = product.LITTLE_WASHITA
        publish("s3://names/products", run_record(domain), domain, whole_tiles(domain))
        yield "s3://names/products"


@pytest.fixture(scope="module")
def address(place):
    with served(create_app(place)) as address:
        yield address


@pytest.mark.parametrize("route", ROUTES)
def test_a_name_that_no_store_can_hold_is_not_there(address, place, route):
    with requests.Session() as session:
        for name in NAMES:
            answer = session.get(address + route.format(name), timeout=60)
            allowed = (400, 404) if route.startswith("/cube") else (404,)  # a cube's collection has a pattern
            assert answer.status_code in allowed, f"{answer.status_code} {answer.text[:300]}"
            assert place not in answer.text


def test_the_stores_own_trouble_is_told_without_its_place(tmp_path):
    from fastapi import FastAPI

    app = FastAPI()
    add_error_answers(app)

    @app.get("/broken")
    def broken():
        with storage_errors(tmp_path):
            raise PermissionError(13, "Permission denied", str(tmp_path / "catalog.json"))

    with served(app) as address:
        answer = requests.get(f"{address}/broken", timeout=60)
    assert answer.status_code == 503
    assert answer.json()["description"] == "The catalogue could not be read or written."
    with pytest.raises(CatalogError, match="Permission denied") as told, storage_errors(tmp_path):
        raise PermissionError(13, "Permission denied", str(tmp_path / "catalog.json"))
    assert str(tmp_path) in str(told.value)  # the operator is told
