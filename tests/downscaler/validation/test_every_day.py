"""Analyses on every day: the last value carried on, figures of all days and by age, at the same pairs."""

import datetime as dt

import numpy as np
import pytest

from downscaler.ground.grid import M09
from downscaler.product import DEMO
from downscaler.sources.insitu.series import Sensor
from downscaler.validation.every_day import AGES, CARRIED, carried, judged
from downscaler.validation.matchups import PRIOR, PRODUCT, Matchups
from downscaler.validation.sites import sites_of

NAN = np.nan
DAYS = 40


def test_each_day_has_the_last_value_before_it():
    values = np.array([[NAN, 1.0, NAN, NAN, 2.0, NAN], [NAN, NAN, NAN, NAN, NAN, NAN]])
    np.testing.assert_array_equal(carried(values), [[NAN, 1, 1, 1, 2, 2], [NAN] * 6])
    np.testing.assert_array_equal(carried(np.full((2, 0), NAN)), np.full((2, 0), NAN))


def matchups(truth, errors):
    places = [Sensor(network="N", station=str(n), name="p", depth_from=0, depth_to=0.05, lat=34.2 + n / 5, lon=-94.0)
              for n in range(len(truth))]  # fmt: skip
    sites = sites_of(places, DEMO, M09)
    dates = tuple(dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(truth.shape[1]))
    estimates = {name: truth + error for name, error in errors.items()}
    return Matchups(
        sites=tuple(sites), dates=dates, stations=truth, estimates=estimates, outside=np.zeros(truth.shape, bool)
    )


def test_figures_of_all_days_and_of_each_age():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.1, 0.4, (3, DAYS))
    age = np.tile(np.array([0.0, 1, 2, 3, 7, 7, NAN, NAN]), DAYS // 8) * np.ones((3, 1))
    bias = np.select([age == 0, age <= 2, age <= 5, age >= 6], [0.01, 0.02, 0.03, 0.04], 0.05)
    made = matchups(truth, {PRODUCT: bias, PRIOR: 0.1})
    before = truth + 0.06
    before[:, 0] = NAN  # nothing is carried before the first pass
    interval = truth + bias - 0.025, truth + bias + 0.025
    found = judged(made, age, interval, before, min_pairs=5)
    assert (found["pairs"], found["sites"], found["days"]) == (3 * (DAYS - 1), 3, DAYS - 1)
    assert list(found["gains"]) == [PRIOR, CARRIED]
    assert found["estimates"][PRODUCT]["bias"]["value"] == pytest.approx(bias[0, 1:].mean())
    assert found["gains"][CARRIED]["rmsd"]["value"] == pytest.approx(0.06 - np.sqrt((bias[0, 1:] ** 2).mean()))
    assert found["coverage"] == pytest.approx((bias[0, 1:] <= 0.025).mean())
    alone = dict(zip(AGES, (0.01, 0.02, 0.03, 0.04, 0.05), strict=True))
    for name, part in judged(made, age, interval, min_pairs=4)["ages"].items():
        assert part["estimates"][PRODUCT]["rmsd"]["value"] == pytest.approx(alone[name])
        assert part["gains"][PRIOR]["rmsd"]["value"] == pytest.approx(0.1 - alone[name])
        assert part["coverage"] == (alone[name] <= 0.025)
        assert CARRIED not in part["gains"]
    assert set(judged(made, age, interval, min_pairs=6)["ages"]) == {
        "1 or 2 days",
        "6 days or more",
        "none in the window",
    }


def test_what_is_carried_on_too_few_days_is_left_out():
    truth = np.random.default_rng(2).uniform(0.1, 0.4, (2, DAYS))
    made, age = matchups(truth, {PRODUCT: 0.01}), np.zeros((2, DAYS))
    before = np.full(truth.shape, NAN)
    before[:, -3:] = 0.2
    found = judged(made, age, (truth, truth + 0.02), before, min_pairs=20)
    assert found["pairs"] == 2 * DAYS
    assert found["gains"] == {}
