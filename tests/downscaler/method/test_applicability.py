"""Area of applicability: known answers, a slow obvious twin, and larger errors outside than inside."""

import math

import numpy as np
import pytest
import xgboost as xgb
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler.errors import ModelFeatureError, ModelUnreadableError, TrainingError
from downscaler.learn.applicability import fit, whisker
from downscaler.method.applicability import Applicability


def twin(rows, importances, folds, new):
    """Brute force in float64, one pair after the other; returns dissimilarity of new rows and the threshold."""
    known = [[x for x in column if math.isfinite(x)] for column in rows.T.astype(float)]
    mean = [sum(k) / len(k) if k else 0.0 for k in known]
    deviation = [np.std(k, ddof=1) if len(k) > 1 else 0.0 for k in known]
    use = [j for j, d in enumerate(deviation) if d > 0 and importances[j] > 0]
    total = sum(importances[j] for j in use)

    def distance(one, other):
        square = 0.0
        for j in use:
            a, b = ((float(x[j]) - mean[j]) / deviation[j] if math.isfinite(x[j]) else None for x in (one, other))
            step = (a or 0.0) - (b or 0.0)
            square += (importances[j] / total) ** 2 * (step**2 + ((a is None) != (b is None)))
        return math.sqrt(square)

    pairs = np.array([[distance(a, b) for b in rows] for a in rows])
    scale = pairs.sum() / (len(rows) * (len(rows) - 1))
    apart = np.array(
        [min(d for d, f in zip(row, folds, strict=True) if f != own) for row, own in zip(pairs, folds, strict=True)]
    )
    lower, upper = np.quantile(apart / scale, [0.25, 0.75])
    threshold = min(upper + 1.5 * (upper - lower), (apart / scale).max())
    return np.array([min(distance(a, b) for b in rows) for a in new]) / scale, threshold


@pytest.fixture(scope="module")
def cloud():
    """Rows of six predictors in ten blocks, and the area drawn from them."""
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((5000, 6)) * [1, 10, 0.01, 5, 1, 1] + [0, 100, 0.3, -7, 0, 0]).astype(np.float32)
    importances = np.array([5.0, 3.0, 2.0, 1.0, 0.0, 0.5])
    folds = rng.integers(0, 10, len(rows))
    return rows, importances, folds, fit(rows, importances, folds, references=2000, seed=1)


def test_agrees_with_the_obvious_twin_where_values_are_missing():
    rng = np.random.default_rng(3)
    rows = rng.normal(2.0, [1, 3, 0.2, 8], (90, 4)).astype(np.float32)
    rows[rng.random(90) < 0.2, 1] = np.nan
    new = rng.normal(2.0, [2, 6, 0.4, 16], (60, 4)).astype(np.float32)
    new[rng.random((60, 4)) < 0.2] = np.nan
    importances, folds = np.array([4.0, 2.0, 1.0, 0.0]), rng.integers(0, 5, 90)
    area = fit(rows, importances, folds, seed=0)
    expected, threshold = twin(rows, importances, folds, new)
    np.testing.assert_allclose(area.dissimilarity(new), expected, rtol=1e-5)
    assert area.threshold == pytest.approx(threshold, rel=1e-9)
    np.testing.assert_array_equal(area.outside(new), expected > threshold)
    assert 0 < np.mean(expected > threshold) < 1


@settings(max_examples=examples(40))
@given(
    rows=hnp.arrays(np.float32, (12, 3), elements=st.floats(-50, 50, width=16) | st.just(np.nan)),
    importances=hnp.arrays(np.float64, 3, elements=st.floats(0.5, 20)),
    new=hnp.arrays(np.float32, (5, 3), elements=st.floats(-500, 500, width=16) | st.just(np.nan)),
)
def test_agrees_with_the_twin_on_any_rows(rows, importances, new):
    folds = np.arange(12) % 3
    try:
        area = fit(rows, importances, folds, seed=0)
    except TrainingError:
        return  # rows that are all alike
    expected, threshold = twin(rows, importances, folds, new)
    assert area.threshold == pytest.approx(threshold, rel=1e-6)
    np.testing.assert_allclose(area.dissimilarity(new), expected, rtol=1e-5, atol=1e-6)
    clear = np.abs(expected - threshold) > 1e-5
    np.testing.assert_array_equal(area.outside(new)[clear], (expected > threshold)[clear])


