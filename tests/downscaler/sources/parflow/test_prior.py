import errno
import json
import os
import shutil
import threading
from functools import partial, partialmethod
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from downscaler import product
from downscaler.errors import PriorCoverageError, PriorSchemaError, PriorUnreadableError, StorageFullError
from downscaler.ground.grid import Span, Window
from downscaler.ground.prior import Prior
from downscaler.parts import in_processes
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior, describe, extend_prior, is_prior, open_prior
from downscaler.stores.prior.kept import keeping
from downscaler.stores.prior.layout import StoreWriter, pack, unpack
from downscaler.stores.prior.schema import FIELDS, RESPONSES
from downscaler.stores.prior.store import swap


@pytest.fixture
def prior(netcdf, domain, tmp_path: Path) -> Prior:
    source = open_source("netcdf", netcdf())
    return build_prior(source, domain, tmp_path / "prior")


def test_a_prior_holds_what_its_schema_declares(prior, domain):
    for name, variable in prior.data.data_vars.items():
        assert variable.dims == FIELDS[name].dims
        assert variable.dtype == FIELDS[name].read_dtype
        assert variable.attrs["units"] == FIELDS[name].units
    assert {n for n, f in FIELDS.items() if f.required} | set(RESPONSES) | {
        "precipitation",
        "precipitation_level",
    } == set(prior.data.data_vars)
    assert prior.domain == domain
    assert prior.period[0].isoformat() == "2016-12-20"
    affine = domain.geobox().affine
    assert prior.data["x"].values[0] == pytest.approx(affine.c + affine.a / 2)
    assert prior.data["y"].values[-1] == pytest.approx(affine.f + 35.5 * affine.e)


def test_bounds_hold_and_active_cells_have_everything(prior):
    data = prior.data.load()
    active = data["active"].values.astype(bool)
    assert 0 < active.mean() <= 1
    for name in ("porosity", "residual", "soil_moisture_level", "soil_moisture_sd"):
        assert (np.isfinite(data[name].values) == active).all()
    assert np.isfinite(data["soil_moisture_climatology"].values[:, active]).all()
    assert (data["soil_moisture"] <= data["porosity"]).where(data["active"] > 0, other=True).all()
    assert (data["residual"] < data["porosity"]).where(data["active"] > 0, other=True).all()


def test_statistics_of_the_record_are_those_of_the_stored_days(prior):
    data = prior.data.load()
    active = data["active"].values.astype(bool)
    level = data["soil_moisture"].mean("time").values
    np.testing.assert_allclose(data["soil_moisture_level"].values[active], level[active], atol=1e-6)


def test_two_builds_agree_and_other_numbers_do_not(netcdf, dataset, domain, tmp_path):
    path = netcdf()
    first, again = (build_prior(open_source("netcdf", path), domain, tmp_path / name) for name in "ab")
    assert first.record().sha256 == again.record().sha256
    dataset["soil_moisture"][5, 40, 40] += 0.01
    other = build_prior(open_source("netcdf", netcdf(dataset)), domain, tmp_path / "c")
    assert other.record().sha256 != first.record().sha256


class Stopped(BaseException):
    """The kill."""


