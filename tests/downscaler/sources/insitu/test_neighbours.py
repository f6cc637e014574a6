"""Other spellings, orders and habits of each kind of station file: read right, or refused with the true reason."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from downscaler.ground.grid import Domain
from downscaler.sources.insitu import Series, read_stations, table
from downscaler.sources.insitu.series import FileReport, Sensor

WIDE = Domain.from_bounds("wide", "The South", west=-110.0, south=28.0, east=-80.0, north=45.0)
PERIOD = (pd.Timestamp("2015-01-01").date(), pd.Timestamp("2024-12-31").date())
SITES = "site,lat,lon,utc_offset,variable,depth\n"
PLACE = "US-ARM,36.6058,-97.4888,-6"


def reads(source: Path) -> tuple[list[Series], list[FileReport]]:
    found = list(read_stations(source, domain=WIDE, period=PERIOD, deepest=1.0))
    return [series for series, _ in found if series is not None], [report for _, report in found]


def problems(source: Path) -> str:
    return " | ".join(str(report.problem or report.first_bad) for report in reads(source)[1])


def ameriflux(folder: Path, columns: str, *rows: str, sites: str = SITES) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "sites.csv").write_text(sites)
    text = "\n".join(["# Site: US-ARM", "# Version: 11-5", f"TIMESTAMP_START,TIMESTAMP_END,{columns}", *rows])
    (folder / "AMF_US-ARM_BASE_HH_11-5.csv").write_text(text + "\n")
    return folder


HOURS = ("201501010000,201501010030", "201501010030,201501010100")


@pytest.mark.parametrize(
    "name", ["SWC", "SWC_1", "SWC_1_1_1", "SWC_1_1_A", "SWC_PI", "SWC_PI_1", "SWC_PI_1_1_A", "swc_1_2_3"]
)
def test_every_name_of_ameriflux_for_soil_water(tmp_path: Path, name: str) -> None:
    folder = ameriflux(tmp_path, f"TA,{name}", f"{HOURS[0]},5,20", sites=SITES + f"{PLACE},{name},0.05\n")
    ((series,), _) = reads(folder)
    assert (series.value.tolist(), series.flag.tolist()) == ([0.2], ["G"])
    assert str(series.time[0]) == "2015-01-01T06:00:00"


def test_what_a_team_filled_in_is_not_taken_for_good(tmp_path: Path) -> None:
    sites = SITES + f"{PLACE},SWC_PI_F_1_1_1,0.05\n{PLACE},SWC_F_MDS_1,0.05\n"
    rows = [f"{HOURS[0]},20,30,0", f"{HOURS[1]},21,31,2"]
    filled, mds = reads(ameriflux(tmp_path, "SWC_PI_F_1_1_1,SWC_F_MDS_1,SWC_F_MDS_1_QC", *rows, sites=sites))[0]
    assert filled.flag.tolist() == ["U", "U"]
    assert mds.flag.tolist() == ["G", "U"]


def test_fractions_under_a_name_for_per_cents_are_refused(tmp_path: Path) -> None:
    folder = ameriflux(tmp_path, "SWC_1", f"{HOURS[0]},0.2", f"{HOURS[1]},0.31", sites=SITES + f"{PLACE},SWC_1,0.05\n")
    assert "apparently a fraction" in problems(folder)


def test_local_time_without_its_offset_is_refused(tmp_path: Path) -> None:
    sites = "site,lat,lon,variable,depth\nUS-ARM,36.6,-97.5,SWC_1,0.05\n"
    assert "utc_offset" in problems(ameriflux(tmp_path, "SWC_1", f"{HOURS[0]},20", sites=sites))
    sites = SITES + "US-ARM,36.6,-97.5,600,SWC_1,0.05\n"
    assert "-14 to 14" in problems(ameriflux(tmp_path, "SWC_1", f"{HOURS[0]},20", sites=sites))


def neon(folder: Path, site: str, *, kind: str = "SWS_30_minute", positions: str = "") -> None:
    named = f"NEON.D11.{site}.DP1.00094.001.001.501.030.{kind}.2019-06.basic.20200101T000000Z.csv"
    (folder / named).write_text("startDateTime,endDateTime,VSWCMean,VSWCFinalQF\n2019-06-01T00:00:00Z,x,0.21,0\n")
    if positions:
        header = "HOR.VER,positionStartDateTime,positionEndDateTime,zOffset,locationReferenceLatitude,"
        named = f"NEON.D11.{site}.DP1.00094.001.sensor_positions.20240101T000000Z.csv"
        (folder / named).write_text(f"{header}locationReferenceLongitude\n{positions}")


def test_a_probe_of_neon_is_where_its_own_site_says_at_its_time(tmp_path: Path) -> None:
    neon(tmp_path, "CLBJ", positions="001.501,2010-01-01T00:00:00Z,,-0.06,33.4,-97.57\n")
    moved = (
        "001.501,2016-01-01T00:00:00Z,2018-01-01T00:00:00Z,-0.30,36.0,-84.0\n"
        "001.501,2018-01-01T00:00:00Z,,-0.08,35.96,-84.28\n"
    )
    neon(tmp_path, "ORNL", positions=moved)
    found = {series.sensor.station: series.sensor for series in reads(tmp_path)[0]}
    assert (found["CLBJ-001"].lat, found["CLBJ-001"].depth_to) == (33.4, 0.06)
    assert (found["ORNL-001"].lat, found["ORNL-001"].depth_to) == (35.96, 0.08)


def test_a_time_that_no_position_of_neon_covers_is_refused(tmp_path: Path) -> None:
    neon(tmp_path, "CLBJ", positions="001.501,2020-01-01T00:00:00Z,,-0.06,33.4,-97.57\n")
    assert "where its probe is" in problems(tmp_path)


def test_a_probe_of_neon_counts_once_though_two_means_of_it_lie_there(tmp_path: Path) -> None:
    place = "001.501,2010-01-01T00:00:00Z,,-0.06,33.4,-97.57\n"
    neon(tmp_path, "CLBJ", positions=place)
    one = "NEON.D11.CLBJ.DP1.00094.001.001.501.001.SWS_1_minute.2019-06.basic.20200101T000000Z.csv"
    (tmp_path / one).write_text("startDateTime,VSWCMean,VSWCFinalQF\n2019-06-01T00:00:00Z,0.3,0\n")
    found, reports = reads(tmp_path)
    assert [series.value.tolist() for series in found] == [[0.21]]
    assert any("SWS_30_minute" in str(report.left_out) for report in reports)


def test_a_stacked_table_of_neon_with_several_sites(tmp_path: Path) -> None:
    (tmp_path / "SWS_30_minute.csv").write_text(
        '"domainID","siteID","horizontalPosition","verticalPosition","startDateTime","VSWCMean","VSWCFinalQF"\n'
        '"D11","CLBJ","001","501","2019-06-01T00:00:00Z",0.21,0\n"D07","ORNL","001","501","2019-06-01T00:00:00Z",0.3,0\n'
    )
    (tmp_path / "sensor_positions_00094.csv").write_text(
        "siteID,HOR.VER,zOffset,locationReferenceLatitude,locationReferenceLongitude\n"
        "ORNL,001.501,-0.08,35.96,-84.28\nCLBJ,001.501,-0.06,33.4,-97.57\n"
    )
    found = {series.sensor.station: series for series in reads(tmp_path)[0]}
    assert found["CLBJ-001"].value.tolist() == [0.21]
    assert (found["ORNL-001"].value.tolist(), found["ORNL-001"].sensor.lat) == ([0.3], 35.96)


def nrcs(
    folder: Path, text: str, sites: str = "site,lat,lon,utc_offset\n2218,34.6,-86.6,-6\n947,41.0,-96.5,-6\n"
) -> Path:
    (folder / "sites.csv").write_text(sites)
    (folder / "report.csv").write_text(text)
    return folder


def test_the_older_tables_of_nrcs_with_titles_and_commas_at_the_ends(tmp_path: Path) -> None:
    text = (
        "\n" * 6 + "Bragg Farm SCAN hourly report; provisional data\n\n"
        "Site Id,Date,Time,PRCP.D-1 (in) ,SMS.I-1:-2 (pct)  (loam),SMS.I-1:-8 (pct)  (loam),SMS.I-2:-8 (pct)  (loam),\n"
        "2218,2016-10-01,00:00,0,12,30,40,\n2218,2016-10-01,23:59,-99.9,-99.9,-99.9,-99.9,\n"
    )
    found = {series.sensor.name: series for series in reads(nrcs(tmp_path, text))[0]}
    assert set(found) == {"2in", "8in", "8in 2"}
    assert found["2in"].value[0] == pytest.approx(0.12)
    assert np.isnan(found["2in"].value[1])
    assert str(found["2in"].time[0]) == "2016-10-01T06:00:00"


def test_a_report_of_several_stations_by_row(tmp_path: Path) -> None:
    text = (
        "Date,Station Id,Station Name,Soil Moisture Percent -2in (pct) Mean of Hourly Values\n"
        "2019-06-01,2218,Bragg Farm,20\n2019-06-01,947,Rogers,30\n06/02/2019,2218,Bragg Farm,21\n"
    )
    found = {series.sensor.station: series for series in reads(nrcs(tmp_path, text))[0]}
    assert found["2218"].daily
    assert [str(day)[:10] for day in found["2218"].time] == ["2019-06-01", "2019-06-02"]
    np.testing.assert_allclose(found["947"].value, [0.3])


def test_a_station_that_the_sites_do_not_know_is_named(tmp_path: Path) -> None:
    text = "Date,Station Id,Soil Moisture Percent -2in (pct)\n2019-06-01 00:00,2100,20\n"
    assert "2100" in problems(nrcs(tmp_path, text))


OWN = "site,lat,lon,depth,time,value\n"


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (OWN, "A,34.5,-94.8,0.05,05/06/2024,0.2", "05/06/2024"),  # the fifth of June, or the sixth of May
        (OWN, "A,34.5,-94.8,5,2024-05-01,0.2", "depth_cm"),
        (OWN, "A,34.5,-194.8,0.05,2024-05-01,0.2", "-194.8"),
        (OWN, "A,34.5,-94.8,0.05,2024-05-01,20.0", "percent"),
        (OWN, "A,34.5,-94.8,0.05,2024-05-01,\"0,2\"", "0,2"),
        ("site,lat,lon,depth,time,value,value\n", "A,34.5,-94.8,0.05,2024-05-01,0.2,0.3", "twice"),
        ("site,lat,lon,depth,time,date,value\n", "A,34.5,-94.8,0.05,2024-05-01,2024-05-02,0.2", "both time"),
    ],
)  # fmt: skip
def test_a_csv_that_could_be_misread_is_refused(tmp_path: Path, header: str, row: str, reason: str) -> None:
    (tmp_path / "mine.csv").write_text(header + row + "\n")
    found, _ = reads(tmp_path)
    assert not found
    assert reason in problems(tmp_path)


@pytest.mark.parametrize("first", ["", "sep=;\n", "# made by hand\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_csv_as_spreadsheets_write_it(tmp_path: Path, first: str, encoding: str) -> None:
    text = first + 'SITE;"LAT";LON;Depth_cm;Time;Value;\n"Cañon";34.5;-94.8;5;2024-05-01T06:00Z;0.2;\n'
    (tmp_path / "mine.csv").write_bytes(text.encode(encoding))
    ((series,), _) = reads(tmp_path)
    assert (series.sensor.station, series.sensor.depth_to, series.value.tolist()) == ("Cañon", 0.05, [0.2])


def crnd(number: int, day: int, wet: str = "0.200") -> str:
    middle = ["0.0"] * 13
    return " ".join([str(number), f"201501{day:02d}", "2.4", "-98.08", "30.62", *middle, *[wet] * 5, *["7.0"] * 5])


def crnh(number: int, hour: int, wet: str) -> str:
    middle = ["0.0"] * 20
    start = [str(number), "20150101", f"{hour:02d}00", "20141231", "1800", "2.4", "-98.08", "30.62"]
    return " ".join([*start, *middle, *[wet] * 5, *["7.0"] * 5])


@pytest.mark.parametrize("kind", ["D0103", "H0203"])
def test_files_of_two_stations_put_together_are_told_apart(tmp_path: Path, kind: str) -> None:
    lines = [
        crnd(n, d, w) if kind[0] == "D" else crnh(n, d, w) for n, w in ((23907, "0.2"), (3047, "0.4")) for d in (1, 2)
    ]
    path = tmp_path / f"CRN{kind}-2015-TX_Austin_33_NW.txt"
    path.write_text("\n".join(lines) + "\n")
    found = {
        series.sensor.station: series.value.tolist() for series in reads(path)[0] if series.sensor.depth_to == 0.05
    }
    assert found == {"WBAN-23907": [0.2, 0.2], "WBAN-03047": [0.4, 0.4]}


def test_a_renamed_uscrn_file_in_utf16_is_read(tmp_path: Path) -> None:
    (tmp_path / "days.txt").write_bytes("\n".join(crnd(23907, d) for d in (1, 2)).encode("utf-16"))
    assert {series.value.size for series in reads(tmp_path)[0]} == {2}


def test_a_frame_whose_times_are_not_first(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "soil_moisture": [0.2, 0.3],
            "soil_moisture_flag": ["G", "G"],
            "date_time": pd.to_datetime(["2015-01-01T06:00", "2015-01-02T06:00"]),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    frame.drop(columns="date_time").to_csv(tmp_path / "b.csv", index=False)
    lines = "".join(f"{site},34.5,-94.8,0,soil_moisture,0.05\n" for site in "ab")
    (tmp_path / "sites.csv").write_text(SITES + lines)
    ((series,), reports) = reads(tmp_path)
    assert str(series.time[1]) == "2015-01-02T06:00:00"
    assert "no column of times" in str(reports[1].problem)


def test_rows_of_a_table_without_a_place_are_counted(tmp_path: Path) -> None:
    sensor = Sensor(network="N", station="S", name="p", depth_from=0.05, depth_to=0.05, lat=34.5, lon=-94.8)
    time = np.array(["2015-01-01", "2015-01-02"], dtype="datetime64[s]")
    one = Series(sensor=sensor, time=time, value=np.array([0.2, 0.3]), flag=np.array(["G", "G"]))
    assert list(table.write(tmp_path / "t.parquet", [one]))
    frame = pd.read_parquet(tmp_path / "t.parquet")
    frame.loc[1, "depth_to"] = np.nan
    frame.loc[0, "daily"] = True
    frame.to_parquet(tmp_path / "t.parquet")
    ((series,), reports) = reads(tmp_path / "t.parquet")
    assert (series.value.tolist(), series.daily) == ([0.2], True)
    assert "1 rows lack" in str(reports[0].problem)


def test_pipes_and_archives_of_other_networks_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    assert "not a regular file" in problems(tmp_path / "pipe.parquet")
    with zipfile.ZipFile(tmp_path / "AMF_US-ARM_BASE-BADM_11-5.zip", "w") as zipped:
        zipped.writestr("AMF_US-ARM_BASE_HH_11-5.csv", "x")
    assert "Unpack it" in problems(tmp_path / "AMF_US-ARM_BASE-BADM_11-5.zip")


VALUE = st.one_of(
    st.floats(0.02, 0.6).map(lambda v: f"{v:.4f}"),
    st.sampled_from(["-9999", "-99.9", "NA", "", "nan", "0.2x", "1e999", "--"]),
)
STAMP = st.sampled_from(
    [
        "2024-05-01T06:00:00Z",
        "2024-05-02 06:00",
        "20240503",
        "2024/05/04 06:00",
        "2024-02-30",
        "never",
        "05/06/2024",
        "",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
def test_each_line_of_a_csv_is_a_reading_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory, data: Any, encoding: str
) -> None:
    """Fuzzed values, times, columns' order, separators and encodings: every line is in exactly one count."""
    order = data.draw(st.permutations(["site", "lat", "lon", "depth", "time", "value", "note"]))
    separator = data.draw(st.sampled_from(",;\t"))
    rows = data.draw(st.lists(st.tuples(STAMP, VALUE, st.sampled_from(["A", "Ü"])), min_size=1, max_size=12))
    cells = [
        {"site": site, "lat": "34.5", "lon": "-94.8", "depth": "0.05", "time": stamp, "value": value, "note": "x"}
        for stamp, value, site in rows
    ]
    lines = [separator.join(order), *(separator.join(cell[name] for name in order) for cell in cells)]
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    found, reports = reads(path)
    if not found and len(reports) == 1 and reports[0].lines == 0:
        assert reports[0].problem
        return
    counted = sum(report.lines for report in reports)
    assert counted == len(rows)
    kept = sum(report.readings + report.missing + report.bad_lines for report in reports)
    assert kept == len(rows)
    given_values = {f"{float(value):.4f}" for _, value, _ in rows if value.replace(".", "").isdigit()}
    for series in found:
        known = series.value[np.isfinite(series.value)]
        assert {f"{value:.4f}" for value in known} <= given_values


