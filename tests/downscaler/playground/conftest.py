"""Truths that are known by construction, on ground where a slope tells the stations' part from the rest."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from downscaler.ground.grid import M01
from downscaler.playground.world import World, make_world
from downscaler.product import UPPER_VERDE

CELLS, DAYS = 72, 60  # 2 x 2 M36 cells
Theta = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def prior_data(theta: Theta, seed: int = 0) -> xr.Dataset:
    """A prior's variables: smooth random slopes, and soil moisture [days, y, x] = theta(slope, storms [days], rng)."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij")
    slope = 0.05 * (2.0 + np.sin(x / 7.0) + np.cos(y / 5.0 + x / 11.0))
    storms = 0.03 * np.sin(np.arange(DAYS) / 4.0)
    box = UPPER_VERDE.geobox(M01)
    centres = {name: box.coordinates[name].values[:CELLS] for name in ("x", "y")}
    flat = np.ones((CELLS, CELLS))
    fields = {
        "active": flat.astype("u1"),
        "porosity": 0.6 * flat,
        "residual": 0.01 * flat,
        "slope_x": slope,
        "slope_y": 0.0 * flat,
        "elevation": 1000.0 + 400.0 * np.cos(x / 9.0),
    }
    data = {name: (("y", "x"), field) for name, field in fields.items()}
    data["soil_moisture"] = (("time", "y", "x"), theta(slope, storms, rng).astype(np.float32))
    time = np.datetime64("2017-03-01") + np.arange(DAYS)
    return xr.Dataset(data, coords={**centres, "time": time.astype("datetime64[ns]")})


def by_slope(slope: np.ndarray, storms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Level ground is alike; on steep ground soil moisture climbs with the slope."""
    steep = np.maximum(slope - 0.08, 0.0) / 0.12
    return 0.12 + 0.25 * steep[None] + storms[:, None, None] + rng.normal(0.0, 0.005, (DAYS, CELLS, CELLS))


def without_structure(slope: np.ndarray, storms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same everywhere but for noise that no predictor knows."""
    return 0.2 + storms[:, None, None] + rng.normal(0.0, 0.03, (DAYS, CELLS, CELLS))


@pytest.fixture(scope="session")
def structured() -> World:
    return make_world(prior_data(by_slope), learning_days=25, judged_days=7)


@pytest.fixture(scope="session")
def structureless() -> World:
    return make_world(prior_data(without_structure), learning_days=25, judged_days=7)
