"""Days come whole, whatever happens on the way, into a folder that is a catalogue itself."""

import datetime as dt
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pystac
import pytest
from faulty import serving
from hypothesis import given
from hypothesis import strategies as st

from catalog import items, validate_catalog
from catalog.download.download import download
from catalog.download.origin import open_origin
from catalog.download.query import Query
from catalog.download.transfer import FetchHttp
from catalog.items.schema import install_validator
from catalog.naming import DOWNLOAD_LOCK, DayName, collection_id
from downscaler import product
from downscaler.errors import (
    CatalogError,
    ChecksumError,
    ConfigError,
    NothingFoundError,
    StorageFullError,
    TransferError,
    UnreachableError,
)

LONG = 300.0  # seconds after which a busy machine is taken for one that hangs
FIRST, SECOND = dt.date(2015, 4, 1), dt.date(2015, 4, 2)
NAME = collection_id("little-washita")
ALL = Query()
INSIDE = (-98.2, 34.7, -98.0, 34.9)
IMPATIENT = FetchHttp(timeout=(60.0, 60.0), attempts=3)  # few attempts; a busy machine answers late


@pytest.fixture
def server(published_root):
    with serving(published_root) as running:
        yield running


def bytes_of(root, name):
    return {p.parent.parent.name + "/" + p.name: p.read_bytes() for p in Path(root).rglob(f"*{name}.tif")}


def standing(root, name):
    """Files of an asset of the items that stand, by item."""
    return {
        item["id"]: (root / DayName.of_item(item).folder / item["assets"][name]["href"]).read_bytes()
        for item in items(root)
    }


def test_the_folder_is_a_catalogue_that_pystac_reads(server, published_root, tmp_path):
    done = download(server.address, tmp_path, ALL)
    assert (done.days, done.brought, done.present) == (2, 16, 0)
    install_validator()
    catalog = pystac.Catalog.from_file(str(tmp_path / "catalog.json"))
    assert catalog.validate_all() > 0
    for item in catalog.get_items(recursive=True):
        for asset in item.assets.values():
            content = Path(asset.get_absolute_href()).read_bytes()
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
        (canonical,) = item.get_links("canonical")
        assert canonical.href.startswith(server.address)
    validate_catalog(tmp_path)
    assert standing(tmp_path, "upper") == standing(published_root, "upper")
    assert not list(tmp_path.rglob("*.part*"))


def test_a_second_time_nothing_is_asked_for_but_what_is_missing_or_damaged(server, tmp_path):
    download(server.address, tmp_path, ALL, assets=["lower"])
    server.asked.clear()
    again = download(server.address, tmp_path, ALL, assets=["lower"])
    assert (again.brought, again.present) == (0, 2)
    assert server.asked["lower.tif"] == 0
    (one, other) = sorted(tmp_path.rglob("*_lower.tif"))
    damaged = bytearray(one.read_bytes())
    damaged[-1] ^= 1
    one.write_bytes(damaged)
    other.unlink()
    assert download(server.address, tmp_path, ALL, assets=["lower"]).brought == 2


def test_files_are_named_by_product_domain_date_revision_and_layer(server, tmp_path):
    download(server.address, tmp_path, ALL, assets=["lower", "provenance"])
    names = sorted(path.name for path in tmp_path.rglob("r00*/*"))
    days = [f"{NAME}_20150401_r002", f"{NAME}_20150402_r001"]
    assert names == [f"{day}_{what}" for day in days for what in ("lower.tif", "provenance.json")]
    with serving(tmp_path) as copied:
        done = download(copied.address, tmp_path / "copy of the copy", ALL)
    assert done.brought == 4
    assert sorted(path.name for path in (tmp_path / "copy of the copy").rglob("r00*/*")) == names


