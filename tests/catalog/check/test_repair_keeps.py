"""What a repair must leave alone, and what tells an operator where the fault is."""

import datetime as dt
import json
import shutil

import pytest

from catalog.check.check import check
from catalog.check.repair import repair
from catalog.naming import DayName
from downscaler import product

DOMAIN = product.LITTLE_WASHITA
DATE = dt.date(2015, 4, 1)
FIRST, SECOND = (DayName(domain_name=DOMAIN.name, date=DATE + dt.timedelta(days=n)) for n in (0, 1))


@pytest.fixture
def own(published_root, tmp_path):
    return shutil.copytree(published_root, tmp_path / "own")


def findings(root):
    return [(finding.kind, finding.key, finding.what) for finding in check(root, metadata_only=True).findings]


def test_the_files_of_a_revision_whose_item_is_lost_stay(own):
    files = sorted((own / FIRST.folder / "r001").glob("*.tif"))
    (own / FIRST.folder / "r001" / "item.json").unlink()
    dead = own / FIRST.folder / "r009" / "soil_moisture.tif"  # of a publication that crashed
    dead.parent.mkdir()
    dead.write_bytes(b"II*")
    _, after = repair(own, metadata_only=True)
    assert sorted((own / FIRST.folder / "r001").glob("*.tif")) == files
    assert files
    assert not dead.exists()
    assert {finding.kind for finding in after.findings} == {"link", "orphan"}


def test_an_item_of_another_place_is_told(own):
    shutil.copy(own / FIRST.item_key, own / SECOND.item_key)
    told = [(key, what) for kind, key, what in findings(own) if kind == "layout"]
    assert told == [
        (
            SECOND.item_key,
            f"is the item of another place, {FIRST.item_key}: restore the item that was here, or remove it",
        )
    ]


def test_a_link_that_stands_twice_is_told_and_repaired(own):
    month = own / FIRST.month_key
    whole = json.loads(month.read_text())
    month.write_text(json.dumps(whole | {"links": [*whole["links"], whole["links"][-1]]}))
    assert [(kind, key) for kind, key, _ in findings(own)] == [("link", FIRST.month_key)]
    assert repair(own, metadata_only=True)[1].findings == []
    assert json.loads(month.read_text()) == whole


def test_parents_of_another_place_and_a_wrong_box_are_told_and_repaired(own):
    key = FIRST.collection_key
    whole = json.loads((own / key).read_text())
    other = whole | {"id": "vadose-sm-1km_demo", "assets": {"model": {"href": "./x.json"}}}
    extent = {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": whole["extent"]["temporal"]}
    for kind, damaged in (("layout", other), ("extent", whole | {"extent": extent})):
        (own / key).write_text(json.dumps(damaged))
        assert [(found[0], found[1]) for found in findings(own)] == [(kind, key)]
        assert repair(own, metadata_only=True)[1].findings == []
        assert json.loads((own / key).read_text()) == whole
    shutil.copy(own / FIRST.year_key, own / FIRST.month_key)
    assert {found[0] for found in findings(own)} == {"layout", "link"}
    assert repair(own, metadata_only=True)[1].findings == []


def test_days_behind_a_link_to_another_disk_stay_linked(own, tmp_path):
    month = own / FIRST.month_key
    before = month.read_bytes()
    (own / FIRST.folder).rename(tmp_path / "disk")
    (own / FIRST.folder).symlink_to(tmp_path / "disk")
    _, after = repair(own, metadata_only=True)
    assert month.read_bytes() == before
    assert any(finding.key == FIRST.folder and "symbolic link" in finding.what for finding in after.findings)
