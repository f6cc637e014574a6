"""The front door: a day from granule to map in five lines, the catalogue it is published in, and its validation."""

import datetime as dt
import doctest
import re
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import downscaler as vd
from downscaler import product
from downscaler.errors import CatalogError, ConfigError, DomainError, NoRetrievalError, ValidationError
from downscaler.ground.blocks import block_mean
from downscaler.method.tile.predict import predict
from downscaler.product import CONSERVATION_TOLERANCE, Flag
from downscaler.validation.matchups import retrievals_at
from flows.day.jobs import DayJob
from flows.day.make import run_day

ROOT = Path(__file__).resolve().parent.parent
LAST = dt.date(2024, 5, 23)
WHERE = "-98.54,34.19,-97.89,35.11"  # the fixture `chain`, whose domain has another name
DOCTESTED = ("downscaler.product", "downscaler.skill.interval", "downscaler.sources.smap.names")


@pytest.fixture(scope="module")
def granule(chain: Any) -> Path:
    (file,) = (chain.sample / "granules").rglob(f"SMAP_L3_SM_P_E_{LAST:%Y%m%d}_*.h5")
    return Path(file)


@pytest.fixture(scope="module")
def field(chain: Any, granule: Path) -> xr.Dataset:
    prior, model = vd.open_prior(chain.prior.path), vd.load_model(chain.model_folder)
    return vd.downscale(vd.read_smap(granule, prior.domain), prior, model)


def lines_shown(where: str) -> list[str]:
    """The example that a text shows: of the package's docstring what is indented, of a page its Python block."""
    if where == "docstring":
        return [line.strip() for line in (vd.__doc__ or "").splitlines() if line.startswith("    ") and line.strip()]
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / where).read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if "vd.downscale(" in block)
    return [line for line in block.splitlines() if line]


@pytest.mark.parametrize("where", ["docstring", "README.md", "docs/getting-started.md"])
def test_a_day_from_granule_to_map_in_five_lines(where: str, chain: Any, granule: Path) -> None:
    """The lines that people are shown, with the paths of this test; they end in a map."""
    shown = lines_shown(where)
    assert len(shown) == 5
    code = "\n".join(shown)
    for name, place in (("prior", chain.prior.path), ("model", chain.model_folder), (granule.name, granule)):
        code, times = re.subn(rf'"[^"]*{name}"', repr(str(place)), code)
        assert times == 1
    figure = Figure()
    axes = figure.subplots()
    room: dict[str, Any] = {"axes": axes}
    exec(code.replace(".plot()", ".plot(ax=axes)"), room)
    (mesh,) = axes.collections
    assert np.isfinite(np.ma.filled(mesh.get_array(), np.nan)).sum() == np.isfinite(room["field"].soil_moisture).sum()


def test_a_day_has_dims_crs_attributes_and_flags(field: xr.Dataset, chain: Any) -> None:
    shape = chain.domain.shape(product.GRID)
    assert dict(field.sizes) == {"y": shape.y, "x": shape.x}
    assert set(field.data_vars) == {v.name for v in product.VARIABLES}
    assert field.odc.crs.to_epsg() == 6933
    assert field["y"].values[0] > field["y"].values[-1]
    assert field["time"].values == np.datetime64(LAST)
    assert field.attrs["Conventions"] == "CF-1.11"
    assert "simulated" in field.attrs["title"].lower()
    assert "Simulated sample" in field.attrs["comment"]
    assert field["soil_moisture"].attrs["standard_name"] == product.SOIL_MOISTURE.standard_name
    assert field["soil_moisture"].attrs["units"] == "m3 m-3"
    flags = field["quality_flag"]
    assert flags.attrs["flag_masks"] == [flag.value for flag in product.FLAG_MEANINGS]
    empty = np.isnan(field["soil_moisture"].values)
    assert ((flags.values & Flag.FILL) > 0).tolist() == empty.tolist()
    inside = (field["lower"] <= field["soil_moisture"]) & (field["soil_moisture"] <= field["upper"])
    assert bool(inside.values[~empty].all())


