"""Station archives: the real one, the sample's own format, and broken ones."""

import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from downscaler.errors import MissingExtraError, StationError
from downscaler.simulation.files.stations import Series, Station, write_archive
from downscaler.sources.insitu.ismn import COLUMNS, describe, is_good, read_archive


@pytest.fixture
def archive(tmp_path):
    times = np.arange("2024-05-01T00", "2024-05-03T00", 6, dtype="datetime64[h]")
    series = []
    for number, network in enumerate(["NET-A", "NET-A", "NET-B"]):
        station = Station(
            network=network,
            name=f"Site-{number}",
            latitude=34.5 + number,
            longitude=-94.25,
            elevation=210.0,
            land_cover="grassland",
            saturation=0.43,
            clay=0.2,
            sand=0.4,
        )
        for depth in (0.05, 0.2):
            values = 0.2 + 0.01 * number + depth + 0.001 * np.arange(times.size)
            flags = ["G"] * (times.size - 1) + ["D06"]
            series.append(
                Series(station=station, depth=depth, sensor="Probe_X", times=times, values=values, flags=flags)
            )
    path = tmp_path / "Data_test.zip"
    write_archive(path, series)
    return path


def test_what_is_written_is_read(archive):
    data = read_archive(archive)
    assert tuple(data.columns) == COLUMNS
    assert len(data) == 3 * 2 * 8
    site = data[(data.station == "Site-2") & (data.depth_from == 0.05)]
    assert (site.network == "NET-B").all()
    assert (site.lat == 36.5).all()
    assert (site.sensor == "Probe_X").all()
    np.testing.assert_allclose(site.value, 0.27 + 0.001 * np.arange(8), atol=1e-6)
    assert list(site.time) == list(pd.date_range("2024-05-01", periods=8, freq="6h"))
    assert is_good(site.flag).sum() == 7


def test_description(archive):
    told = describe(archive)
    assert (told["kind"], told["stations"], told["readings"], told["sensors"]) == ("station-archive", 3, 48, 6)
    assert told["networks"] == ["NET-A", "NET-B"]
    assert told["format"] == "header+values"
    assert told["period"] == ["2024-05-01T00:00:00", "2024-05-02T18:00:00"]
    assert told["good"] == 42


def test_folder_reads_as_its_zip_does(archive, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    key = ["network", "station", "depth_from", "time"]
    first, second = (read_archive(p).sort_values(key, ignore_index=True) for p in (archive, folder))
    pd.testing.assert_frame_equal(first, second)


def test_nothing_is_written_beside_and_nothing_is_said(archive, capfd):
    before = sorted(archive.parent.rglob("*"))
    read_archive(archive)
    assert sorted(archive.parent.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_the_real_archive(shared):
    (path,) = (shared / "insitu" / "ismn").glob("*.zip")
    lines = {}
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            if name.endswith(".stm"):
                lines[name.split("/")[1]] = packed.read(name).decode().splitlines()
    told = describe(path)
    assert told["stations"] == len(lines) == 2
    assert told["readings"] == sum(len(rows) for rows in lines.values())
    assert told["networks"] == ["COSMOS"]
    assert told["format"] == "CEOP"
    data = read_archive(path)
    arm = data[data.station == "ARM-1"].reset_index(drop=True)
    for row in (0, 100, len(arm) - 1):
        columns = lines["ARM-1"][row].split()
        assert arm.value[row] == float(columns[12])
        assert arm.flag[row] == columns[13]
        assert arm.time[row] == pd.Timestamp(f"{columns[0]} {columns[1]}")
    assert (arm.depth_to == 0.19).all()
    assert told["good"] == sum(row.split()[13] == "G" for rows in lines.values() for row in rows)


def test_missing_archive(tmp_path):
    with pytest.raises(StationError, match=r"nowhere\.zip"):
        read_archive(tmp_path / "nowhere.zip")


def test_archive_cut_short(archive):
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(StationError, match="truncated"):
        read_archive(archive)


def test_damaged_member(archive):
    content = bytearray(archive.read_bytes())
    content[200:240] = bytes(40)
    archive.write_bytes(bytes(content))
    with pytest.raises(StationError, match=r"damaged|truncated"):
        read_archive(archive)


def test_no_zip_at_all(tmp_path):
    path = tmp_path / "text.zip"
    path.write_text("not an archive")
    with pytest.raises(StationError, match="not a zip file"):
        describe(path)


def test_archive_without_soil_moisture(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("NET/Site/NET_NET_Site_ts_0.05_0.05_Probe_20240501_20240502.stm", "x")
    with pytest.raises(StationError, match="no soil moisture"):
        read_archive(path)


def test_unreadable_file_is_named(archive, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    broken = next(folder.rglob("*_sm_*.stm"))
    broken.write_text("nonsense\n")
    with pytest.raises(StationError, match="Probe_X"):
        read_archive(folder)


def test_without_the_network_s_own_package_the_error_names_the_extra(archive, monkeypatch):
    monkeypatch.setitem(sys.modules, "ismn", None)  # as where it is not installed
    with pytest.raises(MissingExtraError, match="vadose\\[insitu\\]"):
        read_archive(archive)
