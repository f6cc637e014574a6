"""Broken station data: each fault is told with its file, and all else is read."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler import product
from downscaler.errors import StationError
from downscaler.simulation.files.stations import Series as Written
from downscaler.simulation.files.stations import Station, write_archive
from downscaler.sources.insitu import read_stations, table
from downscaler.sources.insitu.delimited import read_table
from downscaler.sources.insitu.ismn import read
from downscaler.sources.insitu.series import COLUMNS, FileReport, Sensor, Series, checked, series_of, tidy

PERIOD = (pd.Timestamp("2024-05-01").date(), pd.Timestamp("2024-05-31").date())
TIMES = np.arange("2024-05-01T00", "2024-05-03T00", 6, dtype="datetime64[h]")


def written(name, *, network="NET", lat=34.6, lon=-94.3, depth=0.05, factor=1.0):
    station = Station(
        network=network,
        name=name,
        latitude=lat,
        longitude=lon,
        elevation=200.0,
        land_cover="grassland",
        saturation=0.43,
        clay=0.2,
        sand=0.4,
    )
    values = factor * (0.2 + 0.01 * np.arange(TIMES.size))
    return Written(station=station, depth=depth, sensor="Probe", times=TIMES, values=values, flags=["G"] * TIMES.size)


@pytest.fixture
def folder(tmp_path):
    """Four sound stations, unpacked, each fault to be put into one of them."""
    path = tmp_path / "archive.zip"
    write_archive(path, [written(name) for name in ("Cut", "Flags", "Header", "Sound")])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "archive")
    return tmp_path / "archive"


def file_of(folder, station):
    return next(folder.rglob(f"*_{station}_sm_*.stm"))


def reports(source, **options):
    found = list(read_stations(source, domain=product.DEMO, period=PERIOD, deepest=0.1, **options))
    return {report.file.split("_")[2] if "_sm_" in report.file else report.file: (s, report) for s, report in found}


def test_each_fault_is_told_and_the_rest_is_read(folder):
    cut, flags, header = (file_of(folder, name) for name in ("Cut", "Flags", "Header"))
    cut.write_text(cut.read_text()[:-14])
    flags.write_text(flags.read_text().replace(" G M", " Q7 M", 2))
    header.write_text(header.read_text().replace("34.60000 -94.30000", "north west"))
    found = reports(folder)
    series, report = found["Cut"]
    assert (report.lines, report.readings, report.bad_lines) == (8, 7, 1)
    assert report.first_bad.startswith("line 9: '2024/05/02 18:00")
    assert len(series.time) == 7
    series, report = found["Flags"]
    assert report.unknown_flags == 2
    assert (series.good.sum(), len(series.time)) == (6, 8)
    series, report = found["Header"]
    assert series is None
    assert "wrong header 'NET NET Header north west" in report.problem
    series, report = found["Sound"]
    assert report.clean
    assert series.good.all()


def test_duplicates_count_once_and_contradictions_not_at_all(folder):
    file = file_of(folder, "Sound")
    lines = file.read_text().splitlines()
    other = lines[3].split()
    other[2] = "0.9000"
    file.write_text("\n".join([*lines, lines[1], lines[2], " ".join(other)]) + "\n")
    series, report = reports(folder)["Sound"]
    assert (report.lines, report.duplicates, report.contradictions) == (11, 2, 2)
    assert len(series.time) == 7
    assert np.unique(series.time).size == 7
    assert not np.isin(0.9, series.value)


def test_percent_is_refused_and_one_wild_value_is_flagged(tmp_path):
    path = tmp_path / "units.zip"
    wild = written("Wild")
    wild.values[2] = 35.0
    write_archive(path, [written("Percent", factor=100.0), wild])
    found = reports(path)
    series, report = found["Percent"]
    assert series is None
    assert "percent" in report.problem
    series, report = found["Wild"]
    assert report.out_of_range == 1
    assert series.flag[2] == "C02"
    assert series.good.sum() == 7


def test_a_station_outside_and_a_sensor_too_deep_are_left_out(tmp_path):
    path = tmp_path / "places.zip"
    write_archive(path, [written("Far", lat=50.0), written("Deep", depth=0.2), written("Here")])
    found = reports(path)
    assert "outside the domain demo" in found["Far"][1].problem
    assert found["Deep"][0] is None
    assert found["Deep"][1].clean
    assert "deeper than 0.1 m" in found["Deep"][1].left_out
    assert found["Here"][0] is not None


def test_a_file_that_is_no_archive_is_told_and_its_neighbours_are_read(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broken.zip").write_text("not an archive")
    (tmp_path / "data" / "notes.txt").write_text("hello")
    write_archive(tmp_path / "data" / "sound.zip", [written("Sound")])
    found = reports(tmp_path / "data")
    assert "not a zip file" in found["broken.zip"][1].problem
    assert "known format" in found["notes.txt"][1].problem
    assert found["Sound"][0] is not None
    with pytest.raises(StationError, match="not found"):
        reports(tmp_path / "nowhere")


def test_a_damaged_member_is_told_and_the_others_are_read(tmp_path):
    path = tmp_path / "archive.zip"
    write_archive(path, [written("Aaa"), written("Bbb")])
    content = bytearray(path.read_bytes())
    at = content.index(b"2024", 30) + 60  # inside the first member's packed bytes
    content[at : at + 8] = bytes(8)
    path.write_bytes(bytes(content))
    found = reports(path)
    assert "damaged" in found["Aaa"][1].problem
    assert found["Bbb"][0] is not None


def test_damaged_texture_of_a_station_costs_no_reading(tmp_path):
    path = tmp_path / "archive.zip"
    write_archive(path, [written("Aaa")])
    whole = reports(path)["Aaa"][0]
    with zipfile.ZipFile(path) as archive:
        member = next(one for one in archive.infolist() if "static" in one.filename)
    content = bytearray(path.read_bytes())
    at = member.header_offset + 30 + len(member.filename) + member.compress_size // 2
    content[at : at + 4] = bytes(value ^ 255 for value in content[at : at + 4])
    path.write_bytes(bytes(content))
    found = reports(path)["Aaa"][0]
    np.testing.assert_array_equal(found.value, whole.value)
    assert (whole.sensor.clay is None, found.sensor.clay is None) == (False, True)


@pytest.mark.parametrize("text", ["", "\n\n", "\x00\x01\x02", "x\n", "a b c d e f g h i\n1 2 3\n"])
def test_nonsense_for_a_file_is_told(folder, text):
    file_of(folder, "Sound").write_text(text)
    series, report = reports(folder)["Sound"]
    assert series is None
    assert report.problem


def sensor():
    return Sensor(network="N", station="S", name="P", depth_from=0.0, depth_to=0.05, lat=34.6, lon=-94.3)


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0.1, 0.2, float("nan")])), min_size=1, max_size=25))
def test_every_reading_is_kept_or_counted(rows):
    """Whatever stands twice: kept, duplicate and contradictory readings add up, and each time is kept at most once."""
    time = np.array([np.datetime64("2024-05-01", "s") + np.timedelta64(6 * h, "h") for h, _ in rows])
    value = np.array([v for _, v in rows])
    made = Series(sensor=sensor(), time=time, value=value, flag=np.full(len(rows), "G"))
    series, report = checked(made, FileReport(file="x", lines=len(rows), readings=len(rows)))
    assert len(series.time) + report.duplicates + report.contradictions == len(rows)
    assert (np.diff(series.time) > np.timedelta64(0)).all()
    for hour in set(time.tolist()):
        told = {v for t, v in zip(time.tolist(), value, strict=True) if t == hour and v == v}
        kept = series.value[series.time == np.datetime64(hour)]
        assert len(kept) == (0 if len(told) > 1 else 1)


def test_the_table_of_readings_comes_back_as_it_was(tmp_path):
    path = tmp_path / "archive.zip"
    write_archive(path, [written("Aaa"), written("Bbb", depth=0.1)])
    series = [one for one, _ in read(path)]
    passed = list(table.write(tmp_path / "readings.parquet", iter(series)))
    assert len(passed) == 2
    stored = pd.read_parquet(tmp_path / "readings.parquet")
    assert list(stored.columns) == [*COLUMNS, "daily"]
    assert len(stored) == 16
    assert table.claims(tmp_path / "readings.parquet")
    again = [one for one, report in table.read(tmp_path / "readings.parquet") if report.clean]
    for before, after in zip(series, again, strict=True):
        assert after.sensor.station == before.sensor.station
        np.testing.assert_array_equal(after.time, before.time)
        np.testing.assert_allclose(after.value, before.value)
    frame = tidy(series)
    assert [one.sensor.station for one in series_of(frame)] == ["Aaa", "Bbb"]
    assert list(tidy([]).columns) == list(COLUMNS)


def test_a_broken_table_is_told(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nonsense")
    assert not table.claims(tmp_path / "x.parquet")
    with pytest.raises(StationError, match="table of readings"):
        list(table.read(tmp_path / "x.parquet"))


def test_a_header_of_a_million_columns_is_told_at_once(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(["lat", "lon", "time", "value", "site", *map(str, range(300_000))]) + "\n")
    with pytest.raises(StationError, match=r"too many columns.*300005"):
        read_table(path)
