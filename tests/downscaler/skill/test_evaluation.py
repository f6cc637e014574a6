"""Skill figures against analytic cases and slow twins."""

import numpy as np
import pytest
import xarray as xr

from downscaler.ground.grid import M09
from downscaler.method.baselines import baselines
from downscaler.method.features import Ground
from downscaler.method.pattern import pattern_statistics
from downscaler.skill.evaluation import FIGURES, Evaluation, seam_index, within_block_r


def test_seam_index_of_a_plane_is_one_and_of_steps_is_infinite_times_it():
    y, x = np.mgrid[0:27, 0:27].astype(float)
    assert seam_index(x + y, 9) == pytest.approx(1.0)
    steps = np.repeat(np.repeat(np.arange(9.0).reshape(3, 3), 9, 0), 9, 1)
    assert np.isnan(seam_index(steps, 9))  # no jump inside at all: not defined rather than endless
    assert seam_index(steps + 0.01 * (x + y), 9) > 50


def test_within_block_r_is_the_mean_of_blockwise_pearson():
    rng = np.random.default_rng(0)
    truth = rng.random((18, 18))
    theta = truth + rng.normal(0, 0.3, truth.shape)
    theta[:4, :4] = np.nan
    slow = []
    for i in (0, 9):
        for j in (0, 9):
            a, b = theta[i : i + 9, j : j + 9].ravel(), truth[i : i + 9, j : j + 9].ravel()
            good = np.isfinite(a)
            slow.append(np.corrcoef(a[good], b[good])[0, 1])
    assert within_block_r(theta, truth, 9) == pytest.approx(np.mean(slow), abs=1e-12)


@pytest.fixture(scope="module")
def figures():
    rng = np.random.default_rng(1)
    active = rng.random((18, 18)) > 0.1
    evaluation = Evaluation(active, 9)
    errors, truths, fields = [], [], []
    for _ in range(40):
        truth = rng.uniform(0.1, 0.4, active.shape)
        theta = truth + 0.02 + rng.normal(0, 0.05, active.shape)
        evaluation.add(truth, np.zeros((2, 2)), {"m": theta}, {"m": (theta - 0.1, theta + 0.06)})
        errors.append((theta - truth)[active])
        truths.append(truth[active])
        fields.append(theta[active])
    return evaluation.figures()["m"], np.array(errors), np.array(truths), np.array(fields)


def test_figures_equal_their_definitions(figures):
    found, errors, truth, theta = figures
    assert set(found) == set(FIGURES) - {"beyond_bounds"}  # no limits were given
    assert found["rmse"].value == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert found["bias"].value == pytest.approx(errors.mean(), rel=1e-5)
    assert found["r"].value == pytest.approx(np.corrcoef(theta.ravel(), truth.ravel())[0, 1], rel=1e-6)
    assert found["ubrmsd"].value == pytest.approx(errors.std(axis=0).mean(), rel=1e-5)
    inside = (errors <= 0.1) & (errors >= -0.06)
    assert found["coverage_90"].value == pytest.approx(inside.mean(), abs=1e-9)


def test_intervals_hold_the_value_and_have_the_width_of_the_noise(figures):
    found, errors, *_ = figures
    interval = found["bias"]
    assert interval.low < 0.02 < interval.high
    analytic = 2 * 1.96 * errors.mean(axis=1).std() / np.sqrt(len(errors))
    assert 0.4 * analytic < interval.high - interval.low < 1.8 * analytic


def test_all_methods_are_judged_on_the_same_cells():
    truth = np.full((9, 9), 0.2)
    blind = truth + 0.1
    blind[0] = np.nan
    good = truth.copy()
    good[0] = 9.0  # would ruin the figure if the blind method's gap were not taken off both
    evaluation = Evaluation(np.ones((9, 9), bool), 9)
    evaluation.add(truth, np.array([[0.2]]), {"blind": blind, "good": good})
    assert evaluation.figures()["good"]["rmse"].value == pytest.approx(0.0, abs=1e-9)


def test_no_common_day_gives_no_figures():
    evaluation = Evaluation(np.ones((9, 9), bool), 9)
    evaluation.add(np.full((9, 9), np.nan), np.array([[0.2]]), {"m": np.zeros((9, 9))})
    assert evaluation.figures() == {}


def test_baselines_keep_their_promises():
    rng = np.random.default_rng(3)
    active = np.ones((36, 36), bool)
    level = rng.uniform(0.1, 0.3, (36, 36))
    fields = pattern_statistics(level + rng.normal(0, 0.02, (30, 36, 36)), active)
    fields |= {"active": active, "porosity": level + 0.2, "residual": level * 0}
    ground = Ground(xr.Dataset({name: (("y", "x"), field) for name, field in fields.items()}), M09)
    coarse = rng.uniform(0.1, 0.4, (4, 4))
    coarse[1, 0] = np.nan
    found = baselines(coarse, ground, np.full((36, 36), 0.33))
    assert set(found) == {"nearest", "bilinear", "climatological_pattern", "prior"}
    assert all(np.isnan(field[9:18, :9]).all() for field in found.values())
    pattern = found["climatological_pattern"][:9, :9]
    assert pattern.mean() == pytest.approx(coarse[0, 0])
    assert np.corrcoef(pattern.ravel(), ground.level[:9, :9].ravel())[0, 1] == pytest.approx(1.0)


def test_values_beyond_their_bounds_are_counted():
    lowest, highest = np.full((9, 9), 0.05), np.full((9, 9), 0.45)
    evaluation = Evaluation(np.ones((9, 9), bool), 9, limits=(lowest, highest))
    truth = np.linspace(0.1, 0.4, 81).reshape(9, 9)
    theta = truth.copy()
    theta[0, :3] = 0.05, 0.05 - 5e-7, 0.45 + 5e-7  # at the bound and within rounding of it
    theta[1, :3] = 0.04, 0.46, 0.9
    evaluation.add(truth, np.zeros((1, 1)), {"m": theta})
    evaluation.add(truth, np.zeros((1, 1)), {"m": truth})
    assert evaluation.figures()["m"]["beyond_bounds"].value == pytest.approx(3 / 162)
