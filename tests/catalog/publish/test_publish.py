"""Publishing a day, again, changed, and with everything that can go wrong before the commit."""

import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from catalog import find_item, is_current, items, publish, validate_catalog
from catalog.check.check import check
from catalog.items.index import read_index
from catalog.naming import DayName
from catalog.store.base import open_store
from downscaler import product
from downscaler.errors import CatalogError
from downscaler.ground.tiles import Tile


@pytest.fixture
def root(tmp_path):
    return tmp_path / "catalog"


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_day_is_laid_out_and_linked_from_the_root(root, domain, tiles, record):
    published = publish(root, record(domain), domain, tiles(domain))
    assert (published.status, published.revision) == ("published", 1)
    assert published.item_id == "vadose-sm-1km_little-washita_20150401"
    assert published.statistics["soil_moisture"]["valid_percent"] == 75.0
    base = "vadose-sm-1km_little-washita"
    day = f"{base}/2015/04/{published.item_id}"
    assert published.item_href == (root / day / f"{published.item_id}.json").as_uri()
    expected = {"catalog.json", f"{base}/collection.json", f"{base}/2015/catalog.json", f"{base}/2015/04/catalog.json"}
    expected |= {f"{base}/index/2015-04.parquet"}
    expected |= {f"{day}/{published.item_id}.json", f"{day}/r001/thumbnail.png", f"{day}/r001/provenance.json"}
    expected |= {f"{day}/r001/{variable.name}.tif" for variable in product.VARIABLES}
    assert set(contents(root)) == expected
    assert len(validate_catalog(root)) == 5


