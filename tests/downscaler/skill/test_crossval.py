"""Held-out folds keep their promises; figures on unseen blocks have the interval that analysis gives."""

from dataclasses import replace

import numpy as np
import pytest

from downscaler.errors import ConfigError, ModelFeatureError, TrainingError
from downscaler.ground.grid import M09
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Kind, Options, survey
from downscaler.learn.samples import TileRecord
from downscaler.method.features import FEATURES
from downscaler.parts import Parts
from downscaler.skill.crossval import METHODS, NOISE_LIMIT, as_dict, cross_validate
from downscaler.skill.evaluation import Evaluation
from downscaler.skill.folds import FOLDS, GAP_DAYS, block_folds, station_cells, time_folds

FEW = Options(rows=1500, rounds=4, days_per_tile=6, learning_rate=0.2, seed=5)


@pytest.fixture(scope="module")
def data(chain):
    window = chain.domain.window()
    return chain.prior.window(chain.domain, window.relative_to(window)).load()


@pytest.fixture(scope="module")
def days(data):
    return np.arange(data.sizes["time"])


def distance(one, other):
    return int(np.abs(one[:, None] - other[None, :]).min())


def test_time_folds_hold_every_day_once_and_train_a_week_away(data, days):
    folds = list(time_folds(data, M09, days))
    assert len(folds) == FOLDS
    assert np.array_equal(np.concatenate([fold.held.days for fold in folds]), days)
    for fold in folds:
        assert np.array_equal(np.diff(fold.held.days), np.ones(len(fold.held.days) - 1))
        assert distance(fold.train.days, fold.held.days) >= GAP_DAYS + 1
        assert fold.held.cells is None
        for trial in fold.trials:
            assert distance(trial.train.days, trial.held.days) >= GAP_DAYS + 1
            assert distance(trial.held.days, fold.held.days) >= GAP_DAYS + 1
            assert np.isin(trial.train.days, fold.train.days).all()


def test_statistics_of_a_time_fold_are_of_its_training_days_alone(data, days):
    fold = next(iter(time_folds(data, M09, days)))
    active = data["active"].values.astype(bool)
    mean = data["soil_moisture"].values[fold.train.days].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(fold.record.ground.level[active], mean[active], atol=1e-5)
    spoilt = data.copy(deep=True)
    spoilt["soil_moisture"][fold.held.days] = 0.99
    again = next(iter(time_folds(spoilt, M09, days)))
    for name, field in fold.record.ground.fields.items():
        np.testing.assert_array_equal(field, again.record.ground.fields[name], err_msg=name)
    for one, other in zip(fold.trials, again.trials, strict=True):
        np.testing.assert_array_equal(one.records[0].ground.level, other.records[0].ground.level)


def test_block_folds_hold_every_cell_once_and_never_train_on_it(data, days):
    active = data["active"].values.astype(bool)
    times_held = np.zeros(active.shape, int)
    for fold in block_folds(data, M09, days, seed=3):
        held, train = fold.held.mask(0), fold.train.mask(0)
        times_held += held
        assert not (held & train).any()
        assert (held | train)[active].all()
        for trial in fold.trials:
            assert not (trial.train.mask(0) & held).any()
            assert not (trial.held.mask(0) & held).any()
            assert not (trial.train.mask(0) & trial.held.mask(0)).any()
    assert (times_held[active] == 1).all()


def test_held_blocks_are_whole_squares_of_27_km(data, days):
    for fold in block_folds(data, M09, days, seed=3):
        held = fold.held.mask(0)
        corner = held[::27, ::27]
        spread = np.repeat(np.repeat(corner, 27, 0), 27, 1)[: held.shape[0], : held.shape[1]]
        assert np.array_equal(held, spread)


def test_a_branch_for_unseen_ground_uses_no_statistics_of_the_place(data, days, tmp_path):
    fold = next(iter(block_folds(data, M09, days, seed=3)))
    kind = Kind(grid=M09, forcing=True, pattern=False)
    names = survey(kind, [fold.record], fold.train, Parts(tmp_path / "unseen")).features
    of_pattern = {feature.name for feature in FEATURES if feature.needs_pattern}
    assert names
    assert not of_pattern & set(names)
    known = survey(replace(kind, pattern=True), [fold.record], fold.train, Parts(tmp_path / "known")).features
    assert of_pattern & set(known)


def test_block_folds_refuse_a_domain_of_two_blocks(data, days):
    with pytest.raises(TrainingError, match="2 blocks"):
        list(block_folds(_masked(data, rows=54, columns=27), M09, days, seed=0))


def _masked(data, *, rows, columns):
    """The prior with active cells in its north-western corner alone."""
    active = np.zeros(data["active"].shape, bool)
    active[:rows, :columns] = True
    return data.assign(active=(("y", "x"), active & data["active"].values.astype(bool)))


def test_station_cells_are_the_flattest_and_lowest_tenth(data, days):
    record = TileRecord(data, M09, days)
    allowed = record.ground.active.copy()
    allowed[:, :20] = False
    chosen = station_cells(record, allowed)
    assert not (chosen & ~allowed).any()
    assert chosen.sum() == pytest.approx(0.1 * allowed.sum(), abs=1)
    others = allowed & ~chosen
    for name in ("slope", "elevation_departure"):
        field = record.ground.fields[name]
        assert np.median(field[chosen]) < np.median(field[others]), name
    rank = sum(np.argsort(np.argsort(record.ground.fields[name][allowed])) for name in ("slope", "elevation_departure"))
    assert rank[chosen[allowed]].max() <= rank[others[allowed]].min()


