"""Folder and bucket behave alike: whole objects, create-only, changes that do not lose each other."""

import datetime as dt
import json
import subprocess
import sys
import threading

import pytest

from catalog import find_item, is_current, items, open_store, publish, validate_catalog
from catalog.publish.failures import Failure, clear_failure, failures, record_failure
from catalog.store.base import Write
from catalog.store.bucket import BucketStore
from catalog.store.folder import FolderStore
from downscaler import product
from downscaler.errors import CatalogError


@pytest.fixture(params=["folder", "bucket"])
def uri(request, tmp_path):
    return tmp_path / "store" if request.param == "folder" else request.getfixturevalue("bucket")


def put(store, *writes):
    with store.staging() as staging:
        store.apply(writes, staging)


def test_addresses_choose_the_store(tmp_path, bucket):
    assert isinstance(open_store(tmp_path), FolderStore)
    assert isinstance(open_store(str(tmp_path)), FolderStore)
    assert open_store((tmp_path / "a b").as_uri()).uri == (tmp_path / "a b").as_uri()
    assert isinstance(open_store(bucket), BucketStore)
    with pytest.raises(CatalogError, match=r"unknown scheme. Got: ftp://x/y. Allowed: a path, file://, s3://"):
        open_store("ftp://x/y")
    (tmp_path / "catalog.json").write_text("{}")
    with pytest.raises(CatalogError, match="Name the folder that holds"):
        open_store(tmp_path / "catalog.json")


def test_objects_are_written_read_listed_and_deleted(uri):
    store = open_store(uri)
    assert store.get("a/one.json") is None
    assert store.keys("a/") == []
    put(store, Write(key="a/one.json", content=b"1"), Write(key="a/b/two.json", content=b"2"))
    assert store.get("a/one.json") == b"1"
    assert store.keys("a/") == ["a/b/two.json", "a/one.json"]
    store.delete(["a/one.json", "a/absent.json"])
    assert store.keys("a/") == ["a/b/two.json"]


@pytest.mark.parametrize("key", ["x" * 256, "a/" + "é" * 128 + ".json", "a/" * 512 + "b", "a\0b", "\ud800"])
def test_a_name_that_no_store_can_hold_is_not_there(uri, key):
    store = open_store(uri)
    assert store.get(key) is None
    assert store.facts(key) is None
    with pytest.raises(FileNotFoundError):
        store.reader(key)


@pytest.mark.parametrize("key", ["x" * 255, "a/" + "é" * 127, "a/" * 511 + "bc"])
def test_the_longest_names_are_held(uri, key):
    store = open_store(uri)
    assert store.get(key) is store.facts(key) is None
    put(store, Write(key=key, content=b"1"))
    assert store.get(key) == b"1"
    assert store.facts(key).size == 1


def test_a_file_system_that_takes_shorter_names_only_has_none_of_the_others(tmp_path):
    store = FolderStore(tmp_path.joinpath(*["deep" * 60] * 15))  # the whole path has an end too, of 4096 bytes
    assert store.get("x/" * 300 + "x") is None


def test_files_move_from_staging(uri):
    store = open_store(uri)
    with store.staging() as staging:
        (staging / "big").write_bytes(bytes(1_000_000))
        store.apply([Write(key="big.tif", content=staging / "big", create=True)], staging)
        place = staging
    assert len(store.get("big.tif")) == 1_000_000
    assert not place.exists()


def test_create_never_replaces_and_undoes_what_it_began(uri):
    store = open_store(uri)
    put(store, Write(key="r001/b.tif", content=b"first"))
    with pytest.raises(CatalogError, match="was faster"):
        put(
            store,
            Write(key="r001/a.tif", content=b"second", create=True),
            Write(key="r001/b.tif", content=b"second", create=True),
        )
    assert store.keys("r001/") == ["r001/b.tif"]
    assert store.get("r001/b.tif") == b"first"


def test_a_failed_change_undoes_the_new_objects_before_the_commit(uri):
    def refuse(_):
        raise CatalogError("no")

    store = open_store(uri)
    with pytest.raises(CatalogError, match="no"):
        put(store, Write(key="r/a.tif", content=b"a", create=True), Write(key="item.json", content=refuse, commit=True))
    assert store.keys("") == []


def add(number):
    return lambda before: json.dumps(sorted([*json.loads(before or b"[]"), number])).encode()


