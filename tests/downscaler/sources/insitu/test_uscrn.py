"""USCRN daily files, the real ones in full against a count of plain text, and broken ones."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest

from downscaler import product
from downscaler.errors import StationError
from downscaler.sources.insitu import uscrn

LINE = (
    "23907 20150101  2.423  -98.08   30.62     2.2    -0.6     0.8     0.9     7.0     1.47 C     3.7     1.1     2.5"
    "    99.9    85.4    97.2   0.369   0.308 -99.000 -99.000 -99.000     7.0     8.1 -9999.0 -9999.0 -9999.0"
)


def changed(column, value):
    words = LINE.split()
    words[column] = value
    return " ".join(words)


def test_the_real_daily_file_in_full(shared):
    path = shared / "insitu" / "uscrn" / "CRND0103-2015-TX_Austin_33_NW.txt"
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) == 365
    found = {series.sensor.depth_to: (series, report) for series, report in uscrn.read(path)}
    for depth, column in ((0.05, 18), (0.10, 19)):
        told = [float(words[column]) for words in lines if float(words[column]) > -90]
        series, report = found[depth]
        assert (report.lines, report.readings, report.missing) == (365, len(told), 365 - len(told))
        assert series.good.sum() == sum(
            float(words[column]) > -90 and not -9000 < float(words[column + 5]) <= 0 for words in lines
        )
        np.testing.assert_array_equal(series.value[np.isfinite(series.value)], told)
    assert set(found) == {0.05, 0.10}  # the deeper probes stand in rock and tell nothing
    assert found[0.05][0].sensor.station == "TX_Austin_33_NW"


def test_the_rows_copied_by_hand_in_full(shared):
    path = shared / "insitu" / "uscrn" / "uscrn_daily_20150401_02_transcribed.txt"
    rows = [line.split(",") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    readings = [report.readings for _, report in uscrn.read(path)]
    assert sum(readings) == sum(float(row[c]) > -90 for row in rows for c in range(18, 23)) == 50
    assert len({series.sensor.station for series, _ in uscrn.read(path)}) == 5


def test_the_table_of_2020_in_full(shared):
    """Counted independently, row by row, from the table as it lies there."""
    path = shared / "insitu" / "uscrn" / "crn_2020.parquet.gz"
    raw = pd.read_parquet(path)
    expected = {d: int(raw[f"soil_moisture_{d}_daily"].notna().sum()) for d in (5, 10, 20, 50, 100)}
    counted = dict.fromkeys(expected, 0)
    for series, report in uscrn.read(path):
        if series is not None:
            counted[round(100 * series.sensor.depth_to)] += report.readings
    assert counted == expected
    inside = [s for s, _ in uscrn.read(path, domain=product.CONUS, deepest=0.05) if s is not None]
    places = raw[raw["soil_moisture_5_daily"].notna()].groupby("wban")[["longitude", "latitude"]].first()
    in_box = places["longitude"].between(-125, -66.5) & places["latitude"].between(24.5, 49.5)
    assert len(inside) == in_box.sum() == 110


def test_frozen_soil_is_flagged_and_missing_values_are_counted(tmp_path):
    path = tmp_path / "CRND0103-2015-TX_Austin_33_NW.txt"
    rows = [LINE, changed(1, "20150102"), changed(1, "20150103"), changed(1, "20150104")]
    rows[1] = rows[1].replace(" 7.0 8.1 ", " -0.4 8.1 ")
    rows[2] = rows[2].replace(" 0.369 ", " -99.000 ")
    path.write_text("\n".join(rows) + "\n")
    (series, report), (ten, _) = uscrn.read(path)
    assert list(series.flag) == ["G", "D01", "M", "G"]
    assert list(series.good) == [True, False, False, True]
    assert (report.lines, report.readings, report.missing) == (4, 3, 1)
    assert ten.good.all()


@pytest.mark.parametrize(
    "line",
    [LINE[:60], changed(1, "2015-01-02"), changed(3, "x"), changed(4, "130.62"), changed(1, "20151402"), "words"],
)
def test_broken_lines_are_counted_and_shown(tmp_path, line):
    path = tmp_path / "CRND0103-2015-TX_Austin_33_NW.txt"
    path.write_text(f"{LINE}\n{line}\n")
    (series, report), _ = uscrn.read(path)
    assert len(series.time) == 1
    assert (report.lines, report.bad_lines) == (2, 1)
    assert re.match(r"line 2: '", report.first_bad)


def test_a_file_of_other_content_is_refused(tmp_path):
    path = tmp_path / "CRND0103-2015-TX_Austin_33_NW.txt"
    path.write_text("no day\n")
    with pytest.raises(StationError, match="contains no day"):
        list(uscrn.read(path))
    other = tmp_path / "other.parquet.gz"
    other.write_bytes(gzip.compress(b"x"))
    assert not uscrn.claims(other)
    assert not uscrn.claims(tmp_path)
    with pytest.raises(StationError, match="cannot be read"):
        list(uscrn.read(other))


def test_a_station_without_any_moisture_is_told(tmp_path):
    path = tmp_path / "CRND0103-2015-TX_Austin_33_NW.txt"
    path.write_text(LINE.replace("0.369   0.308", "-99.000 -99.000") + "\n")
    ((series, report),) = uscrn.read(path)
    assert series is None
    assert report.missing == 1
    assert "no soil moisture" in report.problem


@pytest.mark.parametrize("copy", [" (1)", "(2)", " - Copy"])
def test_a_second_download_is_of_the_same_station(tmp_path, copy):
    path = tmp_path / f"CRND0103-2015-TX_Junction_13_W{copy}.txt"
    path.write_text(LINE + "\n")
    assert {series.sensor.station for series, _ in uscrn.read(path)} == {"TX_Junction_13_W"}
