"""Granule names, what supersedes what, and the search in a folder."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler.errors import GranuleMissingError, GranuleNameError
from downscaler.ground.grid import M09, M36
from downscaler.sources.smap import PRODUCTS, GranuleName, find_granules
from downscaler.sources.smap.names import MODELLED

DAY = dt.date(2024, 5, 20)


def test_daily_name() -> None:
    name = GranuleName.parse("SMAP_L3_SM_P_E_20240520_R19240_001.h5")
    assert name == GranuleName(short_name="SPL3SMP_E", date=DAY, crid="R19240", counter=1)
    assert name.grid is M09
    assert name.version == "R19240.001"
    assert not name.half_orbit


def test_half_orbit_name() -> None:
    name = GranuleName.parse(Path("somewhere/SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5"))
    assert (name.short_name, name.orbit, name.direction) == ("SPL2SMP", 2801, "A")
    assert name.start == dt.datetime(2015, 8, 11, 1, 30, 2, tzinfo=dt.UTC)
    assert name.grid is M36


def test_near_real_time_is_a_stream_of_its_own(tmp_path: Path) -> None:
    file = "SMAP_L2_SM_P_NRT_62104_D_20240520T093010_N19241_002.h5"
    name = GranuleName.parse(file)
    assert (name.short_name, name.crid, name.near_real_time, name.grid) == ("SPL2SMP_NRT", "N19241", True, M36)
    touch(tmp_path, file)
    with pytest.raises(GranuleMissingError):
        find_granules(tmp_path, DAY)
    assert [p.name for p in find_granules(tmp_path, DAY, near_real_time=True)] == [file]
    touch(tmp_path, "SMAP_L2_SM_P_62104_D_20240520T093010_R19240_001.h5")
    assert [p.name for p in find_granules(tmp_path, DAY)] == ["SMAP_L2_SM_P_62104_D_20240520T093010_R19240_001.h5"]
    assert [p.name for p in find_granules(tmp_path, DAY, near_real_time=True)] == [file]


def test_a_subsetters_mark_is_let_through() -> None:
    assert GranuleName.parse("SMAP_L3_SM_P_20150401_R13080_001_subsetted.h5").counter == 1


@pytest.mark.parametrize(
    "bad",
    [
        "SMAP_L3_SM_P_E_20241340_R19240_001.h5",
        "SMAP_L2_SM_P_20150811_R18290_001.h5",
        "SMAP_L3_SM_P_02801_A_20150811T013002_R18290_001.h5",
        "SMAP_L3_SM_P_NRT_20240520_N19241_001.h5",
        "SMAP_L3_FT_P_20150811_R18290_001.h5",
        "granule.h5",
        "",
    ],
)
def test_other_names_are_refused(bad: str) -> None:
    with pytest.raises(GranuleNameError, match=r"Allowed: .*SMAP_L3_SM_P"):
        GranuleName.parse(bad)


@given(
    st.sampled_from(sorted({*PRODUCTS} - {*MODELLED})),
    st.dates(dt.date(2015, 3, 31), dt.date(2030, 1, 1)),
    st.integers(0, 99999),
    st.integers(1, 999),
)
def test_names_survive_the_round_trip(short_name: str, start: dt.date, crid: int, counter: int) -> None:
    level, kind = short_name[3], short_name.removeprefix(f"SPL{short_name[3]}SMP")
    when = f"01234_D_{start:%Y%m%d}T013002" if level == "2" else f"{start:%Y%m%d}"
    name = GranuleName.parse(f"SMAP_L{level}_SM_P{kind}_{when}_R{crid:05d}_{counter:03d}.h5")
    assert (name.short_name, name.date, name.crid, name.counter) == (short_name, start, f"R{crid:05d}", counter)


def test_newer_releases_sort_last() -> None:
    names = [
        "SMAP_L3_SM_P_E_20240520_R19240_002.h5",
        "SMAP_L3_SM_P_E_20240520_T20000_009.h5",
        "SMAP_L3_SM_P_E_20240520_R18290_003.h5",
        "SMAP_L3_SM_P_E_20240520_R19240_001.h5",
    ]
    ordered = sorted(map(GranuleName.parse, names))
    assert [n.version for n in ordered] == ["T20000.009", "R18290.003", "R19240.001", "R19240.002"]


def test_half_orbit_reaches_over_midnight() -> None:
    late = GranuleName.parse("SMAP_L2_SM_P_E_02801_A_20240519T233000_R19240_001.h5")
    assert late.covers(DAY)
    assert late.covers(dt.date(2024, 5, 19))
    assert not late.covers(dt.date(2024, 5, 21))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def test_the_newest_enhanced_daily_granule_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "2024").mkdir()
    touch(
        tmp_path,
        "2024/SMAP_L3_SM_P_E_20240520_R19240_001.h5",
        "SMAP_L3_SM_P_E_20240520_R18290_002.h5",
        "SMAP_L3_SM_P_20240520_R19240_003.h5",
        "SMAP_L3_SM_P_E_20240521_R19240_001.h5",
    )
    with caplog.at_level(logging.INFO):
        assert [p.name for p in find_granules(tmp_path, DAY)] == ["SMAP_L3_SM_P_E_20240520_R19240_001.h5"]
    assert "SMAP_L3_SM_P_E_20240520_R18290_002.h5 is superseded" in caplog.text
    assert [p.name for p in find_granules(tmp_path, DAY, "SPL3SMP")] == ["SMAP_L3_SM_P_20240520_R19240_003.h5"]


def test_half_orbits_of_a_day_come_together(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "SMAP_L2_SM_P_E_00100_D_20240519T233000_R19240_001.h5",
        "SMAP_L2_SM_P_E_00100_A_20240520T002000_R19240_001.h5",
        "SMAP_L2_SM_P_E_00100_A_20240520T002001_R19240_002.h5",
        "SMAP_L2_SM_P_E_00110_D_20240521T000100_R19240_001.h5",
    )
    found = [p.name for p in find_granules(tmp_path, DAY)]
    assert sorted(found) == [
        "SMAP_L2_SM_P_E_00100_A_20240520T002001_R19240_002.h5",
        "SMAP_L2_SM_P_E_00100_D_20240519T233000_R19240_001.h5",
    ]


def test_a_day_without_granules_is_told_with_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "SMAP_L3_SM_P_E_20240521_R19240_001.h5")
    (tmp_path / "other.h5").write_bytes(b"no granule")
    with pytest.raises(GranuleMissingError, match="1 other days, 2024-05-21 to 2024-05-21"):
        find_granules(tmp_path, DAY)
    with pytest.raises(GranuleMissingError, match="not found"):
        find_granules(tmp_path / "absent", DAY)
