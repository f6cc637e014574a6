"""Weather on degrees brought to the product grid: against analytic fields, sums and a slow obvious twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import wh_, xy_
from pyproj import Transformer

from downscaler.ground.grid import CRS, Domain
from downscaler.ground.latlon import LAPSE_RATE, FromLatLon, from_latlon
from downscaler.ground.lattice import Lattice

DOMAIN = Domain.from_bounds("t", "t", west=-98.4, south=34.6, east=-97.9, north=35.0)
NLDAS = Lattice(name="NLDAS-2", crs="EPSG:4326", lower_left=xy_(-125.0, 25.0), shape=wh_(464, 224), cell=0.125)


def centres() -> tuple[np.ndarray, np.ndarray]:
    box, shape = DOMAIN.geobox(), DOMAIN.shape()
    x = box.affine.c + box.affine.a * (np.arange(shape.x) + 0.5)
    y = box.affine.f + box.affine.e * (np.arange(shape.y) + 0.5)
    return Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))


@pytest.fixture(scope="module")
def grid() -> FromLatLon:
    return from_latlon(NLDAS, DOMAIN)


def test_a_constant_stays_and_every_cell_is_wholly_covered(grid: FromLatLon) -> None:
    assert np.allclose(grid.rows.sum(axis=1), 1.0)
    assert np.allclose(grid.columns.sum(axis=1), 1.0)
    assert np.allclose(grid.mean(np.full((224, 464), 7.5)), 7.5)


def test_linear_fields_are_kept_by_interpolation(grid: FromLatLon) -> None:
    lon = -124.9375 + 0.125 * np.arange(464)
    lat = 25.0625 + 0.125 * np.arange(224)
    there_lon, there_lat = centres()
    made = grid.linear(2.0 * lon[None, :] + 3.0 * lat[:, None])
    assert np.allclose(made, 2.0 * there_lon + 3.0 * there_lat, atol=1e-3)


def test_area_means_against_a_slow_twin(grid: FromLatLon) -> None:
    field = np.random.default_rng(0).gamma(0.3, 8.0, (224, 464))
    box = DOMAIN.geobox()
    made = grid.mean(field)
    k = (np.arange(20) + 0.5) / 20
    for row, column in ((0, 0), (7, 19), (33, 2), (made.shape[0] - 1, made.shape[1] - 1)):
        x, y = np.meshgrid(box.affine.c + box.affine.a * (column + k), box.affine.f + box.affine.e * (row + k))
        lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
        i, j = np.floor((lon + 125) / 0.125).astype(int), np.floor((lat - 25) / 0.125).astype(int)
        assert made[row, column] == pytest.approx(field[j, i].mean(), rel=0.06)


@given(seed=st.integers(0, 2**32 - 1))
def test_rain_is_conserved(seed: int) -> None:
    """The water of a source cell that lies wholly inside is the water of its shares of product cells."""
    grid = from_latlon(NLDAS, DOMAIN)
    field = np.zeros((224, 464))
    rng = np.random.default_rng(seed)
    inside_rows = np.flatnonzero(np.asarray(grid.rows.sum(axis=0)).ravel() > 0)[1:-1]
    inside_columns = np.flatnonzero(np.asarray(grid.columns.sum(axis=0)).ravel() > 0)[1:-1]
    j, i = rng.choice(inside_rows), rng.choice(inside_columns)
    field[j, i] = rng.uniform(1, 100)
    cell_areas = grid.rows.sum(axis=0)[0, j] * grid.columns.sum(axis=0)[0, i]
    assert grid.mean(field).sum() == pytest.approx(field[j, i] * cell_areas, rel=1e-5)


def test_unknown_cells_leave_gaps_and_never_zero_rain(grid: FromLatLon) -> None:
    field = np.full((224, 464), np.nan)
    assert np.isnan(grid.mean(field)).all()
    field[:, :220] = 4.0
    made = grid.mean(field)
    assert set(np.unique(made[np.isfinite(made)])) <= {np.float32(4.0)}


def test_beyond_the_grid_there_is_nothing() -> None:
    europe = Domain.from_bounds("e", "e", west=5.0, south=45.0, east=6.0, north=46.0)
    grid = from_latlon(NLDAS, europe)
    assert np.isnan(grid.mean(np.ones((224, 464)))).all()
    assert np.isnan(grid.linear(np.ones((224, 464)))).all()


def test_a_hill_is_colder_by_the_lapse_rate_and_the_mean_is_kept(grid: FromLatLon) -> None:
    shape = DOMAIN.shape()
    flat = np.full((shape.y, shape.x), 400.0)
    assert np.allclose(grid.temperature(np.full((224, 464), 290.0), flat), 290.0)
    rough = flat + 100.0 * np.random.default_rng(1).standard_normal(flat.shape)
    rough[3, 4] = np.nan
    made = grid.temperature(np.full((224, 464), 290.0), rough)
    smooth = grid.linear(grid.coarse_mean(rough))
    known = np.isfinite(rough)
    assert np.allclose(made[known], (290.0 - LAPSE_RATE * (rough - smooth))[known], atol=1e-3)
    assert made[3, 4] == pytest.approx(290.0)
    assert np.isfinite(made).all()
