import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pytest
from parflow.tools.io import read_pfb, write_pfb

from downscaler import product
from downscaler.errors import ConfigError, PriorCoverageError, PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import IJWindow
from downscaler.sources.parflow import open_source
from downscaler.sources.parflow.describe import describe_folder
from downscaler.sources.parflow.vegm import offset, read_vegm
from downscaler.stores.prior import build_prior

ALL = slice(None)


def test_surface_soil_moisture_is_saturation_times_porosity_of_the_top_layer(pfb_folder, soil_moisture, lattice):
    source = open_source("pfb", pfb_folder)
    assert source.lattice == lattice
    assert source.days == tuple(dt.date(2016, 10, 1) + dt.timedelta(days=n) for n in range(6))
    np.testing.assert_allclose(source.read_days("soil_moisture", ALL, lattice.window), soil_moisture[:6], rtol=1e-6)
    window = IJWindow.from_bounds([3, 7, 40, 31])
    np.testing.assert_allclose(
        source.read_days("soil_moisture", slice(2, 4), window), soil_moisture[2:4, 7:31, 3:40], rtol=1e-6
    )
    assert source.info.simulated
    assert source.info.notes == ("made by a test",)


def test_states_of_one_day_are_averaged(pfb_folder, soil_moisture, lattice):
    text = (pfb_folder / "prior.toml").read_text().replace('"1d"', '"8h"')
    (pfb_folder / "prior.toml").write_text(text)
    source = open_source("pfb", pfb_folder)
    assert source.days == (dt.date(2016, 10, 1), dt.date(2016, 10, 2), dt.date(2016, 10, 3))
    expected = [soil_moisture[:2].mean(axis=0), soil_moisture[2:5].mean(axis=0), soil_moisture[5]]
    np.testing.assert_allclose(source.read_days("soil_moisture", ALL, lattice.window), expected, rtol=1e-6)


def test_every_file_of_the_folder_is_an_input_with_its_checksum(pfb_folder):
    inputs = open_source("pfb", pfb_folder).info.inputs
    assert [i["name"] for i in inputs] == sorted(p.name for p in pfb_folder.iterdir())
    assert all(len(i["sha256"]) == 64 for i in inputs)


@pytest.mark.parametrize("absolute", [True, False])
def test_static_files_may_lie_elsewhere(pfb_folder, soil_moisture, lattice, absolute):
    static = pfb_folder.parent / "static"
    static.mkdir()
    (pfb_folder / "run.out.porosity.pfb").rename(static / "porosity.pfb")
    where = f"{static}/por*.pfb" if absolute else "../static/porosity.pfb"
    toml = pfb_folder / "prior.toml"
    toml.write_text(toml.read_text().replace("run.out.porosity.pfb", where))
    days = open_source("pfb", pfb_folder).read_days("soil_moisture", slice(0, 1), lattice.window)
    np.testing.assert_allclose(days[0], soil_moisture[0], rtol=1e-6)


def test_a_number_too_long_to_be_read_is_told(pfb_folder):
    """Python refuses whole numbers of more than 4,300 digits with an error that is not TOML's."""
    toml = pfb_folder / "prior.toml"
    toml.write_text(f"step = {'1' * 5000}\n{toml.read_text()}")
    with pytest.raises(PriorUnreadableError, match="5000 digits"):
        open_source("pfb", pfb_folder)
    with pytest.raises(PriorUnreadableError):
        describe_folder(pfb_folder)


def test_a_mask_file_decides_what_is_active(pfb_folder, lattice):
    mask = np.zeros((1, lattice.shape.y, lattice.shape.x))
    mask[:, 30:, 20:] = 1
    write_pfb(str(pfb_folder / "mask.pfb"), mask, dist=False)
    toml = pfb_folder / "prior.toml"
    toml.write_text(toml.read_text().replace("[files]", '[files]\nmask = "mask.pfb"'))
    values = open_source("pfb", pfb_folder).read_days("soil_moisture", ALL, lattice.window)
    assert (np.isfinite(values) == (mask > 0)).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("saturation =", "saturatoin =", "Did you mean 'saturation'"),
        ("[soil]", "[soils]", "Did you mean 'soil'"),
        ('lattice = "CONUS1"', 'lattice = "CONUS3"', "does not locate"),
        ('"drv_vegm"', '"drv_vegn"', "hydrodata"),
        ("[1660, 110, 1740, 180]", "[1660, 110, 1741, 180]", "81 x 70"),
        ("[1660, 110, 1740, 180]", "[1740, 110, 1660, 180]", "swapped"),
        ("[1660, 110, 1740, 180]", "[3300, 110, 3380, 180]", "exceed CONUS1"),
        ('"1d"', '"daily"', "not a duration"),
        ("2016-10-01T12:00:00Z", "yesterday", "not a time"),
        ("residual_saturation = 0.1", "residual_saturation = 1.5", "not a saturation"),
        ("simulated = true", 'simulated = "yes"', "wrong type"),
        ('porosity = "run.out.porosity.pfb"', "", "lacks required keys"),
    ],
)
def test_a_wrong_description_is_refused_with_what_was_allowed(pfb_folder, old, new, message):
    toml = pfb_folder / "prior.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new))
    with pytest.raises(PriorSchemaError, match=message):
        _ = open_source("pfb", pfb_folder).lattice


def test_missing_files_are_refused(pfb_folder, tmp_path):
    with pytest.raises(PriorUnreadableError, match=r"prior\.toml"):
        open_source("pfb", tmp_path)
    (pfb_folder / "run.out.porosity.pfb").unlink()
    with pytest.raises(PriorUnreadableError, match="porosity"):
        open_source("pfb", pfb_folder)
    with pytest.raises(ConfigError, match="netcdf"):
        open_source("grib", pfb_folder)


