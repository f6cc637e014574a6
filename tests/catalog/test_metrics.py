"""The catalogue's numbers for Prometheus, worked out by hand; and that a store tells the same."""

import datetime as dt

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog import publish
from catalog.metrics import METRICS, NO_GRANULE, WINDOW, Sample, catalogue_samples, collection_samples, exposition
from catalog.publish.failures import Failure, record_failure
from catalog.publish.withdraw import withdraw
from catalog.store.base import open_store
from downscaler import product
from downscaler.errors import CatalogError

LAST = dt.date(2024, 5, 30)
DOMAIN = product.LITTLE_WASHITA


def item(age, wait=50.0, **more):
    """A day ``age`` days before the last one, published ``wait`` hours after its last observation."""
    day = LAST - dt.timedelta(days=age)
    seen = dt.datetime.combine(day, dt.time(13, 30), dt.UTC)
    made = seen + dt.timedelta(hours=wait)
    told = {"start_datetime": f"{day}T00:00:00Z", "created": f"{made:%Y-%m-%dT%H:%M:%SZ}"}
    told |= {"published": told["created"], "vadose:observed": [f"{day}T01:00:00Z", f"{seen:%Y-%m-%dT%H:%M:%SZ}"]}
    return {"id": f"x_{day:%Y%m%d}", "properties": told | more}


def failure(age, error, kind="failed"):
    return Failure(date=LAST - dt.timedelta(days=age), kind=kind, error=error, exit_code=1, reason="")


def numbers(items, failures=(), document=None):
    found = collection_samples("c", document or {}, items, failures)
    return {(sample.name.removeprefix("vadose_"), *sample.labels[1:]): sample.value for sample in found}


def test_freshness_gaps_and_latency():
    days = [item(age, wait) for age, wait in ((0, 40.0), (1, 50.0), (3, 60.0), (WINDOW, 1000.0))]
    told = numbers(days, [failure(2, "GranuleUnreadableError"), failure(4, "NoRetrievalError", "no-coverage")])
    assert told["newest_day_timestamp_seconds",] == dt.datetime(2024, 5, 31, tzinfo=dt.UTC).timestamp()
    assert told["published_days",] == 3  # the last of the four is older than the window
    assert told["missing_days", "GranuleUnreadableError"] == told["missing_days", "NoRetrievalError"] == 1
    assert told["missing_days", NO_GRANULE] == WINDOW - 3 - 2
    assert told["failed_days", "GranuleUnreadableError"] == 1
    assert ("failed_days", "NoRetrievalError") not in told
    assert told["latency_seconds", "0.5"] == 50 * 3600
    assert told["latency_seconds", "1"] == 60 * 3600
    last = dt.datetime(2024, 6, 11, 5, 30, tzinfo=dt.UTC)  # of 30 April, 1000 h after 13:30: also an old day made anew
    assert told["newest_publication_timestamp_seconds",] == last.timestamp()


def test_a_withdrawn_day_is_neither_published_nor_missing():
    told = numbers([item(0), item(1, **{"vadose:withdrawn": "recalled"})])
    assert (told["published_days",], told["withdrawn_days",]) == (1, 1)
    assert told["missing_days", NO_GRANULE] == WINDOW - 2


def test_what_is_made_of_days_is_not_told_to_lack_granules():
    def told(name):
        return {s.name.removeprefix("vadose_"): s for s in collection_samples(name, {}, [item(0)], [])}

    daily, weekly = told("vadose-sm-1km-percentile_x"), told("vadose-sm-1km-weekly_x")
    assert (daily["missing_days"].labels[1], daily["missing_days"].value) == ("not made", WINDOW - 1)
    assert set(weekly) == {"newest_publication_timestamp_seconds"}, "a month's mean is never a late day"


def test_skill_at_stations_with_its_interval():
    gain = {"value": 0.004, "low": 0.001, "high": None}
    headline = {"period": ["2024-01-01", "2024-05-30"], "gains": {"smap": {"ubrmsd": gain}}, "interval_coverage": 0.88}
    told = numbers([], document={"vadose:validation": headline})
    assert told == {
        ("validation_timestamp_seconds",): dt.datetime(2024, 5, 30, tzinfo=dt.UTC).timestamp(),
        ("validation_gain", "ubrmsd", "value"): 0.004,
        ("validation_gain", "ubrmsd", "low"): 0.001,
        ("validation_coverage_ratio",): 0.88,
    }


def test_the_text_is_prometheus_s_own():
    text = exposition([Sample(name="vadose_failed_days", labels=('a "quoted"\nname', "E"), value=2.0)]).decode()
    (family,) = text_string_to_metric_families(text)
    assert family.documentation == METRICS["vadose_failed_days"][0]
    assert [(s.labels, s.value) for s in family.samples] == [({"collection": 'a "quoted"\nname', "error": "E"}, 2.0)]
    with pytest.raises(CatalogError, match="other labels"):
        exposition([Sample(name="vadose_failed_days", labels=("one",), value=1.0)])


def test_a_catalogue_tells_of_its_days(tmp_path, tiles, record):
    for number in range(3):
        publish(tmp_path, record(DOMAIN, LAST - dt.timedelta(days=2 * number)), DOMAIN, tiles(DOMAIN, seed=number))
    withdraw(tmp_path, DOMAIN, LAST - dt.timedelta(days=4), "recalled")
    record_failure(tmp_path, DOMAIN, failure(1, "GranuleGridError"))
    told = {(s.name.removeprefix("vadose_"), *s.labels[1:]): s.value for s in catalogue_samples(open_store(tmp_path))}
    assert told["newest_day_timestamp_seconds",] == dt.datetime(2024, 5, 31, tzinfo=dt.UTC).timestamp()
    assert (told["published_days",], told["withdrawn_days",]) == (2, 1)
    assert told["missing_days", "GranuleGridError"] == told["failed_days", "GranuleGridError"] == 1
    assert told["latency_seconds", "0.5"] > 0
    assert set(told) >= {("missing_days", NO_GRANULE)}
