"""One rule for monitors: starved before failing before late, and days that SMAP left out are no fault."""

import datetime as dt

import pytest

from downscaler.errors import FailingError, LateError, StarvedError
from flows.days.health import SLACK, require_health
from flows.days.state import DayState

NOW = dt.datetime(2024, 6, 10, 12, tzinfo=dt.UTC)
LATENCY = 50.0


def days(*told, last=dt.date(2024, 6, 9)):
    """States of days, the newest first; a state with * has no granule on offer."""
    return [
        DayState(
            date=last - dt.timedelta(days=n),
            state=name.rstrip("*"),
            granule="" if name.endswith("*") else "R19240.001",
        )
        for n, name in enumerate(told)
    ]


def judge(states):
    require_health(states, NOW, LATENCY)


def test_a_product_with_its_usual_delay_is_well():
    judge(days("waiting*", "due", "published", "published", "stale", "no-coverage"))


def test_without_any_granule_it_is_starved_even_if_days_are_published():
    with pytest.raises(StarvedError) as told:
        judge(days("waiting*", "waiting*", "missing*", "missing*"))
    assert told.value.exit_code == 61


def test_a_failed_day_outweighs_lateness_and_is_named():
    with pytest.raises(FailingError, match="2024-06-07") as told:
        judge(days("waiting*", "waiting*", "failed", "due"))
    assert told.value.exit_code == 62


def test_it_is_late_from_the_hour_on_at_which_the_rule_says_so():
    states = days("waiting*", "waiting*", "due", "published")  # 7 June is due, 6 June is published
    made_by = dt.datetime(2024, 6, 8, tzinfo=dt.UTC) + dt.timedelta(hours=LATENCY + SLACK)
    require_health(states, made_by - dt.timedelta(seconds=1), LATENCY)
    with pytest.raises(LateError) as told:
        require_health(states, made_by, LATENCY)
    assert told.value.exit_code == 63


def test_days_that_smap_left_out_are_no_fault_once_a_later_one_is_done():
    judge(days("waiting*", "waiting*", "published", "missing*", "missing*", "published"))
