"""Fuzzed files of services (AppEEARS, OPeNDAP, Harmony, HydroFrame): in place and of their day, or refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from netCDF4 import Dataset

from downscaler.errors import GranuleError, PriorSchemaError
from downscaler.ground.grid import M09
from downscaler.ground.lattice import CONUS1, CONUS2
from downscaler.product import DEMO
from downscaler.sources.parflow import open_source
from downscaler.sources.smap import describe_granules, find_granules, read_day
from downscaler.sources.smap.placement import latitudes, longitudes

ALL = slice(None)
DAY = dt.date(2024, 5, 20)
WINDOW = DEMO.window(M09)
SHAPE = (WINDOW.shape.y, WINDOW.shape.x)
ROWS, COLUMNS = (np.arange(span.start, span.stop) for span in (WINDOW.rows, WINDOW.columns))
X, Y = M09.transform.c + (COLUMNS + 0.5) * M09.transform.a, M09.transform.f + (ROWS + 0.5) * M09.transform.e
LAT, LON = latitudes(M09, WINDOW), longitudes(M09, WINDOW)


def field(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.45, SHAPE).astype(np.float32)


def appeears(path: Path, days: list[int], axes: tuple[str, str], *, hours: bool, north: bool, half: str) -> None:
    """Days stacked, in the order given."""
    order = slice(None) if north else slice(None, None, -1)
    with Dataset(path, "w") as file:
        file.createDimension("time", len(days))
        time = file.createVariable("time", "f8", ("time",))
        time.units = f"{'hours' if hours else 'days'} since 2024-05-20 00:00:00"
        time[:] = np.array(days) * (24.0 if hours else 1.0)
        for name, values in zip(axes, (Y[order], X), strict=True):
            file.createDimension(name, values.size)
            file.createVariable(name, "f8", (name,))[:] = values
        prefix, end = f"Soil_Moisture_Retrieval_Data_{half}_", "_pm" if half == "PM" else ""
        wet = file.createVariable(f"{prefix}soil_moisture{end}", "f4", ("time", *axes), fill_value=-9999.0)
        wet[:] = np.stack([field(day)[order] for day in days])
        flag = file.createVariable(f"{prefix}retrieval_qual_flag{end}", "u2", ("time", *axes), fill_value=65534)
        flag[:] = np.zeros((len(days), *SHAPE), np.uint16)


@settings(max_examples=examples(8), deadline=None)
@given(
    days=st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
    axes=st.sampled_from([("ydim", "xdim"), ("YDim", "XDim"), ("y", "x"), ("yd", "xd")]),
    hours=st.booleans(),
    north=st.booleans(),
    half=st.sampled_from(["AM", "PM"]),
    name=st.sampled_from(["SPL3SMP_E.006_9km_aid0001.nc", "SPL3SMP_E.006_9km_aid0001 (1).nc4", "mine.nc"]),
)
def test_each_day_of_a_stack_is_its_own(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[int],
    axes: tuple[str, str],
    hours: bool,
    north: bool,
    half: str,
    name: str,
) -> None:
    folder = tmp_path_factory.mktemp("stack")
    appeears(folder / name, days, axes, hours=hours, north=north, half=half)
    told = describe_granules(folder)
    if name == "mine.nc":
        assert told["files_not_read"] == [name]  # nothing tells its product
        return
    assert told["products"] == {"SPL3SMP_E": len(days)}
    for day in days:
        date = DAY + dt.timedelta(days=day)
        (path,) = find_granules(folder, date)
        if axes == ("yd", "xd"):
            with pytest.raises(GranuleError, match="nothing to place it by"):
                read_day([path], DEMO, date=date)
            continue
        np.testing.assert_allclose(read_day([path], DEMO, date=date).data["soil_moisture"], field(day), atol=1e-6)
    with pytest.raises(GranuleError):
        find_granules(folder, DAY + dt.timedelta(days=6))


@settings(max_examples=examples(8), deadline=None)
@given(
    place=st.sampled_from(["axes", "each cell", "each cell, doubles", "half a cell off", "one axis"]),
    east=st.booleans(),
    packed=st.booleans(),
    lost=st.booleans(),
)
def test_a_subset_by_degrees_is_in_its_cells(
    tmp_path_factory: pytest.TempPathFactory, place: str, east: bool, packed: bool, lost: bool
) -> None:
    """Longitudes to 180 or to 360, as axes or of each cell, with cells that say no place."""
    path = tmp_path_factory.mktemp("subset") / "SMAP_L3_SM_P_E_20240520_R19240_001_HEGOUT (1).nc4"
    lon = LON + (360.0 if east else 0.0) + (0.05 if place == "half a cell off" else 0.0)
    group = "Soil_Moisture_Retrieval_Data_AM"
    wet = field(1)
    with h5py.File(path, "w") as file:
        if place in ("axes", "half a cell off"):
            file[f"{group}/latitude"], file[f"{group}/longitude"] = LAT, lon
        else:
            kind = np.float64 if "doubles" in place else np.float32
            lat2, lon2 = (np.array(grid, kind) for grid in np.meshgrid(LAT, lon, indexing="ij"))
            if lost:
                lat2[0, 0] = lon2[0, 0] = -9999.0
                wet[0, 0] = -9999.0
            file[f"{group}/latitude"] = lat2
            if place != "one axis":
                file[f"{group}/longitude"] = lon2
        values = file.create_dataset(f"{group}/soil_moisture", data=wet)
        file[f"{group}/retrieval_qual_flag"] = np.zeros(SHAPE, np.uint16)
        if packed:
            values.attrs["scale_factor"] = 0.01
    if packed or place in ("half a cell off", "one axis"):
        with pytest.raises(GranuleError, match=r"packed|cell centres|nothing to place it by"):
            read_day([path], DEMO, date=DAY)
        return
    read = read_day([path], DEMO, date=DAY).data["soil_moisture"].values
    np.testing.assert_allclose(read, np.where(wet < 0, np.nan, wet), atol=1e-6)


@settings(max_examples=examples(8), deadline=None)
@given(
    parent=st.sampled_from([CONUS1, CONUS2]),
    south=st.booleans(),
    unit=st.sampled_from(["m3/m3", "cm3/cm3", "%", ""]),
    rain=st.sampled_from(["mm", "mm/s", "inches", None]),
    step=st.sampled_from(["daily", "monthly", None]),
    extra=st.booleans(),
)
def test_hydroframes_own_netcdf_is_placed_in_its_unit_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    parent: object,
    south: bool,
    unit: str,
    rain: str | None,
    step: str | None,
    extra: bool,
) -> None:
    here = parent.cut([700, 500, 706, 505], "hydrodata")  # type: ignore[attr-defined]
    folder, size = tmp_path_factory.mktemp("hydroframe"), (2, 5, 6)
    wet, mm = np.random.default_rng(1).uniform(0.1, 0.4, size), np.random.default_rng(2).uniform(1, 9, size)

    def write(name: str, values: np.ndarray, true_unit: str) -> None:
        told = {"source": "Generated by hf_hydrodata", "units": true_unit}
        data = xr.Dataset(
            {name: (("time", "y", "x"), values, {"units": "1000.0 meters"})},
            coords={
                "time": np.array(["2024-05-01", "2024-05-02"], "datetime64[ns]"),
                "y": here.y - (500.0 if south else 0.0),
                "x": here.x,
            },
            attrs=told | ({"temporal_resolution": step} if step else {}),
        )
        data.assign(crs=((), 0, {"proj4": here.crs})).to_netcdf(folder / f"{name}.nc")

    write("soil_moisture", wet, unit)
    if rain:
        write("precipitation", mm / (86400 if rain == "mm/s" else 1), rain)
    if extra:
        write("wtd", wet, "m")
    if step == "monthly" or unit in ("%", "") or rain == "inches":
        with pytest.raises(PriorSchemaError):
            open_source("netcdf", folder)
        return
    source = open_source("netcdf", folder)
    assert source.lattice == here
    np.testing.assert_allclose(source.read_days("soil_moisture", ALL, here.window), wet, rtol=1e-5)
    if rain:
        np.testing.assert_allclose(source.read_days("precipitation", ALL, here.window), mm, rtol=1e-5)
    notes = " ".join(source.info.notes)
    assert ("500 m north" in notes) == south
    assert ("wtd" in notes) == extra
    source.close()
