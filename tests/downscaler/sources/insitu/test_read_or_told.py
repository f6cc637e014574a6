"""Fuzzed station files of every kind: each reading is read at its own time and in its unit, or its line is counted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.ground.grid import Domain
from downscaler.sources.insitu import describe, read_stations

WIDE = Domain.from_bounds("wide", "The South", west=-110.0, south=28.0, east=-80.0, north=45.0)
PERIOD = (dt.date(2015, 1, 1), dt.date(2024, 12, 31))
LAT, LON, OFFSET = 34.5, -94.8, -6.0
SITES = f"site,lat,lon,utc_offset,variable,depth\nS,{LAT},{LON},{OFFSET:g},SWC_1,0.05\nS,{LAT},{LON},{OFFSET:g},soil_moisture,0.05\n1234,{LAT},{LON},{OFFSET:g},,\n"  # noqa: E501
Row = tuple[dt.datetime, float | None]
"""A reading in UTC; None where the network marks it as missing."""
Write = Callable[[Path, list[str], str], None]


def local(moment: dt.datetime) -> dt.datetime:
    return moment + dt.timedelta(hours=OFFSET)


def own(rows: Sequence[Row], form: str) -> tuple[str, list[str]]:
    lines = [f"S,{LAT},{LON},0.05,{moment:{form}},{'' if v is None else v}" for moment, v in rows]
    return "site,lat,lon,depth,time,value", lines


def own_iso(rows: Sequence[Row]) -> tuple[str, list[str]]:
    return own(rows, "%Y-%m-%dT%H:%M:%SZ")


def own_digits(rows: Sequence[Row]) -> tuple[str, list[str]]:
    return own(rows, "%Y%m%d%H%M")


def own_slashes(rows: Sequence[Row]) -> tuple[str, list[str]]:
    return own(rows, "%Y/%m/%d %H:%M UTC")


def ameriflux(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [f"{local(moment):%Y%m%d%H%M},x,{-9999 if v is None else round(100 * v, 4)}" for moment, v in rows]
    return "# Site: S\nTIMESTAMP_START,TIMESTAMP_END,SWC_1", lines


def report_generator(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [f"{local(moment):%Y-%m-%d %H:%M},{'' if v is None else round(100 * v, 4)}" for moment, v in rows]
    return "# Somewhere (1234)\nDate,Soil Moisture Percent -2in (pct)", lines


def nrcs_table(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [
        f"1234,{local(moment):%m/%d/%Y},{local(moment):%H:%M},{-99.9 if v is None else round(100 * v, 4)},"
        for moment, v in rows
    ]
    return "Somewhere, provisional\nSite Id,Date,Time,SMS.I-1:-2 (pct) (loam),", lines


def neon(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [f"{moment:%Y-%m-%dT%H:%M:%SZ},{'' if v is None else v},0" for moment, v in rows]
    return "startDateTime,VSWCMean,VSWCFinalQF", lines


def frame(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [f"{moment:%Y-%m-%d %H:%M:%S},{'' if v is None else v},G,M" for moment, v in rows]
    return "date_time,soil_moisture,soil_moisture_flag,soil_moisture_orig_flag", lines


def ismn_header(rows: Sequence[Row]) -> tuple[str, list[str]]:
    lines = [f"{moment:%Y/%m/%d %H:%M}  {-9.999 if v is None else v:8.4f} G M" for moment, v in rows]
    return f"NET NET S {LAT} {LON} 200.0 0.0500 0.0500 Probe", lines


def ismn_ceop(rows: Sequence[Row]) -> tuple[str, list[str]]:
    stamp = "%Y/%m/%d %H:%M"
    lines = [
        f"{moment:{stamp}} {moment:{stamp}} NET NET S {LAT} {LON} 200.0 0.05 0.05 {-9.999 if v is None else v:8.4f} G M"
        for moment, v in rows
    ]
    return "", lines


def uscrn_hours(rows: Sequence[Row]) -> tuple[str, list[str]]:
    middle, end = ["0.0"] * 20, ["-99.000"] * 4 + ["7.0"] * 5
    lines = [
        " ".join(
            ["23907", f"{moment:%Y%m%d}", f"{moment:%H%M}", f"{local(moment):%Y%m%d}", f"{local(moment):%H%M}", "2.4",
             str(LON), str(LAT), *middle, "-99.000" if v is None else f"{v:.4f}", *end]
        )
        for moment, v in rows
    ]  # fmt: skip
    return "", lines


def uscrn_days(rows: Sequence[Row]) -> tuple[str, list[str]]:
    middle, end = ["0.0"] * 13, ["-99.000"] * 4 + ["7.0"] * 5
    lines = [
        " ".join(["23907", f"{moment:%Y%m%d}", "2.4", str(LON), str(LAT), *middle,
                  "-99.000" if v is None else f"{v:.4f}", *end])
        for moment, v in rows
    ]  # fmt: skip
    return "", lines


KINDS: dict[str, tuple[Callable[[Sequence[Row]], tuple[str, list[str]]], str]] = {
    "own": (own_iso, "mine.csv"),
    "own, digits": (own_digits, "my data (2).CSV"),
    "own, slashes": (own_slashes, "mine.txt"),
    "AmeriFlux": (ameriflux, "AMF_XX-Abc_BASE_HH_1-5.csv"),
    "NRCS report": (report_generator, "report#1.csv"),
    "NRCS table": (nrcs_table, "1234_ALL_YEAR=2015.csv"),
    "NEON": (neon, "NEON.D11.SSSS.DP1.00094.001.001.501.030.SWS_30_minute.2019-06.basic.csv"),
    "frame": (frame, "S.csv"),
    "ISMN": (ismn_header, "NET_NET_S_sm_0.050000_0.050000_Probe_20150101_20151231.stm"),
    "ISMN, CEOP": (ismn_ceop, "NET_NET_S_sm_0.050000_0.050000_Probe_20150101_20151231.STM"),
    "USCRN hours": (uscrn_hours, "CRNH0203-2015-TX_Austin_33_NW.txt"),
    "USCRN days": (uscrn_days, "CRND0103-2015-TX_Austin_33_NW.txt"),
}
CLUTTER = {"notes.docx": b"PK\x03", "photo (1).JPG": b"\xff\xd8", "~$mine.xlsx": b"\x00" * 20, "empty.csv": b""}
"""Files that are no readings, each to be named."""
SPOILT: dict[str, Callable[[str], str]] = {
    "no date": lambda line: re.sub(r"20[12]\d", "20xx", line),
    "cut": lambda line: line[: len(line) // 2],
    "open quote": lambda line: f'"{line}',
    "words": lambda _line: "Sensor was replaced here",
}


def companions(folder: Path) -> None:
    (folder / "Sites.CSV").write_text(SITES)
    (folder / "NEON.D11.SSSS.DP1.00094.001.sensor_positions.20240101T000000Z.csv").write_text(
        f"HOR.VER,zOffset,locationReferenceLatitude,locationReferenceLongitude\n001.501,-0.05,{LAT},{LON}\n"
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_each_line_is_read_right_or_counted(kind: str, data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any order of lines, gaps, encodings, ends of lines, broken lines between, and other files beside."""
    make, name = KINDS[kind]
    days = data.draw(st.lists(st.integers(0, 3500), min_size=1, max_size=8, unique=True), label="days")
    values = data.draw(
        st.lists(st.none() | st.integers(200, 6000), min_size=len(days), max_size=len(days)), label="values"
    )
    hour = 0 if "days" in kind else data.draw(st.sampled_from([0, 6, 23]), label="hour")
    first = dt.datetime(2015, 1, 1, hour, tzinfo=dt.UTC)
    rows: list[Row] = [
        (first + dt.timedelta(days=d), None if v is None else v / 10000) for d, v in zip(days, values, strict=True)
    ]
    header, lines = make(rows)
    spoilt = data.draw(st.lists(st.tuples(st.integers(0, len(lines)), st.sampled_from(sorted(SPOILT))), max_size=3))
    written = list(lines)
    for at, how in spoilt:
        written.insert(at, SPOILT[how](lines[0]))
    folder = tmp_path_factory.mktemp("stations")
    companions(folder)
    clutter = data.draw(st.sets(st.sampled_from(sorted(CLUTTER))), label="clutter")
    for other in clutter:
        (folder / other).write_bytes(CLUTTER[other])
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]), label="end of lines")
    text = end.join([*([header.replace("\n", end)] if header else []), *written]) + end
    (folder / name).write_bytes(text.encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))))

    found = list(read_stations(folder, domain=WIDE, period=PERIOD, deepest=1.0))
    series = [one for one, _ in found if one is not None]
    reports = [report for _, report in found]
    assert clutter <= {report.file for report in reports if report.problem}
    ours = [report for report in reports if report.file not in clutter]
    known = {np.datetime64(moment.replace(tzinfo=None), "s"): v for moment, v in rows if v is not None}
    read = {t: v for one in series for t, v in zip(one.time, one.value, strict=True) if np.isfinite(v)}
    assert set(read) == (set(known) if series else set())
    for moment, value in read.items():
        assert value == pytest.approx(known[moment], abs=1e-5)
    if known:
        assert len(series) == 1
        assert sum(report.bad_lines for report in ours) == len(spoilt)
        assert sum(report.missing for report in ours) == len(rows) - len(known)
        assert {(s.sensor.lat, s.sensor.lon, s.sensor.depth_to) for s in series} <= {
            (LAT, LON, 0.05),
            (LAT, LON, 0.0508),
        }
        told = describe(folder)
        assert told["bad_lines"] == len(spoilt)
        assert len(told["files_not_read"]) == len(clutter)
    else:
        assert any(report.problem or report.missing for report in ours)


