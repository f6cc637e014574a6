"""Real stations' places are read from tables and station data, or refused with the reason."""

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest

from downscaler.errors import StationError
from downscaler.ground.grid import M01, LonLat
from downscaler.playground.stations import networks
from downscaler.playground.stations.networks import read_network


@pytest.mark.parametrize("names", [("lat", "lon"), ("Latitude", "LONGITUDE")])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_stations_is_read_once_a_place(tmp_path, names, suffix):
    table = pd.DataFrame({names[0]: [35.0, 35.0, 34.9, None], names[1]: [-112.0, -112.0, -111.9, -112.1], "more": 1})
    path = tmp_path / f"net.{suffix}"
    table.to_csv(path) if suffix == "csv" else table.to_parquet(path)
    found = read_network(path)
    assert found.xy.shape == (2, 2)
    centre = M01.centre(M01.cell_at(LonLat(lon=-112.0, lat=35.0)))
    assert np.abs(found.xy * 1000.0 - [centre.x, centre.y]).max(axis=1).min() < M01.cell


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.csv", None, "cannot be read"),
        ("words.csv", b"name,height\nA,3\n", "lacks coordinates"),
        ("empty.csv", b"", "cannot be read"),
        ("bad.parquet", b"no parquet", "cannot be read"),
        ("far.csv", b"lat,lon\n400,2\nx,y\n", "no usable coordinates"),
        ("zip.csv", gzip.compress(b"lat,lon\n1,2\n", mtime=0), "cannot be read"),
    ],
)
def test_other_tables_are_refused_with_the_reason(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StationError, match=reason):
        read_network(tmp_path / name)


def test_uscrn_is_a_network(shared):
    found = read_network(shared / "insitu" / "uscrn" / "crn_2020.parquet.gz")
    assert len(found.xy) > 110


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_packed_table_is_read_and_has_a_limit(tmp_path, monkeypatch, suffix, pack):
    path = tmp_path / f"net.csv.{suffix}"
    path.write_bytes(pack(b"lat,lon\n35,-112\n"))
    assert read_network(path).xy.shape == (1, 2)
    monkeypatch.setattr(networks, "MOST", 2000)
    path.write_bytes(pack(b"lat,lon\n35,-112\n" + b" " * 1985))
    with pytest.raises(StationError, match="more than 2,000 bytes"):
        read_network(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StationError, match="cannot be read"):
        read_network(path)


def test_an_ismn_archive_is_a_network(shared):
    archive = next((shared / "insitu" / "ismn").glob("*.zip"))
    assert len(read_network(archive).xy) >= 1
