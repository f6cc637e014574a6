"""A check or a repair while days are published: no false alarm, and nothing of a living publication is touched."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog import find_item, publish
from catalog.check.check import check
from catalog.check.repair import repair
from catalog.naming import is_archived_key, is_item_key, is_parent_key
from catalog.publish.claims import claimed
from catalog.store.base import Write, open_store
from downscaler import product

pytestmark = pytest.mark.integration

DAY = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
COLLECTION = "vadose-sm-1km_little-washita"
PATIENCE = 120

# Publishes a third revision and stops itself, with the catalogue's lock in hand, before the rename number 9: the new
# assets lie there, and the item does not name them yet.
PUBLISHER = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("helpers", sys.argv[2])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
from catalog import publish
from downscaler import product

renames = 0

def hook(event, _):
    global renames
    if event == "os.rename":
        renames += 1
        if renames == 9:
            os.kill(os.getpid(), signal.SIGSTOP)

run = helpers.run_record(product.LITTLE_WASHITA, granule="e" * 64)
sys.addaudithook(hook)
publish(Path(sys.argv[1]), run, product.LITTLE_WASHITA, helpers.whole_tiles(product.LITTLE_WASHITA, seed=5))
"""


@pytest.fixture
def root(published_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(published_root, tmp_path / "catalog")
    return tmp_path / "catalog"


def once(beyond: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    """A listener to progress that acts at the first object after number ``beyond``."""
    heard: list[int] = []

    def tell(done: int, _: int) -> None:
        if done > beyond and not heard:
            heard.append(done)
            act()

    return tell


def objects(root: Path) -> int:
    """JSON objects that a look reads before it goes on to the files' contents."""
    return sum(is_item_key(k) or is_parent_key(k) or is_archived_key(k) for k in open_store(root).keys(""))


def state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_day_published_while_the_objects_are_read_is_no_fault(root, record, tiles):
    """Another revision after the listing: its files were not in it, the month's index is newer than the item."""

    def another() -> None:
        publish(root, record(DOMAIN, granule="f" * 64), DOMAIN, tiles(DOMAIN, seed=3))
        publish(root, record(DOMAIN, DAY + dt.timedelta(days=2)), DOMAIN, tiles(DOMAIN, seed=4))

    survey = check(root, metadata_only=True, progress=once(0, another))
    assert survey.findings == []
    assert len(survey.items) == 3


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sees by /proc that a process has stopped")
def test_a_repair_deletes_no_file_of_a_publication_that_ends_meanwhile(root):
    helpers = Path(__file__).parents[1] / "conftest.py"
    running = subprocess.Popen([sys.executable, "-c", PUBLISHER, str(root), str(helpers)])
    deadline = time.monotonic() + PATIENCE
    try:
        while state(running.pid) != "T":
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

        def go_on() -> None:
            os.kill(running.pid, signal.SIGCONT)
            assert running.wait(PATIENCE) == 0

        before, after = repair(root, progress=once(objects(root), go_on))
    finally:
        running.kill()
        running.wait()
    assert {finding.kind for finding in before.findings} == {"orphan"}
    assert len([f for f in before.findings if f.mend]) == 8
    assert after.findings == []
    item = find_item(root, DOMAIN, DAY)
    assert item is not None
    assert item["properties"]["version"] == "3"


def test_a_repair_keeps_the_time_span_of_a_day_published_meanwhile(root, record, tiles):
    (month,) = root.glob(f"{COLLECTION}/2015/04/catalog.json")
    document = json.loads(month.read_text())
    document["links"] = [link for link in document["links"] if link["rel"] != "item"]
    month.write_text(json.dumps(document))
    later = DAY + dt.timedelta(days=60)

    def another() -> None:
        publish(root, record(DOMAIN, later), DOMAIN, tiles(DOMAIN, seed=4))

    before, after = repair(root, progress=once(objects(root), another))
    assert {finding.kind for finding in before.findings} == {"link"}
    assert after.findings == []
    assert len(after.items) == 3
    told = json.loads((root / COLLECTION / "collection.json").read_text())["extent"]["temporal"]["interval"][0]
    assert told[1].startswith(f"{later}")


def test_a_living_claim_is_no_fault_and_a_dead_one_is_removed(root):
    with claimed(root, DOMAIN, DAY):
        assert check(root, metadata_only=True).findings == []
    store = open_store(root)
    dead = {"token": "x", "machine": "elsewhere", "process": 1, "started": "1", "until": "2015-04-01T00:00:00+00:00"}
    key = f"claims/{COLLECTION}/20150401.json"
    with store.staging() as folder:
        store.apply([Write(key=key, content=json.dumps(dead).encode())], folder)
    before, after = repair(root, metadata_only=True)
    assert [(finding.kind, finding.key) for finding in before.findings] == [("claim", key)]
    assert after.findings == []
    assert store.keys("claims/") == []