def test_files_that_an_earlier_version_brought_keep_their_short_names(server, tmp_path):
    download(server.address, tmp_path, ALL, assets=["lower"])
    for path in tmp_path.rglob("*_lower.tif"):
        path.rename(path.with_name("lower.tif"))
    for path in tmp_path.rglob("*_2015040?.json"):
        path.write_text(path.read_text().replace(f"_{path.stem}_r", "_r"))
    again = download(server.address, tmp_path, ALL, assets=["lower", "upper"])
    assert (again.brought, again.present) == (2, 2)
    for item in items(tmp_path):
        lower, upper = (item["assets"][name]["href"] for name in ("lower", "upper"))
        assert lower.endswith("/lower.tif")
        assert upper.endswith(f"/{item['id']}_r00{item['properties']['version']}_upper.tif")
    assert len(standing(tmp_path, "lower")) == len(standing(tmp_path, "upper")) == 2


def test_more_assets_later_and_links_that_hold(server, tmp_path):
    download(server.address, tmp_path, ALL, assets=["lower"])
    download(server.address, tmp_path, ALL, assets=["upper"])
    found = list(items(tmp_path))
    assert [sorted(item["assets"]) for item in found] == [["lower", "upper"]] * 2
    for link in found[0]["links"]:
        if "://" not in link["href"]:
            assert link["rel"] in ("root", "parent", "collection")
    former = [link["href"] for item in found for link in item["links"] if link["rel"] == "predecessor-version"]
    assert len(former) == 1
    assert former[0].startswith(f"{server.address}/{NAME}/2015/04/")


@pytest.mark.parametrize(
    ("query", "days"),
    [
        (Query(start=SECOND), ["20150402"]),
        (Query(end=FIRST), ["20150401"]),
        (Query(bbox=INSIDE, start=FIRST, end=FIRST), ["20150401"]),
        (Query(collections=(NAME,)), ["20150401", "20150402"]),
    ],
)
def test_days_are_chosen_by_box_period_and_collection(server, published_root, tmp_path, query, days):
    for number, origin in enumerate((server.address, f"{server.address}/catalog.json", str(published_root))):
        out = tmp_path / str(number)
        download(origin, out, query, assets=["soil_moisture"])
        assert [item["id"][-8:] for item in items(out)] == days


def test_years_and_months_out_of_the_period_are_not_opened(server, tmp_path):
    with pytest.raises(NothingFoundError, match="Got: days from 2016-01-01"):
        download(server.address, tmp_path / "a", Query(start=dt.date(2016, 1, 1)))
    opened = [name for name, _, _ in server.ranges if name.startswith(NAME)]
    assert opened == []
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("fault", ["cut", 503, 429, "wrong", "whole"])
def test_one_fault_is_overcome(server, published_root, tmp_path, fault):
    server.faults["upper.tif"] = [fault]
    done = download(server.address, tmp_path, ALL, assets=["upper"], workers=1)
    assert done.brought == 2
    assert standing(tmp_path, "upper") == standing(published_root, "upper")


def test_a_cut_file_goes_on_where_it_stopped(server, published_root, tmp_path):
    server.faults["upper.tif"] = ["cut", "cut"]
    download(server.address, tmp_path, Query(end=FIRST), assets=["upper"])
    (whole,) = [len(content) for content in standing(published_root, "upper").values()][:1]
    asked = [(span, condition) for name, span, condition in server.ranges if name == "upper.tif"]
    assert asked[0] == (None, None)
    assert asked[1][0] == f"bytes={whole // 2}-", "all that came is kept, to the last byte"
    assert asked[1][1].startswith('"')
    assert len(asked) == 3
    assert server.sent["upper.tif"] == whole, "no byte came twice"


def test_a_file_that_changed_meanwhile_is_not_joined_with_the_old_one(published_root, tmp_path):
    """Half of the old version lies there; the server has a new one, with another ETag and a new checksum."""
    root = shutil.copytree(published_root, tmp_path / "catalog")
    with serving(root) as server:
        server.faults["upper.tif"] = ["cut"] * 3
        with pytest.raises(UnreachableError, match="to download the rest"):
            download(server.address, tmp_path / "out", Query(end=FIRST), assets=["upper"], fetch=IMPATIENT)
        (part,) = (tmp_path / "out").rglob("*.part")
        note = part.with_name(part.name + ".json")
        note.write_text(json.dumps(json.loads(note.read_text()) | {"etag": '"of another version"'}))
        part.write_bytes(b"x" * part.stat().st_size)
        done = download(server.address, tmp_path / "out", Query(end=FIRST), assets=["upper"], fetch=IMPATIENT)
    assert done.brought == 1
    (copied,) = standing(tmp_path / "out", "upper").values()
    assert copied in standing(root, "upper").values()


