"""ParFlow's own NetCDF output: placed and dated by prior.toml, equal to the .pfb files of a run, never guessed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from netCDF4 import Dataset
from parflow.tools.io import read_pfb, write_pfb

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.sources.parflow import describe_folder, is_run, open_source

ALL = slice(None)
NZ, NY, NX = 3, 6, 5
TOML = """
[grid]
lattice = "CONUS2"
ij_bounds = [2200, 1150, 2205, 1156]

[time]
start = "2005-10-01T00:00:00Z"
step = "1h"
"""
ALPHA, N, RESIDUAL = 3.6, 1.9, 0.05
RETENTION = """
[files]
van_genuchten_alpha = "alpha.pfb"
van_genuchten_n = "n.pfb"

[soil]
residual_saturation = 0.05
"""


def output(path: Path, times: list[float], **fields: np.ndarray) -> Path:
    """A file as ParFlow writes it: dimensions without coordinates, doubles, time a bare number."""
    with Dataset(path, "w") as file:
        for name, size in (("x", NX), ("y", NY), ("z", NZ), ("time", None)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = times
        for name, values in fields.items():
            dims = ("time", "z", "y", "x") if values.ndim == 4 else ("time", "y", "x")
            file.createVariable(name, "f8", dims)[:] = values
    return path


def random(seed: int, steps: int, low: float, high: float) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, (steps, NZ, NY, NX))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "prior.toml").write_text(TOML)
    return folder


def test_saturation_over_several_files_is_read_by_day(run: Path) -> None:
    hours, porosity = np.arange(0.0, 48.0, 3.0), np.full((1, NZ, NY, NX), 0.4)
    wet = random(1, hours.size, 0.2, 0.9)
    wet[:, :, 0, 0] = -3.4028234663852886e38
    mask = np.ones((1, NZ, NY, NX))
    mask[:, :, 0, 0] = 0
    output(run / "r.out.00000.nc", [0.0], porosity=porosity, mask=mask, slopex=np.full((1, NY, NX), 0.01))
    output(run / "r.out.00001.nc", list(hours[:10]), saturation=wet[:10])
    output(run / "r.out.00002.nc", list(hours[10:]), saturation=wet[10:])
    assert is_run(run)
    source = open_source("netcdf", run)
    assert source.days == (dt.date(2005, 10, 1), dt.date(2005, 10, 2))
    assert source.lattice.ij_bounds == (2200, 1150, 2205, 1156)
    read = source.read_days("soil_moisture", ALL, source.lattice.window)
    expected = 0.4 * wet.reshape(2, 8, NZ, NY, NX)[:, :, -1].mean(axis=1)
    assert np.isnan(read[:, 0, 0]).all()
    np.testing.assert_allclose(read[:, 1:], expected[:, 1:], atol=1e-6)
    np.testing.assert_allclose(source.read_static("slope_x", source.lattice.window), 0.01)
    assert any("prior.toml" in note for note in source.info.notes)
    assert {entry["name"] for entry in source.info.inputs} == {
        "prior.toml", "r.out.00000.nc", "r.out.00001.nc", "r.out.00002.nc"
    }  # fmt: skip
    facts = describe_folder(run)
    assert (facts["kind"], facts["days"], facts["lattice"]) == ("parflow-netcdf", 2, "CONUS2")


def test_pressure_alone_gives_saturation_state_by_state(run: Path) -> None:
    pressure = random(2, 4, -3.0, 0.5)
    for name, value in (("alpha", ALPHA), ("n", N)):
        write_pfb(str(run / f"{name}.pfb"), np.full((1, NY, NX), value), dist=False)
    (run / "prior.toml").write_text(TOML + RETENTION)
    output(run / "r.out.00000.nc", [0.0], porosity=np.full((1, NZ, NY, NX), 0.4))
    output(run / "r.out.00001.nc", [0.0, 6.0, 12.0, 18.0], pressure=pressure)
    source = open_source("netcdf", run)
    suction = ALPHA * np.abs(np.minimum(pressure[:, -1], 0.0))
    by_hand = RESIDUAL + (1 - RESIDUAL) / (1 + suction**N) ** (1 - 1 / N)
    read = source.read_days("soil_moisture", ALL, source.lattice.window)
    np.testing.assert_allclose(read[0], 0.4 * by_hand.mean(axis=0), atol=1e-6)
    assert {"alpha.pfb", "n.pfb"} <= {entry["name"] for entry in source.info.inputs}


def test_pressure_without_its_soil_is_refused(run: Path) -> None:
    output(run / "r.out.00001.nc", [0.0], pressure=random(2, 1, -3.0, 0.5), porosity=np.full((1, NZ, NY, NX), 0.4))
    with pytest.raises(PriorSchemaError, match="no variable for soil moisture"):
        open_source("netcdf", run)


def test_place_and_dates_are_never_guessed(run: Path) -> None:
    porosity = np.full((1, NZ, NY, NX), 0.4)
    output(run / "r.out.00000.nc", [0.0], saturation=random(1, 1, 0.2, 0.9), porosity=porosity)
    (run / "prior.toml").write_text(TOML.partition("[time]")[0])
    with pytest.raises(PriorSchemaError, match=r"\[time\] is needed"):
        open_source("netcdf", run)
    (run / "prior.toml").write_text(TOML.replace("2205", "2206"))
    with pytest.raises(PriorSchemaError, match="do not match the shape"):
        open_source("netcdf", run)
    (run / "prior.toml").unlink()
    with pytest.raises(PriorSchemaError, match="neither where nor when"):
        open_source("netcdf", run)


@pytest.mark.parametrize("time", [-1.0, float("nan"), 1e12])
def test_a_time_that_is_none_is_refused(run: Path, time: float) -> None:
    porosity = np.full((1, NZ, NY, NX), 0.4)
    output(run / "r.out.00000.nc", [time], saturation=random(1, 1, 0.2, 0.9), porosity=porosity)
    with pytest.raises(PriorSchemaError, match=r"time that is none|not a step of the run"):
        open_source("netcdf", run)


def test_two_files_of_one_time_are_refused(run: Path) -> None:
    wet = random(1, 1, 0.2, 0.9)
    output(run / "r.out.00000.nc", [0.0], saturation=wet, porosity=np.full((1, NZ, NY, NX), 0.4))
    output(run / "r.out.00000 (1).nc", [0.0], saturation=wet)
    with pytest.raises(PriorSchemaError, match="of one time"):
        open_source("netcdf", run)


def test_output_of_clm_beside_it_is_named_as_unread(run: Path) -> None:
    wet = random(1, 1, 0.2, 0.9)
    output(run / "r.out.00000.nc", [0.0], saturation=wet, porosity=np.full((1, NZ, NY, NX), 0.4))
    output(run / "r.out.CLM.00001.nc", [1.0], swe_out=wet[:, 0])
    assert "Left unread: r.out.CLM.00001.nc (swe_out)." in open_source("netcdf", run).info.notes


def test_a_static_pfb_that_is_missing_is_told(run: Path) -> None:
    (run / "prior.toml").write_text(TOML + '[files]\nporosity = "porosity.pfb"\n')
    output(run / "r.out.00000.nc", [0.0], saturation=random(1, 1, 0.2, 0.9))
    with pytest.raises(PriorUnreadableError, match="porosity"):
        open_source("netcdf", run)


GENUINE = Path(__file__).parents[5] / "shared" / "data" / "parflow" / "conus1_upper_verde"


@pytest.mark.skipif(not GENUINE.is_dir(), reason="needs ../shared/data/parflow")
def test_a_genuine_state_is_the_same_as_netcdf_and_as_pfb(tmp_path: Path) -> None:
    (file,) = sorted(GENUINE.rglob("*satur*.pfb"))[:1]
    genuine = np.asarray(read_pfb(str(file)))
    nz, ny, nx = genuine.shape
    toml = (
        f'[grid]\nlattice = "CONUS1"\nij_bounds = [375, 239, {375 + nx}, {239 + ny}]\n'
        '[time]\nstart = "2005-10-01T00:00:00Z"\nstep = "1h"\n'
    )
    native, own = tmp_path / "native", tmp_path / "own"
    for folder in (native, own):
        folder.mkdir()
        write_pfb(str(folder / "porosity.pfb"), np.full(genuine.shape, 0.4), dist=False)
    write_pfb(str(native / "r.out.satur.00000.pfb"), genuine, dist=False)
    files = '[files]\nporosity = "porosity.pfb"\n'
    (native / "prior.toml").write_text(toml + files + 'saturation = "r.out.satur.*.pfb"\n')
    (own / "prior.toml").write_text(toml + files)
    with Dataset(own / "r.out.00000.nc", "w") as target:
        for name, size in (("x", nx), ("y", ny), ("z", nz), ("time", None)):
            target.createDimension(name, size)
        target.createVariable("time", "f8", ("time",))[:] = [0.0]
        target.createVariable("saturation", "f8", ("time", "z", "y", "x"))[:] = genuine[None]
    one, other = open_source("pfb", native), open_source("netcdf", own)
    assert (one.days, one.lattice) == (other.days, other.lattice)
    pair = [s.read_days("soil_moisture", ALL, s.lattice.window) for s in (one, other)]
    known = np.isfinite(pair[0])
    assert known.any()
    np.testing.assert_allclose(pair[0][known], pair[1][known], rtol=0, atol=1e-7)  # products in single and double
