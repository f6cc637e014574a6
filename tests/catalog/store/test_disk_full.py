"""A disk that fills at any point of a publication: one typed error, nothing published, nothing left behind."""

import datetime as dt
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import find_item, publish, validate_catalog
from catalog.store.base import Write
from catalog.store.disk import storage_errors
from catalog.store.folder import FolderStore
from downscaler.errors import CatalogError, StorageFullError

STEP = 12 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 4 MB that only this test uses."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs (root); the file size limit below stands in elsewhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def fill(disk: Path, leave: int) -> None:
    """Occupy the disk until only ``leave`` bytes are free."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    state = os.statvfs(disk)
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, state.f_bavail * state.f_frsize - leave)


def test_a_disk_that_fills_during_a_publication(small_disk, domain, tiles, record):
    """From no room at all upward in small steps, so that drafts, COGs, picture and JSON each hit the end once."""
    root = small_disk / "catalog"
    publish(root, record(domain), domain, tiles(domain))
    before, causes = contents(root), []
    for room in range(STEP, 100 * STEP, STEP):
        fill(small_disk, leave=room)
        try:
            published = publish(root, record(domain, granule="d" * 64), domain, tiles(domain, seed=1))
        except StorageFullError as error:
            causes.append(str(error))
            assert contents(root) == before
            assert not (root / ".staging").exists()
        else:
            break
    assert published.revision == 2
    assert len(causes) > 10
    assert "MB free" in causes[0]
    assert not any(".staging" in cause for cause in causes)
    assert any("rite" in cause for cause in causes), "no step failed inside a raster"
    assert "Nothing of this day was published" in causes[-1]
    assert find_item(root, domain, dt.date(2015, 4, 1))["properties"]["version"] == "2"
    validate_catalog(root)


def test_a_first_day_on_a_full_disk_leaves_no_file(small_disk, domain, tiles, record):
    fill(small_disk, leave=40 * STEP)

    def tiles_then_full():
        yield from tiles(domain)
        fill(small_disk, leave=2 * STEP)

    with pytest.raises(StorageFullError):
        publish(small_disk / "catalog", record(domain), domain, tiles_then_full())
    assert contents(small_disk / "catalog") == {}


LIMITED = """
import datetime as dt, importlib.util, resource, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("helpers", sys.argv[2])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
from catalog import publish
from downscaler import product
from downscaler.errors import StorageFullError
domain = product.LITTLE_WASHITA
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    run = helpers.run_record(domain, granule="d" * 64)
    publish(Path(sys.argv[1]), run, domain, helpers.whole_tiles(domain, seed=1))
except StorageFullError as error:
    print("StorageFullError", error.exit_code)
"""


@pytest.mark.parametrize("limit", [4_000, 40_000])
def test_a_file_size_limit_is_a_full_disk_too(tmp_path, domain, tiles, record, limit):
    root = tmp_path / "catalog"
    publish(root, record(domain), domain, tiles(domain))
    before = contents(root)
    helpers = Path(__file__).parents[1] / "conftest.py"
    command = [sys.executable, "-c", LIMITED, str(root), str(helpers), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "StorageFullError 41\n", done.stderr
    assert contents(root) == before
    assert not (root / ".staging").exists()


def test_all_writes_are_staged_before_the_first_one_shows(small_disk):
    """The last, too large object fails first: none of the earlier ones appears."""
    store = FolderStore(small_disk / "store")
    fill(small_disk, leave=10 * STEP)
    with store.staging() as staging, pytest.raises(StorageFullError):
        store.apply([Write(key="a/one.json", content=b"1"), Write(key="b/two.json", content=bytes(40 * STEP))], staging)
    assert store.keys("") == []


def test_other_failures_are_not_called_a_full_disk(tmp_path):
    with pytest.raises(CatalogError) as caught, storage_errors(tmp_path):
        (tmp_path / "no" / "such" / "folder").write_bytes(b"")
    assert not isinstance(caught.value, StorageFullError)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