def test_some_files_fail_and_the_others_are_kept(server, tmp_path):
    server.faults["upper.tif"] = [404, 403]
    with pytest.raises(TransferError, match="2 of 4") as caught:
        download(server.address, tmp_path, ALL, assets=["upper", "lower"], fetch=IMPATIENT)
    assert type(caught.value) is TransferError
    assert "HTTP 40" in str(caught.value)
    assert [sorted(item["assets"]) for item in items(tmp_path)] == [["lower"]] * 2
    assert download(server.address, tmp_path, ALL, assets=["upper", "lower"]).brought == 2
    assert [sorted(item["assets"]) for item in items(tmp_path)] == [["lower", "upper"]] * 2


def test_bytes_that_stay_wrong_are_never_kept(server, tmp_path):
    server.faults["upper.tif"] = ["wrong"] * 4
    with pytest.raises(ChecksumError, match="SHA-256"):
        download(server.address, tmp_path, ALL, assets=["upper"], fetch=IMPATIENT)
    assert not list(tmp_path.rglob("*upper.tif*"))
    assert list(items(tmp_path)) == []


def test_a_server_that_stays_busy_or_stops_is_given_up(server, tmp_path, published_root):
    server.faults["upper.tif"] = [503] * 100
    with pytest.raises(UnreachableError, match="HTTP 503"):
        download(server.address, tmp_path, ALL, assets=["upper"], fetch=IMPATIENT)
    with serving(published_root) as gone:
        address = gone.address
    with pytest.raises(UnreachableError, match="does not answer"):
        download(address, tmp_path / "out", ALL)


def test_a_server_that_falls_silent_is_given_up(published_root, tmp_path):
    with serving(published_root) as server:
        server.faults["upper.tif"] = ["silent"] * 3
        fetch = FetchHttp(timeout=(60.0, 0.2), attempts=3)
        with pytest.raises(UnreachableError, match="timed out"):
            download(server.address, tmp_path, Query(end=FIRST), assets=["upper"], fetch=fetch)


def test_what_is_no_catalogue_is_said(server, tmp_path):
    for address in (f"{server.address}/absent/", str(tmp_path / "absent")):
        with pytest.raises(UnreachableError, match=r"not a STAC object|No catalogue"):
            open_origin(address)
    with pytest.raises(CatalogError, match="unknown scheme"):
        open_origin("ftp://host/catalog.json")


def test_files_at_a_time_are_bounded(server, tmp_path):
    for name in product.VARIABLES:
        server.faults[f"{name.name}.tif"] = ["slow"] * 2
    server.most_at_once = 0
    download(server.address, tmp_path, ALL, assets=[v.name for v in product.VARIABLES], workers=3)
    assert 2 <= server.most_at_once <= 8  # eight for item documents


DRIVER = """
import sys
from pathlib import Path
from catalog.download.download import download
from catalog.download.query import Query
download(sys.argv[1], Path(sys.argv[2]), Query(), assets=["upper"], workers=2)
"""


