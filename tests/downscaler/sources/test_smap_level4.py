"""SMAP L4: eight fields make a day, snow and frost are left out, and nothing of it passes for a retrieval."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from downscaler.errors import (
    GranuleError,
    GranuleGridError,
    GranuleLayoutError,
    GranuleMissingError,
    GranuleNameError,
    NoRetrievalError,
)
from downscaler.ground.grid import M09
from downscaler.product import DEMO
from downscaler.sources.smap import MODELLED, GranuleName, find_granules, read_day, read_level4
from downscaler.sources.smap.level4 import ERROR, open_fields

DAY = dt.date(2024, 5, 20)
J2000 = dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)
MOMENTS = [dt.datetime(2024, 5, 20, 1, 30, tzinfo=dt.UTC) + dt.timedelta(hours=3 * n) for n in range(8)]
WINDOW = DEMO.window(M09)
SHAPE = tuple(WINDOW.shape.yx)


def name_of(moment: dt.datetime, release: str = "Vv7032_001") -> str:
    return f"SMAP_L4_SM_gph_{moment:%Y%m%dT%H%M%S}_{release}.h5"


def write(
    path: Path,
    value: np.ndarray,
    *,
    kelvin: np.ndarray | float = 290.0,
    snow: np.ndarray | float = 0.0,
    clip: bool = True,
    units: str = "m3 m-3",
) -> Path:
    """A granule's surface fields on the window, or the globe with fill elsewhere; axes x and y as NASA writes them."""
    rows, columns = WINDOW.rows, WINDOW.columns
    if not clip:
        rows, columns = (type(rows)(start=0, stop=size) for size in tuple(M09.shape.yx))
    with h5py.File(path, "w") as file:
        group = file.create_group("Geophysical_Data")
        for called, given in (
            ("sm_surface", value),
            ("soil_temp_layer1", kelvin),
            ("land_fraction_snow_covered", snow),
        ):
            shape = (len(rows), len(columns))
            data = group.create_dataset(called, shape, "f4", chunks=(58, 241) if not clip else None, fillvalue=-9999.0)
            data.attrs["_FillValue"] = np.float32(-9999.0)
            place = (slice(None), slice(None)) if clip else (WINDOW.rows.slice, WINDOW.columns.slice)
            data[place] = np.broadcast_to(given, SHAPE)
        group["sm_surface"].attrs["units"] = units
        file["x"] = M09.transform.c + (np.arange(columns.start, columns.stop) + 0.5) * M09.transform.a
        file["y"] = M09.transform.f + (np.arange(rows.start, rows.stop) + 0.5) * M09.transform.e
    return path


def day_of(folder: Path, values: np.ndarray, release: str = "Vv7032_001", **more: object) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [
        write(folder / name_of(moment, release), value, **more)  # type: ignore[arg-type]
        for moment, value in zip(MOMENTS, values, strict=True)
    ]


