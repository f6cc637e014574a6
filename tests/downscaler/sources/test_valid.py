"""What a file declares to be no value is none: in products to compare with, in weather and in ParFlow's output."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from downscaler.errors import ComparisonError, WeatherUnreadableError
from downscaler.sources.gridded import product_at
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.weather import open_weather_source

DAY = dt.date(2024, 5, 23)
LON, LAT = np.array([-96.9, -96.8]), np.array([35.1, 35.1])
DECLARED: dict[str, dict[str, Any]] = {
    "valid_max": {"valid_max": np.float32(0.6)},
    "range": {"valid_range": np.array([0.0, 0.6], "f4")},
    "range as text": {"valid_range": "0.0, 0.6"},
    "flags": {"flag_values": np.array([0.9], "f4"), "flag_meanings": "frozen"},
    "missing value as text": {"missing_value": "0.9"},
    "packed, limit of packed numbers": {"dtype": "i2", "scale_factor": 0.01, "valid_max": np.int16(60)},
    "packed, limit of values": {"dtype": "i2", "scale_factor": 0.01, "valid_max": 0.6},
    "packed upside down": {"dtype": "i2", "scale_factor": -0.01, "add_offset": 1.0, "valid_min": np.int16(40)},
    "bytes without a sign": {
        "dtype": "i1",
        "scale_factor": 0.0044,
        "_Unsigned": "true",
        "valid_range": np.array([0, -100], "i1"),
    },
}


def write(path: Path, name: str = "soil_moisture", *, units: str = "m3 m-3", dtype: str = "f4", **told: Any) -> Path:
    """A field of 0.2 with 0.9 in one cell, packed as told."""
    values = np.full((1, 4, 5), 0.2)
    values[0, 1, 1] = 0.9
    with netCDF4.Dataset(path, "w") as data:
        for axis, centres in (("time", [0]), ("lat", 35 + 0.1 * np.arange(4)), ("lon", -97 + 0.1 * np.arange(5))):
            data.createDimension(axis, len(centres))
            data.createVariable(axis, "f8", (axis,))[:] = centres
        data["time"].units = f"days since {DAY}"
        field = data.createVariable(name, dtype, ("time", "lat", "lon"))
        field.set_auto_maskandscale(False)
        if dtype != "f4":
            packed = np.round((values - told.get("add_offset", 0.0)) / float(told["scale_factor"]))
            field[:] = packed.astype("u1").view("i1") if dtype == "i1" else packed
        else:
            field[:] = values
        field.setncatts({"units": units, **told})
    return path


@pytest.mark.parametrize("told", DECLARED.values(), ids=DECLARED.keys())
def test_what_is_declared_to_be_no_value_is_none(told: dict[str, Any], tmp_path: Path) -> None:
    theta = product_at(str(write(tmp_path / "sm.nc", **told)), [DAY], LON, LAT).ravel()
    np.testing.assert_allclose(theta, [np.nan, 0.2], atol=0.003)
    rain = open_weather_source("netcdf", write(tmp_path / "rain.nc", "precipitation", **told, units="mm"))
    day = rain.read(DAY, rain.lattice.window).precipitation
    rain.close()
    assert np.isnan(day[1, 1])
    assert np.isfinite(day).sum() == day.size - 1
    with open_dataset(tmp_path / "sm.nc") as run:
        assert int(np.isnan(run["soil_moisture"]).sum()) == 1


@pytest.mark.parametrize(
    "told", [{"valid_range": np.array([1.0, 0.0])}, {"valid_min": "unknown"}, {"valid_max": np.float32(0.9)}, {}]
)
def test_a_range_that_is_none_and_a_value_at_its_end_leave_the_values(told: dict[str, Any], tmp_path: Path) -> None:
    theta = product_at(str(write(tmp_path / "sm.nc", **told)), [DAY], LON, LAT).ravel()
    np.testing.assert_allclose(theta, [0.9, 0.2], atol=1e-6)


def test_numbers_that_cannot_be_unpacked_are_refused(tmp_path: Path) -> None:
    for factor in ("0.01", 0.0, np.nan):
        write(tmp_path / "sm.nc", dtype="i2", scale_factor=0.01)
        write(tmp_path / "rain.nc", "precipitation", dtype="i2", scale_factor=0.01, units="mm")
        for name, variable in (("sm.nc", "soil_moisture"), ("rain.nc", "precipitation")):
            with netCDF4.Dataset(tmp_path / name, "a") as data:
                data[variable].scale_factor = factor
        with pytest.raises(ComparisonError, match="cannot be unpacked: its scale_factor"):
            product_at(str(tmp_path / "sm.nc"), [DAY], LON, LAT)
        rain = open_weather_source("netcdf", tmp_path / "rain.nc")
        with pytest.raises(WeatherUnreadableError, match="cannot be unpacked: its scale_factor"):
            rain.read(DAY, rain.lattice.window)
        rain.close()


@pytest.mark.parametrize("calendar", ["julian", "360_day"])
def test_a_product_of_another_calendar_is_refused(calendar: str, tmp_path: Path) -> None:
    """The dates of the Julian calendar are thirteen days behind."""
    with netCDF4.Dataset(write(tmp_path / "sm.nc"), "a") as data:
        data["time"].calendar = calendar
    with pytest.raises(ComparisonError, match=f"another calendar. Got: {calendar}"):
        product_at(str(tmp_path / "sm.nc"), [DAY], LON, LAT)