@pytest.mark.parametrize(
    ("column", "told", "time", "utc"),
    [
        ("utc_offset", "-6", "2024-05-24 23:00", "2024-05-25T05"),
        ("timezone", "UTC-06:00", "2024-05-24 23:00", "2024-05-25T05"),
        ("tz", "-5.5", "2024-05-24 23:30", "2024-05-25T05"),
        ("timezone", "UTC", "2024-05-24 23:00", "2024-05-24T23"),
        ("utc_offset", "", "2024-05-24 23:00", "2024-05-24T23"),
        ("timezone", "CST", "2024-05-24 23:00-06:00", "2024-05-25T05"),  # the time's own zone tells
        ("utc_offset", "-6", "2024-05-24", "2024-05-24T00"),  # a daily mean stays of its day
    ],
)
def test_a_csv_s_own_column_of_time_zones_counts(tmp_path: Path, column: str, told: str, time: str, utc: str) -> None:
    (tmp_path / "mine.csv").write_text(f"{OWN.strip()},{column}\nA,34.5,-94.8,0.05,{time},0.2,{told}\n")
    (series,), _ = reads(tmp_path)
    assert str(series.time[0])[:13] == utc


@pytest.mark.parametrize(
    ("column", "told", "reason"),
    [("timezone", "CST", "'CST'"), ("utc_offset", "-99", "'-99'"), ("unit", "%", "'%'"), ("units", "mm", "'mm'")],
)
def test_a_csv_in_an_unknown_zone_or_another_unit_is_refused(
    tmp_path: Path, column: str, told: str, reason: str
) -> None:
    (tmp_path / "mine.csv").write_text(f"{OWN.strip()},{column}\nA,34.5,-94.8,0.05,2024-05-24 23:00,0.2,{told}\n")
    assert reason in problems(tmp_path)


