"""``vadose catalog completeness``: a page beside the collection, in step with the catalogue and kept by it."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from catalog.check.check import check
from catalog.publish.report import COMPLETENESS


@pytest.fixture
def site(vadose: Any, made: Path, tmp_path: Path) -> Path:
    (tmp_path / "vadose.toml").write_text(
        f'domain = "-94.9,34.3,-94.4,34.6"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "catalog"\n'
    )
    assert vadose("run", "--until", "2024-05-25", "--days", 3).code == 0
    return tmp_path


def test_a_period_of_years_is_told_and_stays_beside_its_days(vadose: Any, site: Path) -> None:
    ended = vadose("catalog", "completeness", "2023-01-01", "2024-05-30", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["total"]["days"] == 516
    assert told["total"]["with_granule"] == 5
    assert told["total"]["done"] == 3
    assert [day["date"] for day in told["open"]] == ["2024-05-26", "2024-05-27"]
    assert told["latency_hours"]["total"]["days"] == told["total"]["produced"] > 0
    (collection,) = (site / "catalog").glob("vadose-sm-*/collection.json")
    assets = json.loads(collection.read_text())["assets"]
    page = collection.parent / assets[COMPLETENESS]["href"]
    assert "516 days, 5 with a granule" in " ".join(page.read_text().split())
    assert json.loads((collection.parent / assets[f"{COMPLETENESS}_data"]["href"]).read_text()) == told
    assert check(site / "catalog", min_age=dt.timedelta(0)).findings == []
    assert vadose("run", "2024-05-26").code == 0  # a publication rewrites the collection
    assert COMPLETENESS in json.loads(collection.read_text())["assets"]
    assert check(site / "catalog", min_age=dt.timedelta(0)).findings == []


def test_a_page_elsewhere_leaves_the_catalogue_alone(vadose: Any, site: Path) -> None:
    before = {path: path.read_bytes() for path in (site / "catalog").rglob("*.json")}
    ended = vadose("catalog", "completeness", "2024-05-23", "2024-05-27", "--page", "out/page.html")
    assert ended.code == 0
    assert "3 of 5 granules are done" in ended.out
    assert (site / "out" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert {path: path.read_bytes() for path in (site / "catalog").rglob("*.json")} == before
    assert vadose("catalog", "completeness", "2024-05-27", "2024-05-23").code == 6