def test_a_build_killed_goes_on_to_the_same_prior_whatever_the_workers(netcdf, domain, tmp_path, monkeypatch):
    larger = type(domain)(name="larger", title="Nine", m36=domain.m36.grown(1, within=product.CONUS.m36))
    monkeypatch.setattr(type(larger), "blocks", partialmethod(type(larger).blocks, size=1))
    path = netcdf()
    whole = build_prior(open_source("netcdf", path), larger, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise Stopped

    with pytest.raises(Stopped):
        build_prior(open_source("netcdf", path), larger, tmp_path / "killed", progress=stop)
    assert not (tmp_path / "killed").exists()
    tiles = tmp_path / ".killed.building" / "tiles"
    kept = {file: file.stat().st_mtime_ns for file in tiles.rglob("tile.json")}
    assert len(kept) == 4
    seen: list[int] = []
    again = build_prior(
        open_source("netcdf", path), larger, tmp_path / "killed", progress=lambda done, total: seen.append(done)
    )
    assert again.record().sha256 == whole.record().sha256
    assert seen == list(range(1, 10))
    assert not tiles.exists()


def test_an_extended_prior_has_the_days_of_one_built_at_once(netcdf, dataset, domain, tmp_path):
    first = netcdf(dataset.isel(time=slice(0, 33)))
    prior = build_prior(open_source("netcdf", first), domain, tmp_path / "prior")
    before = prior.data["soil_moisture"]  # opened lazily before the days come
    whole_file = netcdf(dataset)
    whole = build_prior(open_source("netcdf", whole_file), domain, tmp_path / "whole")
    again = extend_prior(open_source("netcdf", whole_file), prior.path)
    assert again.period == whole.period
    assert again.attributes["days"] == 40
    assert again.attributes["statistics_period"][1] == prior.period[1].isoformat()
    for name in ("soil_moisture", "precipitation", "time"):
        np.testing.assert_array_equal(again.data[name].values, whole.data[name].values)
    level = "soil_moisture_level"
    np.testing.assert_array_equal(again.data[level].values, prior.data[level].values)
    np.testing.assert_array_equal(before.values, whole.data["soil_moisture"].values[:33])
    assert again.record().sha256 not in (prior.record().sha256, whole.record().sha256)
    lands = [keeping(each, domain).land.folder for each in (prior, again, whole)]
    assert lands[0] == lands[1]  # days that are added leave the land as it is, another record does not
    assert lands[0].name != lands[2].name
    assert extend_prior(open_source("netcdf", whole_file), prior.path).record().sha256 == again.record().sha256
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with pytest.raises(PriorSchemaError, match="precipitation"):
        extend_prior(open_source("netcdf", netcdf(dataset.drop_vars("precip"))), prior.path)


def test_days_that_are_read_while_a_prior_is_extended_are_whole(netcdf, domain, tmp_path):
    prior = build_prior(open_source("netcdf", netcdf()), domain, tmp_path / "prior")
    known = int(np.isfinite(prior.data["soil_moisture"][0].values).sum())
    copies = [tmp_path / f"copy-{number}" for number in range(60)]
    for copy in copies:
        shutil.copytree(prior.path, copy, copy_function=os.link)
    seen, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(int(np.isfinite(prior.data["soil_moisture"][0].values).sum()))

    reader = threading.Thread(target=read)
    reader.start()
    for copy in copies:
        swap(copy, prior.path)
    done.set()
    reader.join()
    assert set(seen) == {known}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == []


def test_two_processes_build_the_same_prior(netcdf, domain, tmp_path):
    path = netcdf()
    one = build_prior(open_source("netcdf", path), domain, tmp_path / "one")
    opener = partial(open_source, "netcdf", path)
    two = build_prior(opener(), domain, tmp_path / "two", opener=opener, spread=in_processes(2))
    assert one.record().sha256 == two.record().sha256


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0.0, 0.9)))
def test_packed_numbers_are_off_by_half_a_step_at_most(values):
    spec = FIELDS["soil_moisture"]
    values[0, 0] = np.nan
    back = unpack(spec, pack(spec, values))
    assert np.array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values)) <= 1.02e-5
    assert np.array_equal(pack(spec, back), pack(spec, values))  # once packed, packed for good


def test_numbers_that_cannot_be_packed_are_refused():
    with pytest.raises(PriorSchemaError, match="cannot hold"):
        pack(FIELDS["precipitation"], np.array([2000.0]))
    with pytest.raises(PriorSchemaError, match="cannot hold"):
        pack(FIELDS["air_temperature"], np.array([-5.0]))  # degrees Celsius
    assert unpack(FIELDS["precipitation"], pack(FIELDS["precipitation"], np.array([-5e-4])))[0] == 0


