"""NASA's own granules, counted a second time with plain h5py."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from downscaler.errors import NoRetrievalError
from downscaler.ground.grid import M36, LonLat
from downscaler.product import CONUS, LITTLE_WASHITA, UPPER_VERDE
from downscaler.sources.smap import describe, read_day

OLD = "smap/SMAP_L3_SM_P_20150401_R13080_001.h5"
ORBIT = "smap/SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5"


def raw(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with h5py.File(path) as file:
        group = file["Soil_Moisture_Retrieval_Data"]
        names = ("soil_moisture", "retrieval_qual_flag", "latitude", "longitude", "tb_time_seconds")
        return {name: group[name][...].ravel() for name in names}


def in_box(cells: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    lat, lon = cells["latitude"], cells["longitude"]
    return (lat >= 25) & (lat <= 50) & (lon >= -125) & (lon <= -67)


@pytest.mark.parametrize(("name", "valid", "good"), [(OLD, 3333, 2083), (ORBIT, 111, 9)])
def test_counts_in_the_box_equal_plain_h5py(shared: Path, name: str, valid: int, good: int) -> None:
    cells = raw(shared / name)
    box = in_box(cells)
    there = box & (cells["soil_moisture"] != -9999.0)
    assert there.sum() == valid
    assert (there & (cells["retrieval_qual_flag"] & 7 == 0)).sum() == good
    info = describe(shared / name)
    assert (info["conus_valid"], info["conus_recommended"]) == (valid, good)
    assert info["valid"] == (cells["soil_moisture"] != -9999.0).sum()


@pytest.mark.parametrize("name", [OLD, ORBIT])
def test_every_value_lands_on_the_cell_of_its_own_latitude_and_longitude(shared: Path, name: str) -> None:
    cells = raw(shared / name)
    day = read_day([shared / name], CONUS)
    window = CONUS.window(M36)
    expected = np.full(tuple(window.shape.yx), np.nan)
    good = np.zeros(expected.shape, dtype=bool)
    usable = (cells["soil_moisture"] != -9999.0) & (cells["retrieval_qual_flag"] & 6 == 0)
    for i in np.flatnonzero(usable & (np.abs(cells["latitude"]) < 84)):
        at = M36.cell_at(LonLat(lon=float(cells["longitude"][i]), lat=float(cells["latitude"][i])))
        row, column = at.y - window.rows.start, at.x - window.columns.start
        if 0 <= row < expected.shape[0] and 0 <= column < expected.shape[1]:
            expected[row, column] = cells["soil_moisture"][i]
            good[row, column] = cells["retrieval_qual_flag"][i] & 1 == 0
    np.testing.assert_array_equal(day.data.soil_moisture.values, expected)
    np.testing.assert_array_equal(day.data.recommended.values, good)
    assert good.sum() > 5


def test_old_layout_is_a_morning_and_the_orbit_an_evening(shared: Path) -> None:
    old, orbit = (read_day([shared / name], CONUS) for name in (OLD, ORBIT))
    assert old.date == dt.date(2015, 4, 1)
    assert orbit.date == dt.date(2015, 8, 11)
    assert np.unique(old.data.overpass.values).tolist() == [0, 1]
    assert np.unique(orbit.data.overpass.values).tolist() == [0, 2]
    assert (describe(shared / OLD)["layout"], describe(shared / ORBIT)["layout"]) == ("old", "half-orbit")
    assert not old.simulated
    assert old.inputs[0].version == "R13080.001"
    assert old.inputs[0].attributes["doi"] == "10.5067/7MINGFDCZTES"


def test_observation_times_lie_in_the_extent_that_the_metadata_states(shared: Path) -> None:
    with h5py.File(shared / ORBIT) as file:
        extent = file["Metadata/Extent"].attrs
        first, last = (np.datetime64(extent[f"range{end}DateTime"].rstrip("Z"), "s") for end in ("Beginning", "Ending"))
        text = np.max(file["Soil_Moisture_Retrieval_Data/tb_time_utc"].asstr()[...])
    time = read_day([shared / ORBIT], CONUS).data.observation_time.values
    seen = time[~np.isnat(time)]
    assert first <= seen.min()
    assert seen.max() <= last
    assert np.datetime64(text.rstrip("Z"), "s") > last  # the texts are 64 s late, which is why seconds are read


def test_little_washita_on_the_first_of_april(shared: Path) -> None:
    data = read_day([shared / OLD], LITTLE_WASHITA, date=dt.date(2015, 4, 1)).data
    np.testing.assert_allclose(data.soil_moisture.values[:, 1], [0.1784, 0.1954], atol=5e-5)
    assert data.recommended.values.tolist() == [[True, True], [False, True]]
    hours = (data.observation_time.values - np.datetime64("2015-04-01", "s")).astype(int) / 3600
    assert ((hours > 12) & (hours < 14)).all()  # about six in the morning in Oklahoma


def test_upper_verde_was_not_seen_that_day(shared: Path) -> None:
    with pytest.raises(NoRetrievalError, match="upper-verde"):
        read_day([shared / OLD], UPPER_VERDE)
