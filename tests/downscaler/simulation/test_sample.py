"""The simulated sample: what is in it, that the production readers take it, and that it is like the real thing."""

import datetime as dt
import filecmp
import xml.etree.ElementTree as ET

import h5py
import numpy as np
import pytest
import xarray as xr

from downscaler.errors import ConfigError
from downscaler.ground.grid import M09, Domain
from downscaler.ground.regrid import overlap
from downscaler.product import CONUS, LITTLE_WASHITA
from downscaler.simulation import pieces
from downscaler.simulation.files.granule import layout
from downscaler.simulation.sample import sample_lattice, write_sample
from downscaler.sources.insitu import ismn
from downscaler.sources.parflow import open_source
from downscaler.sources.smap import describe, find_granules, read_day
from downscaler.stores.prior.build import build_prior

DOMAIN = LITTLE_WASHITA
START = dt.date(2024, 5, 23)
DAYS, HISTORY = 4, 8
DAP = "{http://xml.opendap.org/ns/DAP/4.0#}"
TYPES = {"UInt16": "u2", "Byte": "u1", "Float32": "f4", "Float64": "f8", "String": "S24"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    told = []
    paths = write_sample(
        tmp_path_factory.mktemp("sample") / "out",
        DOMAIN,
        days=DAYS,
        history=HISTORY,
        start=START,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    return paths


@pytest.fixture(scope="module")
def truth(sample):
    with xr.open_dataset(sample.truth / "truth.nc") as data:
        return data.load()


def granules(sample):
    return sorted(sample.granules.glob("*.h5"))


def test_names_and_sizes(sample):
    names = [p.name for p in granules(sample)]
    assert names[0] == "SMAP_L3_SM_P_E_20240523_R19240_001.h5"
    assert len(names) == DAYS
    assert max(p.stat().st_size for p in granules(sample)) < 1_000_000
    assert "simulated" in (sample.root / "README.txt").read_text()


def test_granules_are_as_nasa_describes_them(sample, shared):
    """Every variable of both groups: name, type, shape, attributes; 9 km in place of 36 km is all that differs."""
    root = ET.parse(shared / "smap" / "SPL3SMP_008.dmr").getroot()
    described = {g.get("name"): g for g in root.findall(f"{DAP}Group") if g.get("name").startswith("Soil")}
    assert set(described) == set(layout())
    with h5py.File(granules(sample)[0]) as file:
        for name, group in described.items():
            variables = [v for v in group if v.tag.removeprefix(DAP) in TYPES]
            assert len(variables) == 53
            assert set(file[name]) == {v.get("name") for v in variables}
            for variable in variables:
                check_variable(file[name][variable.get("name")], variable, file)


def check_variable(dataset, variable, file):
    assert dataset.dtype == np.dtype(TYPES[variable.tag.removeprefix(DAP)])
    planes = tuple(int(d.get("size")) for d in variable.findall(f"{DAP}Dim"))[2:]
    assert dataset.shape == (1624, 3856, *planes)
    expected = {a.get("name"): a for a in variable.findall(f"{DAP}Attribute")}
    link = expected.pop("HDF5_HARDLINK", None)
    if link is not None:
        assert dataset == file[link.findtext(f"{DAP}Value")]
    assert set(dataset.attrs) == set(expected)
    for name, attribute in expected.items():
        value, text = dataset.attrs[name], attribute.findtext(f"{DAP}Value")
        if attribute.get("type") == "String":
            assert value.decode() == text.replace("36 km", "9 km").replace("36_km", "9_km")
        elif name == "valid_max" and "EASE" in variable.get("name"):
            assert value == {"405": 1623, "963": 3855}[text]
        else:
            assert value == dataset.dtype.type(text)
            assert value.dtype == dataset.dtype


def test_outside_the_domain_all_is_fill(sample):
    window = DOMAIN.window(M09)
    with h5py.File(granules(sample)[0]) as file:
        assert file.attrs["vadose_simulated"] == "true"
        assert file["Metadata/DatasetIdentification"].attrs["shortName"] == "SPL3SMP_E"
        assert file["Metadata/DatasetIdentification"].attrs["CompositeReleaseID"] == "R19240"
        for group in layout():
            for name, dataset in file[group].items():
                fill = dataset.attrs.get("_FillValue", dataset.fillvalue)
                values = dataset[window.rows.start - 3 : window.rows.stop + 3, window.columns.slice]
                assert (values[:3] == fill).all(), name
                assert (values[-3:] == fill).all(), name


def test_production_reader_takes_the_granules(sample, truth):
    read = 0
    for number in range(DAYS):
        date = START + dt.timedelta(days=number)
        (path,) = find_granules(sample.granules, date)
        told = describe(path)
        assert told["simulated"]
        if told["valid"] == 0:
            continue
        day = read_day([path], DOMAIN, date=date)
        assert day.simulated
        assert day.grid.name == "M09"
        seen = day.data.recommended.values
        assert (day.data.observation_time.values[seen].astype("M8[D]") == np.datetime64(date)).all()
        mean = block_mean(truth.soil_moisture.values[number])
        error = (day.data.soil_moisture.values - mean)[seen]
        assert np.sqrt(np.mean(error**2)) < 0.09
        read += 1
    assert read >= 2


def block_mean(field):
    blocks = field.reshape(field.shape[0] // 9, 9, field.shape[1] // 9, 9)
    return np.nanmean(blocks, axis=(1, 3))


def test_prior_readers_take_both_forms(sample):
    netcdf = open_source("netcdf", sample.prior, None)
    pfb = open_source("pfb", sample.prior, None)
    for source in (netcdf, pfb):
        assert source.info.simulated
    with xr.open_dataset(sample.prior / "daily.nc") as daily, xr.open_dataset(sample.prior / "static.nc") as static:
        assert daily.sizes["time"] == HISTORY + DAYS
        assert daily.time.values[-1].astype("M8[D]") == np.datetime64(START + dt.timedelta(days=DAYS - 1))
        active = static.mask.values == 1
        theta = daily.soil_moisture.values
        assert np.isfinite(theta[:, active]).all()
        assert np.isnan(theta[:, ~active]).all()
        assert (theta[:, active] <= static.porosity.values[0][active] + 1e-4).all()
        assert (theta[:, active] >= (static.vg_sres * static.porosity).values[0][active] - 1e-4).all()


def test_both_forms_of_the_prior_agree(sample, tmp_path):
    priors = [build_prior(open_source(kind, sample.prior, None), DOMAIN, tmp_path / kind) for kind in ("pfb", "netcdf")]
    for name in ("porosity", "residual", "elevation", "active", "land_cover", "permeability"):
        first, second = (prior.data[name].values for prior in priors)
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6, err_msg=name)
    state, mean = (prior.data.soil_moisture.values[-1] for prior in priors)
    wet = np.isfinite(state)
    assert np.corrcoef(state[wet], mean[wet])[0, 1] > 0.98


def test_lattice_holds_the_domain_with_a_margin():
    lattice = sample_lattice(DOMAIN)
    assert lattice.name == "CONUS1"
    assert lattice.registration == "drv_vegm"
    shape = DOMAIN.shape()
    assert lattice.shape.x >= 0.9 * shape.x + 20
    assert lattice.shape.y >= 0.9 * shape.y + 20
    whole = sample_lattice(CONUS)
    assert (whole.name, whole.registration, whole.ij_bounds) == ("CONUS2", "hydrodata", (0, 0, 4442, 3119))
    abroad = sample_lattice(Domain.from_bounds("abroad", "Bavaria", west=9.0, south=47.5, east=13.5, north=50.5))
    assert (abroad.name, abroad.ij_bounds) == ("custom", None)


def test_truth_is_like_soil_moisture(truth):
    theta, active = truth.soil_moisture.values, truth.active.values == 1
    assert np.isfinite(theta[:, active]).all()
    assert (theta[:, active] > 0.02).all()
    assert (theta[:, active] < 0.55).all()
    inside = theta - np.repeat(np.repeat(np.stack([block_mean(t) for t in theta]), 9, axis=1), 9, axis=2)
    assert 0.03 < np.nanstd(inside) < 0.09
    assert 0.1 < np.nanmean(theta) < 0.35


def test_prior_is_akin_to_the_truth_but_not_it(sample, truth):
    whole = next(DOMAIN.blocks(100))
    share = overlap(sample_lattice(DOMAIN), DOMAIN, whole)
    with xr.open_dataset(sample.prior / "daily.nc") as daily:
        j, i = share.source.slices
        prior = share.mean(daily.soil_moisture.values[-DAYS:, j, i])
    true = truth.soil_moisture.values
    both = np.isfinite(prior) & np.isfinite(true)
    assert 0.6 < np.corrcoef(prior[both], true[both])[0, 1] < 0.97
    assert np.abs(prior - true)[both].max() > 0.05


def test_stations_read_back(sample):
    (archive,) = sample.stations.glob("*.zip")
    told = ismn.describe(archive)
    assert told["networks"] == ["SIM-MESONET", "SIM-RANDOM"]
    assert told["readings"] == told["sensors"] * 4 * DAYS
    assert told["format"] == "header+values"
    data = ismn.read_archive(archive)
    assert data.value.between(0.0, 1.0).all()
    assert 0.9 * told["readings"] < told["good"] <= told["readings"]


def test_same_arguments_make_the_same_bytes(tmp_path):
    trees = []
    for name in ("first", "second"):
        write_sample(tmp_path / name, DOMAIN, days=1, history=2, start=START, seed=5)
        trees.append(sorted(p.relative_to(tmp_path / name) for p in (tmp_path / name).rglob("*") if p.is_file()))
    assert trees[0] == trees[1]
    _, different, errors = filecmp.cmpfiles(tmp_path / "first", tmp_path / "second", trees[0], shallow=False)
    assert (different, errors) == ([], [])


def test_a_sample_replaces_a_sample_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("ten years of work")
    with pytest.raises(ConfigError, match="other files"):
        write_sample(out, DOMAIN, days=1)
    assert (out / "thesis.txt").exists()


@pytest.mark.parametrize(("days", "history"), [(0, 10), (-1, 10), (3, -1)])
def test_impossible_lengths_are_refused(tmp_path, days, history):
    with pytest.raises(ConfigError, match="at least one day"):
        write_sample(tmp_path / "out", DOMAIN, days=days, history=history)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def in_pieces(tmp_path_factory):
    """The sample of the same arguments, its land cut into four squares that two processes simulate."""
    out = tmp_path_factory.mktemp("pieces") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "WHOLE", 64)
        patch.setattr(pieces, "PIECE", 64)
        places = [
            pieces.Place(network="SIM-NET", name="Here", latitude=34.9, longitude=-98.1),
            pieces.Place(network="SIM-NET", name="Elsewhere", latitude=44.9, longitude=-98.1),
        ]
        return write_sample(out, DOMAIN, days=2, history=3, start=START, spin_up=0, places=places, workers=2)


def test_a_land_in_pieces_has_one_sky(sample, in_pieces):
    """Rain follows from position alone, so squares see what the whole land sees; soil moisture has no gap."""
    with xr.open_dataset(sample.prior / "daily.nc") as whole, xr.open_dataset(in_pieces.prior / "daily.nc") as cut:
        assert cut.sizes["time"] == 5
        same = whole.sel(time=cut.time)
        np.testing.assert_allclose(cut.precipitation, same.precipitation, atol=0.05)
        theta, active = cut.soil_moisture.values, cut.mask.values == 1
        assert np.isfinite(theta[:, active]).all()
        assert np.isnan(theta[:, ~active]).all()
    with xr.open_dataset(in_pieces.truth / "truth.nc") as truth:
        seen = truth.active.values == 1
        assert seen.mean() > 0.9
        assert np.isfinite(truth.soil_moisture.values[:, seen]).all()
    assert not (in_pieces.root / ".pieces").exists()


def test_granules_of_a_land_in_pieces_are_read(in_pieces):
    for number in range(2):
        date = START + dt.timedelta(days=number)
        (path,) = find_granules(in_pieces.granules, date)
        assert describe(path)["simulated"]
    assert len(open_source("netcdf", in_pieces.prior, None).days) == 5


def test_stations_stand_where_they_are_told_to(in_pieces):
    (archive,) = in_pieces.stations.glob("*.zip")
    data = ismn.read_archive(archive)
    assert set(data.network) == {"SIM-NET"}
    assert set(data.station) == {"Here"}
    np.testing.assert_allclose([data.lat.iloc[0], data.lon.iloc[0]], [34.9, -98.1], atol=1e-5)


def test_pieces_cover_a_lattice_once():
    lattice = sample_lattice(CONUS)
    count = np.zeros(lattice.window.shape, int)
    for window in pieces.pieces(lattice):
        count[window.slices] += 1
    assert (count == 1).all()
