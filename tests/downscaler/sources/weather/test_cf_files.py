"""Weather from CF files: days that are there twice, grids that differ, values that cannot be are refused by name."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from downscaler.errors import WeatherGapError, WeatherUnreadableError, WeatherValueError
from downscaler.sources.weather import WeatherDay, open_weather_source
from downscaler.sources.weather.files import latlon_field
from downscaler.sources.weather.nldas2 import LATTICE

FIRST = dt.date(2026, 2, 5)


def daily(
    path: Path, *, first: dt.date = FIRST, rain: float = 2.0, west: float = -96.0, units: str = "mm day-1"
) -> Path:
    """Three days of even rain on quarter degrees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 33.5 + 0.25 * np.arange(8)), ("lon", west + 0.25 * np.arange(10))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", 3)
        time = data.createVariable("time", "f8", ("time",))
        time.units = f"days since {first}"
        time[:] = np.arange(3)
        amount = data.createVariable("pr", "f4", ("time", "lat", "lon"), fill_value=-9999.0)
        amount.units, amount[:] = units, rain
    return path


def read(path: Path, day: dt.date = FIRST) -> WeatherDay:
    source = open_weather_source("netcdf", path)
    try:
        return source.read(day, source.lattice.window)
    finally:
        source.close()


def test_files_of_successive_days_are_one_record(tmp_path: Path) -> None:
    daily(tmp_path / "a.nc")
    daily(tmp_path / "b.nc", first=FIRST + dt.timedelta(days=3), rain=5.0)
    for day, rain in ((FIRST, 2.0), (FIRST + dt.timedelta(days=5), 5.0)):
        assert (read(tmp_path, day).precipitation == rain).all()
    with pytest.raises(WeatherGapError, match="has no weather for"):
        read(tmp_path, FIRST + dt.timedelta(days=6))


def test_a_day_in_two_files_is_refused(tmp_path: Path) -> None:
    daily(tmp_path / "a.nc")
    daily(tmp_path / "b.nc", first=FIRST + dt.timedelta(days=2), rain=7.0)
    with pytest.raises(WeatherUnreadableError, match="2026-02-07 is in two files"):
        open_weather_source("netcdf", tmp_path)


def test_files_of_two_grids_are_refused(tmp_path: Path) -> None:
    daily(tmp_path / "a.nc")
    daily(tmp_path / "b.nc", first=FIRST + dt.timedelta(days=3), west=-95.0)
    with pytest.raises(WeatherUnreadableError, match="different grids"):
        read(tmp_path)


def _uneven(data: netCDF4.Dataset) -> None:
    data["lon"][4] = data["lon"][4] + 0.1


def _nowhere(data: netCDF4.Dataset) -> None:
    for old, new in (("lat", "row"), ("lon", "column")):
        data.renameVariable(old, new)


@pytest.mark.parametrize(("change", "words"), [(_uneven, "not regular"), (_nowhere, "no coordinates of its grid")])
def test_grids_that_cannot_be_placed(change: Callable[[netCDF4.Dataset], None], words: str, tmp_path: Path) -> None:
    with netCDF4.Dataset(daily(tmp_path / "a.nc"), "a") as data:
        change(data)
    with pytest.raises(WeatherUnreadableError, match=words):
        read(tmp_path)


def _other_axes(data: netCDF4.Dataset) -> None:
    data.createDimension("level", 2)
    data.renameVariable("pr", "old")
    amount = data.createVariable("pr", "f4", ("level", "lat", "lon"))
    amount.units, amount[:] = "mm day-1", 1.0


def _no_times(data: netCDF4.Dataset) -> None:
    data["time"][1] = np.nan


def _texts(data: netCDF4.Dataset) -> None:
    data.renameVariable("pr", "old")
    amount = data.createVariable("pr", "S1", ("time", "lat", "lon"))
    amount.units, amount[:] = "mm day-1", "a"


def _no_place(data: netCDF4.Dataset) -> None:
    data["lat"][:] = np.nan


def _ancient(data: netCDF4.Dataset) -> None:
    data["time"].units, data["time"].calendar = "days since 0001-01-01", "360_day"


@pytest.mark.parametrize("change", [_other_axes, _no_times, _texts, _no_place, _ancient])
def test_odd_but_whole_files_are_told(change: Callable[[netCDF4.Dataset], None], tmp_path: Path) -> None:
    with netCDF4.Dataset(daily(tmp_path / "a.nc"), "a") as data:
        change(data)
    with pytest.raises((WeatherUnreadableError, WeatherValueError, WeatherGapError)):
        read(tmp_path)