def test_a_file_cut_short_stops_the_build_and_leaves_nothing(pfb_folder, tmp_path, domain):
    file = pfb_folder / "run.out.satur.00004.pfb"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(PriorUnreadableError, match=r"satur\.00004"):
        build_prior(open_source("pfb", pfb_folder), domain, tmp_path / "out" / "prior")
    assert not (tmp_path / "out").exists()


def test_a_file_cut_short_during_the_build_leaves_nothing(pfb_folder, tmp_path, domain):
    source = open_source("pfb", pfb_folder)
    file = pfb_folder / "run.out.satur.00004.pfb"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(PriorUnreadableError):
        build_prior(source, domain, tmp_path / "out" / "prior")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_elsewhere_does_not_cover_the_domain(pfb_folder, tmp_path):
    with pytest.raises(PriorCoverageError, match="longitudes"):
        build_prior(open_source("pfb", pfb_folder), product.UPPER_VERDE, tmp_path / "out" / "prior")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def upper_verde(shared: Path, tmp_path: Path):
    """A folder for one decomposition of the real Upper Verde state, with ParFlow's own porosity."""

    def make(cut: str, bounds: str = "[375, 239, 487, 329]") -> Path:
        folder = tmp_path / f"uv{cut}"
        folder.mkdir()
        native = shared / "parflow" / "conus1_upper_verde"
        shutil.copy(native / f"conus1_upper_verde_{cut}.out.satur.00000.pfb", folder)
        shutil.copy(native / "drv_vegm.dat", folder)
        shutil.copy(shared / "parflow" / "upper_verde" / "native_pfb" / "UV.out.porosity.pfb", folder)
        (folder / "prior.toml").write_text(
            f'[grid]\nlattice = "CONUS1"\nregistration = "drv_vegm"\nij_bounds = {bounds}\n'
            '[time]\nstart = "2005-10-01"\nstep = "1h"\n'
            '[files]\nsaturation = "*.satur.*.pfb"\nporosity = "UV.out.porosity.pfb"\nland_cover = "drv_vegm.dat"\n'
        )
        return folder

    return make


@pytest.mark.parametrize("cut", ["1_1", "4_4"])
def test_upper_verde_is_saturation_times_porosity_by_hand(shared: Path, upper_verde, cut: str):
    native = shared / "parflow" / "conus1_upper_verde"
    saturation = read_pfb(str(native / "conus1_upper_verde_1_1.out.satur.00000.pfb"))[4]
    porosity = read_pfb(str(shared / "parflow" / "upper_verde" / "native_pfb" / "UV.out.porosity.pfb"))[4]
    mask = read_pfb(str(native / "mask.pfb"))[0] > 0
    source = open_source("pfb", upper_verde(cut))
    read = source.read_days("soil_moisture", ALL, source.lattice.window)[0]
    assert mask.sum() == 6456
    assert (np.isfinite(read) == mask).all()
    np.testing.assert_allclose(read[mask], (saturation * porosity)[mask], rtol=1e-6)
    assert round(float(read[mask].min()), 3) == 0.040
    assert round(float(read[mask].max()), 3) == 0.482


def test_upper_verde_lies_where_clm_says(shared: Path, upper_verde):
    source = open_source("pfb", upper_verde("1_1"))
    table = read_vegm(shared / "parflow" / "conus1_upper_verde" / "drv_vegm.dat")
    assert offset(source.lattice, table).max() < 1.0  # metres: the lattice follows the table
    assert (source.read_static("land_cover", source.lattice.window) == table.land_cover).all()


def test_a_wrong_place_is_noticed_by_clm_positions(upper_verde):
    with pytest.raises(PriorSchemaError, match="apart"):
        _ = open_source("pfb", upper_verde("1_1", "[375, 241, 487, 331]")).lattice


def test_a_product_cell_holds_the_lattice_cell_under_it(shared: Path, upper_verde, tmp_path: Path):
    """End to end: the driest and wettest places of the run come out where drv_vegm has them."""
    source = open_source("pfb", upper_verde("4_4"))
    prior = build_prior(source, product.UPPER_VERDE, tmp_path / "prior")
    table = read_vegm(shared / "parflow" / "conus1_upper_verde" / "drv_vegm.dat")
    read = source.read_days("soil_moisture", ALL, source.lattice.window)[0]
    box, values = product.UPPER_VERDE.geobox(), prior.data["soil_moisture"].values[0]
    j, i = np.nonzero(np.isfinite(read))
    cells = [product.GRID.cell_at(_point(table, jj, ii)) for jj, ii in zip(j, i, strict=True)]
    window = product.UPPER_VERDE.window()
    found = values[[c.y - window.rows.start for c in cells], [c.x - window.columns.start for c in cells]]
    both = np.isfinite(found)
    assert box.shape.y == values.shape[0]
    assert both.mean() > 0.95
    assert np.corrcoef(found[both], read[j, i][both])[0, 1] > 0.85
    shifted = values[[c.y - window.rows.start - 2 for c in cells], [c.x - window.columns.start for c in cells]]
    both &= np.isfinite(shifted)
    assert np.corrcoef(shifted[both], read[j, i][both])[0, 1] < 0.6


def _point(table, j, i):
    from downscaler.ground.grid import LonLat

    return LonLat(lon=float(table.longitude[j, i]), lat=float(table.latitude[j, i]))
