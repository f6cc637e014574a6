"""Fuzzed files of each gridded reader: what is read is right, what is not is named or refused, never silent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from parflow.tools.io import write_pfb

from downscaler.errors import VadoseError
from downscaler.ground.grid import M09
from downscaler.ground.lattice import CONUS2
from downscaler.product import DEMO
from downscaler.sources.parflow import open_source
from downscaler.sources.smap import describe_granules, find_granules, read_day

ALL = slice(None)
FEW = settings(max_examples=8, deadline=None)
WINDOW = DEMO.window(M09)
ROWS, COLUMNS = (np.arange(span.start, span.stop) for span in (WINDOW.rows, WINDOW.columns))
SHAPE = (ROWS.size, COLUMNS.size)
X = M09.transform.c + (COLUMNS + 0.5) * M09.transform.a
Y = M09.transform.f + (ROWS + 0.5) * M09.transform.e
GROUP = "Soil_Moisture_Retrieval_Data"


def granule(path: Path, value: float, place: str, *, flat: bool, half: str, order: int) -> None:
    """One day on the window: every way of services to place and name it."""
    values = np.full(SHAPE, value, np.float32)[::order]
    with h5py.File(path, "w") as file:
        prefix = f"{GROUP}_{half}_" if flat else f"{GROUP}_{half}/"
        ending = "_pm" if half == "PM" else ""
        file[f"{prefix}soil_moisture{ending}"] = values
        file[f"{prefix}retrieval_qual_flag{ending}"] = np.zeros(SHAPE, np.uint16)
        rows, columns = ROWS[::order], COLUMNS
        if place == "indices":
            file[f"{prefix}EASE_row_index{ending}"] = np.broadcast_to(rows[:, None], SHAPE).astype(np.uint16)
            file[f"{prefix}EASE_column_index{ending}"] = np.broadcast_to(columns, SHAPE).astype(np.uint16)
        elif place == "metres":
            file["x"], file["y"] = X, Y[::order]
        elif place == "off":
            file["x"], file["y"] = X + 3000.0, Y[::order]


NAMES = ("{0}.h5", "{0} (1).h5", "{0}_subsetted.nc4", "{0}#ü.nc", "copy of {0}.H5", "[{0}].hdf5")


@FEW
@given(
    files=st.lists(
        st.tuples(
            st.integers(0, 3),  # day
            st.sampled_from(NAMES),
            st.sampled_from(["indices", "metres", "off", "nowhere"]),
            st.booleans(),
            st.sampled_from(["AM", "PM"]),
            st.sampled_from([1, -1]),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda one: one[0],
    ),
    clutter=st.sampled_from(["", "._x.h5", "notes.h5", "weather.nc"]),
)
def test_each_granule_in_a_folder_gives_its_own_day_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, files: list[Any], clutter: str
) -> None:
    folder = tmp_path_factory.mktemp("granules")
    if clutter:
        (folder / clutter).write_bytes(b"no granule")
    for day, name, place, flat, half, order in files:
        stem = f"SMAP_L3_SM_P_E_2024052{day}_R19240_001"
        granule(folder / name.format(stem), 0.1 + day / 20, place, flat=flat, half=half, order=order)
    told = describe_granules(folder)
    named = [name for _, name, *_ in files if name.startswith("{0}")]
    assert told["products"].get("SPL3SMP_E", 0) == len(named)
    assert len(told["files_not_read"]) == told["files"] - len(named)  # each is counted, and named
    for day, name, place, *_ in files:
        date = dt.date(2024, 5, 20 + day)
        if not name.startswith("{0}"):
            with pytest.raises(VadoseError, match="granule"):
                find_granules(folder, date)
            continue
        (path,) = find_granules(folder, date)
        if place in ("off", "nowhere"):
            with pytest.raises(VadoseError, match=r"cell centres|nothing to place it by"):
                read_day([path], DEMO, date=date)
            continue
        read = read_day([path], DEMO, date=date)
        np.testing.assert_allclose(read.data["soil_moisture"], 0.1 + day / 20, atol=1e-6)
        assert read.inputs[0].name == path.name


LATTICE = CONUS2.cut((2200, 1150, 2205, 1156), "hydrodata")
SIZE = (LATTICE.shape.y, LATTICE.shape.x)
RAIN = {"mm/s": 1 / 86400, "kg m-2 s-1": 1 / 86400, "mm h-1": 1 / 24, "mm day**-1": 1.0, "mm/d": 1.0}
WARM = {"K": 0.0, "degC": -273.15, "Celsius": -273.15, "kelvin": 0.0}
EXTRA = ("porosity", "slope_x", "elevation", "wind", "swe")


def part(name: str, values: np.ndarray, units: str | None, times: list[str] | None, *, north: bool) -> xr.Dataset:
    dims = ("time", "y", "x") if times else ("y", "x")
    order = -1 if north else 1
    coords: dict[str, Any] = {"y": LATTICE.y[::order], "x": LATTICE.x}
    if times:
        coords["time"] = np.array(times, "datetime64[ns]")
    data = xr.Dataset({name: (dims, values[..., ::order, :], {} if units is None else {"units": units})}, coords=coords)
    return data.assign(crs=((), 0, {"proj4": LATTICE.crs}))


@FEW
@given(
    rain=st.sampled_from([*RAIN, "inches", "m"]),
    warm=st.sampled_from([*WARM, "F"]),
    wet=st.sampled_from(["m3 m-3", "cm3/cm3", "percent", "kg/m2"]),
    extra=st.sets(st.sampled_from(EXTRA)),
    north=st.booleans(),
    names=st.permutations([f"{n}.nc" for n in "abcdefgh"]),
)
def test_a_folder_of_netcdf_is_read_in_its_units_or_refused_and_what_is_left_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    rain: str,
    warm: str,
    wet: str,
    extra: set[str],
    north: bool,
    names: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("run")
    days, rng = ["2005-10-01", "2005-10-02"], np.random.default_rng(0)
    theta, mm, kelvin = (
        rng.uniform(0.1, 0.4, (2, *SIZE)),
        rng.uniform(0, 9, (2, *SIZE)),
        rng.uniform(280, 290, (2, *SIZE)),
    )
    given_fields = {
        "soil_moisture": (theta, wet, days),
        "precipitation": (mm * RAIN.get(rain, 1.0), rain, days),
        "air_temperature": (kelvin + WARM.get(warm, 0.0), warm, days),
    } | {name: (np.full(SIZE, 0.3), None, None) for name in extra}
    for file, (name, (values, units, times)) in zip(names, given_fields.items(), strict=False):
        part(name, values, units, times, north=north).to_netcdf(folder / file)
    if rain not in RAIN or warm not in WARM or wet in ("percent", "kg/m2"):
        with pytest.raises(VadoseError, match="unit"):
            open_source("netcdf", folder)
        return
    source = open_source("netcdf", folder)
    for name, values in (("soil_moisture", theta), ("precipitation", mm), ("air_temperature", kelvin)):
        np.testing.assert_allclose(source.read_days(name, ALL, source.lattice.window), values, rtol=2e-6)
    told = " ".join(source.info.notes)
    for name in extra:
        assert name in source.statics or f"({name})" in told
    source.close()


PFB = (
    "r.out.satur.{0:05d}.pfb", "satur.{1:%Y%m%d}.pfb", "satur_{1:%Y-%m-%d}.pfb", "{1:%Y}/satur.{1:%m%d%Y}.pfb",
    "WY2006/satur.{2:03d}.pfb", "satur.{3:06d}_to_{3:06d}.pfb", "satur.{1:%d}.{1:%b}.pfb", "satur.pfb",
)  # fmt: skip


@FEW
@given(
    pattern=st.sampled_from(PFB),
    days=st.sets(st.integers(0, 20), min_size=2, max_size=4),
    copy=st.booleans(),
)
def test_each_pfb_is_of_the_day_that_its_name_tells_or_refused(
    tmp_path_factory: pytest.TempPathFactory, pattern: str, days: set[int], copy: bool
) -> None:
    folder, start = tmp_path_factory.mktemp("run"), dt.date(2005, 10, 1)
    written: dict[Path, int] = {}
    for day in days:
        file = folder / pattern.format(day, start + dt.timedelta(days=day), day + 1, day + 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_pfb(str(file), np.full((1, *SIZE), 0.2 + day / 50), dist=False)
        written[file] = day
    if copy:
        first = next(iter(written))
        (first.parent / f"{first.stem} (1).pfb").write_bytes(first.read_bytes())
    write_pfb(str(folder / "porosity.pfb"), np.full((1, *SIZE), 0.5), dist=False)
    (folder / "prior.toml").write_text(
        '[grid]\nlattice = "CONUS2"\nij_bounds = [2200, 1150, 2205, 1156]\n[time]\nstart = "2005-10-01T00:00:00Z"\n'
        'step = "1d"\n[files]\nsaturation = "**/*satur*.pfb"\nporosity = "porosity.pfb"\n'
    )
    unknown = pattern in PFB[-2:] or copy or len(written) < len(days)
    if unknown:
        with pytest.raises(VadoseError):
            open_source("pfb", folder)
        return
    source = open_source("pfb", folder)
    read = source.read_days("soil_moisture", ALL, source.lattice.window)
    expected = {start + dt.timedelta(days=day): 0.5 * (0.2 + day / 50) for day in written.values()}
    assert dict(zip(source.days, read[:, 0, 0].astype(float).round(6), strict=True)) == {
        day: round(value, 6) for day, value in sorted(expected.items())
    }
