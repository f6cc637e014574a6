"""Granules as services and people hand them on: subsets without indices, other endings, links, text times, locks."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyproj import Transformer

from downscaler.errors import (
    GranuleGridError,
    GranuleLayoutError,
    GranuleMissingError,
    GranuleUnreadableError,
    NoRetrievalError,
)
from downscaler.ground.grid import M09
from downscaler.product import DEMO
from downscaler.sources.folders import files_below
from downscaler.sources.smap import describe, describe_granules, find_granules, open_granule, read_day

NAME = "SMAP_L3_SM_P_E_20240520_R19240_001.h5"
DAY = dt.date(2024, 5, 20)
WINDOW = DEMO.window(M09)
TOP, LEFT = WINDOW.rows.start, WINDOW.columns.start
CLIP = (slice(TOP - 3, TOP + 20), slice(LEFT - 2, LEFT + 25))
INDICES = ("EASE_row_index", "EASE_column_index")


@pytest.fixture
def cells(smap_cells: Any) -> Any:
    return smap_cells(row=[TOP, TOP + 2, TOP + 5], column=[LEFT, LEFT + 1, LEFT + 7], soil_moisture=[0.1, 0.2, 0.3])


def placed(path: Path) -> np.ndarray:
    return read_day([path], DEMO).data["soil_moisture"].values


def test_a_subset_without_indices_is_placed_by_latitude_and_longitude(smap_writer: Any, cells: Any) -> None:
    whole = placed(smap_writer.daily(NAME, M09, {"_AM": cells}))
    subset = smap_writer.daily(NAME, M09, {"_AM": cells}, window=CLIP, drop=INDICES)
    np.testing.assert_array_equal(placed(subset), whole)
    assert describe(subset)["valid"] == 3


@pytest.mark.parametrize("place", ["group", "root"])
def test_a_subset_is_placed_by_its_axes_in_metres(smap_writer: Any, cells: Any, place: str) -> None:
    whole = placed(smap_writer.daily(NAME, M09, {"_AM": cells}))
    subset = smap_writer.daily(NAME, M09, {"_AM": cells}, window=CLIP, drop=(*INDICES, "latitude", "longitude"))
    columns, rows = (np.arange(s.start, s.stop) + 0.5 for s in (CLIP[1], CLIP[0]))
    with h5py.File(subset, "r+") as file:
        target = file if place == "root" else file["Soil_Moisture_Retrieval_Data_AM"]
        target["x"] = M09.transform.c + columns * M09.transform.a
        target["y"] = M09.transform.f + rows * M09.transform.e
    np.testing.assert_array_equal(placed(subset), whole)


def test_coordinates_between_the_cells_are_refused(smap_writer: Any, cells: Any) -> None:
    subset = smap_writer.daily(NAME, M09, {"_AM": cells}, window=CLIP, drop=INDICES)
    with h5py.File(subset, "r+") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        known = group["longitude"][...] > -999
        group["longitude"][...] = np.where(known, group["longitude"][...] + 0.04, -9999.0)
    with pytest.raises(GranuleGridError, match="not cell centres"):
        placed(subset)


@pytest.mark.parametrize(
    ("side", "error", "told"),
    [(20_000, GranuleGridError, "more values than the grid"), (10**6, GranuleUnreadableError, "and holds 0")],
)
def test_a_file_that_declares_more_cells_than_the_globe_is_refused_unread(
    smap_writer: Any, cells: Any, side: int, error: type[Exception], told: str
) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells}, window=CLIP, drop=INDICES)
    with h5py.File(path, "r+") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        for name in list(group):
            dtype = group[name].dtype
            del group[name]
            group.create_dataset(name, shape=(side, side), dtype=dtype, chunks=(100, 100))
    with pytest.raises(error, match=told):
        placed(path)


@pytest.mark.parametrize("ending", [".nc4", ".nc", ".H5", ".hdf5", ".HDF5", "_subsetted.nc4"])
def test_a_folder_scan_takes_every_ending(smap_writer: Any, cells: Any, tmp_path: Path, ending: str) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    path.rename(tmp_path / (NAME.removesuffix(".h5") + ending))
    assert len(find_granules(tmp_path, DAY)) == 1


def test_a_netcdf_file_of_something_else_is_no_granule(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "weather.nc", "w") as file:
        file["rain"] = np.zeros(3)
    with pytest.raises(GranuleMissingError, match="no granules at all"):
        find_granules(tmp_path, DAY)


def test_links_are_followed_once_and_clutter_is_passed_over(smap_writer: Any, cells: Any, tmp_path: Path) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    archive, folder = tmp_path / "archive" / "2024", tmp_path / "g"
    archive.mkdir(parents=True)
    folder.mkdir()
    path.rename(archive / NAME)
    (folder / "2024").symlink_to(archive)
    (folder / "again").symlink_to(archive)
    (folder / "up").symlink_to(tmp_path)
    (folder / f"._{NAME}").write_bytes(b"\x00\x05\x16\x07")
    os.mkfifo(folder / "pipe.h5")
    assert [p.name for p in files_below(folder, (".h5",))] == [NAME]
    assert len(find_granules(folder, DAY)) == 1
    assert describe_granules(folder)["products"] == {"SPL3SMP_E": 1}


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(GranuleUnreadableError, match="not a regular file"):
        open_granule(tmp_path / NAME)


def test_a_lock_is_told_as_a_lock(smap_writer: Any, cells: Any) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    with path.open("rb+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(GranuleUnreadableError, match="HDF5_USE_FILE_LOCKING=FALSE") as caught:
            open_granule(path)
    assert "elete" not in str(caught.value)


@pytest.mark.parametrize("way", ["link", "storage", "virtual"])
def test_a_granule_that_reads_another_file_is_refused(smap_writer: Any, cells: Any, tmp_path: Path, way: str) -> None:
    path, secret = smap_writer.daily(NAME, M09, {"_AM": cells}), tmp_path / "secret.bin"
    secret.write_bytes(bytes(400))
    with h5py.File(path, "r+") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        if way == "link":
            group["albedo"] = h5py.ExternalLink(str(secret), "/data")
        elif way == "storage":
            group.create_dataset("albedo", shape=(100,), dtype="f4", external=[(str(secret), 0, 400)])
        else:
            layout = h5py.VirtualLayout(shape=(100,), dtype="f4")
            layout[:] = h5py.VirtualSource(str(secret), "data", shape=(100,))
            group.create_virtual_dataset("albedo", layout)
    with pytest.raises(GranuleUnreadableError, match="another file"):
        open_granule(path)


ORBIT = "SMAP_L2_SM_P_E_49672_D_20240522T234000_R19240_001.h5"


def orbit(smap_writer: Any, cells: Any, times: list[str] | None, begin: str = "2024-05-22T23:40:00.000Z") -> Path:
    """A half orbit that begins before midnight, its times as text of variable length, or absent."""
    end = "2024-05-23T00:29:00.000Z" if begin.startswith("2024-05-22T23") else begin.replace("40:00", "59:00")
    path = smap_writer.orbit(
        ORBIT,
        M09,
        cells,
        drop=("tb_time_seconds",),
        Extent__rangeBeginningDateTime=begin,
        Extent__rangeEndingDateTime=end,
    )
    if times is not None:
        with h5py.File(path, "r+") as file:
            group = file["Soil_Moisture_Retrieval_Data"]
            group.create_dataset("tb_time_utc", data=times, dtype=h5py.string_dtype())
    return path


def test_a_half_orbit_with_times_as_strings_is_of_one_day(smap_writer: Any, cells: Any) -> None:
    path = orbit(
        smap_writer, cells, ["2024-05-22T23:42:00.000Z", "2024-05-22T23:43:00.000Z", "2024-05-22T23:44:00.000Z"]
    )
    day = read_day([path], DEMO, date=dt.date(2024, 5, 22))
    assert int(day.data["recommended"].sum()) == 3
    with pytest.raises(NoRetrievalError):
        read_day([path], DEMO, date=dt.date(2024, 5, 23))


def test_a_half_orbit_without_times_over_midnight_is_of_no_day(smap_writer: Any, cells: Any) -> None:
    path = orbit(smap_writer, cells, None)
    for day in (dt.date(2024, 5, 22), dt.date(2024, 5, 23)):
        with pytest.raises(NoRetrievalError):
            read_day([path], DEMO, date=day)


def test_a_half_orbit_without_times_inside_a_day_is_of_that_day(smap_writer: Any, cells: Any) -> None:
    path = orbit(smap_writer, cells, None, begin="2024-05-22T12:40:00.000Z")
    assert int(read_day([path], DEMO, date=dt.date(2024, 5, 22)).data["recommended"].sum()) == 3


def _per_cent(group: h5py.Group) -> None:
    held = group["soil_moisture"]
    for row, column in ((TOP, LEFT), (TOP + 2, LEFT + 1), (TOP + 5, LEFT + 7)):
        held[row, column] = 100.0 * held[row, column]
    held.attrs["valid_min"], held.attrs["valid_max"] = np.float32(2), np.float32(50)


@pytest.mark.parametrize("units", ["percent", "%", "kg m-2"])
def test_another_unit_of_soil_moisture_is_refused(smap_writer: Any, cells: Any, units: str) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    with h5py.File(path, "r+") as file:
        _per_cent(file["Soil_Moisture_Retrieval_Data_AM"])
        file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"].attrs["units"] = units
    with pytest.raises(GranuleLayoutError, match="another unit"):
        read_day([path], DEMO)


def test_a_declared_range_does_not_make_impossible_values_valid(smap_writer: Any, cells: Any) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    with h5py.File(path, "r+") as file:
        _per_cent(file["Soil_Moisture_Retrieval_Data_AM"])
    with pytest.raises(NoRetrievalError):
        read_day([path], DEMO)


@pytest.mark.parametrize(
    ("name", "value"), [("scale_factor", "0.01"), ("add_offset", b"0.1"), ("scale_factor", [0.01])]
)
def test_packed_values_are_refused_however_their_scale_is_written(
    smap_writer: Any, cells: Any, name: str, value: Any
) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells})
    with h5py.File(path, "r+") as file:
        file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"].attrs[name] = value
    with pytest.raises(GranuleLayoutError, match="packed"):
        read_day([path], DEMO)


X = M09.transform.c + (np.arange(M09.shape.x) + 0.5) * M09.transform.a
Y = M09.transform.f + (np.arange(M09.shape.y) + 0.5) * M09.transform.e


@pytest.mark.parametrize(
    ("y", "x", "wrong"),
    [(Y, X, None), (Y[::-1], X, "rows"), (Y, np.roll(X, X.size // 2), "columns"), (Y, X[::-1], "columns")],
)
@pytest.mark.parametrize("degrees", [False, True])
def test_a_whole_grid_is_held_against_its_own_axes(
    smap_writer: Any, cells: Any, y: np.ndarray, x: np.ndarray, wrong: str | None, degrees: bool
) -> None:
    path = smap_writer.daily(NAME, M09, {"_AM": cells}, drop=(*INDICES, "latitude", "longitude"))
    to_degrees = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True)
    with h5py.File(path, "r+") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        if degrees:
            group["lon"] = to_degrees.transform(x, np.zeros_like(x))[0] % 360.0
            group["lat"] = to_degrees.transform(np.zeros_like(y), y)[1]
        else:
            file["x"], file["y"] = x, y
    if wrong is None:
        assert np.isfinite(placed(path)).sum() == 3
        return
    with pytest.raises(GranuleGridError, match=f"{wrong} are in another order"):
        read_day([path], DEMO)


@pytest.mark.parametrize("seconds", [1716206400.0, 769478400.0e3, 769478400.0 - 5 * 86400.0])
def test_a_daily_granule_whose_times_are_of_other_days_is_refused(smap_writer: Any, cells: Any, seconds: float) -> None:
    """Counted from 1970, in milliseconds, or of another day than the granule says."""
    cells.seconds = [seconds] * 3
    with pytest.raises(GranuleLayoutError, match="of other days than 2024-05-20"):
        read_day([smap_writer.daily(NAME, M09, {"_AM": cells})], DEMO)
