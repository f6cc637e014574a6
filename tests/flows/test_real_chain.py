"""A real SMAP granule with a genuine ParFlow-CLM prior: what must be said of it, counted with plain h5py."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pystac
import pytest
import rasterio

from downscaler import product

pytestmark = pytest.mark.integration
DATE = "2015-04-01"
NAME = "SMAP_L3_SM_P_20150401_R13080_001.h5"


@pytest.fixture(scope="module")
def work(command: Any, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the commands of docs/how-to/produce.md were run."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "vadose.toml").write_text(
        f'domain = "little-washita"\nprior = "prior"\nmodel = "model"\ngranules = "{shared / "smap"}"\n'
        'catalog = "catalog"\n'
    )
    run = shared / "parflow" / "little_washita"
    source = ("--source", "netcdf", run / "daily_surface_sm.nc", "--statics", run / "static" / "static.nc")
    command("prior", "build", *source, "--out", "prior", cwd=folder)
    command("train", cwd=folder)
    assert "published" in command("run", DATE, cwd=folder)
    return folder


@pytest.fixture
def published(work: Path) -> Path:
    """Folder of the real day's item."""
    (item,) = (work / "catalog").rglob("*_20150401.json")
    return item.parent


def smap(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """The granule's soil moisture and whether it is recommended, on the domain's 36 km cells."""
    window = product.LITTLE_WASHITA.m36
    cells = (slice(window.rows.start, window.rows.stop), slice(window.columns.start, window.columns.stop))
    with h5py.File(shared / "smap" / NAME) as file:
        group = file["Soil_Moisture_Retrieval_Data"]
        theta, flag = group["soil_moisture"][cells].astype(np.float64), group["retrieval_qual_flag"][cells]
    return theta, ((flag & 7) == 0) & (flag != 65534) & (theta > 0)


def test_real_day_keeps_the_granule_and_says_that_the_prior_is_of_another_year(published: Path, shared: Path) -> None:
    with rasterio.open(published / "r001" / "soil_moisture.tif") as raster:
        theta = raster.read(1).astype(np.float64)
        assert raster.crs.to_epsg() == 6933
        assert np.isnan(raster.nodata)
    retrieved, recommended = smap(shared)
    assert {0.1784, 0.1954} <= set(retrieved[recommended].round(4))
    for row, column in np.ndindex(recommended.shape):
        block = theta[row * 36 : row * 36 + 36, column * 36 : column * 36 + 36]
        if recommended[row, column] and np.isfinite(block).any():
            assert abs(np.nanmean(block) - retrieved[row, column]) <= (product.SOIL_MOISTURE.precision or 0) / 2
        else:
            assert not np.isfinite(block).any()
    assert np.isfinite(theta).any()
    item = json.loads((published / f"{published.name}.json").read_text())
    assert "not of 2015-04-01" in item["properties"]["title"]
    assert item["properties"]["vadose:simulated"] is False
    provenance = json.loads((published / "r001" / "provenance.json").read_text())
    assert any("not of 2015-04-01" in caveat for caveat in provenance["caveats"])
    assert {entry["kind"] for entry in provenance["inputs"]} == {"granule", "prior", "model"}
    assert any(NAME in link["href"] for link in item["links"] if link["rel"] == "derived_from")
    assert pystac.Item.from_dict(item).id.endswith("20150401")


def test_a_prior_elsewhere_and_a_day_without_a_granule_publish_nothing(vadose: Any, work: Path, tmp_path: Path) -> None:
    config = ("--config", work / "vadose.toml")
    assert vadose(*config, "run", DATE, "--domain", "upper-verde", "--out", tmp_path / "c").code == 22
    assert vadose(*config, "run", "2015-04-02", "--out", tmp_path / "c").code == 11
    assert not list((tmp_path / "c").rglob("*")), "the claim on the day left something"