def test_changes_by_many_writers_are_all_kept(uri):
    open_store(uri)

    def work(number):
        put(open_store(uri), Write(key="list.json", content=add(number)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(open_store(uri).get("list.json")) == list(range(8))


APPEND = """
import json, sys
from pathlib import Path
from catalog.store.folder import FolderStore
from catalog.store.base import Write
number = int(sys.argv[2])
store = FolderStore(Path(sys.argv[1]))
for step in range(5):
    change = lambda before: json.dumps(sorted([*json.loads(before or b"[]"), 10 * number + step])).encode()
    with store.staging() as staging:
        store.apply([Write(key="list.json", content=change)], staging)
"""


def test_changes_by_many_processes_are_all_kept(tmp_path):
    command = [sys.executable, "-c", APPEND, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    expected = [10 * number + step for number in range(3) for step in range(5)]
    assert json.loads((tmp_path / "list.json").read_bytes()) == expected


def test_staging_of_the_dead_is_swept_and_of_the_living_kept(tmp_path):
    store = FolderStore(tmp_path)
    with store.staging() as mine:
        dead = tmp_path / ".staging" / "dead"
        dead.mkdir()
        (dead / "draft.tif").write_bytes(b"x")
        with FolderStore(tmp_path).staging() as other:
            assert mine.is_dir()
            assert other.is_dir()
            assert not dead.exists()
        assert mine.is_dir()
    assert not (tmp_path / ".staging").exists()


def test_a_file_that_goes_while_a_folder_is_listed_hides_no_other(tmp_path):
    store, lasting = FolderStore(tmp_path), [f"day/lasting-{number}" for number in range(200)]
    (tmp_path / "day").mkdir()
    for key in lasting:
        (tmp_path / key).touch()
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            for number in range(20):
                (tmp_path / f"day/passing-{number}").touch()
            for number in range(20):
                (tmp_path / f"day/passing-{number}").unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        listings = [store.keys("day") for _ in range(200)]
    finally:
        over.set()
        other.join()
    assert any("passing" in key for keys in listings for key in keys)
    assert all(set(lasting) <= set(keys) for keys in listings)


def test_a_day_in_a_bucket(bucket, domain, tiles, record):
    run = record(domain)
    assert publish(bucket, run, domain, tiles(domain)).item_href.startswith(bucket)
    assert publish(bucket, run, domain, tiles(domain)).status == "unchanged"
    changed = record(domain, granule="d" * 64)
    assert publish(bucket, changed, domain, tiles(domain, seed=1)).revision == 2
    assert not is_current(bucket, run, domain)
    assert is_current(bucket, changed, domain)
    assert len(validate_catalog(bucket)) == 5
    assert [i["properties"]["version"] for i in items(bucket)] == ["2"]


def test_a_dead_publication_in_a_bucket_is_passed_over(bucket, domain, tiles, record):
    run = record(domain)
    publish(bucket, run, domain, tiles(domain))
    day = find_item(bucket, domain, run.date)["id"]
    orphan = f"vadose-sm-1km_{domain.name}/2015/04/{day}/r002/lower.tif"
    put(open_store(bucket), Write(key=orphan, content=b"half"))
    again = publish(bucket, record(domain, granule="d" * 64), domain, tiles(domain, seed=1))
    assert again.revision == 3
    links = find_item(bucket, domain, run.date)["links"]
    assert [link["href"] for link in links if link["rel"] == "predecessor-version"] == ["./r001/item.json"]


def test_a_bucket_that_is_not_there_is_a_catalogue_error(bucket, domain, tiles, record):
    with pytest.raises(CatalogError, match="could not be read or written"):
        publish("s3://absent-bucket/x", record(domain), domain, tiles(domain))


def test_failures_lie_beside_the_catalogue_until_the_day_succeeds(uri, tiles, record):
    domain, day = product.LITTLE_WASHITA, dt.date(2015, 4, 1)
    failure = Failure(
        date=day, kind="failed", error="DownloadError", exit_code=85, reason="cut short", inputs={"a.h5": "sha256:0"}
    )
    assert failures(uri, domain) == {}
    record_failure(uri, domain, failure)
    record_failure(uri, domain, failure)
    (kept,) = failures(uri, domain).values()
    assert (kept.date, kept.attempts, kept.reason) == (day, 2, "cut short")
    assert kept.same_inputs({"a.h5": "sha256:0"})
    assert not kept.same_inputs({"a.h5": "sha256:1"})
    assert not Failure(date=day, kind="failed", error="X", exit_code=1, reason="").same_inputs({})
    record_failure(uri, domain, Failure(**{**vars(failure), "inputs": {"a.h5": "sha256:1"}}))
    assert failures(uri, domain)[day].attempts == 1
    assert failures(uri, product.DEMO) == {}
    publish(uri, record(domain), domain, tiles(domain))
    assert len(list(items(uri))) == 1  # no part of STAC
    assert not [key for key in validate_catalog(uri) if "failures" in key]
    clear_failure(uri, domain, day)
    clear_failure(uri, domain, day)
    assert failures(uri, domain) == {}
