"""What is told of the error of a day's retrievals: where it is from, and that telling changes no pixel."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from downscaler.day.analysis import analyse_day
from downscaler.day.inputs import Inputs
from downscaler.day.reading import Reading
from downscaler.day.retrievals import with_told_error
from downscaler.errors import NoRetrievalError
from downscaler.method.hybrid import DEFAULT_ERROR
from downscaler.method.tile.predict import predict
from downscaler.product import SMAP_ERROR
from downscaler.sources.smap import MODELLED, read_day


@pytest.fixture(scope="module")
def inputs(chain):
    return Inputs(domain=chain.domain, records=(), prior=chain.prior, model=chain.model)


@pytest.fixture(scope="module")
def day(chain):
    """The fullest day of the sample, without an error that SMAP states."""
    found = []
    for granule in sorted((chain.sample / "granules").iterdir()):
        with suppress(NoRetrievalError):
            found.append(read_day([granule], chain.domain))
    fullest = max(found, key=lambda day: int(day.data["recommended"].sum()))
    return stating(fullest, np.nan)


def stating(day, error):
    shape = day.data["soil_moisture"].shape
    return replace(day, data=day.data.assign(soil_moisture_error=(("y", "x"), np.full(shape, error))))


def pixels(chain, day):
    return [tile.fields for tile in predict(chain.model, chain.prior, day)]


def test_what_the_pass_tells_is_told_and_is_what_the_pixels_are_made_with(chain, inputs, day):
    known, told = with_told_error(Reading(day=day), inputs)
    used = day.data["recommended"].values & np.isfinite(day.data["soil_moisture"].values)
    error = known.data["soil_moisture_error"].values[used]
    of = told[SMAP_ERROR.name]
    assert (of["stated"], of["found"], of["nominal"]) == (0, used.sum(), 0)
    assert of["median"] == pytest.approx(np.median(error), rel=6e-3)
    assert of["minimum"] <= of["median"] <= of["maximum"]
    assert of["minimum"] >= told["observation"]["error"]
    assert set(told["observation"]) == {"footprint", "error", "smooth_share", "smooth_km"}
    for before, after in zip(pixels(chain, day), pixels(chain, known), strict=True):
        for name, values in before.items():
            np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_what_smap_states_stands(inputs, day):
    known, told = with_told_error(Reading(day=stating(day, 0.03)), inputs)
    assert (known.data["soil_moisture_error"].values == 0.03).all()
    of = told[SMAP_ERROR.name]
    assert (of["minimum"], of["median"], of["maximum"]) == (0.03, 0.03, 0.03)
    assert (of["found"], of["nominal"]) == (0, 0)
    assert set(told) == {SMAP_ERROR.name}


def test_odd_errors_of_a_granule_are_told_as_numbers_above_zero(inputs, day):
    _, told = with_told_error(Reading(day=stating(day, 1e-7)), inputs)
    assert told[SMAP_ERROR.name]["median"] == 1e-7
    forgetful = replace(inputs, model=replace(inputs.model, memory={}))
    _, told = with_told_error(Reading(day=stating(day, np.inf)), forgetful)
    assert (told[SMAP_ERROR.name]["maximum"], told[SMAP_ERROR.name]["stated"]) == (DEFAULT_ERROR, 0)


def test_where_smap_l4_stands_in_no_error_of_a_retrieval_is_told(inputs, day):
    modelled = replace(day.inputs[0], attributes={"short_name": MODELLED[0]})
    other = replace(stating(day, 0.04), inputs=(modelled,))
    assert with_told_error(Reading(day=other), inputs) == (other, {})


def test_where_nothing_tells_the_error_is_nominal(inputs, day):
    forgetful = replace(inputs, model=replace(inputs.model, memory={}))
    few = np.zeros(day.data["recommended"].shape, bool)
    few[tuple(np.argwhere(day.data["recommended"].values)[0])] = True
    seldom = replace(day, data=day.data.assign(recommended=(("y", "x"), few)))
    for given, of in ((forgetful, day), (inputs, seldom)):
        _, told = with_told_error(Reading(day=of), given)
        assert told[SMAP_ERROR.name]["median"] == DEFAULT_ERROR
        assert (told[SMAP_ERROR.name]["stated"], told[SMAP_ERROR.name]["found"]) == (0, 0)
        assert set(told) == {SMAP_ERROR.name}
    none = replace(day, data=day.data.assign(recommended=(("y", "x"), np.zeros(few.shape, bool))))
    assert with_told_error(Reading(day=none), inputs)[1] == {}


def test_an_analysis_tells_the_error_of_its_passes(inputs, day):
    reading = analyse_day(day.date, day, [], inputs)
    known, told = with_told_error(reading, inputs)
    assert known is reading.day
    assert told == {SMAP_ERROR.name: {"median": reading.analysis["observation"]["error"]}}
    nothing = replace(
        day, data=day.data.assign(recommended=(("y", "x"), np.zeros(day.data["recommended"].shape, bool)))
    )
    assert with_told_error(analyse_day(day.date, nothing, [], inputs), inputs)[1] == {}
