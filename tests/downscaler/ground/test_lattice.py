import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Proj

from downscaler.errors import PriorSchemaError
from downscaler.ground.lattice import CONUS1, CONUS2, PARENTS, IJWindow, from_centres


@given(
    name=st.sampled_from(sorted(PARENTS)),
    i0=st.integers(0, 3000),
    j0=st.integers(0, 1500),
    size=st.tuples(st.integers(2, 300), st.integers(2, 300)),
    data=st.data(),
)
def test_a_cut_is_recognised_from_its_cell_centres(name, i0, j0, size, data):
    parent = PARENTS[name]
    bounds = (i0, j0, min(i0 + size[0], parent.shape.x), min(j0 + size[1], parent.shape.y))
    registration = data.draw(st.sampled_from(sorted(parent.registrations)))
    lattice = parent.cut(bounds, registration)
    assert from_centres(lattice.x, lattice.y, lattice.crs, where="test") == lattice


@pytest.mark.parametrize("parent", [CONUS1, CONUS2])
def test_longitudes_and_latitudes_are_those_of_the_plain_projection(parent):
    """PROJ must take the model's sphere or ellipsoid as it is, without a shift of datum."""
    lattice = parent.cut((100, 200, 103, 202), "hydrodata")
    lon, lat = lattice.lonlat()
    x, y = Proj(parent.crs)(lon, lat)
    np.testing.assert_allclose(x, np.broadcast_to(lattice.x, (2, 3)), atol=0.01)
    np.testing.assert_allclose(y, np.broadcast_to(lattice.y[:, None], (2, 3)), atol=0.01)


def test_the_two_registrations_of_conus1_lie_854_m_apart():
    first, second = CONUS1.registrations.values()
    assert np.hypot(first.x - second.x, first.y - second.y) == pytest.approx(854, abs=1)


def test_a_grid_off_every_registration_keeps_its_own_place():
    lattice = CONUS1.cut((10, 10, 20, 20), "drv_vegm")
    moved = from_centres(lattice.x + 400, lattice.y, lattice.crs, where="test")
    assert moved.registration == "custom"
    assert moved.ij_bounds is None
    np.testing.assert_allclose(moved.x, lattice.x + 400)


@pytest.mark.parametrize("x", [[0.0, 1000.0, 2500.0], [2000.0, 1000.0, 0.0], [0.0]])
def test_uneven_or_descending_centres_are_refused(x):
    with pytest.raises(PriorSchemaError, match="evenly spaced"):
        from_centres(x, [0.0, 1000.0], CONUS1.crs, where="test")


def test_a_nonsense_projection_is_refused():
    with pytest.raises(PriorSchemaError, match="not be interpreted"):
        from_centres([0.0, 1000.0], [0.0, 1000.0], "a map", where="test")


@pytest.mark.parametrize("bounds", [[1, 2, 3], [5, 2, 5, 9], [-1, 0, 4, 4], [0.5, 0, 4, 4]])
def test_malformed_bounds_are_refused(bounds):
    with pytest.raises(PriorSchemaError):
        IJWindow.from_bounds(bounds)
