"""``vadose catalog check`` and what lies beside the days: cubes, failures, claims, staging, models, downloads."""

import datetime as dt
import json
import shutil
import subprocess
import sys

import pytest
from validations import document

from catalog import publish, validate_catalog
from catalog.check.check import check
from catalog.check.files import check_file
from catalog.check.repair import repair
from catalog.cube.update import collections_with_days, update_cube
from catalog.download.download import download
from catalog.download.query import Query
from catalog.naming import DOWNLOAD_LOCK, collection_id, cube_folder
from catalog.publish.claims import claimed
from catalog.publish.failures import Failure, record_failure
from catalog.publish.model import publish_model
from catalog.publish.validation import publish_validation
from catalog.publish.withdraw import withdraw
from catalog.store.folder import FolderStore
from downscaler import product

DOMAIN = product.LITTLE_WASHITA
DATE = dt.date(2015, 4, 1)
NAME = collection_id(DOMAIN.name)
COLLECTION = f"{NAME}/collection.json"


@pytest.fixture(scope="module")
def with_cube(published_root, tmp_path_factory):
    root = shutil.copytree(published_root, tmp_path_factory.mktemp("check") / "catalog")
    update_cube(root, NAME, collections_with_days(root)[NAME], create=True)
    return root


@pytest.fixture
def own(with_cube, tmp_path):
    return shutil.copytree(with_cube, tmp_path / "own")


def catalog_check(*arguments):
    """Exit code, and (kind, key, fault, mend) of the findings by the command."""
    line = [sys.executable, "-m", "flows.cli", "catalog", "check", *map(str, arguments), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [(f["kind"], f["key"], f["fault"], f["mend"]) for f in found]


def cube_of(root):
    return json.loads((root / COLLECTION).read_text()).get("assets", {}).get("cube")


def test_what_belongs_beside_the_days_is_no_finding(own, chain, tmp_path):
    failure = Failure(date=DATE, kind="failed", error="DownloadError", exit_code=85, reason="cut short")
    record_failure(own, DOMAIN, failure)
    publish_model(own, chain.model_folder)
    (tmp_path / "validation.json").write_text(json.dumps(document()))
    (tmp_path / "report.html").write_text("<p>report</p>")
    publish_validation(own, DOMAIN, tmp_path)
    with claimed(own, DOMAIN, DATE), FolderStore(own).staging() as folder:
        (folder / "draft.tif").write_bytes(b"II*")
        assert catalog_check(own) == (0, [])
    assert len(validate_catalog(own)) > 8


def test_a_folder_of_some_downloaded_assets_is_a_whole_catalogue(published_root, tmp_path):
    out = tmp_path / "out"
    download(str(published_root), out, Query(), assets=["soil_moisture", "thumbnail"])
    assert (out / DOWNLOAD_LOCK).exists()
    assert catalog_check(out) == (0, [])
    begun = next(out.rglob("*_soil_moisture.tif")).with_name("upper.tif.part")
    begun.write_bytes(b"II*")
    key = begun.relative_to(out).as_posix()
    assert catalog_check(out, "--repair") == (0, [("orphan", key, False, False)])
    assert begun.exists(), "a download goes on with it"


def test_a_cube_that_lacks_days_is_told_and_one_that_holds_others_is_a_fault(own, tiles, record):
    publish(own, record(DOMAIN, DATE + dt.timedelta(days=9)), DOMAIN, tiles(DOMAIN, seed=3))
    assert catalog_check(own) == (0, [("cube", cube_folder(NAME), False, True)])
    assert cube_of(own), "the next publication keeps the collection's asset"
    publish(own, record(DOMAIN, granule="e" * 64), DOMAIN, tiles(DOMAIN, seed=6))
    withdraw(own, DOMAIN, DATE + dt.timedelta(days=1), "recalled")
    told = [(finding.kind, finding.what.split(":")[0].split(" (")[0], finding.fault) for finding in check(own).findings]
    assert told == [
        ("cube", "holds another revision of 1 days", True),
        ("cube", "holds days that are not published", True),
        ("cube", "lacks 1 days", False),
    ]
    assert catalog_check(own, "--repair") == (0, [])
    line = [sys.executable, "-m", "flows.cli", "cube", "update", str(own)]
    assert "nothing to do" in subprocess.run(line, capture_output=True, text=True, check=True).stdout


def test_a_collection_names_the_cube_that_is_there(own):
    cube = cube_of(own)
    assert (cube["href"], cube["type"]) == (f"../cubes/{NAME}", "application/vnd.zarr+icechunk")
    whole = (own / COLLECTION).read_bytes()
    for damaged in (b"{", whole.replace(b'"cube"', b'"other"')):
        (own / COLLECTION).write_bytes(damaged)
        assert repair(own, metadata_only=True)[1].findings == []
        assert cube_of(own) == cube
    assert damaged != whole
    (own / COLLECTION).write_bytes(whole)
    (own / NAME / "2015" / "catalog.json").unlink()
    assert repair(own, metadata_only=True)[1].findings == []
    assert json.loads((own / COLLECTION).read_bytes()) == json.loads(whole)  # with the extensions of its cube
    shutil.rmtree(own / "cubes")
    assert catalog_check(own, "--metadata-only") == (42, [("link", COLLECTION, True, True)])
    assert catalog_check(own, "--repair") == (0, [])
    assert cube_of(own) is None


def test_a_cube_that_cannot_be_read_is_a_fault_for_people(own):
    lost = max((own / cube_folder(NAME) / "chunks").iterdir(), key=lambda path: path.stat().st_size)
    lost.unlink()
    assert catalog_check(own, "--metadata-only") == (0, [])
    assert catalog_check(own, "--repair") == (42, [("cube", cube_folder(NAME), True, False)])
    shutil.rmtree(own / cube_folder(NAME) / "snapshots")
    (finding,) = repair(own, metadata_only=True)[1].findings
    assert (finding.kind, "remove the folder and run `vadose cube build`" in finding.what) == ("cube", True)
    shutil.copytree(own / cube_folder(NAME), own / cube_folder("another"))
    assert "to a collection that does not exist" in check(own, metadata_only=True).findings[0].what


def test_a_list_of_other_files_in_the_place_of_a_map_is_not_opened():
    """GDAL would look for what it names, at other addresses too."""
    listed = b'<VRTDataset rasterXSize="4" rasterYSize="4" subClass="VRTWarpedDataset"><GDALWarpOptions><SourceDataset>'
    listed += b"/vsicurl/http://127.0.0.1:9/x.tif</SourceDataset></GDALWarpOptions></VRTDataset>"

    class One:
        def get(self, key):
            return listed

    found = check_file(One(), "x.tif", None, "image/tiff; application=geotiff; profile=cloud-optimized")
    assert (found.kind, found.what) == ("cog", "is not a GeoTIFF")