@pytest.mark.integration
def test_killed_and_run_again(server, published_root, tmp_path):
    server.faults["upper.tif"] = ["held"] * 2
    line = [sys.executable, "-c", DRIVER, server.address, str(tmp_path)]
    process = subprocess.Popen(line)
    deadline = time.monotonic() + LONG
    while sum(p.stat().st_size for p in tmp_path.rglob("*.part")) < 600:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=LONG)
    server.go_on.set()
    assert not list(tmp_path.rglob("*upper.tif"))
    kept = sum(p.stat().st_size for p in tmp_path.rglob("*.part"))
    done = subprocess.run(line, check=True, timeout=LONG)
    assert done.returncode == 0
    spans = [span for name, span, _ in server.ranges if name == "upper.tif" and span]
    assert spans, "it begins anew"
    assert sum(int(span.removeprefix("bytes=")[:-1]) for span in spans) == kept
    assert standing(tmp_path, "upper") == standing(published_root, "upper")
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.integration
def test_only_one_download_a_folder_and_none_into_a_catalogue(server, published_root, tmp_path):
    server.faults["upper.tif"] = ["held"] * 2
    process = subprocess.Popen([sys.executable, "-c", DRIVER, server.address, str(tmp_path)])
    deadline = time.monotonic() + LONG
    while not list(tmp_path.rglob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(ConfigError, match="Another download"):
        download(server.address, tmp_path, ALL)
    server.go_on.set()
    assert process.wait(timeout=LONG) == 0
    own = shutil.copytree(published_root, tmp_path / "own")
    with pytest.raises(ConfigError, match="not a download"):
        download(server.address, own, ALL)
    assert not (own / DOWNLOAD_LOCK).exists()


@pytest.mark.integration
def test_a_disk_that_fills_up_stops_everything(server, tmp_path):
    """The kernel's limit on a file's size stands for the full disk: the write fails where it would."""
    line = [sys.executable, "-c", DRIVER, server.address, str(tmp_path)]

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    done = subprocess.run(line, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=LONG)
    assert "StorageFullError: The disk filled up" in done.stderr
    assert not list(tmp_path.rglob("*upper.tif"))
    assert subprocess.run(line, check=True, timeout=LONG).returncode == 0


def test_what_cannot_fit_is_not_begun(published_root, tmp_path):
    root = shutil.copytree(published_root, tmp_path / "catalog")
    (path,) = root.rglob("*20150402.json")
    item = json.loads(path.read_text())
    item["assets"]["upper"]["file:size"] = 10**18
    path.write_text(json.dumps(item))
    with pytest.raises(StorageFullError, match="does not fit"):
        download(str(root), tmp_path / "out", ALL)


def test_names_that_leave_the_folder_are_refused(published_root, tmp_path):
    root = shutil.copytree(published_root, tmp_path / "catalog")
    (path,) = root.rglob("*20150402.json")
    item = json.loads(path.read_text())
    item["assets"]["upper"]["href"] = "http://127.0.0.1:9/x/..%2f..%2fy"
    path.write_text(json.dumps(item))
    with pytest.raises(TransferError, match="plain file name"):
        download(str(root), tmp_path / "out", ALL)


def test_an_unknown_asset_is_refused_with_what_there_is(server, tmp_path):
    with pytest.raises(ConfigError, match="soil_moisture"):
        download(server.address, tmp_path, ALL, assets=["soil_moister"])


@pytest.mark.parametrize(
    ("bbox", "said"),
    [
        ((-97.0, 34.0, -98.0, 35.0), "reversed"),
        ((-98.0, 35.0, -97.0, 34.0), "reversed"),
        ((34.0, -98.0, 35.0, -97.0), "Longitude comes first"),
        ((-200.0, 34.0, -97.0, 35.0), "outside the globe"),
        ((float("nan"), 34.0, -97.0, 35.0), "four numbers"),
        ((-98.0, 34.0, -98.0, 35.0), "empty"),
    ],
)
def test_boxes_that_are_none(bbox, said):
    with pytest.raises(ConfigError, match=said):
        Query(bbox=bbox)


def test_a_period_that_ends_before_it_starts():
    with pytest.raises(ConfigError, match="ends before"):
        Query(start=SECOND, end=FIRST)


@given(st.tuples(*[st.floats(-80, 80) for _ in range(4)]), st.tuples(*[st.floats(-80, 80) for _ in range(4)]))
def test_boxes_meet_as_their_intervals_do(one, other):
    a, b = ([min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]) + 1, max(v[1], v[3]) + 1] for v in (one, other))
    item = {"collection": "x", "bbox": b, "properties": {"datetime": "2015-04-01T12:00:00Z"}}
    apart = b[0] > a[2] or b[2] < a[0] or b[1] > a[3] or b[3] < a[1]
    assert Query(bbox=tuple(a)).wants(item) != apart
