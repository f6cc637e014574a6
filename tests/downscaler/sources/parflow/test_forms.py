"""ParFlow-CLM as people have it: forcing in ranges and units, dated names, planes, pressure, a variable a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo import xy_
from parflow.tools.io import read_pfb, write_pfb
from pyproj import CRS

from downscaler.errors import PriorSchemaError, PriorUnreadableError
from downscaler.ground.lattice import CONUS1, CONUS2, Lattice, question
from downscaler.sources.parflow import describe, describe_folder, is_run, open_source
from downscaler.sources.parflow.native.filetimes import read_names
from downscaler.sources.parflow.retention import saturation
from downscaler.sources.parflow.units import Conversion, check_not_traces, check_weather, conversion

ALL = slice(None)
SIZE = (6, 5)  # rows, columns
GRID = '[grid]\nlattice = "CONUS2"\nij_bounds = [2200, 1150, 2205, 1156]\n'
TIME = '[time]\nstart = "2005-10-01T00:00:00Z"\nstep = "1h"\n'


def plane(value: float) -> np.ndarray:
    return np.full(SIZE, value)


def run(folder: Path, files: dict[str, list[np.ndarray]], toml: str) -> Path:
    """A folder of .pfb files, each of the planes given, with its prior.toml."""
    folder.mkdir(exist_ok=True)
    for name, planes in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_pfb(str(folder / name), np.stack(planes), dist=False)
    (folder / "prior.toml").write_text(toml)
    return folder


def states(hours: int = 72) -> dict[str, list[np.ndarray]]:
    """Soil moisture 0.2 every six hours."""
    return {f"sm.{hour:05d}.pfb": [plane(0.2)] for hour in range(0, hours, 6)}


def daily(source, name: str) -> list[float]:
    values = source.read_days(name, ALL, source.lattice.window)
    assert all(np.ptp(day) == 0 for day in values)
    return [float(day[0, 0]) for day in values]


WET = '[files]\nsoil_moisture = "sm.*.pfb"\n'


def forced(tmp_path: Path, *, units: str = "", name: str = "NLDAS.APCP") -> Path:
    """Three days of hourly forcing as CLM reads it: 24 mm of rain on the second, 280, 290 and 300 K."""
    files = states()
    for day in range(3):
        span = f"{day * 24 + 1:06d}_to_{day * 24 + 24:06d}"
        files[f"{name}.{span}.pfb"] = [plane(24 / 86400 if day == 1 else 0.0)] * 24
        files[f"NLDAS.Temp.{span}.pfb"] = [plane(280.0 + 10 * day)] * 24
    told = f'precipitation = "{name}.*.pfb"\nair_temperature = "NLDAS.Temp.*.pfb"\n'
    return run(tmp_path / "run", files, GRID + TIME + WET + told + units)


def test_forcing_files_of_a_range_of_hours_are_of_the_day_they_cover(tmp_path):
    source = open_source("pfb", forced(tmp_path))
    assert daily(source, "precipitation") == pytest.approx([0.0, 24.0, 0.0])
    assert daily(source, "air_temperature") == pytest.approx([280.0, 290.0, 300.0])
    assert any("mm s-1 was taken" in note for note in source.info.notes)


def test_ranges_of_hours_that_begin_with_0_are_of_the_same_days(tmp_path):
    folder = forced(tmp_path)
    for day in range(3):
        for name in ("NLDAS.APCP", "NLDAS.Temp"):
            old, new = (f"{day * 24 + n:06d}_to_{day * 24 + 23 + n:06d}" for n in (1, 0))
            (folder / f"{name}.{old}.pfb").rename(folder / f"{name}.{new}.pfb")
    source = open_source("pfb", folder)
    assert daily(source, "precipitation") == pytest.approx([0.0, 24.0, 0.0])
    assert daily(source, "air_temperature") == pytest.approx([280.0, 290.0, 300.0])


def test_forcing_of_another_name_needs_its_unit(tmp_path):
    with pytest.raises(PriorSchemaError, match="unit of precipitation is not told"):
        open_source("pfb", forced(tmp_path, name="rain"))
    toml = tmp_path / "run" / "prior.toml"
    toml.write_text(toml.read_text() + '[units]\nprecipitation = "mm s-1"\n')
    assert daily(open_source("pfb", tmp_path / "run"), "precipitation") == pytest.approx([0.0, 24.0, 0.0])


@pytest.mark.parametrize(
    ("unit", "value", "days"),
    [("mm/day", 24.0, 24.0), ("mm h-1", 1.0, 24.0), ("kg m-2 s-1", 1 / 3600, 24.0), ("mm/hr", 0.5, 12.0)],
)
def test_rain_in_any_told_unit_is_mm_a_day(unit, value, days):
    assert conversion("precipitation", unit, "x")(np.array([value]))[0] == pytest.approx(days)


def test_weather_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(PriorSchemaError, match="another unit"):
        conversion("precipitation", "mm", "x")
    with pytest.raises(PriorSchemaError, match="cannot be in K"):
        check_weather("air_temperature", np.array([12.0, 25.0]), "x")
    with pytest.raises(PriorSchemaError, match="cannot be in mm"):
        check_weather("precipitation", np.array([0.0, 86400.0]), "x")
    with pytest.raises(PriorSchemaError, match="too little"):
        check_not_traces(24 / 86400, "x")
    check_not_traces(0.0, "a dry week")
    toml = forced(tmp_path) / "prior.toml"
    toml.write_text(toml.read_text() + '[units]\nair_temperature = "degC"\n')
    with pytest.raises(PriorSchemaError, match="cannot be in K"):
        daily(open_source("pfb", tmp_path / "run"), "air_temperature")
    assert Conversion(1.0, 273.15)(np.array([20.0]))[0] == pytest.approx(293.15)


def test_hourly_forcing_counts_from_one(tmp_path):
    files = states(48) | {f"F.APCP.{n:06d}.pfb": [plane(1 / 3600 if n > 24 else 0.0)] for n in range(1, 49)}
    toml = GRID + TIME + WET + 'precipitation = "F.APCP.*.pfb"\n'
    source = open_source("pfb", run(tmp_path / "run", files, toml))
    assert daily(source, "precipitation") == pytest.approx([0.0, 24.0])
    assert any("counted from 1" in note for note in source.info.notes)


@pytest.mark.parametrize(
    "form",
    [
        "sm.{:%Y%m%d}.pfb",
        "sm.{:%Y-%m-%d}.pfb",
        "sm_{:%m%d%Y}.pfb",
        "sm.{:%Y.%m.%d}_00.00.00_UTC0.pfb",
        "{:%Y_%m_%d}.pfb",
        "sm.{:%Y%j}.pfb",
    ],
)
def test_days_in_names_are_read(tmp_path, form):
    days = [dt.date(2024, 4, 29) + dt.timedelta(days=n) for n in range(5)]
    files = {form.format(day): [plane(0.1 + 0.01 * n)] for n, day in enumerate(days)}
    source = open_source("pfb", run(tmp_path / "run", files, GRID + '[files]\nsoil_moisture = "*.pfb"\n'))
    assert source.days == tuple(days)
    assert daily(source, "soil_moisture") == pytest.approx([0.1, 0.11, 0.12, 0.13, 0.14])


def test_a_water_year_in_a_folder_or_name_is_where_its_days_count_from(tmp_path):
    files = {f"WY2006/sm.{n:03d}.pfb": [plane(0.1 * n)] for n in (1, 2)}
    files |= {f"WY2007/sm.{n:03d}.pfb": [plane(0.1 * n)] for n in (1, 2)}
    toml = GRID + '[time]\nstep = "1d"\n[files]\nsoil_moisture = "*/sm.*.pfb"\n'
    source = open_source("pfb", run(tmp_path / "run", files, toml))
    assert [str(day) for day in source.days] == ["2005-10-01", "2005-10-02", "2006-10-01", "2006-10-02"]


def test_a_date_that_all_names_share_is_the_runs_own():
    told = read_names([f"run20240501.sm.{n:05d}" for n in range(3)], "x")
    assert [one.first for one in told.values()] == [0, 1, 2]
    assert read_names(["LW20051001.out.satur.00007"], "x")["LW20051001.out.satur.00007"].first == 7


@pytest.mark.parametrize(
    "names", [["sm.a", "sm.b"], ["sm.00001", "sm.00001 (1)"], ["a.00001", "b.00001"], ["sm.20240501", "sm.00002"]]
)
def test_names_that_do_not_tell_their_time_are_refused(names):
    with pytest.raises(PriorSchemaError, match="told apart"):
        read_names(names, "x")


def test_a_number_that_is_no_step_is_refused(tmp_path):
    folder = run(tmp_path / "run", {"sm.99999999.pfb": [plane(0.2)]}, GRID + TIME + WET)
    with pytest.raises(PriorSchemaError, match="not a step of the run"):
        open_source("pfb", folder)


@given(day=st.dates(dt.date(1950, 1, 1), dt.date(2090, 12, 31)), prefix=st.sampled_from(["sm.", "a_1_1.", "CONUS2.x-"]))
@settings(max_examples=60, deadline=None)
def test_every_date_is_read_as_itself_in_every_form(day, prefix):
    for form in ("%Y%m%d", "%Y-%m-%d", "%Y.%m.%d", "%m%d%Y", "%m-%d-%Y", "%Y%m%dT0600", "%Y%m%d06", "%Y%j"):
        other = day + dt.timedelta(days=1)
        names = [f"{prefix}{one.strftime(form)}" for one in (day, other)]
        told = read_names(names, "x")
        assert [one.moment.date() for one in told.values() if one.moment] == [day, other]


def test_planes_that_may_be_layers_or_hours_are_asked_about(tmp_path):
    hours = [plane(0.01 * hour) for hour in range(24)]
    toml = GRID + TIME.replace("1h", "1d") + '[files]\nsoil_moisture = "sm.*.pfb"\n'
    folder = run(tmp_path / "run", {"sm.00000.pfb": hours}, toml)
    with pytest.raises(PriorSchemaError, match="layers or times"):
        open_source("pfb", folder)
    for told, expected in (('planes = "1h"', 0.115), ('planes = "layers"', 0.23)):
        (folder / "prior.toml").write_text(toml.replace("[files]", f"{told}\n[files]"))
        assert daily(open_source("pfb", folder), "soil_moisture") == pytest.approx([expected])


def test_a_range_of_hours_in_a_states_name_makes_its_planes_times(tmp_path):
    hours = [plane(0.01 * hour) for hour in range(24)]
    folder = run(tmp_path / "run", {"sm.000025_to_000048.pfb": hours}, GRID + TIME + WET)
    source = open_source("pfb", folder)
    assert source.days == (dt.date(2005, 10, 2),)
    assert daily(source, "soil_moisture") == pytest.approx([0.115])


def test_as_many_planes_as_the_lattice_has_layers_are_layers(tmp_path):
    layers = [plane(0.1)] * 9 + [plane(0.3)]
    folder = run(tmp_path / "run", {"sm.00000.pfb": layers}, GRID + TIME + WET)
    assert daily(open_source("pfb", folder), "soil_moisture") == pytest.approx([0.3])


def test_soil_moisture_of_pressure_is_van_genuchtens(tmp_path):
    soil = {"porosity": 0.4, "alpha": 2.0, "n": 2.0, "residual": 0.1}
    files = {"run.out.press.00000.pfb": [plane(-0.5)], "run.out.press.00024.pfb": [plane(1.0)]}
    files |= {f"{name}.pfb": [plane(value)] for name, value in soil.items()}
    toml = GRID + TIME + (
        '[files]\npressure = "run.out.press.*.pfb"\nporosity = "porosity.pfb"\nvan_genuchten_alpha = "alpha.pfb"\n'
        'van_genuchten_n = "n.pfb"\nresidual_saturation = "residual.pfb"\n'
    )  # fmt: skip
    source = open_source("pfb", run(tmp_path / "run", files, toml))
    assert daily(source, "soil_moisture") == pytest.approx([0.4 * (0.1 + 0.9 / np.sqrt(2.0)), 0.4])  # by hand


def test_saturation_of_genuine_pressure_is_what_parflow_wrote(shared: Path):
    """CONUS1's own pressure and saturation, soils by the indicator as the run's table has them."""
    from downscaler.sources.parflow.hydrodata.soils import SOILS

    folder = shared / "parflow" / "conus1_upper_verde"
    indicator = read_pfb(str(folder / "pf_indicator.pfb"))[-1].round().astype(int)
    known = np.isin(indicator, list(SOILS)) & (read_pfb(str(folder / "mask.pfb"))[0] > 0)
    alpha, n, residual = (np.array([SOILS[unit][k] for unit in indicator[known]]) for k in (2, 3, 4))
    worst = []
    for hour in ("00000", "00004"):
        pressure, written = (
            read_pfb(str(folder / f"conus1_upper_verde_1_1.out.{kind}.{hour}.pfb"))[-1][known]
            for kind in ("press", "satur")
        )
        worst.append(float(np.abs(saturation(pressure, alpha, n, residual) - written).max()))
    assert known.sum() > 6000
    assert max(worst) < 1e-9


# NetCDF


def lattice2(j: int = 1150) -> Lattice:
    return CONUS2.cut([2200, j, 2260, j + 50], "hydrodata")


def moved(lattice: Lattice, *, x: float = 0.0, y: float = 0.0) -> Lattice:
    corner = xy_(lattice.lower_left.x + x, lattice.lower_left.y + y)
    return Lattice(name="moved", crs=lattice.crs, lower_left=corner, shape=lattice.shape)


def written(
    path: Path, lattice: Lattice, name: str, units: str | None, values: np.ndarray, attrs: dict[str, str] | None = None
) -> Path:
    """One variable a file, with days where it has three axes."""
    dims = ("time", "y", "x")[-values.ndim :]
    data = xr.Dataset(
        {name: (dims, values, {"grid_mapping": "crs"} | ({"units": units} if units else {})),
         "crs": ((), np.int32(0), {"spatial_ref": CRS.from_proj4(lattice.crs).to_wkt()})},
        coords={"x": lattice.x, "y": lattice.y}, attrs=attrs or {},
    )  # fmt: skip
    if values.ndim == 3:
        data = data.assign_coords(
            time=np.datetime64("2024-05-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
        )
    data.to_netcdf(path)
    return path


def moisture(days: int = 4) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.1, 0.4, (days, 50, 60))


def test_hydroframes_own_file_is_placed_and_its_unit_found(tmp_path):
    here = lattice2()
    edges = moved(here, y=-500)
    wet = moisture()
    theirs = {"source": "Generated by hf_hydrodata", "units": "m3/m3"}
    size = "1000.0 meters"
    path = written(tmp_path / "sm.nc", edges, "soil_moisture", size, wet, theirs | {"temporal_resolution": "daily"})
    source = open_source("netcdf", path)
    assert source.lattice == here
    np.testing.assert_allclose(source.read_days("soil_moisture", ALL, here.window), wet, rtol=1e-6)
    assert any("500 m north" in note for note in source.info.notes)
    right = written(tmp_path / "later.nc", here, "soil_moisture", size, wet, theirs)
    assert open_source("netcdf", right).lattice == here
    monthly = written(tmp_path / "m.nc", here, "soil_moisture", size, wet, theirs | {"temporal_resolution": "monthly"})
    with pytest.raises(PriorSchemaError, match="monthly"):
        open_source("netcdf", monthly)


def test_a_lattice_off_a_parents_cells_is_questioned(tmp_path):
    here = lattice2()
    off = moved(here, x=300, y=-500)
    assert question(here) is None
    assert question(CONUS1.cut([375, 239, 487, 329], "drv_vegm")) is None
    assert "300 m east and 500 m south of CONUS2" in str(question(off))
    mislabelled = here.crs.replace("+R=6370000", "+ellps=WGS84")
    assert "another map projection" in str(
        question(Lattice(name="x", crs=mislabelled, lower_left=here.lower_left, shape=here.shape))
    )
    told = describe(written(tmp_path / "off.nc", off, "soil_moisture", "m3 m-3", moisture()))
    assert "500 m south" in told["notes"][0]


def test_files_of_one_variable_are_read_together_and_the_rest_is_named(tmp_path):
    here, wet = lattice2(), moisture()
    written(tmp_path / "soil_moisture.nc", here, "soil_moisture", "m3 m-3", wet)
    written(tmp_path / "rain.nc", here, "precipitation", "mm/hr", np.full((4, 50, 60), 0.5))
    written(tmp_path / "warm.nc", here, "air_temperature", "degC", np.full((4, 50, 60), 20.0))
    statics = {"porosity": ("1", 0.45), "slope_x": ("1", 0.01), "slope_y": ("1", 0.02), "elevation": ("m", 300.0)}
    for name, (unit, value) in statics.items():
        written(tmp_path / f"{name}.nc", here, name, unit, np.full((50, 60), value))
    written(tmp_path / "et.nc", here, "evapotranspiration", "mm/day", wet)
    source = open_source("netcdf", tmp_path)
    assert set(source.statics) == set(statics)
    assert daily(source, "precipitation") == pytest.approx([12.0] * 4)
    assert daily(source, "air_temperature") == pytest.approx([293.15] * 4)
    assert any("et.nc (evapotranspiration" in note for note in source.info.notes)
    assert is_run(tmp_path)
    assert describe_folder(tmp_path)["days"] == 4


def test_variables_left_unread_are_named(tmp_path, netcdf, dataset):
    dataset["evaporation"] = dataset["soil_moisture"] * 2
    source = open_source("netcdf", netcdf(dataset))
    assert "Left unread: evaporation." in source.info.notes


def test_the_same_day_twice_and_other_grids_are_refused(tmp_path):
    here, wet = lattice2(), moisture()
    written(tmp_path / "a.nc", here, "soil_moisture", "m3 m-3", wet)
    written(tmp_path / "a (1).nc", here, "soil_moisture", "m3 m-3", wet / 2)
    with pytest.raises(PriorSchemaError, match="of one time"):
        open_source("netcdf", tmp_path)
    (tmp_path / "a (1).nc").unlink()
    written(tmp_path / "porosity.nc", lattice2(1160), "porosity", "1", np.full((50, 60), 0.4))
    with pytest.raises(PriorSchemaError, match="different grids"):
        open_source("netcdf", tmp_path)


def test_saturation_times_porosity_of_netcdf(tmp_path):
    here, wet = lattice2(), moisture()
    written(tmp_path / "s.nc", here, "saturation", "1", wet / 0.45)
    with pytest.raises(PriorSchemaError, match="soil moisture"):
        open_source("netcdf", tmp_path)
    written(tmp_path / "porosity.nc", here, "porosity", "1", np.full((50, 60), 0.45))
    source = open_source("netcdf", tmp_path)
    np.testing.assert_allclose(source.read_days("soil_moisture", ALL, here.window), wet, rtol=1e-5)


@pytest.mark.parametrize(("factor", "units"), [(1000.0, "km"), (1000.0, "kilometers"), (1.0, "m"), (1.0, None)])
def test_kilometres_are_metres(tmp_path, factor, units):
    here = lattice2()
    with xr.open_dataset(written(tmp_path / "m.nc", here, "soil_moisture", "m3 m-3", moisture())) as data:
        data = data.load().assign_coords(x=here.x / factor, y=here.y / factor)
    if units:
        data["x"].attrs, data["y"].attrs = {"units": units}, {"units": units}
    data.to_netcdf(tmp_path / "km.nc")
    assert open_source("netcdf", tmp_path / "km.nc").lattice == here


def test_kilometres_that_are_not_told_and_degrees_are_refused(tmp_path):
    here = lattice2()
    with xr.open_dataset(written(tmp_path / "m.nc", here, "soil_moisture", "m3 m-3", moisture())) as data:
        data = data.load().assign_coords(x=here.x / 1000, y=here.y / 1000)
    data.to_netcdf(tmp_path / "km.nc")
    with pytest.raises(PriorSchemaError, match="kilometres or degrees"):
        _ = open_source("netcdf", tmp_path / "km.nc").lattice
    data["x"].attrs = {"units": "degrees_east"}
    data.to_netcdf(tmp_path / "deg.nc")
    with pytest.raises(PriorSchemaError, match="not a length on a map"):
        open_source("netcdf", tmp_path / "deg.nc")


def test_a_netcdf_file_that_reads_another_file_is_refused(tmp_path):
    import h5py

    path = written(tmp_path / "m.nc", lattice2(), "soil_moisture", "m3 m-3", moisture())
    with h5py.File(path, "r+") as file:
        file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(PriorUnreadableError, match="another file"):
        open_source("netcdf", path)
