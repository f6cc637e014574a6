"""Fixtures that every test may use."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from downscaler.ground.grid import M09, Domain, Span, Window
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Options
from downscaler.learn.training import train
from downscaler.method.hybrid import Model
from downscaler.simulation.sample import write_sample
from downscaler.sources.parflow import open_source
from downscaler.stores.model import save_model
from downscaler.stores.prior import build_prior

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real and simulated data beside the checkout; skips where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data (real SMAP granules, ParFlow-CLM runs, station files), which is absent here")
    return folder


@dataclass(frozen=True)
class Chain:
    """A small simulated sample and what is made from it, by the code that production runs."""

    domain: Domain
    sample: Path
    prior: Prior
    model: Model
    model_folder: Path
    options: Options


SMALL = Options(rows=20_000, rounds=60, days_per_tile=40, learning_rate=0.15)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Sample, prior and model of a domain of 3 x 2 M36 cells: two rows of tiles touch, one row does not."""
    folder = tmp_path_factory.mktemp("chain")
    rows, columns = Span(start=86, stop=89), Span(start=218, stop=220)
    domain = Domain(name="small", title="Three by two", m36=Window(rows=rows, columns=columns))
    write_sample(folder / "sample", domain, days=4, start=dt.date(2024, 5, 20), seed=3, history=120)
    native = folder / "sample" / "prior"
    prior = build_prior(open_source("netcdf", native / "daily.nc", native / "static.nc"), domain, folder / "prior")
    model = train(prior, grids=[M09], options=SMALL)
    save_model(model, folder / "model")
    return Chain(
        domain=domain, sample=folder / "sample", prior=prior, model=model, model_folder=folder / "model", options=SMALL
    )


@pytest.fixture(scope="session")
def little(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Prior:
    """A prior of 2 x 1 M36 cells and eight weeks, cut from the chain's: what is fitted many times takes a while."""
    folder = tmp_path_factory.mktemp("little")
    native = chain.sample / "prior"
    with xr.open_dataset(native / "daily.nc") as daily:
        daily.isel(time=slice(-56, None)).to_netcdf(folder / "daily.nc")
    m36 = Window(rows=Span(start=86, stop=88), columns=Span(start=218, stop=219))
    source = open_source("netcdf", folder / "daily.nc", native / "static.nc")
    built = build_prior(source, Domain(name="little", title="Two by one", m36=m36), folder / "prior")
    source.close()
    return built
