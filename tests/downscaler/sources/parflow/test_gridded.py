import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import IJWindow
from downscaler.sources.parflow import describe, open_source

ALL = slice(None)


def test_netcdf_gives_the_same_days_whichever_way_its_rows_run(netcdf, dataset, soil_moisture, lattice):
    for changed in (dataset, dataset.isel(y=slice(None, None, -1))):
        source = open_source("netcdf", netcdf(changed))
        assert source.lattice == lattice
        np.testing.assert_allclose(source.read_days("soil_moisture", ALL, lattice.window), soil_moisture, rtol=1e-6)
        source.close()


def test_zarr_is_read_as_netcdf_is(tmp_path, dataset, soil_moisture, lattice):
    dataset.to_zarr(tmp_path / "run.zarr", consolidated=False)
    source = open_source("zarr", tmp_path / "run.zarr")
    window = IJWindow.from_bounds([3, 7, 40, 31])
    np.testing.assert_allclose(
        source.read_days("soil_moisture", slice(5, 9), window), soil_moisture[5:9, 7:31, 3:40], rtol=1e-6
    )
    assert source.statics == ("porosity",)
    assert source.info.inputs[0]["name"] == "run.zarr"


def test_zeros_that_are_declared_to_be_missing_are_told(tmp_path, dataset):
    """Zarr's writers fill with 0 unless told otherwise: every dry day would have no rain known."""
    dry = {"precip": {"_FillValue": 0.0}}
    dataset.to_zarr(tmp_path / "run.zarr", consolidated=False, zarr_format=2, encoding=dry)
    dataset.to_netcdf(tmp_path / "run.nc", encoding=dry)
    for kind, name in (("zarr", "run.zarr"), ("netcdf", "run.nc")):
        with pytest.raises(PriorSchemaError, match="0 is declared to be missing in 'precip'"):
            open_source(kind, tmp_path / name)


def test_a_series_is_uniform_in_space(netcdf, lattice):
    source = open_source("netcdf", netcdf())
    rain = source.read_days("precipitation", slice(3, 5), lattice.window)
    assert (rain[0] == 3).all()
    assert (rain[1] == 4).all()


def test_states_of_a_day_are_averaged_and_files_of_a_folder_joined(tmp_path, dataset, soil_moisture, lattice):
    eight_hours = dataset["time"].values[0] + np.arange(40) * np.timedelta64(8, "h")
    dataset = dataset.assign_coords(time=eight_hours)
    dataset.isel(time=slice(0, 10)).to_netcdf(tmp_path / "b_first.nc")
    dataset.isel(time=slice(10, 40)).to_netcdf(tmp_path / "a_second.nc")
    source = open_source("netcdf", tmp_path)
    assert len(source.days) == 14
    days = source.read_days("soil_moisture", ALL, lattice.window)
    np.testing.assert_allclose(days[3], soil_moisture[9:12].mean(axis=0), rtol=1e-6)


def test_spinup_and_empty_days_are_left_out_with_a_note(netcdf, dataset):
    dataset["spinup"] = ("time", (np.arange(40) < 10).astype(np.int8))
    dataset["soil_moisture"][20] = np.nan
    source = open_source("netcdf", netcdf(dataset))
    assert len(source.days) == 29
    assert source.days[0] == dt.date(2016, 12, 30)
    assert any("10 time steps" in note for note in source.info.notes)
    assert any("2017-01-09" in note for note in source.info.notes)


@pytest.mark.parametrize("units", ["%", "kg m-2", "mm", "percent", None])
def test_another_unit_is_refused(netcdf, dataset, units):
    dataset["soil_moisture"].attrs.pop("units")
    if units is not None:
        dataset["soil_moisture"].attrs["units"] = units
    with pytest.raises(PriorSchemaError, match="m3 m-3"):
        open_source("netcdf", netcdf(dataset))


@pytest.mark.parametrize("units", ["m3/m3", "m^3 m^-3", "m**3 m**-3", "1", "cm3/cm3", "M3 M-3"])
def test_spellings_of_the_unit_are_known(netcdf, dataset, units):
    dataset["soil_moisture"].attrs["units"] = units
    assert len(open_source("netcdf", netcdf(dataset)).days) == 40


def test_soil_moisture_is_found_by_its_standard_name(netcdf, dataset):
    dataset = dataset.rename(soil_moisture="water_in_top_layer")
    with pytest.raises(PriorSchemaError, match="surface_sm"):
        open_source("netcdf", netcdf(dataset))
    dataset["water_in_top_layer"].attrs["standard_name"] = "volume_fraction_of_condensed_water_in_soil"
    assert open_source("netcdf", netcdf(dataset)).daily == ("soil_moisture", "precipitation")