@settings(max_examples=examples(25), deadline=None)
@given(
    seconds=st.integers(946_684_800, 1_924_991_999),  # 2000 to 2030
    form=st.sampled_from(["%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y-%m-%d", "%Y/%m/%d %H:%M"]),
)
def test_a_time_is_what_it_was_written_for(seconds: int, form: str) -> None:
    from downscaler.sources.insitu.delimited import moment_of

    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    least = 3600 if form == "%Y%m%d%H" else 60 if form.endswith("%M") else 1 if form.endswith("%S") else 86400
    assert moment_of(moment.strftime(form)) == dt.datetime.fromtimestamp(seconds - seconds % least, dt.UTC)


@pytest.mark.parametrize(
    "text", ["1712123123", "1716444000", "23052024", "144", "2024144", "20241", "2024-05-23 06:00 PM"]
)
def test_a_number_that_is_no_date_is_none(text: str) -> None:
    """Seconds since 1970, a day first, the day of the year: none is guessed at."""
    from downscaler.sources.insitu.delimited import moment_of

    assert moment_of(text) is None


def test_a_frame_in_parquet_with_a_zone_is_in_utc(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES)
    index = pd.DatetimeIndex(["2015-01-01T06:00-06:00", "2015-01-02T06:00-06:00"], name="date_time")
    pd.DataFrame({"soil_moisture": [0.2, 0.3], "soil_moisture_flag": "G"}, index=index).to_parquet(
        tmp_path / "S.parquet"
    )
    ((series, _),) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is not None
    assert [str(time) for time in series.time] == ["2015-01-01T12:00:00", "2015-01-02T12:00:00"]


@pytest.mark.parametrize("text", ["Site;Latitude;Longitude\nS;34.5;-94.8\n", "S,34.5,-94.8,-6,SWC_1,0.05\n"])
def test_sites_without_their_columns_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "sites.csv").write_text(text)
    (tmp_path / "S.csv").write_text("date_time,soil_moisture,soil_moisture_flag\n2015-01-01,0.2,G\n")
    ((series, report),) = read_stations(tmp_path, domain=WIDE, period=PERIOD, deepest=1.0)
    assert series is None
    assert "has no column" in str(report.problem)
