"""A small ParFlow-like run on a cut of CONUS1, in every format the readers know."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from parflow.tools.io import write_pfb

from downscaler.ground.grid import M36, Domain, LonLat, Span, Window
from downscaler.ground.lattice import CONUS1, Lattice

BOUNDS = (1660, 110, 1740, 180)  # i0, j0, i1, j1 around Little Washita
DAYS = 40


@pytest.fixture(scope="session")
def lattice() -> Lattice:
    return CONUS1.cut(BOUNDS, "drv_vegm")


@pytest.fixture(scope="session")
def domain() -> Domain:
    cell = M36.cell_at(LonLat(lon=-98.1, lat=34.86))
    window = Window(rows=Span(start=cell.y, stop=cell.y + 1), columns=Span(start=cell.x, stop=cell.x + 1))
    return Domain(name="cell", title="One SMAP cell", m36=window)


@pytest.fixture(scope="session")
def fields(lattice: Lattice) -> dict[str, np.ndarray]:
    """Saturation [day, z, j, i] and porosity [z, j, i], deepest layer first; the southernmost rows are inactive."""
    rng = np.random.default_rng(3)
    shape = (lattice.shape.y, lattice.shape.x)
    saturation = rng.uniform(0.2, 0.9, (DAYS, 3, *shape))
    saturation[:, 0, :12] = -3.4028234663852886e38
    saturation[:, 1:, :12] = 1e-4  # ParFlow leaves residual saturation above an inactive deepest layer
    porosity = rng.uniform(0.3, 0.5, (3, *shape))
    return {"saturation": saturation, "porosity": porosity}


@pytest.fixture(scope="session")
def soil_moisture(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Surface soil moisture [day, j, i] by hand."""
    wet = fields["saturation"][:, -1] * fields["porosity"][-1]
    wet[:, :12] = np.nan
    return wet


TOML = """
    [grid]
    lattice = "CONUS1"
    registration = "drv_vegm"
    ij_bounds = [1660, 110, 1740, 180]

    [time]
    start = "2016-10-01T12:00:00Z"
    step = "1d"

    [files]
    saturation = "run.out.satur.*.pfb"
    porosity = "run.out.porosity.pfb"

    [soil]
    residual_saturation = 0.1

    [source]
    title = "a test run"
    simulated = true
    note = "made by a test"
"""


@pytest.fixture
def pfb_folder(tmp_path: Path, fields: dict[str, np.ndarray]) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "prior.toml").write_text(textwrap.dedent(TOML))
    write_pfb(str(folder / "run.out.porosity.pfb"), fields["porosity"], p=2, q=2, dist=False)
    for number in range(6):
        cut = {"p": 1 + number % 3, "q": 1 + number % 2}
        write_pfb(str(folder / f"run.out.satur.{number:05d}.pfb"), fields["saturation"][number], dist=False, **cut)
    return folder


@pytest.fixture
def dataset(lattice: Lattice, soil_moisture: np.ndarray, fields: dict[str, np.ndarray]) -> xr.Dataset:
    time = np.datetime64("2016-12-20", "ns") + np.arange(DAYS) * np.timedelta64(1, "D")
    attributes = {"units": "m3 m-3", "grid_mapping": "crs"}
    return xr.Dataset(
        {
            "soil_moisture": (("time", "y", "x"), soil_moisture.astype(np.float32), attributes),
            "precip": (("time",), np.arange(DAYS, dtype=np.float32), {"units": "mm d-1"}),
            "porosity_top": (("y", "x"), fields["porosity"][-1].copy(), {"units": "m3 m-3"}),
            "crs": ((), 0, {"proj4": lattice.crs}),
        },
        coords={"time": time, "y": lattice.y, "x": lattice.x},
        attrs={"title": "a test run"},
    )


@pytest.fixture
def netcdf(tmp_path: Path, dataset: xr.Dataset) -> Callable[[xr.Dataset | None], Path]:
    def write(changed: xr.Dataset | None = None) -> Path:
        path = tmp_path / f"daily{len(list(tmp_path.glob('daily*.nc')))}.nc"
        (dataset if changed is None else changed).to_netcdf(path)
        return path

    return write
