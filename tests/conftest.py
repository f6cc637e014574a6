"""Fixtures that every test may use, which folders belong to the slower half, and how property tests draw.

What is heavy is imported inside fixtures: who runs one light file waits for no more than it needs.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from drawing import register_profiles
from once import built_once

if TYPE_CHECKING:
    from downscaler.ground.grid import Domain
    from downscaler.ground.prior import Prior
    from downscaler.learn.boosting import Options
    from downscaler.method.hybrid import Model

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
INTEGRATION = ("crash", "catalog/store", "catalog/pages", "flows/earthdata", "flows/server")
"""Folders whose tests start servers, browsers or processes to kill; single modules and tests say so themselves, as do
those that train and judge for a minute."""

FIRST = ("flows/days/test_killed_backfill.py", "flows/server/test_server.py", "flows/server/test_heartbeats.py")
"""Files that wait longest: begun last, they would keep one process busy when the others have ended."""

# Waiting threads of OpenMP and of OpenBLAS spin else: on two cores with several processes that is computing for
# nothing. Said before NumPy is imported, which reads it once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Tasks called outside of a flow run have no server page to write to, and Prefect 3.9 warns of it.
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
# Tests are of the days that keep SMAP's retrievals, but for those that ask for the analysis: half the time.
os.environ.setdefault("VADOSE_PRODUCTS", "conserving")

# Models that tests train are not remembered as this account's own.
os.environ.setdefault("XDG_STATE_HOME", str(ROOT / "build" / "test-state"))

register_profiles()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the folders that the slower half runs, and put first what takes longest."""

    def place(item: pytest.Item) -> str:
        return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""

    for item in items:
        if place(item).startswith(tuple(f"{folder}/" for folder in INTEGRATION)):
            item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: place(item) not in FIRST)  # stable: all others keep their order


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


def small_domain() -> Domain:
    """3 x 2 M36 cells: two rows of tiles touch, one row does not."""
    from downscaler.ground.grid import Domain, Span, Window

    rows, columns = Span(start=86, stop=89), Span(start=218, stop=220)
    return Domain(name="small", title="Three by two", m36=Window(rows=rows, columns=columns))


def small_options() -> Options:
    """A training of seconds."""
    from downscaler.learn.boosting import Options

    return Options(rows=20_000, rounds=60, days_per_tile=40, learning_rate=0.15)


def build_chain(folder: Path) -> None:
    """Sample, prior and model of that domain, as ``chain`` opens them."""
    from downscaler.ground.grid import M09
    from downscaler.learn.training import train
    from downscaler.simulation.sample import write_sample
    from downscaler.sources.parflow import open_source
    from downscaler.stores.model import save_model
    from downscaler.stores.prior import build_prior

    domain = small_domain()
    write_sample(folder / "sample", domain, days=4, start=dt.date(2024, 5, 20), seed=3, history=120)
    native = folder / "sample" / "prior"
    source = open_source("netcdf", native / "daily.nc", native / "static.nc")
    prior = build_prior(source, domain, folder / "prior")
    source.close()
    save_model(train(prior, grids=[M09], options=small_options()), folder / "model")


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Sample, prior and model of a domain of 3 x 2 M36 cells, to read; who changes a file takes a copy."""
    from downscaler.stores.model import load_model
    from downscaler.stores.prior import open_prior

    folder = built_once(tmp_path_factory, "chain", build_chain)
    return Chain(
        domain=small_domain(),
        sample=folder / "sample",
        prior=open_prior(folder / "prior"),
        model=load_model(folder / "model"),
        model_folder=folder / "model",
        options=small_options(),
    )


@pytest.fixture(scope="session")
def little(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Prior:
    """A prior of one M36 cell and eight weeks, cut from the chain's: what is fitted many times takes a while."""
    import xarray as xr

    from downscaler.ground.grid import Domain, Span, Window
    from downscaler.sources.parflow import open_source
    from downscaler.stores.prior import build_prior, open_prior

    def build(folder: Path) -> None:
        native = chain.sample / "prior"
        with xr.open_dataset(native / "daily.nc") as daily:
            daily.isel(time=slice(-56, None)).to_netcdf(folder / "daily.nc")
        m36 = Window(rows=Span(start=86, stop=87), columns=Span(start=218, stop=219))
        source = open_source("netcdf", folder / "daily.nc", native / "static.nc")
        build_prior(source, Domain(name="little", title="One by one", m36=m36), folder / "prior")
        source.close()

    return open_prior(built_once(tmp_path_factory, "little", build) / "prior")
