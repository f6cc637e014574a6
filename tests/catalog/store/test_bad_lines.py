"""A bucket behind a bad line: 503s, lost answers, a store that dies anywhere. No item is torn or lost."""

import datetime as dt

import pytest

from catalog import find_item, items, publish
from catalog.check.check import check
from catalog.check.repair import repair
from downscaler import product
from downscaler.errors import CatalogError

DATE = dt.date(2015, 4, 1)
DOMAIN = product.LITTLE_WASHITA
NONE = dt.timedelta(0)


@pytest.fixture
def uri(line, new_bucket):
    return new_bucket(line.endpoint)


def publish_days(uri, tiles, record, days):
    for number in range(days):
        publish(uri, record(DOMAIN, DATE + dt.timedelta(days=number)), DOMAIN, tiles(DOMAIN, seed=number))
    publish(uri, record(DOMAIN, granule="d" * 64), DOMAIN, tiles(DOMAIN, seed=99))


@pytest.mark.parametrize("days", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_one_answer_of_twenty_is_a_503_or_lost(line, uri, tiles, record, days):
    line.faults = 0.05
    publish_days(uri, tiles, record, days)
    assert check(uri, min_age=NONE).findings == []
    assert line.failed >= line.requests / 40 > 0
    assert [item["properties"]["version"] for item in items(uri)] == ["2", *["1"] * (days - 1)]


def whole(uri) -> set[str]:
    """Revisions that can be found; raises nothing: each has all its files with the recorded checksums."""
    survey = check(uri, min_age=NONE)
    assert not [f for f in survey.findings if f.kind in ("schema", "asset", "checksum", "cog", "layout")]
    return {facts.essence[2] for facts in survey.items.values()}


def die_and_recover(line, uri, tiles, record, budget):
    """A replacement of a day whose store dies after some requests; returns whether the day had got through."""
    publish(uri, record(DOMAIN), DOMAIN, tiles(DOMAIN))
    line.budget = budget
    died = ""
    try:
        publish(uri, record(DOMAIN, granule="d" * 64), DOMAIN, tiles(DOMAIN, seed=1))
    except CatalogError as error:
        died = str(error)
    assert not died or "could not be read or written" in died
    line.budget = 10**9
    assert whole(uri) <= {"1", "2"}
    told = publish(uri, record(DOMAIN, granule="d" * 64), DOMAIN, tiles(DOMAIN, seed=1))
    assert find_item(uri, DOMAIN, DATE)["properties"]["version"] == str(told.revision)
    assert whole(uri) == {str(told.revision)}
    left = check(uri, min_age=NONE).findings  # nothing, or files of the revision that died: they say so
    assert {(f.kind, f.what, f.mend) for f in left} <= {
        ("orphan", "belongs to a revision that was never published; its publication crashed", True)
    }
    assert repair(uri, min_age=NONE)[1].findings == []
    return bool(died)


@pytest.mark.parametrize("budget", [5, pytest.param(13, marks=pytest.mark.slow), 16])
def test_a_store_that_dies_half_way(line, uri, tiles, record, budget, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert die_and_recover(line, uri, tiles, record, budget)


@pytest.mark.slow
@pytest.mark.parametrize("budget", range(30))  # a publication takes some twenty-five requests
def test_a_store_that_dies_at_any_request(line, uri, tiles, record, budget, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert die_and_recover(line, uri, tiles, record, budget) or budget > 15


def test_an_unusable_number_of_attempts_is_refused(uri, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "none")
    with pytest.raises(CatalogError, match=r"AWS_MAX_ATTEMPTS.*Got: none"):
        check(uri)
