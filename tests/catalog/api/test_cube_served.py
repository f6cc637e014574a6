"""A cube over HTTP is plain Zarr: whole, in parts, by snapshot; what is not there is said."""

import http.client
import json
import shutil

import pytest
from serving import served

from catalog import publish
from catalog.api import create_app
from catalog.cube.repository import open_repository
from catalog.cube.update import collections_with_days, update_cube
from catalog.naming import collection_id

NAME = collection_id("little-washita")


@pytest.fixture(scope="module")
def root(published_root, tmp_path_factory):
    root = shutil.copytree(published_root, tmp_path_factory.mktemp("served") / "catalog")
    update_cube(root, NAME, collections_with_days(root)[NAME], create=True)
    return root


@pytest.fixture(scope="module")
def ask(root):
    """Asks a running server: status, headers, body."""
    with served(create_app(root)) as address:

        def ask(path, **headers):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            connection.close()
            return told

        yield ask


CHUNK = f"/cube/{NAME}/main/soil_moisture/c/0/0/0"


def test_metadata_is_consolidated_at_the_root(ask):
    status, headers, body = ask(f"/cube/{NAME}/main/zarr.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    arrays = json.loads(body)["consolidated_metadata"]["metadata"]
    assert {"soil_moisture", "time", "lat", "lon", "crs"} <= set(arrays)


def test_chunks_come_whole_and_in_parts(ask):
    status, _, whole = ask(CHUNK)
    assert status == 200
    for asked, expected in [
        ("bytes=10-19", whole[10:20]),
        ("bytes=-16", whole[-16:]),
        (f"bytes={len(whole) - 3}-", whole[-3:]),
        ("bytes=0-999999999", whole),
    ]:
        status, headers, body = ask(CHUNK, Range=asked)
        assert (status, body) == (206, expected)
        assert headers["content-range"].endswith(f"/{len(whole)}")
    assert ask(CHUNK, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(CHUNK, Range="rubbish")[2] == whole


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/cube/absent", 404),
        ("/cube/absent/main/zarr.json", 404),
        (f"/cube/{NAME}/ABCDEFGHIJKLMNOPQRST/zarr.json", 404),
        (f"/cube/{NAME}/main/soil_moisture/c/9/9/9", 404),
        (f"/cube/{NAME}/main/nothing", 404),
        (f"/cube/{NAME}/other/zarr.json", 400),
        ("/cube/..%2f..%2fetc/main/zarr.json", 400),
    ],
)
def test_what_is_not_there_is_said(ask, path, status):
    assert ask(path)[0] == status


def test_a_snapshot_stays_and_the_newest_moves(ask, root, domain, tiles, record):
    before = json.loads(ask(f"/cube/{NAME}")[2])
    publish(root, record(domain, granule="e" * 64), domain, tiles(domain, seed=9))
    old = ask(CHUNK)[2]
    update_cube(root, NAME, collections_with_days(root)[NAME])
    assert ask(CHUNK)[2] != old
    assert ask(CHUNK.replace("main", before["snapshot"]))[2] == old
    after = json.loads(ask(f"/cube/{NAME}")[2])
    assert after["snapshot"] != before["snapshot"]
    assert after["snapshot"] == open_repository(root, NAME).lookup_branch("main")
