"""On genuine ParFlow-CLM soil moisture, days that the trees have not seen: errors grow with dissimilarity."""

import numpy as np
import pytest
import xgboost as xgb

from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09
from downscaler.learn.applicability import fit
from downscaler.method.features import Ground, available, matrix, with_gaps
from downscaler.method.forcing import forcing_until
from downscaler.method.pattern import pattern_statistics
from downscaler.product import UPPER_VERDE
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior

GAP = 7  # days
PARAMETERS = {"max_depth": 6, "eta": 0.15, "colsample_bynode": 0.5, "min_child_weight": 50, "nthread": 2, "seed": 0}


@pytest.fixture(scope="module")
def data(shared, tmp_path_factory):
    folder = shared / "parflow" / "upper_verde"
    source = open_source("netcdf", folder / "daily.nc", folder / "static.nc")
    return build_prior(source, UPPER_VERDE, tmp_path_factory.mktemp("uv") / "prior").data.load()


def draw(data, ground, days, cells, rng):
    """Predictors, targets of the hybrid and days of randomly chosen cells, each day's coarse field free of noise."""
    rows, targets, dates = [], [], []
    for day in days:
        date = data["time"].values[day].astype("datetime64[D]").item()
        forcing = forcing_until(data, date)
        if forcing is None:
            continue
        theta = data["soil_moisture"].values[day].astype(np.float64)
        coarse = block_mean(theta, ground.active, 9)
        fields = ground.fields | ground.day(coarse, date, forcing)
        where = np.zeros(ground.active.shape, bool)
        where.flat[rng.choice(np.flatnonzero(ground.active), cells, replace=False)] = True
        rows.append(with_gaps(matrix(fields, available(fields), where)))
        targets.append((theta - ground.surface(coarse) - fields["quantile_pattern"])[where])
        dates.append(np.full(cells, day))
    return np.concatenate(rows), np.concatenate(targets), np.concatenate(dates)


def judge_fold(data, held, days, rng):
    """Squared errors and relative dissimilarity (1 is the threshold) of held-out days; none of them is learned from."""
    train = days[(days < held[0] - GAP) | (days > held[-1] + GAP)]
    theta, active = data["soil_moisture"].values[train], data["active"].values.astype(bool)
    statistics = {name: (("y", "x"), field) for name, field in pattern_statistics(theta, active).items()}
    ground = Ground(data.assign(statistics), M09)
    rows, targets, dates = draw(data, ground, train[::3], 400, rng)
    booster = xgb.train(PARAMETERS, xgb.QuantileDMatrix(rows, targets, nthread=2), 50)
    gains = booster.get_score(importance_type="total_gain")
    importances = [gains.get(f"f{number}", 0.0) for number in range(rows.shape[1])]
    quarters = np.searchsorted(train, dates) * 4 // len(train)
    area = fit(rows, importances, quarters, references=2000, seed=0)
    unseen, truth, _ = draw(data, ground, held[::2], 500, rng)
    outside, far = area.outside(unseen), area.dissimilarity(unseen) / area.threshold
    np.testing.assert_array_equal(outside, far > 1)
    return (booster.inplace_predict(unseen) - truth) ** 2, far


def test_upper_verde_errs_more_outside_the_area_than_inside(data):
    active = data["active"].values.astype(bool)
    days = np.flatnonzero(np.isfinite(data["soil_moisture"].values[:, active]).all(axis=1))
    rng = np.random.default_rng(0)
    fifths = np.array_split(days, 5)
    judged = [judge_fold(data, fifths[number], days, rng) for number in (0, 4)]
    squares, far = (np.concatenate(part) for part in zip(*judged, strict=True))
    assert 0.005 < np.mean(far > 1) < 0.25
    assert np.sqrt(squares[far > 1].mean()) > 1.5 * np.sqrt(squares[far <= 1].mean())
    nearest, median = np.quantile(far, [0.25, 0.5])
    assert squares[far < nearest].mean() < squares[far < median].mean() < squares[far > median].mean()
