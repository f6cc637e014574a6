"""SIGKILL at chosen points of a publication into a bucket: never a torn item, and a second run completes the day."""

import datetime as dt
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import publish
from catalog.check.check import check
from catalog.check.repair import repair
from catalog.items.index import read_index
from catalog.naming import DayName, is_item_key
from catalog.store.base import open_store
from catalog.store.documents import resolve
from downscaler import product

pytestmark = pytest.mark.integration

# Each publication is a fork of one interpreter. A point is the number of the request to put an object before which the
# kernel's SIGKILL comes: 8 assets, item, index, month, year, collection, root.
DRIVER = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("helpers", sys.argv[1])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
from catalog import publish
from downscaler import product

domain = product.LITTLE_WASHITA
puts = 0

def watch(point):
    def profile(frame, event, called):
        global puts
        if event == "c_call" and getattr(called, "__name__", "") == "put" and frame.f_code.co_name == "put":
            puts += 1
            if puts == point:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(profile)

for argument in sys.argv[2:]:
    uri, point = argument.rsplit("=", 1)
    child = os.fork()
    if child == 0:
        run = helpers.run_record(domain, granule="d" * 64)
        tiles = list(helpers.whole_tiles(domain, seed=1))
        watch(int(point))
        publish(uri, run, domain, tiles)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else "finished", flush=True)
"""

DATE = dt.date(2015, 4, 1)
NAME = DayName.of(product.LITTLE_WASHITA, DATE)
FIRST = (1, 5, 9, 10, 11, 12, 13, 14)
SECOND = (1, 8, 9, 10, 11)  # 8 assets, old item, item, index


def kill_all(bucket: str, points: tuple[int, ...]) -> dict[int, str]:
    """Publish into the catalogues ``bucket``/point, each process killed at its point."""
    places = {point: f"{bucket}/{point}" for point in points}
    helpers = Path(__file__).parents[1] / "conftest.py"
    command = [sys.executable, "-c", DRIVER, str(helpers), *(f"{uri}={point}" for point, uri in places.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(points), done.stderr
    return places


def standing_version(uri: str) -> int:
    """The revision of the item that stands, all its files whole; 0 without one."""
    store = open_store(uri)
    content = store.get(NAME.item_key)
    if content is None:
        return 0
    item = json.loads(content)
    for asset in item["assets"].values():
        file = store.get(resolve(NAME.item_key, asset["href"]))
        assert file is not None
        assert asset["file:checksum"] == "1220" + hashlib.sha256(file).hexdigest()
    return int(item["properties"]["version"])


def completed(uri: str, domain, tiles, record) -> int:
    """The second run: whole, indexed, without a fault; what died is cleared by a repair once it is old enough."""
    done = publish(uri, record(domain, granule="d" * 64), domain, tiles(domain, seed=1))
    store = open_store(uri)
    assert standing_version(uri) == done.revision
    (item,) = read_index(store, NAME.collection_key.split("/")[0])
    assert int(item["properties"]["version"]) == done.revision
    assert [finding for finding in check(uri).findings if finding.fault] == []
    _, after = repair(uri, min_age=dt.timedelta(0))
    assert after.findings == []
    assert [key for key in store.keys("") if is_item_key(key)] == [NAME.item_key]
    return done.revision


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_first_publication_killed_anywhere(bucket, domain, tiles, record):
    for point, uri in kill_all(bucket, FIRST).items():
        committed = point > 9
        assert standing_version(uri) == committed
        # Files of the one that died are never written over: the next publication passes their revision over.
        assert completed(uri, domain, tiles, record) == (1 if committed or point == 1 else 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_replacement_killed_anywhere_leaves_one_whole_revision(bucket, domain, tiles, record):
    for point in SECOND:
        publish(f"{bucket}/{point}", record(domain), domain, tiles(domain))
    for point, uri in kill_all(bucket, SECOND).items():
        committed = point > 10
        assert standing_version(uri) == 1 + committed
        assert completed(uri, domain, tiles, record) == (2 if committed or point == 1 else 3)