def test_a_damaged_block_is_named(prior, domain):
    shard = next(path for path in (prior.path / "soil_moisture" / "c").rglob("*") if path.is_file())
    held = bytearray(shard.read_bytes())
    held[len(held) // 3] ^= 0xFF
    shard.write_bytes(bytes(held))
    again = open_prior(prior.path)  # as large as it was
    window = Window(rows=Span(start=0, stop=36), columns=Span(start=0, stop=36))
    with pytest.raises(PriorUnreadableError, match="damaged") as caught, again.reading(window):
        print(again.window(domain, window)["soil_moisture"].values.mean())
    assert "rows 0-36" in str(caught.value)


def test_a_damaged_mask_is_told_where_the_store_is_described(prior):
    (block,) = (path for path in (prior.path / "active" / "c").rglob("*") if path.is_file())
    held = bytearray(block.read_bytes())
    held[-1] ^= 0xFF
    block.write_bytes(bytes(held))
    with pytest.raises(PriorUnreadableError, match="damaged"):
        describe(prior.path)


def test_a_window_of_a_smaller_domain_is_the_same_ground(netcdf, tmp_path, dataset, domain):
    larger = type(domain)(
        name="larger",
        title="Four SMAP cells",
        m36=domain.m36.grown(1, within=product.CONUS.m36),
    )
    prior = build_prior(open_source("netcdf", netcdf()), larger, tmp_path / "larger")
    prior.require(domain)
    local = Window(rows=Span(start=3, stop=12), columns=Span(start=20, stop=36))
    part = prior.window(domain, local)
    affine = domain.geobox().affine
    np.testing.assert_allclose(part["x"], affine.c + (np.arange(20, 36) + 0.5) * affine.a)
    np.testing.assert_allclose(part["y"], affine.f + (np.arange(3, 12) + 0.5) * affine.e)
    small = build_prior(open_source("netcdf", netcdf()), domain, tmp_path / "small")
    np.testing.assert_allclose(part["soil_moisture"], small.window(domain, local)["soil_moisture"], atol=1e-6)


def test_another_domain_is_refused(prior):
    with pytest.raises(PriorCoverageError, match="does not cover"):
        prior.require(product.LITTLE_WASHITA)
    with pytest.raises(PriorCoverageError):
        prior.require(product.UPPER_VERDE)


def test_lost_changed_or_foreign_stores_are_refused(prior, tmp_path):
    with pytest.raises(PriorUnreadableError, match="not there"):
        open_prior(tmp_path / "nothing")
    chunk = next((prior.path / "soil_moisture" / "c").rglob("[0-9]"))
    while chunk.is_dir():
        chunk = next(chunk.iterdir())
    kept = chunk.read_bytes()
    chunk.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(PriorUnreadableError, match="missing or changed"):
        open_prior(prior.path)
    chunk.write_bytes(kept)
    for left in (".DS_Store", "Thumbs.db", ".nfs0001"):
        (chunk.parent / left).write_bytes(b"x")
    open_prior(prior.path)
    root = prior.path / "zarr.json"
    metadata = json.loads(root.read_text())
    metadata["attributes"]["schema_version"] = "0"
    root.write_text(json.dumps(metadata))
    with pytest.raises(PriorSchemaError, match="schema version"):
        open_prior(prior.path)
    metadata["attributes"]["schema_version"] = product.PRIOR_SCHEMA_VERSION
    root.write_text(json.dumps(metadata))
    shutil.rmtree(prior.path / "porosity")
    with pytest.raises(PriorSchemaError, match="porosity"):
        open_prior(prior.path)


def test_without_porosity_the_wettest_day_stands_for_it(netcdf, dataset, domain, tmp_path):
    source = open_source("netcdf", netcdf(dataset.drop_vars("porosity_top")))
    prior = build_prior(source, domain, tmp_path / "prior")
    highest = prior.data["soil_moisture"].max("time").values
    np.testing.assert_allclose(prior.data["porosity"].values, np.ceil(highest * 100) / 100, atol=1e-6)
    assert any("porosity" in note for note in prior.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["soil_moisture"].values.__imul__(100), "not a volume fraction"),
        (lambda d: d["porosity_top"].values.__imul__(0.3), "exceeds porosity"),
        (lambda d: d["porosity_top"].values.fill(np.nan), "Porosity is missing"),
    ],
)
def test_wrong_numbers_stop_the_build_and_leave_nothing(netcdf, dataset, domain, tmp_path, change, message):
    change(dataset)
    with pytest.raises(PriorSchemaError, match=message):
        build_prior(open_source("netcdf", netcdf(dataset)), domain, tmp_path / "out" / "prior")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "usual", "odd", "units"),
    [
        ("elevation", 300.0, -9999.0, "m"),
        ("slope_x", 0.0, -9999.0, "1"),
        ("sand", 0.4, 40.0, None),
        ("vg_n_top", 2.0, -1.0, "1"),
        ("vg_sres_top", 0.1, 10.0, "1"),
    ],
)
def test_ground_that_cannot_be_stops_the_build(netcdf, dataset, domain, tmp_path, name, usual, odd, units):
    """Fill that is not declared would be averaged in, and per cents taken for fractions."""
    told = {} if units is None else {"units": units}
    dataset[name] = (("y", "x"), np.full_like(dataset["porosity_top"], usual), told)
    build_prior(open_source("netcdf", netcdf(dataset)), domain, tmp_path / "sound")
    dataset[name].values[dataset.sizes["y"] // 2, dataset.sizes["x"] // 2] = odd
    with pytest.raises(PriorSchemaError, match="values that cannot be"):
        build_prior(open_source("netcdf", netcdf(dataset)), domain, tmp_path / "prior")


def test_an_older_prior_is_replaced_whole_or_stays(prior, netcdf, dataset, domain):
    old = prior.record().sha256
    dataset["soil_moisture"].values[:] *= 100
    with pytest.raises(PriorSchemaError):
        build_prior(open_source("netcdf", netcdf(dataset)), domain, prior.path)
    assert open_prior(prior.path).record().sha256 == old
    dataset["soil_moisture"].values[:] /= 120
    assert build_prior(open_source("netcdf", netcdf(dataset)), domain, prior.path).record().sha256 != old
    assert [p.name for p in prior.path.parent.iterdir() if p.name.startswith(".")] == []


def test_other_files_in_the_way_are_never_replaced(netcdf, domain, tmp_path):
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior" / "thesis.txt").write_text("years of work")
    with pytest.raises(PriorSchemaError, match="not a prior"):
        build_prior(open_source("netcdf", netcdf()), domain, tmp_path / "prior")
    assert (tmp_path / "prior" / "thesis.txt").exists()


def test_a_full_disk_is_told_and_nothing_stays(netcdf, domain, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StoreWriter, "finish", full)
    with pytest.raises(StorageFullError):
        build_prior(open_source("netcdf", netcdf()), domain, tmp_path / "out" / "prior")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_leaves_a_prior_as_it_was_before_its_new_days(netcdf, dataset, domain, tmp_path, monkeypatch):
    prior = build_prior(open_source("netcdf", netcdf(dataset.isel(time=slice(0, 33)))), domain, tmp_path / "prior")
    before = {file: file.read_bytes() for file in prior.path.rglob("*") if file.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StoreWriter, "finish", full)
    with pytest.raises(StorageFullError):
        extend_prior(open_source("netcdf", netcdf(dataset)), prior.path)
    assert {file: file.read_bytes() for file in prior.path.rglob("*") if file.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and "lock" not in path.name] == []
    assert open_prior(prior.path).record() == prior.record()


def test_progress_and_description(netcdf, domain, tmp_path):
    seen: list[tuple[int, int]] = []
    build_prior(open_source("netcdf", netcdf()), domain, tmp_path / "p", progress=lambda *done: seen.append(done))
    assert seen == [(1, 1)]
    facts = describe(tmp_path / "p")
    assert facts["kind"] == "prior"
    assert facts["days"] == 40
    assert facts["domain"] == "cell"
    json.dumps(facts)
    assert describe(netcdf())["kind"] == "parflow-netcdf"
    assert is_prior(tmp_path / "p")
    assert not is_prior(tmp_path)


def test_upper_verde_from_netcdf_and_from_pfb_are_the_same_ground(shared: Path, tmp_path: Path):
    folder = shared / "parflow" / "upper_verde"
    run = tmp_path / "run"
    run.mkdir()
    for number in (0, 3, 6):
        shutil.copy(folder / "native_pfb" / f"UV.out.satur.{number:05d}.pfb", run)
    shutil.copy(folder / "native_pfb" / "UV.out.porosity.pfb", run)
    for name in ("slope_x.pfb", "slope_y.pfb"):
        shutil.copy(shared / "parflow" / "conus1_upper_verde" / name, run)
    (run / "prior.toml").write_text(
        '[grid]\nlattice = "CONUS1"\nij_bounds = [375, 239, 487, 329]\n'
        '[time]\nstart = "2016-10-01T12:00:00Z"\nstep = "1d"\n'
        '[files]\nsaturation = "*.satur.*.pfb"\nporosity = "*.porosity.pfb"\n'
        'slope_x = "slope_x.pfb"\nslope_y = "slope_y.pfb"\n'
    )
    native = build_prior(open_source("pfb", run), product.UPPER_VERDE, tmp_path / "native")
    with xr.open_dataset(folder / "daily.nc") as whole:
        whole.isel(time=slice(0, 20)).to_netcdf(tmp_path / "twenty.nc")
    source = open_source("netcdf", tmp_path / "twenty.nc", folder / "static.nc")
    daily = build_prior(source, product.UPPER_VERDE, tmp_path / "daily")
    days = native.data["time"].values
    one, other = native.data["soil_moisture"].values, daily.data["soil_moisture"].sel(time=days).values
    assert (np.isfinite(one) == np.isfinite(other)).all()
    assert np.nanmean(np.abs(one - other)) < 0.005  # noon against the mean of the day
    assert np.isfinite(one[0]).sum() == pytest.approx(6456, rel=0.01)
    index, again = (p.data["topographic_wetness"].values for p in (native, daily))
    np.testing.assert_allclose(index, again, atol=1e-3)
    known = np.isfinite(index)
    wet = daily.data["soil_moisture_level"].values
    assert np.corrcoef(index[known], wet[known])[0, 1] > 0.3
