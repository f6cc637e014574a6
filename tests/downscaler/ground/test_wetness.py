from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler.ground.wetness import FLAT, from_elevation, from_slopes, pits, receivers, upslope_cells

SLOPES = hnp.arrays(np.float64, (6, 7), elements=st.floats(-0.5, 0.5))


def test_on_an_inclined_plane_water_runs_straight_down():
    """Slope 0.01 up to the east: every row drains west, cell i receives all cells east of it."""
    slope_x, slope_y = np.full((3, 5), 0.01), np.zeros((3, 5))
    cells = upslope_cells(receivers(slope_x, slope_y)[0]).reshape(3, 5)
    np.testing.assert_array_equal(cells, np.tile([5, 4, 3, 2, 1], (3, 1)))
    np.testing.assert_allclose(from_slopes(*receivers(slope_x, slope_y), 1000.0), np.log(cells * 1000 / 0.01))


def test_north_is_up_in_both_meanings():
    slope_x, slope_y = np.zeros((4, 2)), np.full((4, 2), 0.02)  # rises to the north, drains to row 0, the south
    cells = upslope_cells(receivers(slope_x, slope_y)[0]).reshape(4, 2)
    np.testing.assert_array_equal(cells[:, 0], [4, 3, 2, 1])


@settings(max_examples=examples(60))
@given(slope_x=SLOPES, slope_y=SLOPES)
def test_against_following_every_drop(slope_x, slope_y):
    receiver, _ = receivers(slope_x, slope_y)
    count, looped = np.zeros(receiver.size), False
    for start in range(receiver.size):
        here, seen = start, set()
        while here >= 0 and here not in seen:
            seen.add(here)
            count[here] += 1
            here = receiver[here]
        looped |= here >= 0
    got = upslope_cells(receiver)
    assert np.isfinite(from_slopes(*receivers(slope_x, slope_y), 1000.0)).all()
    if looped:
        assert (got <= count).all()
    else:
        np.testing.assert_array_equal(got, count)


@settings(max_examples=examples(40))
@given(elevation=hnp.arrays(np.float64, (8, 9), elements=st.floats(0, 3000)))
def test_elevation_with_pits_and_gaps_gives_finite_wetness(elevation):
    elevation[2, 3] = np.nan
    index = from_elevation(elevation, 1000.0)
    assert np.isfinite(index).sum() == elevation.size - 1
    assert index[np.isfinite(index)].max() <= np.log(elevation.size * 1000 / FLAT)


def test_plain_gradients_of_rough_terrain_are_full_of_pits():
    rng = np.random.default_rng(4)
    slope_y, slope_x = np.gradient(rng.normal(size=(40, 40)))
    assert pits(receivers(slope_x, slope_y)[0]) > 0.05


def test_a_valley_is_wetter_than_its_ridges():
    x = np.abs(np.arange(-10, 11))[None, :]
    elevation = 50.0 * x + 5.0 * np.arange(30)[:, None]
    index = from_elevation(elevation, 1000.0)
    assert (index[5:-5, 10] > index[5:-5, 2] + 1).all()


def test_little_washita_drains_592_cells_through_its_outlet(shared: Path):
    with xr.open_dataset(shared / "parflow" / "little_washita" / "static" / "static.nc") as static:
        receiver, _ = receivers(static["slope_x"].values, static["slope_y"].values)
        cells = upslope_cells(receiver).reshape(41, 41)
        np.testing.assert_array_equal(cells, static["flow_accum"].values)
        assert pits(receiver) == 0
        assert cells[31, 40] == 592 == pytest.approx(static["watershed"].values.sum())


@settings(max_examples=examples(60))
@given(st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_receivers_are_those_of_a_slow_twin(height, width, chance):
    choices = [0.0, -0.0, 0.1, -0.1, 0.2, -0.2, np.nan]
    east, north = (np.array([[chance.choice(choices) for _ in range(width)] for _ in range(height)]) for _ in range(2))
    receiver, steep = receivers(east, north)
    for (j, i), x in np.ndenumerate(np.nan_to_num(east)):
        y = np.nan_to_num(north[j, i])
        to = (j, i - int(np.sign(x))) if abs(x) >= abs(y) else (j - int(np.sign(y)), i)
        inside = 0 <= to[0] < height and 0 <= to[1] < width and to != (j, i)
        assert receiver[j * width + i] == (to[0] * width + to[1] if inside else -1)
        assert steep[j, i] == max(abs(x), abs(y))