@pytest.mark.parametrize("order", ["depths", "words", "unknown"])
def test_the_top_of_a_layered_field_is_known_or_refused(netcdf, dataset, lattice, fields, order):
    layers = fields["porosity"][::-1] if order != "depths" else fields["porosity"]
    dataset["porosity_top"] = (("layer", "y", "x"), layers, {"units": "m3 m-3"})
    if order == "depths":
        dataset["layer_top"] = ("layer", [1.0, 0.1, 0.0])
    elif order == "words":
        dataset = dataset.assign_coords(layer=("layer", [1, 2, 3], {"long_name": "layer, 1 = top"}))
    source = open_source("netcdf", netcdf(dataset))
    if order == "unknown":
        with pytest.raises(PriorSchemaError, match="which end"):
            source.read_static("porosity", lattice.window)
    else:
        np.testing.assert_allclose(source.read_static("porosity", lattice.window), fields["porosity"][-1], rtol=1e-6)


def test_files_without_a_place_are_refused(netcdf, dataset):
    with pytest.raises(PriorSchemaError, match="projected"):
        open_source("netcdf", netcdf(dataset.drop_vars(["x", "y"])))
    bare = dataset.drop_vars("crs")
    for variable in bare.variables.values():
        variable.attrs.pop("grid_mapping", None)
    with pytest.raises(PriorSchemaError, match="map projection"):
        _ = open_source("netcdf", netcdf(bare)).lattice


def test_statics_of_another_grid_are_refused(tmp_path, netcdf, dataset):
    dataset[["porosity_top", "crs"]].isel(x=slice(1, None)).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(PriorSchemaError, match="different grids"):
        open_source("netcdf", netcdf(), tmp_path / "other.nc")


def test_a_file_of_statics_that_holds_none_is_refused(tmp_path, netcdf, dataset):
    days = netcdf(dataset.drop_vars("porosity_top"))
    with pytest.raises(PriorSchemaError, match=r"--statics brings no static field.*porosity"):
        open_source("netcdf", days, days)
    dataset[["porosity_top", "crs"]].to_netcdf(tmp_path / "static.nc")
    assert open_source("netcdf", days, tmp_path / "static.nc").statics == ("porosity",)


def test_damaged_and_missing_files_are_refused(tmp_path, netcdf):
    path = netcdf()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(PriorUnreadableError):
        open_source("netcdf", path)
    with pytest.raises(PriorUnreadableError, match=r"No .* was found"):
        open_source("netcdf", tmp_path / "*.grb")
    with pytest.raises(PriorUnreadableError):
        open_source("zarr", tmp_path / "missing.zarr")


def test_little_washita_is_read_without_edits(shared: Path):
    folder = shared / "parflow" / "little_washita"
    source = open_source("netcdf", folder / "daily_surface_sm.nc", folder / "static" / "static.nc")
    assert (len(source.days), source.days[0], source.days[-1]) == (335, dt.date(1998, 10, 1), dt.date(1999, 8, 31))
    assert source.daily == ("soil_moisture", "precipitation", "air_temperature")
    assert {"porosity", "permeability", "van_genuchten_alpha", "indicator", "land_cover"} <= set(source.statics)
    with xr.open_dataset(folder / "daily_surface_sm.nc") as plain:
        lon, lat = source.lattice.lonlat()
        np.testing.assert_allclose(lon, plain["lon"], atol=1e-5)
        np.testing.assert_allclose(lat, plain["lat"], atol=1e-5)
        read = source.read_days("soil_moisture", slice(0, 2), source.lattice.window)
        np.testing.assert_array_equal(read, plain["surface_sm"].values[30:32])


def test_upper_verde_is_read_without_edits(shared: Path):
    folder = shared / "parflow" / "upper_verde"
    source = open_source("netcdf", folder / "daily.nc", folder / "static.nc")
    assert source.lattice.ij_bounds == (375, 239, 487, 329)
    assert source.lattice.registration == "drv_vegm"
    assert len(source.days) == 235
    assert dt.date(2016, 10, 24) not in source.days
    with xr.open_dataset(folder / "static.nc") as plain:
        read = source.read_static("porosity", source.lattice.window)
        np.testing.assert_array_equal(read, plain["porosity"].values[0])
    facts = describe(folder / "daily.nc")
    assert facts["kind"] == "parflow-netcdf"
    assert facts["period"] == ["2016-10-01", "2017-05-24"]
