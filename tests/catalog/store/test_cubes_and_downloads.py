"""Cubes and downloads of a catalogue in a folder, on moto and on a real S3 server; two updates at once."""

import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pytest

from catalog import items, open_store, publish
from catalog.check.check import check
from catalog.check.repair import repair
from catalog.cube.update import collections_with_days, open_cube, update_cube
from catalog.download.download import download
from catalog.download.query import Query
from catalog.naming import collection_id
from downscaler import product

DATE = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
NAME = collection_id(DOMAIN.name)
NONE = dt.timedelta(0)


def update(uri, **options):
    return update_cube(uri, NAME, collections_with_days(uri)[NAME], **options)


def kinds(uri):
    return {(finding.kind, finding.fault) for finding in check(uri, min_age=NONE).findings}


def test_a_cube_follows_its_catalogue(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    assert update(uri, create=True).written == (DATE,)
    assert update(uri).written == ()
    assert kinds(uri) == set()
    with open_cube(uri, NAME) as cube:
        field = cube.sel(time=str(DATE)).soil_moisture.values
    assert np.isfinite(field).any()
    publish(uri, record(DOMAIN, DATE + dt.timedelta(days=1)), DOMAIN, tiles(DOMAIN))
    assert kinds(uri) == {("cube", False)}
    assert repair(uri, min_age=NONE)[1].findings == []
    with open_cube(uri, NAME) as cube:
        assert np.array_equal(cube.soil_moisture[-1].values, field, equal_nan=True)
    collection = json.loads(open_store(uri).get(f"{NAME}/collection.json") or b"")
    assert collection["assets"]["cube"]["href"] == f"../cubes/{NAME}"


UPDATE = """
import sys
from catalog.cube.update import collections_with_days, update_cube
from downscaler.errors import CubeError
uri, name = sys.argv[1:]
days = collections_with_days(uri)[name]
print("ready", flush=True)
sys.stdin.readline()
try:
    print("written", len(update_cube(uri, name, days).written))
except CubeError as error:
    print(error.what)
"""


@pytest.mark.parametrize("uri", [pytest.param("moto", marks=pytest.mark.slow), "weed"], indirect=True)
def test_two_updates_at_once_leave_a_whole_cube(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    update(uri, create=True)
    publish(uri, record(DOMAIN, DATE + dt.timedelta(days=1)), DOMAIN, tiles(DOMAIN, seed=2))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", UPDATE, uri, NAME], **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("\n", timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert set(said) <= {"written 0", "written 1", "Another update of the cube was faster"}
    assert "written 1" in said
    assert kinds(uri) == set()


def test_days_are_downloaded_and_are_a_catalogue(uri, tiles, record, tmp_path):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    done = download(uri, tmp_path / "out", Query(), assets=["soil_moisture", "quality_flag"])
    assert (done.days, done.brought, done.present) == (1, 2, 0)
    again = download(uri, tmp_path / "out", Query())
    assert (again.brought, again.present) == (6, 2)
    (item,) = items(tmp_path / "out")
    (canonical,) = [link["href"] for link in item["links"] if link["rel"] == "canonical"]
    assert canonical.startswith(open_store(uri).uri)
    assert kinds(tmp_path / "out") == set()
