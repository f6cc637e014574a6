"""Sound inputs of every reader, small, made once below a folder by the code that production runs."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np


def make(folder: Path, *, light: bool = False) -> None:
    """Fill the folder; ``light`` leaves out what takes a sample and a model."""
    from tests.conftest import build_chain, small_domain
    from tests.fuzz import stations

    stations.write(folder / "stations")
    _native(folder / "run")
    _catalog(folder / "catalog")
    _weather(folder / "weather", small_domain())
    if light:
        return
    build_chain(folder / "chain")
    granule = next((folder / "chain" / "sample" / "granules").glob("*.h5"))
    shutil.copyfile(granule, folder / granule.name)
    _prior_files(folder)
    _climatology(folder)


def _prior_files(folder: Path) -> None:
    """ParFlow as NetCDF: two days of the sample's, cut to a corner."""
    import xarray as xr

    native = folder / "chain" / "sample" / "prior"
    with xr.open_dataset(native / "daily.nc") as daily:
        daily.isel(time=slice(0, 2)).to_netcdf(folder / "daily.nc")
    shutil.copyfile(native / "static.nc", folder / "static.nc")


def pfb(path: Path, values: np.ndarray) -> None:
    """Write [z, y, x] as a .pfb of one subgrid."""
    from downscaler.sources.parflow.pfb import HEADER, SUBGRID

    nz, ny, nx = values.shape
    head = HEADER.pack(0.0, 0.0, 0.0, nx, ny, nz, 1000.0, 1000.0, 1.0, 1)
    path.write_bytes(head + SUBGRID.pack(0, 0, 0, nx, ny, nz, 1, 1, 1) + values.astype(">f8").tobytes())


def _native(folder: Path) -> None:
    """A ParFlow run of its own files with a description."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for step in range(1, 4):
        pfb(folder / f"run.out.satur.{step:05d}.pfb", chance.uniform(0.3, 0.9, (2, 6, 7)))
    pfb(folder / "porosity.pfb", np.full((2, 6, 7), 0.4))
    (folder / "prior.toml").write_text(
        '[grid]\nlattice = "CONUS2"\nij_bounds = [2000, 1500, 2007, 1506]\n\n'
        '[time]\nstart = "2024-05-01"\nstep = "1d"\n\n'
        '[files]\nsaturation = "run.out.satur.*.pfb"\nporosity = "porosity.pfb"\n\n'
        '[source]\ntitle = "A run"\nsimulated = true\n'
    )


def _catalog(folder: Path) -> None:
    """A catalogue of two days, one of them in its second revision, one withdrawn, with a claim and a failure."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "catalog"))
    from catalog import publish
    from downscaler import product
    from tests.catalog.conftest import run_record, whole_tiles

    domain, first = product.LITTLE_WASHITA, dt.date(2015, 4, 1)
    publish(folder, run_record(domain, first), domain, whole_tiles(domain))
    publish(folder, run_record(domain, first, granule="d" * 64), domain, whole_tiles(domain, seed=1))
    publish(folder, run_record(domain, first + dt.timedelta(days=1)), domain, whole_tiles(domain, seed=2))
    claims = folder / "claims" / "vadose-sm-1km_little-washita"
    claims.mkdir(parents=True)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)
    held = {"token": "x", "machine": "elsewhere", "process": 1, "started": "1", "until": until.isoformat()}
    (claims / "20150401.json").write_text(json.dumps(held))


def _weather(folder: Path, domain: object) -> None:
    """A weather store with a day."""
    from downscaler.stores.weather.build import build_weather

    build_weather(folder, domain)  # type: ignore[arg-type]


def _climatology(folder: Path) -> None:
    """A coarse climatology of the sample's granules."""
    from downscaler.stores.climatology import save_statistics
    from downscaler.stores.climatology.build import smap_statistics
    from tests.conftest import small_domain

    save_statistics(
        smap_statistics(folder / "chain" / "sample" / "granules", small_domain()), folder / "climatology.nc"
    )


def archive(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
