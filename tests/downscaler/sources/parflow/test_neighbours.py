"""Other habits of ParFlow folders and NetCDF files: read right or refused with the true reason; all else is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from parflow.tools.io import write_pfb

from downscaler.errors import PriorSchemaError
from downscaler.ground.lattice import CONUS2
from downscaler.sources.parflow import is_run, open_source

ALL = slice(None)
LATTICE = CONUS2.cut((2200, 1150, 2205, 1156), "hydrodata")
SIZE = (LATTICE.shape.y, LATTICE.shape.x)
FIRST = dt.date(2005, 10, 1)


def wet(days: int, *, time: str = "time", from_day: int = 0) -> xr.Dataset:
    """Soil moisture of 0.1 on the first day of October 2005, 0.01 more each day."""
    numbers = np.arange(from_day, from_day + days)
    stamps = np.datetime64(FIRST, "ns") + numbers * np.timedelta64(1, "D")
    values = np.broadcast_to((0.1 + 0.01 * numbers)[:, None, None], (days, *SIZE))
    data = xr.Dataset(
        {"soil_moisture": ((time, "y", "x"), values, {"units": "m3 m-3"})},
        coords={time: stamps, "y": LATTICE.y, "x": LATTICE.x},
    )
    return data.assign(crs=((), 0, {"proj4": LATTICE.crs}))


def days_of(kind: str, folder: Path) -> tuple[dict[dt.date, float], str]:
    source = open_source(kind, folder)
    values = source.read_days("soil_moisture", ALL, source.lattice.window)
    found = dict(zip(source.days, values[:, 0, 0].astype(float).round(6), strict=True))
    notes = " ".join(source.info.notes)
    source.close()
    return found, notes


def expected(days: int) -> dict[dt.date, float]:
    return {FIRST + dt.timedelta(days=n): round(0.1 + 0.01 * n, 6) for n in range(days)}


def bounded(hours: int) -> xr.Dataset:
    """Three means over some hours, each stamped with its end."""
    step = np.timedelta64(hours, "h")
    data = wet(3)
    begin = np.datetime64(FIRST, "ns") + np.arange(3) * step
    data = data.assign_coords(time=begin + step)
    data["time"].attrs["bounds"] = "time_bnds"
    data["time"].encoding["units"] = "hours since 2005-10-01"
    return data.assign(time_bnds=(("time", "nv"), np.stack([begin, begin + step], axis=1)))


def test_means_stamped_with_their_end_are_of_the_day_that_their_bounds_tell(tmp_path: Path) -> None:
    bounded(24).to_netcdf(tmp_path / "a.nc")
    assert days_of("netcdf", tmp_path)[0] == expected(3)


def test_means_over_a_month_are_no_days(tmp_path: Path) -> None:
    bounded(720).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(PriorSchemaError, match="longer than a day"):
        open_source("netcdf", tmp_path)


def test_years_in_folders_of_their_own_are_read_and_all_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "disk" / "2006").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    wet(2).to_netcdf(tmp_path / "run" / "2005.nc")
    wet(2, from_day=2).to_netcdf(tmp_path / "disk" / "2006" / "more.NC")
    (tmp_path / "run" / "2006").symlink_to(tmp_path / "disk" / "2006")
    (tmp_path / "run" / "porosity.pfb").write_bytes(b"x")
    (tmp_path / "run" / "._2005.nc").write_bytes(b"x")
    found, notes = days_of("netcdf", tmp_path / "run")
    assert found == expected(4)
    assert "1 data files beside (porosity.pfb)" in notes
    assert is_run(tmp_path / "run")


def test_a_time_axis_of_another_name_or_calendar_is_the_reason_told(tmp_path: Path) -> None:
    wet(2, time="Time").to_netcdf(tmp_path / "a.nc")
    with pytest.raises(PriorSchemaError, match="no axis named time"):
        open_source("netcdf", tmp_path)
    times = ("time", np.arange(2.0), {"units": "days since 2005-10-01", "calendar": "noleap"})
    wet(2).assign_coords(time=times).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(PriorSchemaError, match="noleap"):
        open_source("netcdf", tmp_path)


TOML = (
    '[grid]\nlattice = "CONUS2"\nij_bounds = [2200, 1150, 2205, 1156]\n[time]\nstart = "2005-10-01T00:00:00Z"\n'
    'step = "1d"\n[files]\nsoil_moisture = "{0}"\n'
)


def native(folder: Path, names: list[str], pattern: str = "**/*sm*") -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_pfb(str(folder / name), np.full((1, *SIZE), 0.1 + 0.01 * number), dist=False)
    (folder / "prior.toml").write_text(TOML.format(pattern))
    return folder


def test_what_macs_leave_and_capitals_harm_no_native_run(tmp_path: Path) -> None:
    native(tmp_path, ["r.out.sm.00000.PFB", "r.out.sm.00001.PFB"])
    (tmp_path / "._r.out.sm.00000.PFB").write_bytes(b"\x00\x05\x16\x07" * 30)
    assert days_of("pfb", tmp_path)[0] == expected(2)


def test_links_to_folders_of_a_native_run_are_followed(tmp_path: Path) -> None:
    native(tmp_path / "disk", ["r.out.sm.00000.pfb", "r.out.sm.00001.pfb"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "WY").symlink_to(tmp_path / "disk")
    (tmp_path / "run" / "prior.toml").write_text(TOML.format("**/*sm*.pfb"))
    assert days_of("pfb", tmp_path / "run")[0] == expected(2)


def test_files_that_prior_toml_does_not_name_are_named(tmp_path: Path) -> None:
    native(tmp_path, ["r.out.sm.00000.pfb", "r.out.press.00000.pfb"], "*sm*.pfb")
    assert "1 data files beside (r.out.press.00000.pfb)" in days_of("pfb", tmp_path)[1]


@pytest.mark.parametrize("names", [["sm.051001.pfb", "sm.051002.pfb"], ["sm.001001.pfb"]])
def test_years_of_two_digits_are_not_taken_for_steps(tmp_path: Path, names: list[str]) -> None:
    """051001 as a step of a day lies in 2145."""
    with pytest.raises(PriorSchemaError, match="a step, or a year of two digits"):
        open_source("pfb", native(tmp_path, names))


def test_how_a_date_was_read_is_told(tmp_path: Path) -> None:
    """10022005 is the second of October here, and the tenth of February elsewhere."""
    found, notes = days_of("pfb", native(tmp_path, ["sm.10012005.pfb", "sm.10022005.pfb"]))
    assert found == expected(2)
    assert "month, day, year" in notes