@pytest.mark.parametrize("units", ["m3 m-3", "m³/m³", "cm^3/cm^3"])
def test_a_csv_may_tell_its_unit(tmp_path: Path, units: str) -> None:
    (tmp_path / "mine.csv").write_text(f"{OWN.strip()},units\nA,34.5,-94.8,0.05,2024-05-24 23:00,0.2,{units}\n")
    assert len(reads(tmp_path)[0]) == 1


@pytest.mark.parametrize(
    ("times", "kept", "daily"),
    [
        (("2024-05-01", "2024-05-01 01:00", "2024-05-01 02:00"), 2, False),
        (("2024-05-01", "2024-05-02", "2024-05-03 06:00"), 2, True),
    ],
)
def test_dates_among_hours_are_counted_as_bad(
    tmp_path: Path, times: tuple[str, ...], kept: int, *, daily: bool
) -> None:
    """A date may be a mean of the day, or a midnight that lost its hour."""
    rows = "".join(f"A,35,-97,0.05,{time},0.2\n" for time in times)
    (tmp_path / "mine.csv").write_text("site,lat,lon,depth,time,value\n" + rows)
    (series,), (report,) = reads(tmp_path / "mine.csv")
    assert (series.value.size, series.daily) == (kept, daily)
    assert report.bad_lines == 1
