"""Gap days at 1 km on the genuine Upper Verde run: the published interval holds at each age of the retrieval."""

import numpy as np
import pytest

from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09
from downscaler.learn.boosting import Kind, Options
from downscaler.learn.samples import TileRecord
from downscaler.learn.training import days_with_data, fit_branch
from downscaler.method.decay import departures, fit_decay
from downscaler.method.hybrid import estimate
from downscaler.product import UPPER_VERDE
from downscaler.skill.folds import time_folds
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior

AGES = range(7)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fold(shared, tmp_path_factory):
    """The last fold in time, its statistics and a branch trained and calibrated without it."""
    native = shared / "parflow" / "upper_verde"
    source = open_source("netcdf", native / "daily.nc", native / "static.nc")
    prior = build_prior(source, UPPER_VERDE, tmp_path_factory.mktemp("uv") / "prior")
    last = list(time_folds(prior.data.load(), M09, days_with_data(prior)))[-1]
    branch, _ = fit_branch(
        Kind(grid=M09, forcing=False), [last.record], last.trials, Options(rows=40_000), final=last.train
    )
    return last, branch


def retrievals(record: TileRecord, noise: float):
    """SMAP of each day [n, nyc, nxc]: the truth's block means with white noise; NaN on the day that the run lacks."""
    days = record.data["soil_moisture"].values.astype(np.float64)
    found = np.full((len(days), *record.ground.coarse_level.shape), np.nan)
    for number, theta in enumerate(days):
        if np.isfinite(theta[record.ground.active]).all():
            found[number] = block_mean(theta, record.ground.active, record.ground.ratio)
    return found + noise * np.random.default_rng(3).standard_normal(found.shape)


@pytest.mark.parametrize("noise", [0.02, 0.04])
def test_the_interval_of_filled_days_holds_ninety_percent_at_each_age(fold, noise):
    last, branch = fold
    record, ground = last.record, last.record.ground
    smap = retrievals(record, noise)
    known = np.full(smap.shape, np.nan)
    seen = np.random.default_rng(4).random(smap.shape) < 0.4
    known[last.train.days] = np.where(seen, smap, np.nan)[last.train.days]
    decay = fit_decay(departures(known), observation_error=noise)
    hits: dict[int, list[float]] = {age: [] for age in AGES}
    width: dict[int, list[float]] = {age: [] for age in AGES}
    for position in last.held.days[max(AGES) :: 3]:
        date = record.data["time"].values[position].astype("datetime64[D]").item()
        theta = record.data["soil_moisture"].values[position].astype(np.float64)
        for age in AGES:
            error = np.full(ground.coarse_level.shape, float(decay.spread(age)))
            carried = ground.coarse_level + decay.weight(age) * (smap[position - age] - ground.coarse_level)
            carried = np.clip(carried, 0.001, 0.95)
            signal, part = ground.split(carried, error, branch.roughness, pattern=True)
            fields = ground.fields | ground.day(signal, date, None)
            made = estimate(branch, ground, fields, carried, error, noise=part)
            use = ground.active & np.isfinite(theta) & np.isfinite(made.lower)
            if use.any():
                hits[age].append(float(((made.lower <= theta) & (theta <= made.upper))[use].mean()))
                width[age].append(float((made.upper - made.lower)[use].mean()))
    coverage = {age: float(np.mean(found)) for age, found in hits.items()}
    assert all(0.85 <= share <= 0.95 for share in coverage.values()), coverage
    assert 0.87 <= np.mean(list(coverage.values())) <= 0.93, coverage
    if noise < decay.prior_error:  # else a retrieval is no better than the prior, and nothing is lost with age
        assert np.mean(width[6]) > np.mean(width[0])
