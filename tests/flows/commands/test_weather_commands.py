"""``vadose weather`` as its user meets it: built, extended, checked, told by ``info``."""

import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np


def daily(path: Path, first: str, rain: list[float]) -> Path:
    """A CF file of a few days on quarter degrees over the demo's small domain."""
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 33.5 + 0.25 * np.arange(8)), ("lon", -96.0 + 0.25 * np.arange(10))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", len(rain))
        time = data.createVariable("time", "f8", ("time",))
        time.units = f"days since {first}"
        time[:] = np.arange(len(rain))
        for name, units, values in (("pr", "mm day-1", rain), ("tas", "K", [290.0] * len(rain))):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
            variable.units = units
            variable[:] = np.asarray(values)[:, None, None]
    return path


def test_built_extended_and_told(vadose: Any, tmp_path: Path) -> None:
    where = "--domain=-94.9,34.3,-94.4,34.6"
    first = daily(tmp_path / "a.nc", "2026-02-01", [0.0, 5.0, 2.5])
    ended = vadose("weather", "build", first, "--source", "netcdf", where, "--out", "weather")
    assert ended.code == 0, ended.err
    assert "3 days of CF NetCDF written" in ended.out
    second = daily(tmp_path / "b.nc", "2026-02-04", [1.0, -40.0])
    ended = vadose("weather", "extend", "weather", second, "--source", "netcdf")
    assert ended.code == 0, ended.err
    assert "1 days of CF NetCDF written" in ended.out
    assert "2026-02-05 left out: Precipitation" in ended.err
    told = json.loads(vadose("info", "weather", "--json").out)
    assert (told["days"], told["first"], told["last"]) == (4, "2026-02-01", "2026-02-04")
    assert vadose("weather", "check", "weather").code == 0
    assert (
        "0 days of CF NetCDF written, 3 already there"
        in vadose("weather", "extend", "weather", first, "--source", "netcdf").out
    )


def test_a_store_with_days_outlives_a_build_that_fails(vadose: Any, tmp_path: Path) -> None:
    where = "--domain=-94.9,34.3,-94.4,34.6"
    file = daily(tmp_path / "a.nc", "2026-02-01", [1.0])
    assert vadose("weather", "build", file, "--source", "netcdf", where, "--out", "w").code == 0
    assert vadose("weather", "build", "nothing", "--source", "netcdf", where, "--out", "w").code == 26
    assert json.loads(vadose("info", "w", "--json").out)["days"] == 1


def test_what_is_refused(vadose: Any, tmp_path: Path) -> None:
    where = "--domain=-94.9,34.3,-94.4,34.6"
    assert vadose("weather", "build", "nothing", "--source", "netcdf", where, "--out", "w").code == 26
    file = daily(tmp_path / "a.nc", "2026-02-01", [99_999.0])
    ended = vadose("weather", "build", file, "--source", "netcdf", where, "--out", "w")
    assert ended.code == 25
    assert "No day of" in ended.err
    assert not Path("w").exists()  # nothing that would be taken for a store that was built
    assert vadose("weather", "build", file, "--source", "rain", where, "--out", "w").code == 3
    assert vadose("weather", "extend", "nowhere", file, "--source", "netcdf").code == 26
    late = ("--start", "2026-03-01", "--end", "2026-02-01")
    assert vadose("weather", "extend", "w", file, "--source", "netcdf", *late).code == 6
