"""Days read from real HDF5 granules in every layout, and broken ones refused each with its own error."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from odc.geo import ixy_

from downscaler.errors import (
    GranuleError,
    GranuleGridError,
    GranuleLayoutError,
    GranuleMissingError,
    GranuleNameError,
    GranuleUnreadableError,
    NoRetrievalError,
    VadoseError,
)
from downscaler.ground.grid import M09, M36
from downscaler.product import DEMO, LITTLE_WASHITA
from downscaler.records import file_sha256
from downscaler.sources.smap import describe, find_granules, open_granule, read_day

DAY = dt.date(2024, 5, 20)
E9 = "SMAP_L3_SM_P_E_20240520_R19240_001.h5"
P36 = "SMAP_L3_SM_P_20240520_R19240_001.h5"
WINDOW = DEMO.window(M09)
TOP, LEFT = WINDOW.rows.start, WINDOW.columns.start
CLIP = (slice(TOP - 3, TOP + 40), slice(LEFT - 5, LEFT + 60))


def seconds(text: str) -> float:
    return float((np.datetime64(text, "ms") - np.datetime64("2000-01-01T11:58:55.816", "ms")).astype(int)) / 1000.0


@pytest.fixture
def am_pm(smap_cells: Callable[..., Any]) -> dict[str, Any]:
    """Three cells seen in the morning, three in the evening, two of them in both."""
    am = smap_cells(
        row=[TOP, TOP, TOP + 2],
        column=[LEFT, LEFT + 1, LEFT + 3],
        soil_moisture=[0.11, 0.12, 0.13],
        qual=[0, 1, 0],
        surface=[0, 2048, 0],
        seconds=[seconds("2024-05-20T12:10:00")] * 3,
    )
    pm = smap_cells(
        row=[TOP, TOP, TOP + 5],
        column=[LEFT, LEFT + 1, LEFT + 4],
        soil_moisture=[0.21, 0.22, 0.23],
        qual=[0, 0, 8],
        seconds=[seconds("2024-05-20T23:50:00")] * 3,
    )
    return {"_AM": am, "_PM": pm}


def check_am_pm(data: xr.Dataset) -> None:
    expected = np.full((20, 20), np.nan)
    for row, column, value in ((0, 0, 0.11), (0, 1, 0.22), (2, 3, 0.13), (5, 4, 0.23)):
        expected[row, column] = np.float32(value)
    np.testing.assert_array_equal(data.soil_moisture.values, expected)
    np.testing.assert_array_equal(data.recommended.values, np.isfinite(expected))
    assert data.overpass.values[[0, 0, 2, 5], [0, 1, 3, 4]].tolist() == [1, 2, 1, 2]
    assert data.overpass.values.sum() == 6
    assert data.observation_time.values[0, 1] == np.datetime64("2024-05-20T23:50:00", "s")
    assert np.isnat(data.observation_time.values).sum() == 396
    assert int(data.surface_flag.sum()) == 0  # the evening's word came with the evening's value
    assert (data.retrieval_qual_flag.values == 65534).sum() == 396


@pytest.mark.parametrize("window", [None, CLIP], ids=["whole", "clipped"])
def test_current_layout_merges_am_and_pm(smap_writer: Any, am_pm: dict[str, Any], window: Any) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=window)
    day = read_day([path], DEMO)
    assert (day.date, day.grid, day.domain, day.simulated) == (DAY, M09, DEMO, False)
    check_am_pm(day.data)
    corner = M09.centre(ixy_(LEFT, TOP))
    assert (float(day.data.x[0]), float(day.data.y[0])) == pytest.approx((corner.x, corner.y))
    assert day.inputs[0].sha256 == file_sha256(path)
    assert day.inputs[0].version == "R19240.001"
    assert day.inputs[0].kind == "granule"
    json.dumps(dict(day.inputs[0].attributes))
    info = describe(path)
    assert (info["layout"], info["grid"], info["valid"], info["recommended"]) == ("current", "M09", 4, 4)
    assert (info["conus_valid"], info["conus_recommended"]) == (4, 4)
    assert info["overpasses"]["PM"] == {"valid": 3, "recommended": 3}
    json.dumps(info)


def test_a_clip_that_leaves_the_domain_places_what_it_has(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    clip = (slice(TOP + 1, TOP + 9), slice(LEFT + 2, LEFT + 5))
    day = read_day([smap_writer.daily(E9, M09, am_pm, window=clip)], DEMO)
    assert np.argwhere(day.data.recommended.values).tolist() == [[2, 3], [5, 4]]


def test_evening_group_alone_is_enough(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    day = read_day([smap_writer.daily(E9, M09, {"_PM": am_pm["_PM"]})], DEMO)
    assert np.unique(day.data.overpass.values).tolist() == [0, 2]


def test_a_small_domain_reads_only_its_window(
    smap_writer: Any, am_pm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = smap_writer.daily(E9, M09, am_pm)
    sizes = []
    real = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset, "__getitem__", lambda self, key: (sizes.append(np.size(out := real(self, key))), out)[1]
    )
    read_day([path], DEMO)
    assert sizes
    assert max(sizes) == 400


def test_a_granule_of_another_day_than_its_name_says_is_a_fault(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    """It was told as a day without a granule, which is no failure."""
    path = smap_writer.daily(
        E9,
        M09,
        am_pm,
        Extent__rangeBeginningDateTime="2024-05-19T00:00:00Z",
        Extent__rangeEndingDateTime="2024-05-19T23:59:59Z",
    )
    with pytest.raises(GranuleLayoutError, match="another day than its name says"):
        read_day([path], DEMO, date=DAY)
    with pytest.raises(GranuleMissingError):
        read_day([path], DEMO, date=DAY + dt.timedelta(days=1))


def test_metadata_is_the_truth_and_the_name_a_hint(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(
        "renamed.h5",
        M09,
        am_pm,
        DatasetIdentification__shortName="SPL3SMP_E",
        DatasetIdentification__CompositeReleaseID="R19240",
        DatasetIdentification__ECSVersionID="006",
        DatasetIdentification__fileName="SMAP_L3_SM_P_E_20240520_R19240_004.h5",
        SeriesIdentification__identifier_product_DOI="doi:10.5067/M20OXIZHY3RJ",
        Extent__rangeBeginningDateTime="2024-05-20T00:00:00.000Z",
        Extent__rangeEndingDateTime="2024-05-20T23:59:59.999Z",
        root__vadose_simulated="true",
    )
    day = read_day([path], DEMO)
    assert day.date == DAY
    assert day.simulated
    assert day.inputs[0].version == "R19240.004"
    assert "simulated sample" in day.inputs[0].title
    assert dict(day.inputs[0].attributes) == {
        "short_name": "SPL3SMP_E",
        "collection_version": "006",
        "doi": "10.5067/M20OXIZHY3RJ",
    }
    assert find_granules(path.parent, DAY) == [path]


def test_a_nameless_file_without_metadata_is_refused(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    with pytest.raises(GranuleNameError):
        open_granule(smap_writer.daily("granule.h5", M09, am_pm, window=CLIP))


def test_the_newer_release_wins_and_names_the_older(
    smap_writer: Any, am_pm: dict[str, Any], smap_cells: Any, caplog: pytest.LogCaptureFixture
) -> None:
    old = smap_cells(row=[TOP], column=[LEFT], soil_moisture=[0.4])
    older = smap_writer.daily(E9.replace("R19240", "R18290"), M09, {"_AM": old}, window=CLIP)
    newer = smap_writer.daily(E9, M09, am_pm, window=CLIP)
    with caplog.at_level(logging.WARNING):
        day = read_day([newer, older], DEMO)
    check_am_pm(day.data)
    assert [i.name for i in day.inputs] == [newer.name]
    assert day.inputs[0].attributes["supersedes"] == [older.name]
    assert "is superseded by" in caplog.text


def orbits(smap_writer: Any, smap_cells: Any) -> list[Path]:
    """A descending orbit of the day, one that began the evening before, an ascending one."""
    night, noon, evening = "2024-05-19T23:59:30", "2024-05-20T12:10:00", "2024-05-20T23:40:00"
    cells = {
        "00100_D_20240519T231000": smap_cells(
            row=[TOP, TOP], column=[LEFT, LEFT + 7], soil_moisture=[0.3, 0.31],
            seconds=[seconds(night), seconds("2024-05-20T00:00:30")],
        ),
        "00108_D_20240520T120000": smap_cells(
            row=[TOP + 1, TOP], column=[LEFT + 1, LEFT], soil_moisture=[0.15, 0.16], seconds=[seconds(noon)] * 2
        ),
        "00108_A_20240520T233000": smap_cells(
            row=[TOP + 1, TOP + 2], column=[LEFT + 1, LEFT + 2], soil_moisture=[0.25, 0.26],
            seconds=[seconds(evening)] * 2,
        ),
    }  # fmt: skip
    return [smap_writer.orbit(f"SMAP_L2_SM_P_E_{k}_R19240_001.h5", M09, v) for k, v in cells.items()]


def test_half_orbits_are_composited_to_the_utc_day(smap_writer: Any, smap_cells: Any) -> None:
    paths = orbits(smap_writer, smap_cells)
    day = read_day(find_granules(paths[0].parent, DAY), DEMO, date=DAY)
    value, overpass = day.data.soil_moisture.values, day.data.overpass.values
    found = {(int(r), int(c)): (round(float(value[r, c]), 4), int(overpass[r, c])) for r, c in np.argwhere(value > 0)}
    assert found == {(0, 0): (0.16, 1), (0, 7): (0.31, 1), (1, 1): (0.15, 1), (2, 2): (0.26, 2)}
    assert sorted(i.name for i in day.inputs) == sorted(p.name for p in paths)
    before = read_day(paths, DEMO, date=dt.date(2024, 5, 19))
    assert np.argwhere(before.data.recommended.values).tolist() == [[0, 0]]
    assert [i.name for i in before.inputs] == [paths[0].name]
    assert describe(paths[2])["layout"] == "half-orbit"
    assert describe(paths[2])["overpasses"] == {"PM": {"valid": 2, "recommended": 2}}


def test_half_orbits_of_several_days_need_a_date(smap_writer: Any, smap_cells: Any) -> None:
    with pytest.raises(GranuleError, match="Name the date"):
        read_day(orbits(smap_writer, smap_cells), DEMO)


def test_products_are_not_mixed(smap_writer: Any, am_pm: dict[str, Any], smap_cells: Any) -> None:
    coarse = smap_cells(row=[DEMO.m36.rows.start], column=[DEMO.m36.columns.start], soil_moisture=[0.2])
    paths = [smap_writer.daily(E9, M09, am_pm, window=CLIP), smap_writer.daily(P36, M36, {"": coarse})]
    with pytest.raises(GranuleGridError, match="SPL3SMP, SPL3SMP_E"):
        read_day(paths, DEMO)


def test_another_day_is_missing(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=CLIP)
    with pytest.raises(GranuleMissingError, match="2024-05-21"):
        read_day([path], DEMO, date=dt.date(2024, 5, 21))
    with pytest.raises(GranuleMissingError):
        read_day([], DEMO)
    with pytest.raises(GranuleMissingError, match=r"absent\.h5"):
        read_day([path.with_name("absent.h5")], DEMO)


def test_a_truncated_granule_is_unreadable(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=CLIP)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        for reader in (lambda: read_day([path], DEMO), lambda: describe(path)):
            with pytest.raises(GranuleUnreadableError, match=f"{size} bytes") as caught:
                reader()
            assert caught.value.exit_code == 12
    path.write_text("<html>log in</html>")
    with pytest.raises(GranuleUnreadableError):
        read_day([path], DEMO)


def test_a_damaged_granule_never_escapes_the_typed_errors(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=CLIP)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = whole.copy()
        start = int(rng.integers(0, damaged.size - 64))
        damaged[start : start + 64] = rng.integers(0, 256, 64)
        path.write_bytes(damaged.tobytes())
        try:
            read_day([path], DEMO)
        except VadoseError:
            refused += 1
    assert refused > 5


def test_hdf5_without_the_group(tmp_path: Path) -> None:
    path = tmp_path / E9
    with h5py.File(path, "w") as file:
        file.create_group("Freeze_Thaw_Retrieval_Data")
    with pytest.raises(GranuleLayoutError, match="groups Freeze_Thaw_Retrieval_Data") as caught:
        read_day([path], DEMO)
    assert caught.value.exit_code == 13


@pytest.mark.parametrize("variable", ["soil_moisture", "retrieval_qual_flag"])
def test_a_missing_variable(smap_writer: Any, am_pm: dict[str, Any], variable: str) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=CLIP, drop=(variable,))
    with pytest.raises(GranuleLayoutError, match=f"lacks the variable {variable}"):
        read_day([path], DEMO)


def test_another_product_is_refused(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(E9, M09, am_pm, window=CLIP, DatasetIdentification__shortName="SPL3FTP_E")
    with pytest.raises(GranuleLayoutError, match="SPL3FTP_E"):
        read_day([path], DEMO)


def test_optional_variables_may_be_absent(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    drop = ("soil_moisture_error", "surface_flag", "tb_time_seconds", "latitude", "longitude")
    day = read_day([smap_writer.daily(E9, M09, am_pm, window=CLIP, drop=drop)], DEMO)
    assert int(day.data.recommended.sum()) == 4
    assert day.data.soil_moisture_error.isnull().all()
    assert day.data.observation_time.isnull().all()


@pytest.mark.parametrize("window", [None, CLIP], ids=["whole", "clipped"])
def test_an_all_fill_granule(smap_writer: Any, smap_cells: Any, window: Any) -> None:
    empty = smap_cells(row=[], column=[], soil_moisture=[])
    path = smap_writer.daily(E9, M09, {"_AM": empty, "_PM": empty}, window=window)
    with pytest.raises(NoRetrievalError, match="AM: 0 with a value, 400 with a quality flag of fill") as caught:
        read_day([path], DEMO)
    assert caught.value.exit_code == 15
    assert describe(path)["valid"] == 0


def test_quality_words_of_fill_recommend_nothing(smap_writer: Any, smap_cells: Any) -> None:
    n = 20
    cells = smap_cells(row=[TOP + i for i in range(n)], column=[LEFT] * n, soil_moisture=[0.2] * n, qual=[65534] * n)
    path = smap_writer.daily(E9, M09, {"_AM": cells}, window=CLIP)
    with pytest.raises(NoRetrievalError, match="AM: 20 with a value, 400 with a quality flag of fill"):
        read_day([path], DEMO)
    info = describe(path)
    assert (info["valid"], info["recommended"]) == (20, 0)


def test_a_36_km_granule_that_claims_9_km(smap_writer: Any, smap_cells: Any) -> None:
    domain = LITTLE_WASHITA.m36
    rows = list(range(domain.rows.start, domain.rows.stop))
    columns = list(range(domain.columns.start, domain.columns.start + len(rows)))
    cells = smap_cells(row=rows, column=columns, soil_moisture=[0.2] * len(rows))
    whole = smap_writer.daily(E9, M36, {"_AM": cells})
    clip = smap_writer.daily(E9.replace("_001", "_002"), M36, {"_AM": cells}, window=(slice(60, 120), slice(180, 260)))
    orbit = smap_writer.orbit("SMAP_L2_SM_P_E_00100_D_20240520T120000_R19240_001.h5", M36, cells)
    for path in (whole, clip, orbit):
        for reader in (lambda p=path: read_day([p], LITTLE_WASHITA), lambda p=path: describe(p)):
            with pytest.raises(GranuleGridError, match="M09") as caught:
                reader()
            assert caught.value.exit_code == 14


def test_grids_that_cannot_be_placed(smap_writer: Any, am_pm: dict[str, Any], smap_cells: Any) -> None:
    lost = smap_writer.daily(E9, M09, am_pm, window=CLIP, drop=("EASE_row_index", "latitude"))
    with pytest.raises(GranuleGridError, match="nothing to place it by"):
        read_day([lost], DEMO)
    far = smap_cells(row=[500, 10], column=[10, 20], soil_moisture=[0.2, 0.2])
    beyond = smap_writer.orbit("SMAP_L2_SM_P_00100_D_20240520T120000_R19240_001.h5", M09, far)
    with pytest.raises(GranuleGridError, match="row 500, column 10"):
        read_day([beyond], DEMO)
    twice = smap_cells(row=[TOP, TOP], column=[LEFT, LEFT], soil_moisture=[0.2, 0.3])
    double = smap_writer.orbit("SMAP_L2_SM_P_E_00100_D_20240520T120000_R19240_001.h5", M09, twice)
    with pytest.raises(GranuleGridError, match="have the same cell"):
        read_day([double], DEMO)


def test_a_flipped_or_shifted_grid_is_refused(smap_writer: Any, am_pm: dict[str, Any]) -> None:
    path = smap_writer.daily(E9, M09, am_pm)
    with h5py.File(path, "r+") as file:
        rows = file["Soil_Moisture_Retrieval_Data_AM/EASE_row_index"]
        rows[TOP, LEFT] = TOP + 1
    with pytest.raises(GranuleGridError, match="EASE_row_index is not the position"):
        read_day([path], DEMO)
    clipped = smap_writer.daily(E9, M09, am_pm, window=CLIP)
    with h5py.File(clipped, "r+") as file:
        index = file["Soil_Moisture_Retrieval_Data_AM/EASE_row_index"]
        index[3, 5] = 65534
    with pytest.raises(GranuleGridError, match="index is fill"):
        read_day([clipped], DEMO)


def test_values_out_of_their_valid_range_are_kept_but_not_recommended(smap_writer: Any, smap_cells: Any) -> None:
    cells = smap_cells(row=[TOP, TOP, TOP], column=[LEFT, LEFT + 1, LEFT + 2], soil_moisture=[0.02, 0.61, 0.5])
    data = read_day([smap_writer.daily(E9, M09, {"_AM": cells}, window=CLIP)], DEMO).data
    assert data.recommended.values[0, :3].tolist() == [True, False, True]
    assert float(data.soil_moisture[0, 1]) == pytest.approx(0.61, abs=1e-7)
