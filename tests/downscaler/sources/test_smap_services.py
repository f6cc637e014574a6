"""Granules as services write them: flat names of OPeNDAP, days stacked by AppEEARS, on the grid or resampled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from netCDF4 import Dataset
from pyproj import Transformer

from downscaler.errors import GranuleError, GranuleGridError, GranuleLayoutError, GranuleNameError
from downscaler.ground.grid import M09
from downscaler.product import DEMO
from downscaler.sources.smap import describe, describe_granules, find_granules, read_day

NAME = "SMAP_L3_SM_P_E_20240520_R19240_001.h5"
STACK = "SPL3SMP_E.006_9km_aid0001.nc"
DAY = dt.date(2024, 5, 20)
WINDOW = DEMO.window(M09)
TOP, LEFT = WINDOW.rows.start, WINDOW.columns.start
ROWS, COLUMNS = np.arange(TOP, TOP + WINDOW.shape.y), np.arange(LEFT, LEFT + WINDOW.shape.x)
X = M09.transform.c + (COLUMNS + 0.5) * M09.transform.a
Y = M09.transform.f + (ROWS + 0.5) * M09.transform.e
HALF = "Soil_Moisture_Retrieval_Data_AM_"
_TO_EASE = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True)


def field(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.45, (ROWS.size, COLUMNS.size)).astype(np.float32)


def stack(
    path: Path,
    values: np.ndarray,
    axes: Mapping[str, np.ndarray],
    *,
    since: str = "days since 2000-01-01 00:00:00",
    calendar: str = "julian",
    times: Sequence[float] | None = None,
    title: str = "",
    drop: tuple[str, ...] = (),
    prefix: str = HALF,
) -> Path:
    """A file as AppEEARS writes it: [time, y, x], layers by their full names."""
    with Dataset(path, "w") as file:
        file.createDimension("time", None)
        time = file.createVariable("time", "i4" if times is None else "f8", ("time",))
        time.units, time.calendar = since, calendar
        first = (DAY - dt.date(2000, 1, 1)).days
        time[:] = times if times is not None else np.arange(first, first + len(values))
        for name, axis in axes.items():
            file.createDimension(name, axis.size)
            file.createVariable(name, "f8", (name,))[:] = axis
        shape = ("time", *axes)
        if "soil_moisture" not in drop:
            layer = file.createVariable(f"{prefix}soil_moisture", "f4", shape, fill_value=-9999.0)
            layer.units, layer.valid_min, layer.valid_max = "cm**3/cm**3", np.float32(0.02), np.float32(0.5)
            layer[:] = values
        if "retrieval_qual_flag" not in drop:
            flag = file.createVariable(f"{prefix}retrieval_qual_flag", "u2", shape, fill_value=65534)
            flag[:] = np.where(np.isfinite(values) & (values > -1), 0, 65534)
        if title:
            file.title = title
    return path


def test_flat_names_of_opendap_are_the_same_granule(smap_writer: Any, smap_cells: Any, tmp_path: Path) -> None:
    cells = smap_cells(row=[TOP, TOP + 2], column=[LEFT, LEFT + 1], soil_moisture=[0.1, 0.2])
    evening = smap_cells(row=[TOP + 1], column=[LEFT], soil_moisture=[0.3])
    grouped = smap_writer.daily(NAME, M09, {"_AM": cells, "_PM": evening})
    whole = read_day([grouped], DEMO).data
    flat = tmp_path / "flat" / NAME
    flat.parent.mkdir()
    with h5py.File(grouped) as source, h5py.File(flat, "w") as target:
        for group in source:
            if group.startswith("Soil"):
                for name in source[group]:
                    source.copy(f"{group}/{name}", target, name=f"{group}_{name}")
    read = read_day([flat], DEMO).data
    for name in whole:
        np.testing.assert_array_equal(read[name].values, whole[name].values)
    assert describe(flat)["layout"] == "current"


@pytest.mark.parametrize("names", [("ydim", "xdim"), ("YDim", "XDim"), ("y", "x")])
@pytest.mark.parametrize("north_first", [True, False])
def test_each_day_of_a_stack_is_read(tmp_path: Path, names: tuple[str, str], north_first: bool) -> None:
    values = np.stack([field(n) for n in range(3)])
    order = slice(None) if north_first else slice(None, None, -1)
    path = stack(tmp_path / STACK, values[:, order], {names[0]: Y[order], names[1]: X})
    for number in range(3):
        day = read_day([path], DEMO, date=DAY + dt.timedelta(days=number))
        np.testing.assert_array_equal(day.data["soil_moisture"].values, values[number].astype(float))
        assert day.data["recommended"].all()
    (record,) = day.inputs
    assert record.attributes["short_name"] == "SPL3SMP_E"
    assert record.attributes["collection_version"] == "006"
    assert find_granules(tmp_path, DAY) == [path]
    assert describe_granules(tmp_path)["products"] == {"SPL3SMP_E": 3}
    told = describe(path)
    assert (told["days"], told["last"]) == (3, "2024-05-22")
    with pytest.raises(GranuleError, match="different days"):
        read_day([path], DEMO)


@pytest.mark.parametrize(
    ("since", "calendar", "times"),
    [
        ("days since 2000-01-01 00:00:00", "julian", None),
        ("days since 2000-01-01", "standard", None),
        ("hours since 2024-05-20", "proleptic_gregorian", [12.0]),
        ("seconds since 2024-05-19T12:00:00", "gregorian", [43200.0]),
    ],
)
def test_time_in_any_calendar_names_the_day(
    tmp_path: Path, since: str, calendar: str, times: list[float] | None
) -> None:
    values = field()[None]
    path = stack(tmp_path / STACK, values, {"y": Y, "x": X}, since=since, calendar=calendar, times=times)
    assert read_day([path], DEMO).date == DAY


def test_a_renamed_stack_is_known_by_its_title(tmp_path: Path) -> None:
    named = stack(tmp_path / "mine.nc", field()[None], {"y": Y, "x": X}, title="SPL3SMP_E.006 for aid0001")
    assert read_day([named], DEMO).date == DAY
    nameless = stack(tmp_path / "other.nc", field()[None], {"y": Y, "x": X})
    with pytest.raises(GranuleNameError, match=r"SPL3SMP_E\.006_9km_aid0001\.nc"):
        read_day([nameless], DEMO)


def degrees(step: float) -> tuple[np.ndarray, np.ndarray]:
    """Axes that cover the window, north first."""
    to_degrees = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    west, south = to_degrees.transform(X[0] - M09.cell / 2, Y[-1] - M09.cell / 2)
    east, north = to_degrees.transform(X[-1] + M09.cell / 2, Y[0] + M09.cell / 2)
    return np.arange(north - step / 2, south, -step), np.arange(west + step / 2, east, step)


def nearest(values: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """What a warp by the nearest neighbour makes of the field."""
    x, y = _TO_EASE.transform(*np.meshgrid(lon, lat))
    column, row = (np.floor(v).astype(int) for v in ~M09.transform @ (x, y))
    return values[np.clip(row - TOP, 0, ROWS.size - 1), np.clip(column - LEFT, 0, COLUMNS.size - 1)]


@pytest.mark.parametrize("step", [0.0833, 0.09, 0.03])
def test_a_resampled_stack_gives_each_cell_its_own_value_or_none(tmp_path: Path, step: float) -> None:
    values, (lat, lon) = field(), degrees(step)
    path = stack(tmp_path / STACK, nearest(values, lat, lon)[None], {"lat": lat, "lon": lon})
    read = read_day([path], DEMO).data["soil_moisture"].values
    known = np.isfinite(read)
    np.testing.assert_array_equal(read[known], values.astype(float)[known])
    assert known.mean() > (0.99 if step < 0.05 else 0.4)


def test_an_interpolated_stack_is_refused(tmp_path: Path) -> None:
    lat, lon = degrees(0.03)
    smooth = np.add.outer(np.linspace(0.1, 0.2, lat.size), np.linspace(0.0, 0.1, lon.size)).astype(np.float32)
    path = stack(tmp_path / STACK, smooth[None], {"lat": lat, "lon": lon})
    with pytest.raises(GranuleGridError, match="interpolated"):
        read_day([path], DEMO)


def test_a_single_granule_off_the_grid_is_still_refused(smap_writer: Any, tmp_path: Path) -> None:
    lat, lon = degrees(0.09)
    values = nearest(field(), lat, lon)
    with h5py.File(tmp_path / NAME, "w") as file:
        group = file.create_group("Soil_Moisture_Retrieval_Data_AM")
        group["soil_moisture"], group["retrieval_qual_flag"] = values, np.zeros(values.shape, np.uint16)
        file["lat"], file["lon"] = lat, lon
    with pytest.raises(GranuleGridError, match="without reprojection"):
        read_day([tmp_path / NAME], DEMO)


def test_a_stack_without_its_flag_or_with_a_time_twice_is_refused(tmp_path: Path) -> None:
    path = stack(tmp_path / STACK, field()[None], {"y": Y, "x": X}, drop=("retrieval_qual_flag",))
    with pytest.raises(GranuleLayoutError, match="Ask the service for both"):
        read_day([path], DEMO)
    twice = stack(tmp_path / STACK, np.stack([field(), field(1)]), {"y": Y, "x": X}, times=[8906.0, 8906.0])
    with pytest.raises(GranuleLayoutError, match="one time twice"):
        read_day([twice], DEMO)


def test_a_stack_of_another_product_is_refused(tmp_path: Path) -> None:
    path = stack(tmp_path / "SPL3SMAP.003_9km_aid0001.nc", field()[None], {"y": Y, "x": X})
    with pytest.raises(GranuleLayoutError, match="another product"):
        read_day([path], DEMO)


def test_flags_as_floating_point_numbers_are_flags(tmp_path: Path) -> None:
    values = field()[None]
    path = stack(tmp_path / STACK, values, {"y": Y, "x": X}, drop=("retrieval_qual_flag",))
    flags = np.zeros(values.shape, np.float32)
    flags[0, 0, 0], flags[0, 0, 1] = np.nan, 1.0
    with h5py.File(path, "r+") as file:
        file[f"{HALF}retrieval_qual_flag"] = flags
    recommended = read_day([path], DEMO).data["recommended"].values
    assert not recommended[0, :2].any()
    assert recommended.sum() == recommended.size - 2
