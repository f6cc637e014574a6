"""The index read by others than its writer; its merge of states; absolute addresses."""

import copy
import datetime as dt
import json
import random
import shutil

import pyarrow.parquet as pq
import pystac
import pytest
import rustac

from catalog import find_item, items, open_store
from catalog.check.repair import repair
from catalog.items.index import decode, encode, essence, index_keys, index_write, read_index, rebuild_index
from catalog.items.links import at
from catalog.naming import DayName, collection_id, index_key, is_item_key, parent_key, partition
from downscaler import product
from downscaler.errors import CatalogError

DATE = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
COLLECTION = collection_id(DOMAIN.name)


def uncounted(item):
    """An item without what the format has no place for."""
    copied = copy.deepcopy(item)
    for asset in copied["assets"].values():
        for band in asset.get("bands", ()):
            band.get("statistics", {}).pop("count", None)
    return copied


def test_the_index_gives_back_every_item(published_root):
    told = read_index(open_store(published_root), COLLECTION)
    assert told == [uncounted(item) for item in items(published_root)]


def test_others_read_the_index_as_stac_geoparquet(published_root):
    (key,) = index_keys(open_store(published_root), COLLECTION)
    path = published_root / key
    assert [feature["id"][-8:] for feature in rustac.read_sync(str(path))["features"]] == ["20150401", "20150402"]
    table, about = pq.read_table(path), pq.read_metadata(path).metadata
    assert table.column("id").to_pylist() == [item["id"] for item in items(published_root)]
    assert str(table.schema.field("datetime").type).startswith("timestamp")
    geo = json.loads(about[b"geo"])
    assert geo["columns"][geo["primary_column"]]["encoding"] == "WKB"
    assert table.column("geometry").to_pylist()[0][:1] == b"\x01"  # little-endian WKB


def test_an_older_state_never_replaces_a_newer_one(published_root, tmp_path):
    item = find_item(published_root, DOMAIN, DATE)
    old = copy.deepcopy(item)
    old["properties"] |= {"version": "1"}
    store, key = open_store(published_root), DayName.of(DOMAIN, DATE).item_key
    write = index_write(store, key, old, force=True)
    told = decode(write.content(None), key)
    assert essence(told[0]) == essence(item)


def test_a_damaged_index_is_named_with_the_remedy():
    with pytest.raises(CatalogError, match=r"index is damaged.*x/index/2015-04.parquet.*--repair"):
        decode(b"PAR1", "x/index/2015-04.parquet")


def test_rebuilding_a_sound_index_changes_nothing(published_root):
    assert rebuild_index(open_store(published_root), COLLECTION) == []


def test_the_same_items_make_the_same_bytes(published_root):
    found = list(items(published_root))
    assert encode(found) == encode(reversed(found))


def test_keys_tell_what_is_above_and_beside_an_item():
    key = DayName.of(DOMAIN, DATE).item_key
    assert is_item_key(key)
    assert not is_item_key(key.replace(".json", "/r001/item.json"))
    assert partition(key) == f"{COLLECTION}/2015/04/"
    assert index_key(key) == f"{COLLECTION}/index/2015-04.parquet"
    assert index_key("vadose-models/m/m.json") == "vadose-models/index/items.parquet"
    chain = [key]
    while (up := parent_key(chain[-1])) is not None:
        chain.append(up)
    name = DayName.of(DOMAIN, DATE)
    assert chain[1:] == [name.month_key, name.year_key, name.collection_key, "catalog.json"]
    assert parent_key("vadose-models/m/m.json") == "vadose-models/collection.json"


def test_absolute_addresses_and_a_self_link_on_request(published_root):
    item, key = find_item(published_root, DOMAIN, DATE), DayName.of(DOMAIN, DATE).item_key
    made = at(item, key, "https://example.org/cat/")
    read = pystac.Item.from_dict(made)
    assert read.get_self_href() == f"https://example.org/cat/{key}"
    assert read.get_single_link("root").get_href(transform_href=False) == "https://example.org/cat/catalog.json"
    folder = f"https://example.org/cat/{DayName.of(DOMAIN, DATE).folder}"
    assert read.assets["soil_moisture"].href == f"{folder}/r002/soil_moisture.tif"
    inputs = [link["href"] for link in made["links"] if link["rel"] == "derived_from"]
    assert all(href.startswith(f"{folder}/r002/provenance.json#") for href in inputs)
    assert at(made, key, "https://example.org/cat") == made
    assert item == find_item(published_root, DOMAIN, DATE)


def test_any_damage_of_an_index_file_is_told_and_read_around(published_root, tmp_path, capfd):
    """Bytes that make the reader of Parquet panic are damage as any other; check, repair and the next day mend them."""
    (key,) = index_keys(open_store(published_root), COLLECTION)
    whole = (published_root / key).read_bytes()
    rng, damaged = random.Random(0), None
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 4, 40))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        cut = bytes(content[: rng.choice((len(content), rng.randrange(len(content))))])
        try:
            decode(cut, key)
        except CatalogError as error:
            panic = type(error.__cause__).__name__ == "PanicException"
            damaged = cut if panic or damaged is None else damaged
    assert damaged is not None
    capfd.readouterr()  # a panic writes its own trace
    root = tmp_path / "catalog"
    shutil.copytree(published_root, root)
    (root / key).write_bytes(damaged)
    before, after = repair(root, metadata_only=True)
    assert [finding.kind for finding in before.findings] == ["index"]
    assert after.findings == []
