"""SIGKILL at chosen points of a real publication: the catalogue stays readable and a second run completes it."""

import datetime as dt
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import find_item, is_current, items, publish, validate_catalog
from catalog.naming import DayName
from downscaler import product

pytestmark = pytest.mark.integration

# One process per catalogue, forked from one interpreter. A point is the number of the rename (each object appears by
# one) before which the kernel's SIGKILL comes, or "tile" for a death while the rasters are being written.
DRIVER = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("helpers", sys.argv[1])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
from catalog import publish
from downscaler import product

domain = product.LITTLE_WASHITA
renames = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watch(point):
    def hook(event, _):
        global renames
        if event == "os.rename":
            renames += 1
            if str(renames) == point:
                die()
    sys.addaudithook(hook)

def tiles(point):
    for number, tile in enumerate(helpers.whole_tiles(domain, seed=1, size=1)):
        if point == "tile" and number == 2:
            die()
        yield tile

for argument in sys.argv[2:]:
    root, point = argument.rsplit("=", 1)
    child = os.fork()
    if child == 0:
        watch(point)
        publish(Path(root), helpers.run_record(domain, granule="d" * 64), domain, tiles(point))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else "finished", flush=True)
"""

DATE = dt.date(2015, 4, 1)
# Objects of a first publication: 8 assets, item, index, month, year, collection, root; of a second: 8, old item, item.
FIRST = ["tile", "1", "9", "10", "11", "12", "13", "14"]
SECOND = ["tile", "8", "9", "10"]


def kill_all(folder: Path, points: list[str]) -> dict[str, Path]:
    """Publish into the catalogues ``folder``/point, each process killed at its point."""
    roots = {point: folder / point for point in points}
    helpers = Path(__file__).parents[1] / "conftest.py"
    arguments = [f"{root}={point}" for point, root in roots.items()]
    command = [sys.executable, "-c", DRIVER, str(helpers), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(points), done.stderr
    return roots


def assert_whole(root: Path, domain: product.Domain) -> None:
    """Every item that a reader can find, by link or by name, is valid and has all its assets, unchanged."""
    found = list(items(root))
    direct = find_item(root, domain, DATE)
    for item in [*found, *([direct] if direct else [])]:
        folder = root / DayName.of(domain, DATE).folder
        for asset in item["assets"].values():
            content = (folder / asset["href"]).read_bytes()
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    if (root / "catalog.json").exists():
        validate_catalog(root)
    for document in root.rglob("*.json"):
        json.loads(document.read_bytes())


def complete(root: Path, domain, tiles, record) -> int:
    """The re-run; returns the revision."""
    run = record(domain, granule="d" * 64)
    published = publish(root, run, domain, tiles(domain, seed=1, size=1))
    assert is_current(root, run, domain)
    assert [i["id"] for i in items(root)] == [published.item_id]
    assert not (root / ".staging").exists(), "the killed process's staging is still there"
    folders = sorted(p.name for p in (root / DayName.of(domain, DATE).folder).iterdir() if p.is_dir())
    assert folders == [f"r{n:03d}" for n in range(1, published.revision + 1)]
    validate_catalog(root)
    return published.revision


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_first_publication_killed_anywhere(tmp_path, domain, tiles, record):
    for point, root in kill_all(tmp_path, FIRST).items():
        assert_whole(root, domain)
        committed = point in ("10", "11", "12", "13", "14")
        assert (find_item(root, domain, DATE) is not None) == committed
        assert not is_current(root, record(domain, granule="d" * 64), domain), "its links are not all there"
        assert complete(root, domain, tiles, record) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_replacement_killed_anywhere_leaves_the_earlier_revision(tmp_path, domain, tiles, record):
    original = tmp_path / "original"
    publish(original, record(domain), domain, tiles(domain, size=1))
    for point in SECOND:
        shutil.copytree(original, tmp_path / point)
    for root in kill_all(tmp_path, SECOND).values():
        assert_whole(root, domain)
        assert find_item(root, domain, DATE) == find_item(original, domain, DATE)
        assert is_current(root, record(domain), domain)
        assert complete(root, domain, tiles, record) == 2