def test_the_fast_answer_is_that_of_the_exact_search(cloud):
    rows, _, _, area = cloud
    new = (rows * np.random.default_rng(5).uniform(0.8, 1.3, rows.shape)).astype(np.float32)
    outside = area.outside(new)
    np.testing.assert_array_equal(outside, area.dissimilarity(new) > area.threshold)
    assert 0.01 < outside.mean() < 0.99


def test_rows_far_away_are_outside_and_references_are_at_zero(cloud):
    rows, _, _, area = cloud
    assert area.outside(rows[:50] + 30 * rows.std(axis=0)).all()
    np.testing.assert_array_equal(area.dissimilarity(area.references), 0.0)
    assert not area.outside(area.references).any()


def test_rows_like_the_training_rows_are_rarely_outside(cloud):
    rng = np.random.default_rng(9)
    same = (rng.standard_normal((5000, 6)) * [1, 10, 0.01, 5, 1, 1] + [0, 100, 0.3, -7, 0, 0]).astype(np.float32)
    assert 0.0 < cloud[3].outside(same).mean() < 0.05


def test_dissimilarity_is_of_known_size():
    """Two far references: halfway between them lies half a mean distance away."""
    rows = np.array([[0.0], [0.0], [8.0], [8.0]], np.float32)
    area = fit(rows, [2.0], [0, 1, 0, 1], seed=0)
    assert area.mean_distance * area.scale[0] == pytest.approx(8.0 * 4 / 6)
    np.testing.assert_allclose(area.dissimilarity(np.array([[4.0], [8.0], [12.0]], np.float32)), [0.75, 0, 0.75])


def test_units_and_scale_of_importances_do_not_matter(cloud):
    rows, importances, folds, area = cloud
    units = np.array([1e-3, 1e3, 9 / 5, 10, 1, 1], np.float32)
    other = fit(rows * units, importances * 40, folds, references=2000, seed=1)
    assert other.threshold == pytest.approx(area.threshold, rel=1e-4)
    np.testing.assert_allclose(other.dissimilarity(rows * units), area.dissimilarity(rows), atol=1e-4)


def test_predictors_without_importance_or_variation_do_not_matter(cloud):
    rows, importances, folds, area = cloud
    moved = rows.copy()
    moved[:, 4] = 1e6
    np.testing.assert_array_equal(area.dissimilarity(moved), area.dissimilarity(rows))
    constant = np.column_stack([rows, np.full(len(rows), 3.0, np.float32)])
    wider = fit(constant, [*importances, 50.0], folds, references=2000, seed=1)
    np.testing.assert_allclose(wider.dissimilarity(constant), area.dissimilarity(rows), rtol=1e-6)


def test_what_was_never_missing_is_strange_when_missing_and_what_was_is_not():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((3000, 3)).astype(np.float32)
    rows[rng.random(3000) < 0.3, 2] = np.nan
    area = fit(rows, [1.0, 1.0, 1.0], rng.integers(0, 6, 3000), seed=0)
    new = rng.standard_normal((500, 3)).astype(np.float32)
    usual, novel = new.copy(), new.copy()
    usual[:, 2], novel[:, 0] = np.nan, np.nan
    assert area.outside(usual).mean() < 0.05
    assert area.outside(novel).all()