def test_station_cells_without_terrain_are_of_middling_wetness(data, days):
    bare = data.drop_vars(["elevation", "slope_x", "slope_y"])
    record = TileRecord(bare, M09, days)
    chosen = station_cells(record, record.ground.active)
    pattern = np.abs(record.ground.fields["pattern"])
    assert pattern[chosen].max() <= pattern[record.ground.active & ~chosen].min()


def blockwise(units, bias, days=30, side=9, seed=0):
    """An evaluation whose error is one constant a spatial unit, and the units' errors."""
    active = np.ones((units.shape[0] * side, units.shape[1] * side), bool)
    evaluation = Evaluation(active, side, units)
    rng = np.random.default_rng(seed)
    error = np.repeat(np.repeat(bias[units], side, 0), side, 1)
    for _ in range(days):
        truth = rng.uniform(0.1, 0.4, active.shape)
        evaluation.add(truth, np.zeros(units.shape), {"m": truth + error}, {"m": (truth - 1, truth + np.sign(error))})
    return evaluation.figures()["m"]


def test_the_bootstrap_over_blocks_has_the_analytic_width():
    units = np.arange(64).reshape(8, 8)
    bias = np.random.default_rng(1).normal(0.02, 0.03, 64)
    found = blockwise(units, bias)
    assert found["bias"].value == pytest.approx(bias.mean(), abs=1e-7)
    assert found["rmse"].value == pytest.approx(np.sqrt((bias**2).mean()), abs=1e-7)
    assert found["coverage_90"].value == pytest.approx((bias > 0).mean(), abs=1e-9)
    width = 2 * 1.96 * bias.std() / np.sqrt(64)
    assert found["bias"].high - found["bias"].low == pytest.approx(width, rel=0.12)
    share = (bias > 0).mean()
    width = 2 * 1.96 * np.sqrt(share * (1 - share) / 64)
    assert found["coverage_90"].high - found["coverage_90"].low == pytest.approx(width, rel=0.15)


def test_coarse_cells_of_one_block_are_drawn_together():
    bias = np.random.default_rng(2).normal(0.0, 0.03, 16)
    units = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 2, 0), 2, 1)
    found = blockwise(units, bias, days=10)
    width = 2 * 1.96 * bias.std() / np.sqrt(16)  # as of 16 values, though there are 64 coarse cells
    assert found["bias"].high - found["bias"].low == pytest.approx(width, rel=0.15)


def test_a_block_without_active_cells_is_no_draw():
    """Nine tenths of the units are sea: the interval must be that of the land's own blocks."""
    bias = np.random.default_rng(3).normal(0.0, 0.03, 100)
    units = np.arange(100).reshape(10, 10)
    active = np.zeros((90, 90), bool)
    active[:, :9] = True
    evaluation = Evaluation(active, 9, units)
    error = np.repeat(np.repeat(bias[units], 9, 0), 9, 1)
    rng = np.random.default_rng(0)
    for _ in range(10):
        truth = rng.uniform(0.1, 0.4, active.shape)
        evaluation.add(truth, np.zeros(units.shape), {"m": truth + error})
    found = evaluation.figures()["m"]
    land = bias[units[:, 0]]
    width = 2 * 1.96 * land.std() / np.sqrt(10)
    assert found["bias"].value == pytest.approx(land.mean(), abs=1e-7)
    assert found["bias"].high - found["bias"].low == pytest.approx(width, rel=0.15)


@pytest.mark.integration
def test_same_seed_same_figures_whatever_other_noise_is_judged(little):
    one = cross_validate(little, noises=(0.0, 0.04), options=FEW)
    two = cross_validate(little, noises=(0.04,), options=FEW)
    assert as_dict(one.figures[0.04]) == as_dict(two.figures[0.04])
    assert tuple(one.figures[0.0]) == METHODS
    assert one.figures[0.0] != one.figures[0.04]
    for method in ("nearest", "bilinear", "climatological_pattern", "hybrid"):
        clean, noisy = (one.figures[noise][method]["rmse"].value for noise in (0.0, 0.04))
        assert noisy > clean, method


def test_a_model_that_needs_more_than_the_prior_has_is_refused(chain, little):
    poor = Prior(
        path=little.path,
        data=little.data.drop_vars(["permeability"]),
        domain=little.domain,
        attributes=little.attributes,
    )
    with pytest.raises(ModelFeatureError, match="log_permeability"):
        cross_validate(poor, model=chain.model, options=FEW)


def test_bad_requests_are_refused(little):
    for noise in (-0.01, NOISE_LIMIT, float("nan")):
        with pytest.raises(ConfigError, match="noise"):
            cross_validate(little, noises=(0.0, noise), options=FEW)
    with pytest.raises(ConfigError, match="time, blocks"):
        cross_validate(little, split="space", options=FEW)
    brief = Prior(
        path=little.path,
        data=little.data.isel(time=slice(0, 55)),
        domain=little.domain,
        attributes=little.attributes,
    )
    with pytest.raises(TrainingError, match="55 days"):
        cross_validate(brief, options=FEW)