@pytest.mark.parametrize(
    ("rain", "units", "error", "words"),
    [
        (-1.0, "mm day-1", WeatherValueError, "not plausible as a daily sum"),
        (2.0, "mm s-1", WeatherValueError, "not plausible as a daily sum"),
        (2.0, "inch", WeatherUnreadableError, "another unit"),
        (2.0, "", WeatherUnreadableError, "another unit"),
    ],
)
def test_rain_that_cannot_be(rain: float, units: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    daily(tmp_path / "a.nc", rain=rain, units=units)
    with pytest.raises(error, match=words):
        read(tmp_path)


def test_fills_are_gaps_and_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = daily(tmp_path / "a.nc", rain=-9999.0)
    assert np.isnan(read(path).precipitation).all()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(WeatherUnreadableError):
        read(path)


def _twice(data: netCDF4.Dataset) -> None:
    data["time"][:] = [0.0, 0.0, 1.0]  # the first day was added again


def _months(data: netCDF4.Dataset) -> None:
    data["time"][:] = [0.0, 28.0, 59.0]


def _weeks(data: netCDF4.Dataset) -> None:
    data["time"][:] = [0.0, 7.0, 14.0]


def _rows_in_no_order(data: netCDF4.Dataset) -> None:
    data["lat"][:] = np.roll(data["lat"][:], 4)  # two halves put together, the northern one first


def _across_180(data: netCDF4.Dataset) -> None:
    data["lon"][:] = 179.0 + 0.25 * np.arange(10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_twice, "steps of one time"),
        (_months, "longer than a day"),
        (_weeks, "longer than a day"),
        (_rows_in_no_order, "not regular"),
        (_across_180, "across 180 degrees"),
    ],
)
def test_files_that_would_be_misread_are_refused(
    change: Callable[[netCDF4.Dataset], None], words: str, tmp_path: Path
) -> None:
    with netCDF4.Dataset(daily(tmp_path / "a.nc"), "a") as data:
        change(data)
    with pytest.raises(WeatherUnreadableError, match=words):
        read(tmp_path)


@pytest.mark.parametrize("times", [(0.0, 4.0, 9.0), (0.0, 2.0, 40.0)])
def test_single_days_far_apart_are_read(times: tuple[float, ...], tmp_path: Path) -> None:
    """What fills the gaps of a store."""
    with netCDF4.Dataset(daily(tmp_path / "a.nc"), "a") as data:
        data["time"][:] = times
    source = open_weather_source("netcdf", tmp_path / "a.nc")
    assert [(day - source.days[0]).days for day in source.days] == list(times)
    source.close()


def test_rain_whose_zeros_are_declared_to_be_missing_is_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(daily(tmp_path / "a.nc"), "a") as data:
        data.renameVariable("pr", "old")
        amount = data.createVariable("pr", "f4", ("time", "lat", "lon"), fill_value=0.0)
        amount.units, amount[:] = "mm day-1", 0.0
    with pytest.raises(WeatherUnreadableError, match="0 is declared to be missing"):
        read(tmp_path)


def test_longitudes_from_0_to_360_are_the_same_place(tmp_path: Path) -> None:
    places = []
    for name, west in (("a.nc", -96.0), ("b.nc", 264.0)):
        source = open_weather_source("netcdf", daily(tmp_path / name, west=west))
        places.append(source.lattice)
        source.close()
    assert places[0] == places[1]


@pytest.mark.parametrize(("axis", "turned"), [("lon", True), ("lon", False), ("lat", False)])
def test_a_product_s_grid_in_another_order_is_refused(axis: str, turned: bool, tmp_path: Path) -> None:
    """All that a look at the first or least centre cannot tell: columns from the east, a globe cut at Greenwich."""
    lat, lon = LATTICE.y.copy(), LATTICE.x.copy()
    for name, centres in (("lat", lat), ("lon", lon)):
        if name == axis:
            centres[:] = centres[::-1] if turned else np.roll(centres, 100)
    rain = xr.DataArray(np.zeros((lat.size, lon.size), np.float32), {"lat": lat, "lon": lon}, ("lat", "lon"))
    with pytest.raises(WeatherUnreadableError, match="another grid"):
        latlon_field(rain, LATTICE, LATTICE.window, tmp_path / "a.nc")
    upright = rain.assign_coords(lat=LATTICE.y, lon=LATTICE.x)
    assert latlon_field(upright.isel(lat=slice(None, None, -1)), LATTICE, LATTICE.window, tmp_path).shape == rain.shape