def test_blocks_that_differ_raise_the_threshold():
    """Folds that each hold their own part of space are predicted from afar, and so is what lies between them."""
    rng = np.random.default_rng(4)
    folds = np.repeat(np.arange(8), 200)
    rows = (rng.standard_normal((1600, 2)) + 3.0 * np.column_stack([folds, -folds])).astype(np.float32)
    apart = fit(rows, [1.0, 1.0], folds, seed=0)
    mixed = fit(rows, [1.0, 1.0], rng.permutation(folds), seed=0)
    assert apart.threshold > 1.5 * mixed.threshold


def test_whisker_leaves_out_outliers_but_never_passes_the_largest():
    assert whisker(np.array([*np.linspace(0, 1, 101), 50.0])) == pytest.approx(0.7575 + 1.5 * 0.505)
    assert whisker(np.array([0.0, 0.0, 1.0, 1.0])) == 1.0


def test_the_same_seed_gives_the_same_bits_and_storage_keeps_them(cloud, tmp_path):
    rows, importances, folds, area = cloud
    again = fit(rows, importances, folds, references=2000, seed=1)
    np.savez(tmp_path / "area.npz", **area.arrays())
    with np.load(tmp_path / "area.npz", allow_pickle=False) as stored:
        loaded = Applicability.from_arrays(stored)
    for other in (again, loaded):
        for name, array in area.arrays().items():
            np.testing.assert_array_equal(other.arrays()[name], array)
        np.testing.assert_array_equal(other.dissimilarity(rows), area.dissimilarity(rows))
    assert len(area.references) == 2000


def test_no_rows_and_more_rows_than_one_chunk(cloud):
    rows, _, _, area = cloud
    assert area.outside(rows[:0]).shape == area.dissimilarity(rows[:0]).shape == (0,)
    many = np.tile(rows, (8, 1))
    np.testing.assert_array_equal(area.outside(many), np.tile(area.outside(rows), 8))


def test_bad_input_is_refused(cloud):
    rows, importances, folds, area = cloud
    with pytest.raises(ModelFeatureError, match=r"\[n, 6\]"):
        area.outside(rows[:, :5])
    with pytest.raises(TrainingError, match="do not match"):
        fit(rows, importances[:3], folds, seed=0)
    with pytest.raises(TrainingError, match="negative"):
        fit(rows, -importances, folds, seed=0)
    for weights, blocks in ((importances * 0, folds), (importances, folds * 0)):
        with pytest.raises(TrainingError, match="two folds"):
            fit(rows, weights, blocks, seed=0)


@pytest.mark.parametrize(
    "change",
    [{"weight": np.ones(2)}, {"mean_distance": np.array(0.0)}, {"threshold": np.array(np.nan)}, {"mean": None}],
)
def test_damaged_arrays_are_refused(cloud, change):
    arrays = {name: array for name, array in (cloud[3].arrays() | change).items() if array is not None}
    with pytest.raises(ModelUnreadableError, match="area of applicability"):
        Applicability.from_arrays(arrays)


def test_trees_err_more_outside_than_inside():
    """Trained on the middle of two predictors that count alike; trees cannot extrapolate beyond it."""
    rng = np.random.default_rng(6)

    def truth(x):
        return x[:, 0] ** 2 + x[:, 1] ** 2

    rows = rng.uniform(-1.5, 1.5, (6000, 4)).astype(np.float32)
    booster = xgb.train(
        {"max_depth": 4, "nthread": 1, "seed": 0}, xgb.QuantileDMatrix(rows, truth(rows), nthread=1), 60
    )
    gains = booster.get_score(importance_type="total_gain")
    area = fit(rows, [gains.get(f"f{j}", 0.0) for j in range(4)], np.floor(rows[:, 2] * 4), references=1500, seed=0)
    new = rng.uniform(-2.5, 2.5, (4000, 4)).astype(np.float32)
    outside, error = area.outside(new), booster.inplace_predict(new) - truth(new)
    assert 0.1 < outside.mean() < 0.9
    assert np.sqrt(np.mean(error[outside] ** 2)) > 1.5 * np.sqrt(np.mean(error[~outside] ** 2))
