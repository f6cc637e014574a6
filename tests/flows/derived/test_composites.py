"""Composites in a catalogue: their numbers, their records, and that exactly what holds a changed day is re-made."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from publishing import PLACE, publish_day

from catalog.check.check import check
from catalog.naming import DayName
from catalog.publish.day import consider
from catalog.publish.withdraw import withdraw
from catalog.reading.days import find_item, items, validate_catalog
from catalog.reading.open import open_catalog
from catalog.reading.rasters import read_rasters
from downscaler import product
from downscaler.derived.composite import ErrorMemory, composite
from downscaler.errors import CatalogError
from flows.derived.composites import READ, CompositeJob
from flows.derived.make import make_items
from flows.derived.state import survey

MONDAY = dt.date(2024, 5, 20)
DAYS = [MONDAY + dt.timedelta(days=n) for n in range(8)]
TODAY = dt.date(2024, 5, 28)
THREES = [dt.date(2024, 5, day) for day in (18, 21, 24)]  # of the first only the last day is published
LENGTHS = tuple(product.COMPOSITES)


def job(root: Path, length: str, **more: object) -> CompositeJob:
    return CompositeJob(catalog=str(root), domain=PLACE.name, length=length, **more)  # type: ignore[arg-type]


def make_all(root: Path, **more: object) -> dict[str, str]:
    """Status of every composite by length and first day."""
    return {
        f"{length} {outcome.date}": outcome.status
        for length in LENGTHS
        for outcome in make_items(job(root, length, **more), DAYS[0], DAYS[-1], today=TODAY)
    }


def revisions(root: Path) -> dict[str, str]:
    return {
        item["id"]: item["properties"]["version"]
        for item in items(root)
        if product.kind_of(item["collection"].removeprefix("vadose-sm-1km-")).length != "day"
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("composites") / "catalog"
    for date in DAYS:
        publish_day(root, date)
    ended = (*(f"3day {first}" for first in THREES), "weekly 2024-05-20")  # the second week and the month have not
    assert make_all(root) == dict.fromkeys(ended, "published")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "catalog")
    return tmp_path / "catalog"


def test_pixels_and_records_are_those_of_the_days(made: Path) -> None:
    target = job(made, "weekly").target
    days = [read_rasters(made, PLACE, date, READ) for date in DAYS[:7]]
    stacked = [np.stack([day[name] for day in days]) for name in READ]
    expected = composite(*stacked, range(7), ErrorMemory.of(PLACE.name))
    found = read_rasters(made, target, MONDAY, [v.name for v in product.COMPOSITE_VARIABLES])
    for variable in product.COMPOSITE_VARIABLES:
        step = variable.precision or 0.0
        np.testing.assert_allclose(found[variable.name], expected[variable.name], atol=step / 2 + 1e-9)
    assert found["days"].min() < 7 == found["days"].max()
    item = find_item(made, target, MONDAY)
    assert item is not None
    assert item["id"] == f"vadose-sm-1km-weekly_{PLACE.name}_20240520"
    properties = item["properties"]
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2024-05-20T00:00:00Z",
        "2024-05-26T23:59:59Z",
    )
    assert "2024-05-20 to 2024-05-26" in properties["title"]
    assert properties["vadose:simulated"] is True
    hrefs = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    key = Path(made / DayName.of(target, MONDAY).item_key)
    assert [json.loads((key.parent / href).read_text())["id"][-8:] for href in hrefs] == [
        f"{d:%Y%m%d}" for d in DAYS[:7]
    ]


def test_a_notebook_opens_them(made: Path) -> None:
    found = open_catalog(made).open(MONDAY, f"weekly_{PLACE.name}")
    assert set(found.data_vars) >= {variable.name for variable in product.COMPOSITE_VARIABLES}
    assert int(found["days"].max()) == 7
    assert found["soil_moisture"].attrs["cell_methods"] == "area: mean time: mean"


def test_the_catalogue_with_composites_is_sound(made: Path) -> None:
    assert len(validate_catalog(made)) > 3 + len(DAYS)
    assert [finding for finding in check(made).findings if finding.fault] == []


def test_nothing_is_made_twice(root: Path) -> None:
    before = revisions(root)
    assert set(make_all(root).values()) == {"current"}
    assert revisions(root) == before


def test_a_day_superseded_re_makes_exactly_what_holds_it(root: Path) -> None:
    publish_day(root, DAYS[4], seed=1)
    states = {s.first: s.state for s in survey(job(root, "3day"), DAYS[0], DAYS[-1], TODAY)}
    assert states == dict(zip([*THREES, DAYS[7]], ["published", "published", "stale", "running"], strict=True))
    before = revisions(root)
    assert make_all(root) == {
        "3day 2024-05-18": "current",
        "3day 2024-05-21": "current",
        "3day 2024-05-24": "published",
        "weekly 2024-05-20": "published",
    }
    changed = {key.removeprefix("vadose-sm-1km-") for key, told in revisions(root).items() if told != before[key]}
    assert changed == {f"3day_{PLACE.name}_20240524", f"weekly_{PLACE.name}_20240520"}
    again = read_rasters(root, job(root, "weekly").target, MONDAY, ["soil_moisture"])["soil_moisture"]
    values = [read_rasters(root, PLACE, date, READ) for date in DAYS[:7]]
    stacked = [np.stack([day[name] for day in values]) for name in READ]
    np.testing.assert_allclose(
        again, composite(*stacked, range(7), ErrorMemory.of(PLACE.name))["soil_moisture"], atol=1e-4
    )
    assert [finding for finding in check(root).findings if finding.fault] == []


def test_a_day_whose_numbers_stand_re_makes_nothing(root: Path) -> None:
    consider(root, PLACE, DAYS[1], ["late.h5"])
    assert set(make_all(root).values()) == {"current"}


def test_a_withdrawn_day_leaves_its_composites_and_a_late_one_joins(root: Path) -> None:
    withdraw(root, PLACE, DAYS[0], "A fault of the sensor.")
    (state,) = survey(job(root, "weekly"), MONDAY, MONDAY, TODAY)
    assert (state.state, state.days, state.why) == ("stale", 6, "1 day gone (2024-05-20)")
    assert make_all(root)["weekly 2024-05-20"] == "published"
    counted = read_rasters(root, job(root, "weekly").target, MONDAY, ["days"])["days"]
    assert counted.max() == 6
    publish_day(root, DAYS[0] - dt.timedelta(days=1))
    assert make_all(root)["3day 2024-05-18"] == "published", "19 May, of which there was nothing before"


def test_a_withdrawn_composite_stays_so_until_it_is_forced(root: Path) -> None:
    target = job(root, "weekly").target
    withdraw(root, target, MONDAY, "A fault of the week.")
    publish_day(root, DAYS[2], seed=5)
    assert make_all(root)["weekly 2024-05-20"] == "current"
    assert make_all(root, force=True)["weekly 2024-05-20"] == "published"
    item = find_item(root, target, MONDAY)
    assert item is not None
    assert "deprecated" not in item["properties"]


def test_a_damaged_day_fails_its_own_composites_alone(root: Path) -> None:
    publish_day(root, DAYS[4], seed=2)
    publish_day(root, DAYS[0], seed=2)
    item = find_item(root, PLACE, DAYS[4])
    assert item is not None
    folder = (root / DayName.of(PLACE, DAYS[4]).item_key).parent
    (folder / item["assets"]["soil_moisture"]["href"]).write_bytes(b"no raster")
    before = revisions(root)
    assert make_all(root) == {
        "3day 2024-05-18": "published",
        "3day 2024-05-21": "current",
        "3day 2024-05-24": "failed",
        "weekly 2024-05-20": "failed",
    }
    kept = {key: told for key, told in revisions(root).items() if "20240524" in key or "weekly" in key}
    assert kept.items() <= before.items()


def test_analyses_come_first_and_without_days_there_is_a_clear_error(root: Path, tmp_path: Path) -> None:
    publish_day(root, DAYS[0], product.analysis_of(PLACE))
    (state,) = survey(job(root, "weekly"), MONDAY, MONDAY, TODAY)
    assert (state.state, state.days) == ("stale", 1)
    (state,) = survey(job(root, "weekly", of="conserving"), MONDAY, MONDAY, TODAY)
    assert state.state == "published"
    with pytest.raises(CatalogError, match="no published days"):
        survey(job(tmp_path / "empty", "weekly"), MONDAY, MONDAY, TODAY)
