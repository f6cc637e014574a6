"""A validation as a STAC item: what it tells, and what it is refused for."""

import json
from pathlib import Path

import pytest
from validations import document, entry

from catalog import publish, validate_catalog
from catalog.publish.validation import headline, publish_validation
from catalog.reading.days import describe
from downscaler import product
from downscaler.errors import CatalogError

DOMAIN = product.LITTLE_WASHITA


@pytest.fixture
def root(tmp_path, record, tiles):
    publish(tmp_path / "catalog", record(DOMAIN), DOMAIN, tiles(DOMAIN))
    return tmp_path / "catalog"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "validation"
    made.mkdir()
    (made / "validation.json").write_text(json.dumps(document()))
    (made / "report.html").write_text("<p>report</p>")
    (made / "readings.parquet").write_text("not to be passed on")
    return made


def item_of(href: str) -> tuple[Path, dict]:
    path = Path(href.removeprefix("file://"))
    return path, json.loads(path.read_text())


def test_item_and_collection_tell_the_headline(root, folder):
    path, item = item_of(publish_validation(root, DOMAIN, folder))
    assert set(item["assets"]) == {"report", "figures"}
    assert item["assets"]["report"]["type"] == "text/html"
    assert item["properties"]["vadose:validation"] == headline(document())
    assert item["properties"]["start_datetime"] == "2015-04-01T00:00:00Z"
    assert not [path for path in root.rglob("*.parquet") if path.parent.name != "index"]
    collection = json.loads((root / "vadose-sm-1km_little-washita" / "collection.json").read_text())
    told = collection["vadose:validation"]
    assert told["gains"]["smap"]["rmsd"] == entry(0.01)
    assert (root / "vadose-sm-1km_little-washita" / told["item"]).resolve() == path.resolve()
    assert len(validate_catalog(root)) == 7
    assert describe(path)["valid"]


def test_a_new_report_is_a_revision_and_the_old_one_stays(root, folder):
    publish_validation(root, DOMAIN, folder)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    publish_validation(root, DOMAIN, folder)
    assert before == {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    (folder / "validation.json").write_text(json.dumps(document(pairs=130)))
    path, item = item_of(publish_validation(root, DOMAIN, folder))
    assert item["properties"]["version"] == "2"
    assert (path.parent / "r001" / "report.html").is_file()
    assert {link["rel"] for link in item["links"]} >= {"predecessor-version", "derived_from"}
    validate_catalog(root)


def test_a_day_published_afterwards_keeps_what_validation_found(root, folder, record, tiles):
    publish_validation(root, DOMAIN, folder)
    publish(root, record(DOMAIN, granule="d" * 64), DOMAIN, tiles(DOMAIN, seed=1))
    collection = json.loads((root / "vadose-sm-1km_little-washita" / "collection.json").read_text())
    assert collection["vadose:validation"]["pairs"] == 120
    validate_catalog(root)


def test_reweighted_figures_are_told_where_there_are_any(root, folder):
    found = {"share_of_domain": 0.6, "reweighted": {"estimates": {"product": document()["estimates"]["product"]}}}
    told = headline(document(representativeness=found))
    assert told["share_of_domain"] == 0.6
    assert told["reweighted"]["rmsd"] == entry(0.05)


def test_what_is_no_validation_is_refused(root, folder, tmp_path):
    with pytest.raises(CatalogError, match="Not a validation"):
        publish_validation(root, DOMAIN, tmp_path)
    (folder / "validation.json").write_text('{"period": []}')
    with pytest.raises(CatalogError, match="Not a validation"):
        publish_validation(root, DOMAIN, folder)
    (folder / "validation.json").write_text(json.dumps(document(sites=0)))
    with pytest.raises(CatalogError, match="not a valid vadose item"):
        publish_validation(root, DOMAIN, folder)
    assert not (root / "vadose-validation").exists()


def test_a_catalogue_without_the_domain_is_refused(root, folder):
    with pytest.raises(CatalogError, match="no domain 'demo'"):
        publish_validation(root, product.DEMO, folder)
