"""Shapley values of a known function, their sums, intervals and directions; and of a trained chain."""

import json

import numpy as np
import pytest
import xgboost as xgb
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from downscaler.errors import ModelFeatureError, TrainingError
from downscaler.explain.explain import (
    AGREES,
    DISAGREES,
    OPEN,
    STATES,
    UNCLEAR,
    contributions,
    explain,
    rank_correlation,
)
from downscaler.explain.sample import draw_sample
from downscaler.explain.text import as_document, as_markdown, as_table
from downscaler.ground.grid import M09
from downscaler.ground.prior import Prior

NAMES = ("coarse", "pattern", "sand_fraction", "curvature", "clay_fraction", "precipitation_3d_departure", "season_sin")
# clay acts against physics here, season does nothing
WEIGHTS = np.array([0.01, 0.0, -0.05, 0.02, -0.03, 0.08, 0.0])


@pytest.fixture(scope="module")
def known():
    """A booster of a nearly linear function, its rows and the day of each row."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(3000, len(NAMES))).astype(np.float32)
    rows[::7, 2] = np.nan
    target = np.nan_to_num(rows) @ WEIGHTS + 0.2
    matrix = xgb.DMatrix(rows, target, feature_names=list(NAMES))
    booster = xgb.train({"max_depth": 4, "eta": 0.2, "seed": 1, "nthread": 1}, matrix, 60)
    return booster, rows, np.repeat(np.arange(60), 50)


@pytest.fixture(scope="module")
def explained(known):
    return explain(*known[:2], NAMES, known[2], branch="m09-known")


def test_contributions_and_base_add_up_to_the_prediction(known):
    booster, rows, _ = known
    values, base = contributions(booster, rows, NAMES)
    predicted = booster.predict(xgb.DMatrix(rows, feature_names=list(NAMES)))
    np.testing.assert_allclose(values.sum(axis=1) + base, predicted, atol=2e-5)
    assert values.shape == rows.shape


def test_a_groups_contribution_is_the_sum_over_its_features(known, explained):
    values, _ = contributions(known[0], known[1], NAMES)
    static = np.zeros(len(values))
    for row in range(len(values)):
        for column, name in enumerate(NAMES):
            if name in ("sand_fraction", "curvature", "clay_fraction"):
                static[row] += values[row, column]
    group = next(g for g in explained.groups if g.name == "static")
    assert group.mean_abs.value == pytest.approx(np.abs(static).mean(), rel=1e-12)


@pytest.mark.parametrize("kind", ["groups", "families", "features"])
def test_shares_add_up_to_one_and_intervals_hold_their_value(explained, kind):
    entries = getattr(explained, kind)
    assert sum(entry.share for entry in entries) == pytest.approx(1.0)
    assert all(e.mean_abs.low <= e.mean_abs.value <= e.mean_abs.high for e in entries)


def test_size_follows_the_weights(explained):
    order = [feature.name for feature in explained.features]
    assert order[:3] == ["precipitation_3d_departure", "sand_fraction", "clay_fraction"]
    assert explained.features[-1].mean_abs.value < 0.05 * explained.features[0].mean_abs.value


def test_directions_are_judged_against_physics(explained):
    effects = {effect.feature: effect for effect in explained.effects}
    assert effects["precipitation_3d_departure"].agrees == AGREES
    assert effects["sand_fraction"].agrees == AGREES
    assert effects["clay_fraction"].agrees == DISAGREES
    assert effects["coarse"].agrees == OPEN
    assert effects["sand_fraction"].rank_correlation.value < -0.9
    assert effects["sand_fraction"].sentence == (
        "Sandier soil makes the cell drier than its usual pattern, as physics says."
    )
    assert "against what physics says" in effects["clay_fraction"].sentence


def test_what_has_no_single_direction_is_said_to_have_none():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(2000, 1)).astype(np.float32)
    matrix = xgb.DMatrix(rows, rows[:, 0] ** 2, feature_names=["curvature"])
    booster = xgb.train({"max_depth": 3, "seed": 1, "nthread": 1}, matrix, 20)
    found = explain(booster, rows, ["curvature"], np.repeat(np.arange(40), 50))
    assert [effect.agrees for effect in found.effects] == [UNCLEAR]
    assert found.states == {}  # without the coarse value there are no states


def test_shares_by_state_add_up_in_each_third(explained):
    assert set(explained.states) == set(STATES)
    for shares in explained.states.values():
        assert sum(shares.values()) == pytest.approx(1.0)


def test_the_order_of_rows_does_not_matter_and_the_seed_decides_the_rest(known, explained):
    booster, rows, day = known
    order = np.random.default_rng(0).permutation(len(rows))
    again = explain(booster, rows[order], NAMES, day[order], branch="m09-known")
    for one, other in zip(explained.features, again.features, strict=True):
        assert one.name == other.name
        assert one.mean_abs.value == pytest.approx(other.mean_abs.value, rel=1e-9)
        assert one.mean_abs.low == pytest.approx(other.mean_abs.low, rel=1e-6)
    assert explain(booster, rows, NAMES, day, branch="m09-known") == explained


def test_days_that_agree_give_a_narrower_interval_than_days_that_differ(known):
    booster, rows, day = known
    by_size = np.argsort(rows[:, 5] ** 2)
    alike = explain(booster, rows, NAMES, day).features[0].mean_abs
    unlike = explain(booster, rows[by_size], NAMES, day).features[0].mean_abs
    assert unlike.high - unlike.low > 3 * (alike.high - alike.low)


@settings(max_examples=examples(60))
@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=60).filter(
        lambda pairs: len({x for x, _ in pairs}) > 1 and len({y for _, y in pairs}) > 1
    )
)
def test_rank_correlation_is_spearmans_with_ties(pairs):
    x, y = np.array(pairs, dtype=float).T
    label = np.arange(len(x)) % 3
    found = rank_correlation(x, y, label, np.ones((1, 3)))
    assert found[0] == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


def test_a_constant_or_nearly_empty_feature_has_no_rank_correlation():
    label, weights = np.zeros(5, int), np.ones((2, 1))
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5.0), label, weights)).all()
    assert np.isnan(rank_correlation(np.ones(2), np.arange(2.0), label[:2], weights)).all()


def test_an_undeclared_feature_is_refused(known):
    booster, rows, day = known
    booster = booster.copy()
    names = [*NAMES[:-1], "phase_of_the_moon"]
    booster.feature_names = names
    with pytest.raises(KeyError, match="phase_of_the_moon"):
        explain(booster, rows, names, day)


def test_texts_hold_every_kind(explained):
    document = json.loads(json.dumps(as_document(explained)))
    assert document["branch"] == "m09-known"
    assert document["families"][0]["mean_abs"].keys() == {"value", "low", "high"}
    table = as_table(explained)
    assert {row["kind"] for row in table} == {"group", "family", "feature"}
    assert sum(row["share"] for row in table if row["kind"] == "family") == pytest.approx(1.0)
    text = as_markdown(explained)
    assert "| antecedent rain |" in text
    assert "as physics says" in text


def test_a_trained_chain_has_learned_that_rain_wets(chain):
    branch = chain.model.branch(M09, forcing=True)
    sample = draw_sample(chain.prior, branch, rows=1500, seed=1)
    assert sample.rows.shape[1] == len(branch.features)
    assert len(sample.day) == len(sample.rows)
    assert np.isfinite(sample.rows[:, branch.features.index("coarse")]).all()
    found = explain(branch.mean, sample.rows, branch.features, sample.day, branch=branch.name)
    assert found.days >= 20
    rain = [e for e in found.effects if e.family == "antecedent rain" and e.feature.endswith("_departure")]
    assert rain
    assert rain[0].agrees == AGREES
    again = draw_sample(chain.prior, branch, rows=1500, seed=1)
    np.testing.assert_array_equal(again.rows, sample.rows)


def test_a_prior_that_cannot_supply_the_features_is_refused(chain):
    branch = chain.model.branch(M09, forcing=False)
    poor = chain.prior.data.drop_vars(["elevation"])
    prior = Prior(path=chain.prior.path, data=poor, domain=chain.domain, attributes=chain.prior.attributes)
    with pytest.raises(ModelFeatureError, match="elevation"):
        draw_sample(prior, branch, rows=200)


def test_a_prior_without_weather_cannot_explain_a_branch_with_forcing(chain):
    branch = chain.model.branch(M09, forcing=True)
    dry = chain.prior.data.drop_vars(["precipitation"])
    prior = Prior(path=chain.prior.path, data=dry, domain=chain.domain, attributes=chain.prior.attributes)
    with pytest.raises(TrainingError, match="no day on which to explain"):
        draw_sample(prior, branch, rows=200)