def eight(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.45, (8, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("clip", [True, False])
def test_a_day_is_the_mean_of_its_eight_fields(tmp_path: Path, clip: bool) -> None:
    values = eight()
    files = day_of(tmp_path, values, clip=clip)
    day = read_level4(files[::-1], DEMO, DAY)
    np.testing.assert_allclose(day.data["soil_moisture"], values.astype(float).mean(axis=0), rtol=0, atol=1e-12)
    assert day.data["recommended"].all()
    assert day.data["modelled"].all()
    assert np.isnat(day.data["observation_time"].values).all()
    assert not day.data["overpass"].any()
    assert (day.data["soil_moisture_error"] == ERROR).all()
    assert [record.name for record in day.inputs] == sorted(path.name for path in files)
    assert {record.attributes["short_name"] for record in day.inputs} == {"SPL4SMGP"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(missing=st.sets(st.integers(0, 7), min_size=1), seed=st.integers(0, 99))
def test_a_part_of_a_day_is_never_averaged(
    tmp_path_factory: pytest.TempPathFactory, missing: set[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("part")
    files = day_of(folder, eight(seed))
    kept = [path for number, path in enumerate(files) if number not in missing]
    with pytest.raises(GranuleMissingError, match=f"{8 - len(missing)} of 8 fields"):
        read_level4(kept, DEMO, DAY)


def test_the_newest_release_of_each_field_counts(tmp_path: Path) -> None:
    old = day_of(tmp_path, eight(1), "Vv7032_001")
    new = day_of(tmp_path, eight(2), "Vv8010_001")
    day = read_level4([*new, *old], DEMO, DAY)
    np.testing.assert_allclose(day.data["soil_moisture"], eight(2).astype(float).mean(axis=0), atol=1e-12)
    assert {record.version for record in day.inputs} == {"Vv8010.001"}


def test_snow_frost_and_water_have_no_value_to_use(tmp_path: Path) -> None:
    values, kelvin, snow = eight(), np.full(SHAPE, 290.0), np.zeros(SHAPE)
    kelvin[0, 0], snow[0, 1], values[3, 0, 2] = 272.0, 0.4, -9999.0
    day = read_level4(day_of(tmp_path, values, kelvin=kelvin, snow=snow), DEMO, DAY)
    assert not day.data["recommended"].values[0, :3].any()
    assert day.data["recommended"].values.sum() == np.prod(SHAPE) - 3
    assert [int(flag) for flag in day.data["surface_flag"].values[0, :3]] == [1 << 8, 1 << 5, 0]
    assert np.isnan(day.data["soil_moisture"].values[0, 2])


def test_a_day_all_frozen_is_no_day(tmp_path: Path) -> None:
    with pytest.raises(NoRetrievalError, match="free of snow and frost"):
        read_level4(day_of(tmp_path, eight(), kelvin=260.0), DEMO, DAY)


def test_fields_of_other_days_do_not_count(tmp_path: Path) -> None:
    files = day_of(tmp_path, eight())
    with pytest.raises(GranuleMissingError, match="0 of 8"):
        read_level4(files, DEMO, DAY + dt.timedelta(days=1))


def test_another_unit_or_grid_or_product_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GranuleLayoutError, match="another unit"):
        read_level4(day_of(tmp_path / "a", eight(), units="percent"), DEMO, DAY)
    files = day_of(tmp_path / "b", eight())
    with h5py.File(files[2], "r+") as file:
        file["x"][...] = file["x"][...] + 4000.0
    with pytest.raises(GranuleGridError, match="not cell centres"):
        read_level4(files, DEMO, DAY)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["Geophysical_Data/sm_rootzone"] = np.zeros(SHAPE)
    with pytest.raises(GranuleLayoutError, match="no surface soil moisture"):
        open_fields(tmp_path / "other.h5")


def test_a_renamed_field_is_dated_by_its_own_time_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.h5", eight()[0])
    with pytest.raises(GranuleNameError, match="hours of an SMAP L4 field"):
        open_fields(path)
    with h5py.File(path, "r+") as file:
        seconds = np.datetime64("2024-05-20T04:30:00") - np.datetime64("2000-01-01T11:58:55.816")
        file["time"] = np.array([seconds / np.timedelta64(1, "s")])
    assert open_fields(path)[0].moment == dt.datetime(2024, 5, 20, 4, 30, tzinfo=dt.UTC)


def test_it_is_taken_only_when_named_and_never_as_a_retrieval(tmp_path: Path) -> None:
    files = day_of(tmp_path, eight())
    with pytest.raises(GranuleError, match="no granules at all"):
        find_granules(tmp_path, DAY)
    assert find_granules(tmp_path, DAY, MODELLED[0]) == files
    with pytest.raises(GranuleLayoutError, match="second_source"):
        read_day(files, DEMO, date=DAY)


def test_names_tell_the_middle_of_three_hours() -> None:
    name = GranuleName.parse("SMAP_L4_SM_gph_20240520T223000_Vv7032_001.h5")
    assert (name.short_name, name.date, name.version) == ("SPL4SMGP", DAY, "Vv7032.001")
    assert name.covers(DAY)
    assert not name.covers(DAY + dt.timedelta(days=1))


def test_a_field_of_another_time_than_its_name_or_of_odd_hours_is_refused(tmp_path: Path) -> None:
    files = day_of(tmp_path, eight())
    with h5py.File(files[3], "a") as file:  # a day after the name's
        file["time"] = np.array([(MOMENTS[3] - J2000).total_seconds() + 86400.0])
    with pytest.raises(GranuleNameError, match="another field than its name states"):
        read_level4(files, DEMO, DAY)
    files[3] = files[4].rename(tmp_path / name_of(MOMENTS[4] - dt.timedelta(minutes=30)))
    with pytest.raises(GranuleNameError, match="not of SPL4SMGP's hours"):
        read_level4([*files[:4], *files[5:]], DEMO, DAY)


def test_fields_that_cannot_tell_frost_are_refused(tmp_path: Path) -> None:
    files = day_of(tmp_path, eight(), kelvin=260.0)
    for path in files:
        with h5py.File(path, "a") as file:
            del file["Geophysical_Data/soil_temp_layer1"]
    with pytest.raises(GranuleLayoutError, match="lacks soil_temp_layer1"):
        read_level4(files, DEMO, DAY)


def test_land_of_unknown_temperature_is_not_used(tmp_path: Path) -> None:
    kelvin = np.full(SHAPE, 290.0)
    kelvin[0, 0] = -9999.0
    day = read_level4(day_of(tmp_path, eight(), kelvin=kelvin), DEMO, DAY)
    assert not day.data["recommended"][0, 0]
    assert int(day.data["recommended"].sum()) == kelvin.size - 1
