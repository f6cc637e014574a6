"""Station files as people have them: mixed folders, year folders, accents, broken lines, and tables of each network."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.errors import StationError
from downscaler.ground.grid import Domain
from downscaler.sources.insitu import describe, files_of, ismn, read_stations
from downscaler.sources.insitu.ismn_text import decoded, in_ascii, originals

WIDE = Domain.from_bounds("wide", "The South", west=-110.0, south=28.0, east=-80.0, north=45.0)
PERIOD = (pd.Timestamp("2015-01-01").date(), pd.Timestamp("2024-12-31").date())
READINGS = [f"2024/05/{day:02d} 06:00    0.{day:02d}00 G M" for day in range(1, 29)]


def stm(station: str = "Site-1", sensor: str = "Probe", lines: list[str] | None = None, lat: float = 34.5) -> str:
    header = f"NET NET {station} {lat:.5f} -94.78172 433.90 0.0500 0.0500 {sensor}"
    return "\n".join([header, *(READINGS if lines is None else lines)]) + "\n"


def name(station: str = "Site-1") -> str:
    return f"NET/{station}/NET_NET_{station}_sm_0.050000_0.050000_Probe_20240501_20240528.stm"


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for member, content in members.items():
            zipped.writestr(member, content)
    return path


def unpacked(folder: Path, members: dict[str, str]) -> Path:
    for member, text in members.items():
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_text(text)
    return folder


def crn_day(day: int, wet: str = "0.200") -> str:
    middle = ["0.0"] * 13
    return " ".join(["23907", f"201501{day:02d}", "2.4", "-98.08", "30.62", *middle, *[wet] * 5, *["7.0"] * 5])


def uscrn(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(crn_day(day) for day in range(1, 21)) + "\n")
    return path


def everything(source: Path) -> tuple[dict[str, np.ndarray], list[Any]]:
    reads = list(read_stations(source, domain=WIDE, period=PERIOD, deepest=1.0))
    return {f"{s.sensor.station} {s.sensor.depth_to:g}": s.value for s, _ in reads if s is not None}, [
        r for _, r in reads
    ]


def test_a_folder_of_mixed_kinds_is_read_whole(tmp_path: Path) -> None:
    unpacked(tmp_path, {name("A"): stm("A"), "NET/A/NET_A_static_variables.csv": "x", "Metadata.xml": "<x/>"})
    archive(tmp_path / "more.zip", {name("B"): stm("B").encode(), name("C"): stm("C").encode()})
    uscrn(tmp_path / "2015" / "CRND0103-2015-TX_Austin_33_NW.txt")
    (tmp_path / "notes.docx").write_bytes(b"PK")
    found, reports = everything(tmp_path)
    assert {key.split()[0] for key in found} == {"A", "B", "C", "TX_Austin_33_NW"}
    assert [r.file for r in reports if r.problem] == ["notes.docx"]
    told = describe(tmp_path)
    assert told["stations"] == 4
    assert told["files_not_read"] == ["notes.docx: no station file of a known format"]


def test_year_folders_and_links_are_followed(tmp_path: Path) -> None:
    uscrn(tmp_path / "archive" / "2015" / "CRND0103-2015-TX_Austin_33_NW.txt")
    (tmp_path / "stations").mkdir()
    (tmp_path / "stations" / "2015").symlink_to(tmp_path / "archive" / "2015")
    assert len(files_of(tmp_path / "stations")) == 1
    assert everything(tmp_path / "stations")[0]["TX_Austin_33_NW 0.05"].size == 20


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StationError, match="holds no file"):
        everything(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize(("station", "sensor"), [("Cañon-002", "Probe"), ("Site-1", "Thêta-Probe"), ("Åre", "µProbe")])
def test_accents_are_kept_in_every_encoding(tmp_path: Path, encoding: str, station: str, sensor: str) -> None:
    path = archive(tmp_path / "a.zip", {name(station): stm(station, sensor).encode(encoding)})
    ((series, report),) = ismn.read(path)
    assert series is not None, report
    assert (series.sensor.station, series.value.size) == (station, 28)
    assert ismn.describe(path)["sensors"] == 1


def test_a_name_in_another_script_is_kept(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {name("Žďár-北京"): stm("Žďár-北京").encode()})
    ((series, report),) = ismn.read(path)
    assert series is not None, report
    assert (series.sensor.station, series.value.size) == ("Žďár-北京", 28)


def test_flags_are_whole_where_one_is_missing(tmp_path: Path) -> None:
    """G followed by another flag was cut to G, which is good."""
    lines = [f"2024/05/01 0{hour}:00 0.2 {flag} M" for hour, flag in enumerate(("G", "G,D01", "nan", "C03"))]
    ((series, _),) = ismn.read(archive(tmp_path / "a.zip", {name(): stm(lines=lines).encode()}))
    assert series is not None
    assert series.flag.tolist() == ["G", "G,D01", "nan", "C03"]
    assert series.good.tolist() == [True, False, False, False]


@pytest.mark.parametrize("moved", ["34.5 -94.7 433.9 0.20 0.20", "35.5 -94.7 433.9 0.05 0.05"])
def test_lines_of_another_depth_or_place_are_counted_as_bad(tmp_path: Path, moved: str) -> None:
    """Of CEOP format, whose lines each tell where they are from."""
    times = [f"2024/05/{day:02d} 06:00 2024/05/{day:02d} 06:00 CSE NET Site-1" for day in (1, 2, 3)]
    places = ["34.5 -94.7 433.9 0.05 0.05", "34.5000 -94.7000 433.90 0.0500 0.0500", moved]
    text = "\n".join(f"{time} {place} 0.2 G M" for time, place in zip(times, places, strict=True)) + "\n"
    ((series, report),) = ismn.read(archive(tmp_path / "a.zip", {name(): text.encode()}))
    assert series is not None
    assert (series.value.size, report.bad_lines) == (2, 1)


@given(text=st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_names_come_back_from_ascii_as_they_were(text: str) -> None:
    assert in_ascii(text).isascii()
    assert originals([text])(in_ascii(text)) == text
    assert decoded(text.encode()) == text


BAD = [
    "2024/05/32 06:00 0.2 G M",
    "2024/02/30 06:00 0.2 G M",
    "2024/13/01 06:00 0.2 G M",
    "2024/05/01 24:30 0.2 G M",
    "x",
]


@pytest.mark.parametrize("line", BAD)
def test_one_bad_line_is_counted_and_the_rest_is_read(tmp_path: Path, line: str) -> None:
    path = archive(tmp_path / "a.zip", {name(): stm(lines=[*READINGS[:5], line, *READINGS[5:]]).encode()})
    ((series, report),) = ismn.read(path)
    assert series is not None
    assert (series.value.size, report.bad_lines) == (28, 1)
    assert "line 7" in str(report.first_bad)
    assert ismn.describe(path)["bad_lines"] == 1


def test_files_without_readings_and_what_macs_add_do_not_lose_the_archive(tmp_path: Path) -> None:
    members = {name("A"): stm("A").encode(), name("B"): stm("B", lines=[]).encode(), name("C"): b""}
    members |= {f"__MACOSX/{Path(name('A')).parent}/._{Path(name('A')).name}": b"\x00\x05\x16\x07\xff" * 20}
    members |= {str(Path(name("A")).parent / f"._{Path(name('A')).name}"): b"\x00\x05\x16\x07\xff" * 20}
    path = archive(tmp_path / "a.zip", members)
    told = ismn.describe(path)
    assert told["sensors"] == 1
    assert len(told["files_not_read"]) == 2
    found, reports = everything(path)
    assert list(found) == ["A 0.05"]
    assert not any("._" in report.file for report in reports)


SITES = "site,lat,lon,utc_offset,variable,depth\n"
OWN = "Station;Latitude;Longitude;Depth_cm;Time;Soil_Moisture\n"


def test_a_csv_of_ones_own(tmp_path: Path) -> None:
    lines = [f"A;34.5;-94.8;5;2024-05-{day:02d}T06:00:00-06:00;0.{day:02d}" for day in range(1, 11)]
    lines += ["A;34.5;-94.8;5;never;0.2", "A;34.5;-94.8;5;2024-05-11", "B;34.6;-94.8;10;2024-05-01;-9999"]
    (tmp_path / "mine.csv").write_text("﻿# a remark\n" + OWN + "\n".join(lines) + "\n", encoding="utf-8")
    reads = list(read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0))
    first, report = reads[0]
    assert first is not None
    assert (first.sensor.station, first.sensor.depth_to, first.daily) == ("A", 0.05, False)
    assert first.time[0] == np.datetime64("2024-05-01T12:00:00")
    np.testing.assert_allclose(first.value, np.arange(1, 11) / 100)
    assert report.bad_lines == 2
    assert "never" in str(report.first_bad)
    assert reads[1][1].missing == 1


def test_depths_in_centimetres_under_a_name_for_metres_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("site,lat,lon,depth,time,value\nA,34.5,-94.8,10,2024-05-01,0.2\n")
    _, reports = everything(tmp_path)
    assert "depth_cm" in str(reports[0].problem)


@pytest.mark.parametrize(
    ("header", "line", "told"),
    [
        ("site,lat,lon,time,value", "A,34.5,-94.8,2024-05-01,0.2", "this lacks depth"),
        ("lat,lon,depth,date,soil_moisture", "34.5,-94.8,0.05,2024-05-01,0.2", "this lacks site"),
        ("site,lat,lon,depth,time,value", "A,-94.8,34.5,0.05,2024-05-01,0.2", "lat from -90 to 90"),
        ("name,value", "A,0.2", "no station file of a known format"),
    ],
)
def test_what_keeps_a_csv_from_being_read_is_told(tmp_path: Path, header: str, line: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{line}\n")
    _, reports = everything(tmp_path)
    assert told in str(reports[0].problem)


def ameriflux(folder: Path) -> Path:
    rows = [f"2015010100{m:02d},2015010100{m + 30:02d},{swc},-9999" for m, swc in ((0, 20.0), (30, 22.0))]
    text = (
        "# Site: US-ARM\n# Version: 11-5\nTIMESTAMP_START,TIMESTAMP_END,SWC_1_1_1,SWC_1_2_1\n" + "\n".join(rows) + "\n"
    )
    path = folder / "AMF_US-ARM_BASE_HH_11-5.csv"
    path.write_text(text)
    return path


def test_ameriflux_base_needs_its_place_and_depths(tmp_path: Path) -> None:
    ameriflux(tmp_path)
    assert "sites.csv" in str(everything(tmp_path)[1][0].problem)
    place = "US-ARM,36.6058,-97.4888,-6"
    (tmp_path / "sites.csv").write_text(SITES + f"{place},SWC_1_1_1,0.05\n")
    found, reports = everything(tmp_path)
    assert list(found) == ["US-ARM 0.05"]
    assert "no depth of SWC_1_2_1" in str(reports[0].problem)
    (tmp_path / "sites.csv").write_text(SITES + f"{place},SWC_1_1_1,0.05\n{place},SWC_1_2_1,0.25\n")
    (series, _), (empty, report) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is not None
    np.testing.assert_allclose(series.value, [0.20, 0.22])
    assert series.time.tolist()[0].isoformat() == "2015-01-01T06:00:00"
    assert empty is None
    assert report.missing == 2


def test_neon_is_placed_by_its_sensor_positions(tmp_path: Path) -> None:
    file = tmp_path / "NEON.D11.CLBJ.DP1.00094.001.001.501.030.SWS_30_minute.2019-06.basic.csv"
    file.write_text(
        "startDateTime,endDateTime,VSWCMean,VSWCFinalQF\n2019-06-01T00:00:00Z,2019-06-01T00:30:00Z,0.21,0\n"
        "2019-06-01T00:30:00Z,2019-06-01T01:00:00Z,0.22,1\n2019-06-01T01:00:00Z,2019-06-01T01:30:00Z,,1\n"
    )
    assert "sensor positions" in str(everything(tmp_path)[1][0].problem)
    (tmp_path / "NEON.D11.CLBJ.DP1.00094.001.sensor_positions.20240101T000000Z.csv").write_text(
        "siteID,HOR.VER,zOffset,locationReferenceLatitude,locationReferenceLongitude\nCLBJ,001.501,-0.06,33.40,-97.57\n"
    )
    ((series, report),) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is not None
    assert (series.sensor.depth_to, series.sensor.lat) == (0.06, 33.40)
    assert series.flag.tolist() == ["G", "U", "M"]
    assert report.readings == 2


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("US-ARM,36.6,-97.5,6,SWC_1_1_1,0.05\n", "not that of its place"),  # the sign of another convention
        ("US-ARM,36.6,-97.5,-6,SWC_1_1_1,0.05\nUS-ARM,36.6,-97.5,-5,SWC_2_1_1,0.1\n", "contradict"),
        ("US-ARM,36.6,-97.5,-6,SWC_1_1_1,0.05\nUS-ARM,35.6,-97.5,-6,SWC_2_1_1,0.1\n", "contradict"),
    ],
)
def test_sites_that_cannot_be_right_are_told(tmp_path: Path, lines: str, reason: str) -> None:
    """Readings would be half a day off, or of another cell."""
    ameriflux(tmp_path)
    (tmp_path / "sites.csv").write_text(SITES + lines)
    found, reports = everything(tmp_path)
    assert not found
    assert reason in str(reports[0].problem)


def test_a_neon_probe_above_the_ground_is_told(tmp_path: Path) -> None:
    rows = "startDateTime,endDateTime,VSWCMean,VSWCFinalQF\n2015-01-01T00:00:00Z,2015-01-01T00:30:00Z,0.21,0\n"
    (tmp_path / "NEON.D11.CLBJ.DP1.00094.001.001.501.030.SWS_30_minute.2015-01.csv").write_text(rows)
    (tmp_path / "NEON.D11.CLBJ.DP1.00094.001.sensor_positions.20240101T000000Z.csv").write_text(
        "siteID,HOR.VER,zOffset,locationReferenceLatitude,locationReferenceLongitude\nCLBJ,001.501,0.06,33.40,-97.57\n"
    )
    found, reports = everything(tmp_path)
    assert not found
    assert "above the ground" in str(reports[0].problem)


def test_a_scan_report_is_in_percent_and_inches(tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text(
        "# Rogers Farm #1 (2001)\n# Nebraska SCAN Site\nDate,Soil Moisture Percent -2in (pct),Air Temperature (degC)\n"
        "2015-01-01 00:00,20.5,1.0\n2015-01-01 01:00,,1.0\n"
    )
    (tmp_path / "sites.csv").write_text("site,lat,lon,utc_offset\n2001,40.85,-96.47,-6\n")
    ((series, _),) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is not None
    assert series.sensor.depth_to == pytest.approx(0.0508)
    assert series.value[0] == pytest.approx(0.205)
    assert series.time[0] == np.datetime64("2015-01-01T06:00:00")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_frames_of_the_ismn_package(tmp_path: Path, ending: str) -> None:
    index = pd.DatetimeIndex(["2015-01-01T06:00", "2015-01-02T06:00"], name="date_time")
    frame = pd.DataFrame(
        {"soil_moisture": [0.2, 0.3], "soil_moisture_flag": ["G", "D01"], "soil_moisture_orig_flag": ["M", "M"]},
        index=index,
    )
    path = tmp_path / f"site_a.{ending}"
    frame.to_csv(path) if ending == "csv" else frame.to_parquet(path)
    (tmp_path / "sites.csv").write_text(SITES + "site_a,34.5,-94.8,0,soil_moisture,0.05\n")
    ((series, _),) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is not None
    assert series.value.tolist() == [0.2, 0.3]
    assert series.flag.tolist() == ["G", "D01"]
    assert series.time[1] == np.datetime64("2015-01-02T06:00:00")


def test_uscrn_hours(tmp_path: Path) -> None:
    def line(hour: str, wet: str) -> str:
        middle = ["0.0"] * 20
        return " ".join(["23907", "20150101", hour, "20141231", "1800", "2.4", "-98.08", "30.62", *middle, *[wet] * 5, *["7.0"] * 5])  # fmt: skip  # noqa: E501

    path = tmp_path / "CRNH0203-2015-TX_Austin_33_NW.txt"
    path.write_text("\n".join([line("0100", "0.201"), line("0200", "-99.000"), "23907 broken"]) + "\n")
    reads = list(read_stations(path, domain=WIDE, period=PERIOD, deepest=0.05))
    ((series, report),) = reads
    assert series is not None
    assert series.time[0] == np.datetime64("2015-01-01T01:00:00")
    assert series.value[0] == pytest.approx(0.201)
    assert (report.readings, report.missing, report.bad_lines) == (1, 1, 1)


def test_every_open_case_of_a_real_file_is_read(shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "insitu" / "uscrn" / "CRND0103-2015-TX_Austin_33_NW.txt", tmp_path)
    assert everything(tmp_path)[0]["TX_Austin_33_NW 0.05"].size == 365
