"""Stations in their domain: a fair sample is told as fair, a biased one is told and mended as far as it can be."""

import numpy as np
import pytest

from downscaler.errors import ValidationError
from downscaler.validation.representativeness import LARGEST_WEIGHT, represent

CELLS = 4000


def ground(rng, count=CELLS):
    return {"elevation": rng.normal(500, 150, count), "clay_fraction": rng.uniform(0.05, 0.5, count)}


def pick(field, chosen):
    return {name: values[chosen] for name, values in field.items()}


def test_a_fair_sample_stands_for_its_domain():
    rng = np.random.default_rng(0)
    domain = ground(rng)
    chosen = rng.choice(CELLS, 200, replace=False)
    found = represent(pick(domain, chosen), domain, np.arange(200) // 10)
    assert found.share > 0.95
    assert found.separability == pytest.approx(0.5, abs=0.08)
    assert found.effective_sites > 150
    assert max(abs(v) for v in found.shift.values()) < 0.2
    assert found.weights.mean() == pytest.approx(1.0)


def test_a_biased_sample_is_told_and_reweighted_to_the_domains_mean():
    """Skill falls with elevation; stations seldom stand high: weights bring their mean to the domain's."""
    rng = np.random.default_rng(1)
    domain = ground(rng)
    skill = 0.03 + 0.02 * (domain["elevation"] - 500) / 150
    chance = np.exp(-(domain["elevation"] - 500) / 150)
    plain, weighted = [], []
    for _ in range(10):
        chosen = rng.choice(CELLS, 150, replace=False, p=chance / chance.sum())
        found = represent(pick(domain, chosen), domain, np.arange(150) // 10)
        plain.append(skill[chosen].mean() - skill.mean())
        weighted.append(np.average(skill[chosen], weights=found.weights) - skill.mean())
    assert found.separability > 0.7
    assert found.shift["elevation"] < -0.8
    assert abs(found.reweighted_shift["elevation"]) < 0.4
    assert found.weights.max() <= LARGEST_WEIGHT * 1.5
    assert abs(np.mean(weighted)) < 0.25 * abs(np.mean(plain))
    assert np.mean(np.abs(weighted)) < 0.5 * np.mean(np.abs(plain))


def test_ground_without_any_station_is_not_stood_for():
    rng = np.random.default_rng(2)
    domain = ground(rng)
    low = np.flatnonzero(domain["elevation"] < 400)
    found = represent(pick(domain, rng.choice(low, 100)), domain, np.arange(100) // 10)
    assert found.share < 0.8
    assert found.dissimilarity.shape == (CELLS,)


def test_land_cover_counts_by_class():
    rng = np.random.default_rng(3)
    domain = ground(rng) | {"land_cover": rng.choice([4.0, 10.0, 12.0], CELLS)}
    open_land = np.flatnonzero(domain["land_cover"] != 4.0)
    found = represent(pick(domain, rng.choice(open_land, 100)), domain, np.arange(100) // 10)
    assert "forest" in found.features
    assert found.shift["forest"] < -0.6


def test_few_stations_or_one_block_are_refused():
    rng = np.random.default_rng(4)
    domain = ground(rng)
    with pytest.raises(ValidationError, match="5 sites"):
        represent(pick(domain, np.arange(5)), domain, np.arange(5))
    with pytest.raises(ValidationError, match="no variation"):
        represent(pick(domain, np.arange(50)), domain, np.zeros(50, int))


def test_sites_without_known_ground_weigh_nothing():
    rng = np.random.default_rng(5)
    domain = ground(rng)
    stations = pick(domain, rng.choice(CELLS, 40))
    stations["elevation"][:3] = np.nan
    found = represent(stations, domain, np.arange(40) // 4)
    assert (found.weights[:3] == 0).all()
    assert (found.weights[3:] > 0).all()
