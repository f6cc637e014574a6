"""Layouts stand where they should; a propensity is found again from the stations that it made."""

import numpy as np
import pytest

from downscaler.errors import ConfigError
from downscaler.playground.stations.layouts import (
    LAYOUTS,
    Network,
    Siting,
    cells_of_network,
    draw,
    is_exact,
    latin_hypercube,
)
from downscaler.playground.stations.siting import GIVEN, Propensity, fit_propensity
from downscaler.simulation.noise import Stream


def stream(seed: int = 0) -> Stream:
    return Stream(seed=seed, name="test")


def network(world, count: int, seed: int = 0) -> Network:
    cells = np.random.default_rng(seed).choice(world.cells, count, replace=False)
    return Network(name="mine", xy=world.xy[cells] + 0.2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_that_many_different_cells_by_its_seed(structured, layout):
    siting = Siting(network=network(structured, 60))
    chosen = draw(layout, structured, 25, siting, stream())
    assert len(np.unique(chosen)) == 25
    assert chosen.min() >= 0
    assert chosen.max() < structured.cells
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, draw(layout, structured, 25, siting, stream()))
    assert not np.array_equal(chosen, draw(layout, structured, 25, siting, stream(1)))


@pytest.mark.parametrize("layout", ["random", "biased"])
def test_more_stations_hold_the_fewer(structured, layout):
    few, many = (draw(layout, structured, count, Siting(), stream()) for count in (10, 40))
    assert np.isin(few, many).all()


def test_biased_stations_stand_where_the_propensity_is_high(structured):
    level = Siting(propensity=Propensity(coefficients={"slope": -3.0}))
    chosen = draw("biased", structured, 200, level, stream())
    slope = structured.siting["slope"]
    assert slope[chosen].mean() < np.quantile(slope, 0.25)


def test_draws_follow_the_weights(structured):
    propensity = Propensity(coefficients={"slope": -1.0})
    weights = propensity.weights(structured.siting)
    assert weights.sum() == pytest.approx(1.0)
    counts = np.zeros(structured.cells)
    for seed in range(400):
        counts[draw("biased", structured, 5, Siting(propensity=propensity), stream(seed))] += 1
    low = weights < np.median(weights)
    assert counts[low].sum() / counts.sum() == pytest.approx(weights[low].sum(), abs=0.03)


def test_a_propensity_is_found_again_from_its_stations(structured):
    true = {"slope": -1.2, "elevation": 0.7}
    weights = Propensity(coefficients=true).weights(structured.siting)
    stations = np.random.default_rng(0).choice(structured.cells, 600, p=weights)
    found = fit_propensity(structured.siting, stations)
    assert {name: found.coefficients[name] for name in true} == pytest.approx(true, abs=0.2)
    assert "600 real stations" in found.origin


def test_a_propensity_counts_standard_deviations_and_forest_by_class():
    covariates = {"slope": np.array([0.0, 2.0]), "forest": np.array([0.0, 1.0])}
    weights = Propensity(coefficients={"slope": -1.0, "forest": -1.0}).weights(covariates)
    assert weights[0] / weights[1] == pytest.approx(np.exp(3.0))
    assert GIVEN.weights({"slope": covariates["slope"]})[0] > 0.9
    with pytest.raises(ConfigError, match="roads"):
        Propensity(coefficients={"roads": 1.0}).weights(covariates)


def test_too_few_stations_teach_no_propensity(structured):
    with pytest.raises(ConfigError, match="Too few stations"):
        fit_propensity(structured.siting, np.arange(9))


def test_a_latin_hypercube_fills_every_stratum_better_than_chance():
    rng = np.random.default_rng(0)
    covariates = rng.lognormal(size=(3000, 3))

    def empty(chosen):
        ranks = covariates.argsort(axis=0).argsort(axis=0)[chosen] * 30 // 3000
        return sum(30 - len(np.unique(column)) for column in ranks.T)

    chosen = latin_hypercube(covariates, 30, rng)
    assert len(np.unique(chosen)) == 30
    assert empty(chosen) < 0.4 * empty(rng.choice(3000, 30, replace=False))


def test_a_network_in_the_domain_stands_where_it_stands(structured):
    inside = network(structured, 30)
    far = Network(name="mine", xy=np.concatenate([inside.xy, inside.xy + 5000.0]))
    assert is_exact(structured, far)
    cells = cells_of_network(structured, far)
    assert len(cells) == 30
    drawn = draw("real", structured, 12, Siting(network=far), stream())
    assert np.isin(drawn, cells).all()
    np.testing.assert_array_equal(draw("real", structured, 90, Siting(network=far), stream()), cells)


def test_a_network_elsewhere_lends_its_pattern(structured):
    rng = np.random.default_rng(0)
    elsewhere = Network(
        name="afar", xy=np.repeat(rng.uniform(0, 4000, (6, 2)), 10, axis=0) + rng.normal(0, 150, (60, 2))
    )
    assert not is_exact(structured, elsewhere)
    chosen = draw("real", structured, 40, Siting(network=elsewhere), stream())
    assert len(chosen) == 40
    even = draw("random", structured, 40, Siting(), stream())

    def nearest(cells):
        xy = structured.xy[cells]
        apart = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1)) + 1e9 * np.eye(len(cells))
        return apart.min(axis=1).mean()

    assert nearest(chosen) < 0.8 * nearest(even)
