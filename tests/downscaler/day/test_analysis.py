"""The analysis of a day on a simulated sample: block means kept, the mean of two estimates, any tiling alike."""

import datetime as dt
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from downscaler.day.analysis import NOT_JUDGED, analyse_day
from downscaler.day.inputs import Inputs
from downscaler.errors import NoRetrievalError
from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09
from downscaler.method.coarse.analysis import Memory
from downscaler.method.coarse.response import response_names
from downscaler.method.tile.predict import predict
from downscaler.product import CONSERVATION_TOLERANCE
from downscaler.sources.smap import find_granules, read_day

FIRST = dt.date(2024, 5, 20)


@pytest.fixture(scope="module")
def seen(chain):
    found = []
    for date in (FIRST + dt.timedelta(days=n) for n in range(4)):
        with suppress(NoRetrievalError):
            found.append(read_day(find_granules(chain.sample / "granules", date), chain.domain, date=date))
    return found


@pytest.fixture(scope="module")
def inputs(chain):
    return Inputs(domain=chain.domain, records=(), prior=chain.prior, model=chain.model)


@pytest.fixture(scope="module")
def day(seen, inputs):
    return analyse_day(seen[-1].date, seen[-1], seen[:-1], inputs).day


def fields(chain, prior, day, tile=8):
    shape = chain.domain.shape()
    made = {name: np.full((shape.y, shape.x), np.nan) for name in ("soil_moisture", "lower", "upper")}
    for part in predict(chain.model, prior, day, tile=tile):
        for name, whole in made.items():
            whole[part.window.index] = part.fields[name]
    return made


def without_responses(prior):
    return replace(prior, data=prior.data.drop_vars(list(response_names(M09))))


def test_every_active_cell_has_a_value_within_its_interval_and_blocks_keep_the_analysis(chain, day):
    made = fields(chain, chain.prior, day)
    active = chain.prior.data["active"].values.astype(bool)
    assert np.isfinite(made["soil_moisture"][active]).all()
    assert (made["lower"] <= made["soil_moisture"])[active].all()
    assert (made["soil_moisture"] <= made["upper"])[active].all()
    means = block_mean(np.nan_to_num(made["soil_moisture"]), active, 9)
    wanted = day.data["soil_moisture"].values
    known = np.isfinite(means) & np.isfinite(wanted)
    assert np.abs(means - wanted)[known].max() < CONSERVATION_TOLERANCE


def test_ground_that_smap_saw_frozen_has_a_value_and_says_so(seen, inputs):
    today = seen[-1]
    north = np.zeros(today.data["recommended"].shape, bool)
    north[:4] = True
    surface = np.where(north, 1 << 7, today.data["surface_flag"].values).astype(np.uint16)
    data = today.data.assign(
        surface_flag=(("y", "x"), surface), recommended=(("y", "x"), today.data["recommended"].values & ~north)
    )
    made = analyse_day(today.date, replace(today, data=data), seen[:-1], inputs).day.data
    passed = north & (today.data["overpass"].values > 0) & made["analysed"].values
    assert passed.any()
    assert (made["surface_flag"].values[passed] == 1 << 7).all()
    assert (made["age_days"].values[passed] != 0).all()
    assert made["filled"].values[passed].all()
    assert np.isfinite(made["soil_moisture"].values[passed]).all()


def test_an_interval_that_no_record_tested_is_told_and_widens_with_what_smap_sees(seen, inputs):
    """The prior has these days itself, from another run than the truth: a departure of SMAP from them counts."""
    model, today = inputs.model, seen[-1]
    unknown = replace(inputs, model=replace(model, memory={}))
    assert NOT_JUDGED in analyse_day(today.date, today, seen[:-1], unknown).caveats
    tested = replace(inputs, model=replace(model, memory={"M09": Memory(inflation=1.1)}))
    made = analyse_day(today.date, today, seen[:-1], tested)
    assert NOT_JUDGED not in made.caveats
    wetter = [replace(d, data=d.data.assign(soil_moisture=d.data["soil_moisture"] + 0.15)) for d in seen]
    away = analyse_day(today.date, wetter[-1], wetter[:-1], tested)
    assert made.analysis["background"] == away.analysis["background"] == "the prior's own days"
    assert away.analysis["departures_scale"] > made.analysis["departures_scale"]
    errors = (np.nanmean(each.day.data["soil_moisture_error"].values) for each in (away, made))
    assert next(errors) > next(errors)


def test_the_tiling_does_not_matter(chain, day):
    whole, parts = fields(chain, chain.prior, day), fields(chain, chain.prior, day, tile=1)
    for name, values in whole.items():
        apart = np.nan_to_num(np.abs(parts[name] - values))
        assert (np.isnan(parts[name]) == np.isnan(values)).all()
        # rounding puts single cells on the other side of a tree's threshold, and their SMAP cell shifts for it
        assert apart.max() < 1e-3
        assert np.mean(apart > 1e-6) < 0.02


def test_with_a_store_that_has_no_responses_the_trees_alone_add_the_pattern(chain, day):
    joined, trees = fields(chain, chain.prior, day), fields(chain, without_responses(chain.prior), day)
    active = chain.prior.data["active"].values.astype(bool)
    apart = np.abs(joined["soil_moisture"] - trees["soil_moisture"])[active]
    assert 1e-4 < apart.mean() < 0.03