def test_a_day_can_be_written_as_netcdf_and_read_again(field: xr.Dataset, tmp_path: Path) -> None:
    field.to_netcdf(tmp_path / "day.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "day.nc", decode_coords="all") as again:
        xr.testing.assert_equal(again.load(), field)
        assert again.attrs["title"] == field.attrs["title"]


def test_block_means_are_smaps_and_the_tiles_are_those_that_are_published(
    field: xr.Dataset, chain: Any, granule: Path
) -> None:
    day = vd.read_smap(str(granule), chain.domain)
    theta = field["soil_moisture"].values.astype(np.float64)
    mean = block_mean(np.nan_to_num(theta), np.isfinite(theta), 9)
    seen = np.isfinite(mean)
    assert seen.any()
    assert np.abs(mean - day.data["soil_moisture"].values)[seen].max() <= CONSERVATION_TOLERANCE
    for tile in predict(chain.model, chain.prior, day, tile=1):
        part = field["soil_moisture"].values[tile.window.rows.slice, tile.window.columns.slice]
        np.testing.assert_array_equal(part, tile.fields["soil_moisture"].astype(np.float32))


def test_a_published_day_opens_as_it_was_downscaled(field: xr.Dataset, chain: Any, tmp_path: Path) -> None:
    job = DayJob(
        domain=WHERE,
        prior=chain.prior.path,
        model=chain.model_folder,
        catalog=str(tmp_path),
        folder=chain.sample / "granules",
    )
    assert run_day(LAST, job).status == "published"
    catalog = vd.open_catalog(str(tmp_path))
    assert catalog.dates() == [LAST]
    opened = catalog.open(str(LAST))
    assert opened.odc.geobox == field.odc.geobox
    np.testing.assert_allclose(opened["soil_moisture"], field["soil_moisture"], atol=product.SOIL_MOISTURE.precision)
    np.testing.assert_array_equal(opened["quality_flag"], field["quality_flag"])
    np.testing.assert_array_equal(opened["observation_time"], field["observation_time"])
    assert opened["upper"].attrs == field["upper"].attrs
    with pytest.raises(CatalogError, match="no such day"):
        catalog.open("2020-01-01")
    with pytest.raises(CatalogError, match="no such domain"):
        catalog.dates("conus")


def test_without_a_catalogue_or_its_reader_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CatalogError, match="no catalogue"):
        vd.open_catalog(str(tmp_path))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    with pytest.raises(ConfigError, match="reader is not installed"):
        vd.open_catalog(str(tmp_path))


def test_days_are_validated_against_stations(chain: Any, field: xr.Dataset) -> None:
    files = sorted((chain.sample / "granules").rglob("SMAP_L3_SM_P_E_*.h5"))
    days = []
    for file in files:
        with suppress(NoRetrievalError):  # SMAP sees a place every two or three days
            days.append(vd.downscale(vd.read_smap(file, chain.domain), chain.prior, chain.model))
    found = vd.validate(days, chain.sample / "stations", min_pairs=2)
    document = found.document
    assert document["domain"] == chain.domain.name
    assert document["simulated"]
    assert document["pairs"] == int(found.matchups.pairs.sum()) > 0
    assert set(document["gains"]) == {"smap"}
    sites = found.matchups.sites
    for site, own in zip(sites, found.matchups.estimates["product"][:, -1], strict=True):
        assert np.isnan(own) or own == field["soil_moisture"].values[site.row, site.column]
    told = retrievals_at(vd.read_smap(files[-1], chain.domain), [s.lon for s in sites], [s.lat for s in sites])
    smap = found.matchups.estimates["smap"][:, -1]
    assert np.isfinite(smap).any()
    seen = np.isfinite(smap)
    np.testing.assert_allclose(smap[seen], told["soil_moisture"].to_numpy()[seen], atol=CONSERVATION_TOLERANCE)
    with pytest.raises(ValidationError):
        vd.validate([], chain.sample / "stations")
    with pytest.raises(DomainError):
        vd.read_smap(files[0], "atlantis")


@pytest.mark.parametrize("name", DOCTESTED)
def test_examples_of_the_front_door_run(name: str) -> None:
    done = doctest.testmod(import_module(name))
    assert done.attempted > 0
    assert done.failed == 0


def test_the_door_opens_at_once() -> None:
    """Nothing heavy is imported until a function is asked for; ``vadose --help`` rests on it."""
    code = "import sys, downscaler; print(sorted({'numpy', 'xarray', 'xgboost', 'rasterio'} & set(sys.modules)))"
    started = time.process_time()
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
    assert time.process_time() - started < 1.0
    assert set(vd.__all__) <= set(dir(vd))
    assert all(callable(getattr(vd, name)) for name in vd.__all__)
    with pytest.raises(AttributeError):
        _ = vd.no_such_thing