def test_assets_carry_their_size_and_sha256(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    folder = root / DayName.of(domain, dt.date(2015, 4, 1)).folder
    for asset in find_item(root, domain, dt.date(2015, 4, 1))["assets"].values():
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_same_day_again_changes_nothing(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    before = contents(root)
    again = publish(root, record(domain), domain, tiles(domain))
    assert (again.status, again.revision) == ("unchanged", 1)
    assert contents(root) == before


def test_the_same_day_again_restores_files_that_were_lost_or_damaged(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    before = contents(root)
    folder = root / DayName.of(domain, dt.date(2015, 4, 1)).folder / "r001"
    (folder / "soil_moisture.tif").unlink()
    (folder / "upper.tif").write_bytes((folder / "upper.tif").read_bytes()[:-100])
    same_size = bytearray((folder / "lower.tif").read_bytes())
    same_size[-1] ^= 1
    (folder / "lower.tif").write_bytes(same_size)
    assert publish(root, record(domain), domain, tiles(domain)).status == "unchanged"
    assert contents(root) == before


def test_a_lost_item_of_an_earlier_revision_holds_up_no_later_one(root, domain, tiles, record):
    for number in (1, 2):
        publish(root, record(domain, granule=str(number) * 64), domain, tiles(domain, seed=number))
    folder = root / DayName.of(domain, dt.date(2015, 4, 1)).folder
    (folder / "r001" / "item.json").unlink()
    for number in (3, 4):
        again = publish(root, record(domain, granule=str(number) * 64), domain, tiles(domain, seed=number))
        assert (again.status, again.revision) == ("published", number)
        (folder / "r002" / "item.json").write_bytes(b"{")


def test_a_changed_day_becomes_the_next_revision_and_keeps_the_old_one(root, domain, tiles, record):
    first = publish(root, record(domain), domain, tiles(domain))
    day = root / DayName.of(domain, dt.date(2015, 4, 1)).folder
    old_files, old_item = contents(day / "r001"), find_item(root, domain, dt.date(2015, 4, 1))
    second = publish(root, record(domain, granule="d" * 64), domain, tiles(domain, seed=1))
    assert (second.status, second.revision, second.item_id) == ("published", 2, first.item_id)
    kept = contents(day / "r001")
    archived = json.loads(kept.pop("item.json"))
    assert kept == old_files
    new = find_item(root, domain, dt.date(2015, 4, 1))
    assert new["properties"]["version"] == "2"
    assert new["properties"]["created"] == old_item["properties"]["created"]
    assert all(asset["href"].startswith("./r002/") for asset in new["assets"].values())
    assert [link["href"] for link in new["links"] if link["rel"] == "predecessor-version"] == ["./r001/item.json"]
    assert archived["properties"]["deprecated"] is True
    assert all((day / "r001" / asset["href"]).is_file() for asset in archived["assets"].values())
    assert [i["id"] for i in items(root)] == [first.item_id]
    third = publish(root, record(domain), domain, tiles(domain))
    assert third.revision == 3
    assert len(validate_catalog(root)) == 5


def test_current_means_the_same_inputs_versions_and_parameters(root, domain, tiles, record, monkeypatch):
    run = record(domain)
    assert not is_current(root, run, domain)
    publish(root, run, domain, tiles(domain))
    assert is_current(root, run, domain)
    assert not is_current(root, record(domain, granule="d" * 64), domain)
    assert not is_current(root, record(domain, dt.date(2015, 4, 2)), domain)
    monkeypatch.setattr(product, "ALGORITHM_VERSION", "9.9.9")
    assert not is_current(root, run, domain)


def test_what_a_run_found_is_told_and_makes_no_day_another(root, domain, tiles, record):
    date, told = dt.date(2015, 4, 1), {"smap_error": {"median": 0.031, "minimum": 0.02, "maximum": 0.05}}
    before = record(domain)  # of a release that told nothing
    publish(root, before, domain, tiles(domain))
    assert "vadose:smap_error" not in find_item(root, domain, date)["properties"]
    assert is_current(root, replace(before, findings=told), domain)
    later = date + dt.timedelta(days=1)
    publish(root, replace(record(domain, later), findings=told), domain, tiles(domain))
    item = find_item(root, domain, later)
    assert item["properties"]["vadose:smap_error"] == 0.031
    file = root / DayName.of(domain, later).folder / item["assets"]["provenance"]["href"]
    assert json.loads(file.read_text())["findings"] == told
    assert len(validate_catalog(root)) == 6
    assert check(root).findings == []
    assert [i["properties"].get("vadose:smap_error") for i in read_index(open_store(root), item["collection"])] == [
        None,
        0.031,
    ]


def test_a_lost_link_is_noticed_and_mended(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    (root / DayName.of(domain, dt.date(2015, 4, 1)).month_key).unlink()
    assert not is_current(root, record(domain), domain)
    assert publish(root, record(domain), domain, tiles(domain)).status == "unchanged"
    assert is_current(root, record(domain), domain)
    validate_catalog(root)


def test_days_of_several_months_and_years_are_all_linked(root, domain, tiles, record):
    dates = [dt.date(2015, 12, 31), dt.date(2015, 4, 2), dt.date(2015, 4, 1), dt.date(2016, 1, 1)]
    for date in dates:
        publish(root, record(domain, date), domain, tiles(domain))
    assert [i["id"][-8:] for i in items(root, domain)] == ["20150401", "20150402", "20151231", "20160101"]
    collection = json.loads((root / DayName.of(domain, dates[0]).collection_key).read_text())
    assert collection["extent"]["temporal"]["interval"] == [["2015-04-01T00:00:00Z", "2016-01-01T23:59:59Z"]]


def test_a_failure_between_tiles_leaves_nothing(root, domain, tiles, record):
    def broken():
        yield from list(tiles(domain, size=1))[:2]
        raise RuntimeError("the model failed")

    with pytest.raises(RuntimeError, match="the model failed"):
        publish(root, record(domain), domain, broken())
    assert contents(root) == {}
    assert not (root / ".staging").exists()


def test_a_day_without_any_value_is_not_published(root, domain, tiles, record):
    def empty():
        for tile in tiles(domain):
            yield Tile(
                window=tile.window, fields={**tile.fields, "soil_moisture": tile.fields["soil_moisture"] * float("nan")}
            )

    with pytest.raises(CatalogError, match="no soil moisture"):
        publish(root, record(domain), domain, empty())
    assert contents(root) == {}


def test_two_domains_of_one_name_do_not_share_a_collection(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    before = contents(root)
    other = product.Domain(name=domain.name, title="Elsewhere", m36=product.UPPER_VERDE.m36)
    with pytest.raises(CatalogError, match="already holds another domain"):
        publish(root, record(other, dt.date(2015, 4, 2)), other, tiles(other))
    assert contents(root) == before


def test_a_damaged_item_is_reported_not_replaced(root, domain, tiles, record):
    publish(root, record(domain), domain, tiles(domain))
    item = root / DayName.of(domain, dt.date(2015, 4, 1)).item_key
    item.write_text(item.read_text()[:500])
    with pytest.raises(CatalogError, match=r"damaged.*Restore or remove"):
        publish(root, record(domain, granule="d" * 64), domain, tiles(domain))
    assert len(item.read_text()) == 500
