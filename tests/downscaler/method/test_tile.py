"""A day by tiles: the pixels are those of the whole window at once, however land is kept and tiles are shared."""

import json
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.ground.grid import M09
from downscaler.ground.prior import read_days
from downscaler.method.features import Ground
from downscaler.method.forcing import forcing_until
from downscaler.method.hybrid import DEFAULT_ERROR, estimate
from downscaler.method.tile.land import Land
from downscaler.method.tile.predict import Keeping, predict
from downscaler.method.tile.turns import in_order
from downscaler.sources.smap import read_day
from downscaler.stores.prior.kept import KeptArrays


@pytest.fixture(scope="module")
def day(chain):
    granules = sorted((chain.sample / "granules").iterdir())
    return max((d for d in (find_day(chain, g) for g in granules) if d), key=lambda d: d.data["recommended"].sum())


def find_day(chain, granule):
    from downscaler.errors import GranuleError, NoRetrievalError

    try:
        return read_day([granule], chain.domain)
    except (GranuleError, NoRetrievalError):
        return None


def fields(chain, day, **more):
    shape = chain.domain.shape()
    whole = {}
    for tile in predict(chain.model, chain.prior, day, **more):
        for name, values in tile.fields.items():
            field = whole.setdefault(name, np.zeros((shape.y, shape.x), values.dtype))
            field[tile.window.index] = values
    return whole


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_a_tile_is_the_estimate_of_its_whole_window(chain, day):
    """The obvious twin: every predictor as a field on the grid, halo and sea included."""
    window = chain.domain.window()
    data = chain.prior.window(chain.domain, window.relative_to(window)).load()
    ground = Ground(data, M09)
    forcing = forcing_until(data, day.date)
    assert forcing is not None
    branch = chain.model.branch(M09, forcing=True)
    coarse = np.where(day.data["recommended"], day.data["soil_moisture"], np.nan)
    error = day.data["soil_moisture_error"].values
    error = np.where(np.isfinite(error) & (error > 0), error, DEFAULT_ERROR)
    signal, noise = ground.split(coarse, error, branch.roughness, pattern=True)
    predictors = ground.fields | ground.day(signal, day.date, forcing)
    expected = estimate(branch, ground, predictors, coarse, error, noise=noise)
    found = fields(chain, day)
    assert np.isfinite(expected.soil_moisture).any()
    for name in ("soil_moisture", "lower", "upper", "uncertainty"):
        np.testing.assert_array_equal(found[name], getattr(expected, name), err_msg=name)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_pixel(chain, day, threads):
    assert_same(fields(chain, day, tile=1, threads=threads), fields(chain, day, tile=1))


def test_days_made_at_once_share_a_model(chain, day):
    """As two runs of one process do; a booster that is set while another thread asks it raises XGBoostError."""
    sizes = (2, 8)  # in several tiles, whose trees have one thread, and in one, whose trees have two
    alone = {size: fields(chain, day, tile=size, threads=2) for size in sizes}
    with ThreadPoolExecutor(4) as pool:
        made = [(size, pool.submit(fields, chain, day, tile=size, threads=2)) for size in sizes * 6]
        for size, each in made:
            assert_same(each.result(), alone[size])


def test_each_number_of_threads_has_trees_of_its_own_that_are_set_once(chain):
    model = replace(chain.model, branches={key: each.copied() for key, each in chain.model.branches.items()})
    one, two = model.on(1), model.on(2)
    assert one is model
    assert model.on(1) is one
    assert model.on(2) is two
    for key, branch in one.branches.items():
        assert branch.mean is not two.branches[key].mean
        for each, count in ((branch, 1), (two.branches[key], 2)):
            for booster in (each.mean, each.bounds):
                assert json.loads(booster.save_config())["learner"]["generic_param"]["nthread"] == str(count)
    assert "_by_threads" in vars(model)
    assert "_by_threads" not in vars(copy(model))  # nor where it is sent, by the same state


def test_kept_land_and_weather_change_no_pixel_and_are_read_the_second_time(chain, day, tmp_path):
    made = []

    class Counting(KeptArrays):
        def __call__(self, name, make):
            return super().__call__(name, lambda: (made.append(name), make())[1])

    kept = Keeping(land=Counting(tmp_path / "land"), weather=KeptArrays(tmp_path / "weather"))
    anew = fields(chain, day, tile=2)
    assert_same(fields(chain, day, tile=2, keeping=kept), anew)
    first = len(made)
    assert first == len(list((tmp_path / "land").glob("*.npz"))) > 0
    assert_same(fields(chain, day, tile=2, keeping=kept), anew)
    assert len(made) == first


def test_a_damaged_piece_of_land_is_made_again(chain, day, tmp_path, caplog):
    kept = Keeping(land=KeptArrays(tmp_path))
    anew = fields(chain, day, keeping=kept)
    for number, file in enumerate(sorted(tmp_path.glob("*.npz"))):
        blob = bytearray(file.read_bytes())
        blob[len(blob) // 2] ^= 0xFF
        file.write_bytes(blob if number % 2 == 0 else blob[:1000])
    assert_same(fields(chain, day, keeping=kept), anew)
    assert "is damaged and is made again" in caplog.text
    caplog.clear()
    assert_same(fields(chain, day, keeping=kept), anew)
    assert "damaged" not in caplog.text


def test_where_nothing_can_be_kept_days_are_made_all_the_same(chain, day, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    kept = Keeping(land=KeptArrays(tmp_path / "file" / "land"))
    assert_same(fields(chain, day, tile=1, keeping=kept), fields(chain, day, tile=1))
    assert caplog.text.count("cannot be kept") == 1


def test_land_comes_back_as_it_was(chain):
    window = chain.domain.window()
    whole = window.relative_to(window)
    land = Land.of(Ground(chain.prior.window(chain.domain, whole), M09), whole)
    again = Land.from_arrays(land.arrays())
    for name in ("cells", "statics", "smooth_level", "smooth_quantiles", "quantiles", "active", "coarse_level"):
        np.testing.assert_array_equal(getattr(again, name), getattr(land, name))
        assert getattr(again, name).dtype == getattr(land, name).dtype
    assert (again.names, again.ratio) == (land.names, land.ratio)


def test_in_turn_keeps_the_order_and_makes_few_in_advance():
    begun = []
    made = in_order(lambda n: (begun.append(n), n * n)[1], range(50), 3)
    assert next(made) == 0
    assert len(begun) <= 5
    assert list(made) == [n * n for n in range(1, 50)]


def test_in_turn_raises_what_was_raised_and_stops():
    def fail(number):
        if number == 4:
            raise ValueError("four")
        return number

    done = []
    with pytest.raises(ValueError, match="four"):
        done.extend(in_order(fail, range(100), 2))
    assert list(in_order(lambda n: n, [], 2)) == []


@settings(max_examples=60)
@given(st.lists(st.integers(0, 39), max_size=25))
def test_days_read_in_pieces_are_those_asked_for(at):
    values = np.arange(40 * 6).reshape(40, 2, 3)
    field = xr.DataArray(values, dims=("time", "y", "x"))
    np.testing.assert_array_equal(read_days(field, np.array(at, np.intp)), values[at])
