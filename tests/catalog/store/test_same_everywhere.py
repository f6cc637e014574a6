"""One suite for a folder, moto and a real S3 server: publish, supersede, withdraw, race, check, repair."""

import datetime as dt
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import find_item, items, open_store, publish, validate_catalog
from catalog.check.check import check
from catalog.check.repair import repair
from catalog.items.assets import multihash
from catalog.items.day import is_withdrawn
from catalog.items.index import decode, index_keys, read_index
from catalog.naming import DayName, collection_id, index_key
from catalog.publish.withdraw import withdraw
from catalog.store.objects import Write
from downscaler import product
from downscaler.errors import CatalogError

DATE = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
COLLECTION = collection_id(DOMAIN.name)
NONE = dt.timedelta(0)


def put(store, key, content):
    with store.staging() as staging:
        store.apply([Write(key=key, content=content)], staging)


def clean(uri):
    assert check(uri, min_age=NONE).findings == []
    return True


@pytest.mark.parametrize("uri", ["folder", "moto", "weed"], indirect=True)
def test_days_are_published_superseded_withdrawn_and_all_is_well(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    publish(uri, record(DOMAIN, DATE + dt.timedelta(days=1)), DOMAIN, tiles(DOMAIN, seed=2))
    for revision, letter in ((2, "d"), (3, "e")):
        run = record(DOMAIN, granule=letter * 64)
        assert publish(uri, run, DOMAIN, tiles(DOMAIN, seed=revision)).revision == revision
    assert clean(uri)
    withdraw(uri, DOMAIN, DATE, "the granule was recalled")
    assert clean(uri)
    store, folder = open_store(uri), DayName.of(DOMAIN, DATE).folder
    latest = find_item(uri, DOMAIN, DATE)
    assert latest["properties"]["deprecated"] is True
    assert latest["properties"]["vadose:withdrawn"] == "the granule was recalled"
    first, second = (json.loads(store.get(f"{folder}/r00{n}/item.json")) for n in (1, 2))

    def to(item, rel):
        return [link["href"] for link in item["links"] if link["rel"] == rel]

    assert to(first, "successor-version") == ["../r002/item.json"]
    assert to(second, "successor-version") == to(second, "latest-version") == [f"../{latest['id']}.json"]
    assert to(second, "predecessor-version") == ["../r001/item.json"]
    assert to(latest, "predecessor-version") == ["./r002/item.json"]
    again = publish(uri, record(DOMAIN, granule="e" * 64), DOMAIN, tiles(DOMAIN, seed=3))
    assert (again.status, again.revision) == ("published", 4)  # a withdrawn day comes back as a revision of its own
    assert not is_withdrawn(find_item(uri, DOMAIN, DATE))
    assert clean(uri)


def test_the_index_tells_every_day_by_month(uri, tiles, record):
    dates = [DATE, DATE + dt.timedelta(days=3), dt.date(2015, 5, 1), dt.date(2016, 4, 1)]
    for date in dates:
        publish(uri, record(DOMAIN, date), DOMAIN, tiles(DOMAIN))
    store = open_store(uri)
    names = ["2015-04", "2015-05", "2016-04"]
    assert index_keys(store, COLLECTION) == [f"{COLLECTION}/index/{name}.parquet" for name in names]
    told = read_index(store, COLLECTION)
    assert [item["properties"] for item in told] == [item["properties"] for item in items(uri)]
    assert [item["id"][-8:] for item in read_index(store, COLLECTION, ["2015-05"])] == ["20150501"]
    withdraw(uri, DOMAIN, dates[1], "wrong")
    assert [i["properties"].get("deprecated") for i in read_index(store, COLLECTION, ["2015-04"])] == [None, True]


def test_a_day_touches_as_many_objects_whatever_is_there(uri, tiles, record):
    def touched(date):
        before = {key: store.get(key) for key in store.keys("")}
        publish(uri, record(DOMAIN, date), DOMAIN, tiles(DOMAIN))
        return sum(store.get(key) != before.get(key) for key in store.keys(""))

    store = open_store(uri)
    first = touched(DATE)
    for number in range(1, 4):
        publish(uri, record(DOMAIN, DATE + dt.timedelta(days=31 * number)), DOMAIN, tiles(DOMAIN))
    assert touched(DATE + dt.timedelta(days=1)) <= first
    assert touched(DATE + dt.timedelta(days=32)) <= first


def test_withdrawal_is_refused_without_reason_or_day(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    with pytest.raises(CatalogError, match="needs a reason"):
        withdraw(uri, DOMAIN, DATE, " \n")
    with pytest.raises(CatalogError, match="2015-04-02 is not published"):
        withdraw(uri, DOMAIN, DATE + dt.timedelta(days=1), "why")


def test_what_follows_from_the_items_is_repaired_to_the_byte(uri, tiles, record):
    for date in (DATE, DATE + dt.timedelta(days=1), dt.date(2016, 1, 1)):
        publish(uri, record(DOMAIN, date), DOMAIN, tiles(DOMAIN))
    store, name = open_store(uri), DayName.of(DOMAIN, DATE)
    before = {key: store.get(key) for key in store.keys("")}
    store.delete([name.month_key, "catalog.json", f"{COLLECTION}/index/2016-01.parquet"])
    put(store, name.collection_key, b"{")
    put(store, name.year_key, (store.get(name.year_key) or b"").replace(b'"child"', b'"related"'))
    put(store, index_key(name.item_key), b"no parquet")
    put(store, f"{COLLECTION}/index/2017-01.parquet", store.get(f"{COLLECTION}/index/2015-04.parquet") or b"x")
    put(store, f"{name.folder}/r002/soil_moisture.tif", b"half")
    found, left = repair(uri, min_age=NONE)
    assert {finding.kind for finding in found.findings} == {"link", "schema", "index", "orphan"}
    assert left.findings == []
    assert {key: store.get(key) for key in store.keys("")} == before
    assert len(validate_catalog(uri)) == 9


def test_a_wrong_extent_is_found_and_repaired(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    store, key = open_store(uri), DayName.of(DOMAIN, DATE).collection_key
    before = store.get(key) or b""
    put(store, key, before.replace(b"2015-04-01T23", b"2019-04-01T23").replace(b"false", b"true"))
    found, left = repair(uri)
    assert [(f.kind, f.mend) for f in found.findings] == [("extent", True), ("extent", True)]
    assert (left.findings, store.get(key)) == ([], before)


def test_damaged_files_are_found_and_never_touched(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    publish(uri, record(DOMAIN, DATE + dt.timedelta(days=1)), DOMAIN, tiles(DOMAIN, seed=2))
    store, name = open_store(uri), DayName.of(DOMAIN, DATE)
    cog, picture, lost = (f"{name.folder}/r001/{f}" for f in ("lower.tif", "thumbnail.png", "upper.tif"))
    content = bytearray(store.get(cog) or b"")
    content[len(content) // 2] ^= 0xFF
    put(store, cog, bytes(content))
    put(store, picture, (store.get(picture) or b"")[:-10])
    store.delete([lost])
    other = DayName.of(DOMAIN, DATE + dt.timedelta(days=1))
    store.delete([other.item_key])  # its files may be the only copy: reported, kept
    found, left = repair(uri, min_age=NONE)
    kinds = {(f.kind, f.key.rsplit("/", 1)[-1]) for f in left.findings}
    assert {("checksum", "lower.tif"), ("checksum", "thumbnail.png"), ("asset", f"{name.item_id}.json")} <= kinds
    assert sum(f.kind == "orphan" for f in left.findings) == 8
    assert sum(f.kind == "orphan" for f in found.findings) == 8
    assert len(store.keys(f"{other.folder}/")) == 8
    quick = check(uri, metadata_only=True, min_age=NONE)
    assert not [f for f in quick.findings if f.kind in ("checksum", "cog")]
    assert [f for f in quick.findings if f.kind == "asset" and "bytes, recorded are" in f.what]


def test_a_file_that_is_no_cog_is_found(uri, tiles, record):
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    store, name = open_store(uri), DayName.of(DOMAIN, DATE)
    content = b"II*\0 nothing"
    put(store, f"{name.folder}/r001/lower.tif", content)
    item = json.loads(store.get(name.item_key) or b"")
    known = {"file:size": len(content), "file:checksum": multihash(hashlib.sha256(content).hexdigest())}
    item["assets"]["lower"] |= known
    put(store, name.item_key, json.dumps(item).encode())
    (finding,) = [f for f in check(uri).findings if f.kind != "index"]
    assert (finding.kind, finding.mend) == ("cog", False)


PUBLISH = """
import datetime as dt, importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("helpers", sys.argv[1])
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)
from catalog import publish
from downscaler import product
from downscaler.errors import CatalogError
domain, uri, letter = product.LITTLE_WASHITA, sys.argv[2], sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for text in sys.argv[4:]:
    run = helpers.run_record(domain, dt.date.fromisoformat(text), granule=letter * 64)
    try:
        print(publish(uri, run, domain, helpers.whole_tiles(domain, seed=ord(letter))).status, flush=True)
    except CatalogError as error:
        print("first" if "was faster" in str(error) else error, flush=True)
"""


def race(uri, *days):
    """Publishers with the given days each, as processes that start at once; what each said by day."""
    helpers = Path(__file__).parents[1] / "conftest.py"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", PUBLISH, str(helpers), uri]
    running = [
        subprocess.Popen([*command, letter, *map(str, dates)], **pipes)
        for letter, dates in zip("abcd", days, strict=False)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=300)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return said


def test_two_publishers_race_for_the_same_days_and_lose_nothing_of_each_others(uri):
    """One of them publishes each shared day, whole; the days of one month that only one of them has are all there."""
    shared = [DATE, DATE + dt.timedelta(days=1)]
    own = [[DATE + dt.timedelta(days=n) for n in days] for days in ((2, 4), (3, 5))]
    said = race(uri, [*shared, *own[0]], [*shared, *own[1]])
    assert all(word in ("published", "first") for words in said for word in words[:2])
    assert all("published" in pair for pair in zip(*said, strict=True))
    assert [words[2:] for words in said] == [["published", "published"]] * 2
    assert not any(finding.fault for finding in check(uri).findings)
    assert repair(uri, min_age=NONE)[1].findings == []
    assert len(list(items(uri))) == 6
    store = open_store(uri)
    (key,) = index_keys(store, COLLECTION)
    assert [item["id"][-2:] for item in decode(store.get(key), key)] == ["01", "02", "03", "04", "05", "06"]
