"""Fuzzed products to compare with: each value is of its cell and day and in its unit, or it is refused or named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.errors import ComparisonError
from downscaler.sources.gridded import sample_product

FIRST = dt.date(2024, 5, 20)
DATES = [FIRST + dt.timedelta(days=n) for n in range(4)]
LAT, LON = np.arange(34.05, 34.65, 0.1), np.arange(-98.45, -97.95, 0.1)
SITES = np.array([-98.44, -98.06, -98.25]), np.array([34.06, 34.52, 34.31])


def value(day: int, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Of the cell around a centre on a day: no two alike."""
    return np.asarray(0.1 + 0.02 * day + 0.01 * np.round((lat - 34.05) / 0.1) + 0.001 * np.round((lon + 98.45) / 0.1))


def expected(days: set[int]) -> np.ndarray:
    lon, lat = (np.round((SITES[n] - start) / 0.1) * 0.1 + start for n, start in ((0, -98.45), (1, 34.05)))
    found = np.full((SITES[0].size, len(DATES)), np.nan)
    for day in days:
        found[:, day] = value(day, lat, lon)
    return found


def write_netcdf(path: Path, days: list[int], *, unit: str, factor: float, north: bool, east: bool, stamp: str) -> None:
    begin = np.array([DATES[day] for day in days], "datetime64[ns]")
    shift = {"begin": 0, "noon": 12, "end": 24}[stamp]
    values = np.stack([value(day, LAT[:, None], LON[None, :]) for day in days]) * factor
    data = xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, {"units": unit})},
        coords={"time": begin + np.timedelta64(shift, "h"), "lat": LAT, "lon": LON + (360.0 if east else 0.0)},
    )
    if stamp == "end":
        data["time"].attrs["bounds"] = "time_bnds"
        data["time"].encoding["units"] = "hours since 2024-01-01"
        data["time_bnds"] = (("time", "nv"), np.stack([begin, begin + np.timedelta64(24, "h")], axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    (data.isel(lat=slice(None, None, -1)) if north else data).to_netcdf(path)


def write_tiff(path: Path, day: int, factor: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"height": LAT.size, "width": LON.size, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    corner = Affine(0.1, 0, -98.5, 0, -0.1, LAT[-1] + 0.05)
    with rasterio.open(path, "w", driver="GTiff", transform=corner, **shape) as made:
        made.write((value(day, LAT[::-1, None], LON[None, :]) * factor).astype(np.float32), 1)


UNITS = {"m3 m-3": 1.0, "m³ m⁻³": 1.0, "cm^3/cm^3": 1.0, "m**3 m**-3": 1.0, "%": 100.0, "kg m-2": 50.0}
NAMES = ("{0:%Y%m%d}", "SM {0:%Y-%m-%d} (1)", "{0:%Y}/sm_{0:%Y%m%d}_v1", "{0:%Y}/#ü{0:%Y%j}")
CLUTTER = {"._hidden.tif": False, "._x.nc": False, "notes.txt": False, "other.pfb": True, "grid.h5.tif.aux.xml": False}
"""Files beside, and whether they are data that must be named."""


@settings(max_examples=examples(12), deadline=None)
@given(
    days=st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
    kind=st.sampled_from(["netcdf", "one a day", "tiff"]),
    unit=st.sampled_from(sorted(UNITS)),
    north=st.booleans(),
    east=st.booleans(),
    stamp=st.sampled_from(["begin", "noon", "end"]),
    name=st.sampled_from(NAMES),
    clutter=st.sets(st.sampled_from(sorted(CLUTTER))),
)
def test_each_value_is_of_its_cell_and_day(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[int],
    kind: str,
    unit: str,
    north: bool,
    east: bool,
    stamp: str,
    name: str,
    clutter: set[str],
) -> None:
    folder, factor = tmp_path_factory.mktemp("product"), UNITS[unit]
    how = {"unit": unit, "factor": factor, "north": north, "east": east, "stamp": stamp}
    if kind == "netcdf":
        write_netcdf(folder / "product.nc", sorted(days), **how)
    for day in days:
        file = folder / name.format(DATES[day])
        if kind == "one a day":
            write_netcdf(file.with_name(file.name + ".NC4"), [day], **how)
        elif kind == "tiff":
            write_tiff(file.with_name(file.name + ".TIF"), day, factor)
    for other in clutter:
        (folder / other).write_bytes(b"x")
    if factor != 1.0:
        with pytest.raises(ComparisonError, match="not a volume fraction"):
            sample_product(str(folder), DATES, *SITES)
        return
    sample = sample_product(str(folder), DATES, *SITES)
    np.testing.assert_allclose(sample.theta, expected(set(days)), atol=1e-6)
    named = [other for other in clutter if CLUTTER[other]]
    assert all(other in " ".join(sample.notes) for other in named)
    assert bool(sample.notes) == bool(named)


def test_means_over_several_days_are_no_day(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc", [0, 1], unit="1", factor=1.0, north=True, east=False, stamp="end")
    with xr.open_dataset(tmp_path / "a.nc") as data:
        longer = data.load()
    longer["time_bnds"] = longer["time_bnds"] - np.array([7 * 86400 * 10**9, 0], "timedelta64[ns]")
    longer.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(ComparisonError, match="more than a day"):
        sample_product(str(tmp_path / "b.nc"), DATES, *SITES)
