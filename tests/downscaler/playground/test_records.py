"""Records survive what interrupts them; tables of stations and propensities are read or refused with the reason."""

import gzip

import numpy as np
import pandas as pd
import pytest

from downscaler.errors import ConfigError, ExperimentError, StationError
from downscaler.ground.grid import M01, LonLat
from downscaler.playground.experiment import Cell, Record
from downscaler.playground.records import Records, read_network, read_propensity, write_report

CELL = Cell(replicate=3, layout="random", stations=30, full=True)


def record() -> Record:
    scores = ({"method": "linear", "layout": "random", "evaluation": "knndm", "rmse": 0.1 + 0.2, "r": float("nan")},)
    errors = {"linear": np.array([0.1, np.nan], np.float32)}
    return Record(cell=CELL, scores=scores, geometry={"knndm": 1.5}, stations=np.array([4, 7]), errors=errors)


def test_a_record_is_read_as_it_was_written(tmp_path):
    records = Records(tmp_path, "abc")
    assert records.missing([CELL]) == [CELL]
    records.write(record())
    assert records.missing([CELL]) == []
    found = records.read(CELL)
    assert found.cell == CELL
    assert found.scores[0]["rmse"] == 0.1 + 0.2
    assert np.isnan(found.scores[0]["r"])
    assert dict(found.geometry) == {"knndm": 1.5}
    np.testing.assert_array_equal(found.stations, [4, 7])
    np.testing.assert_array_equal(found.errors["linear"], record().errors["linear"])
    assert Records(tmp_path, "other").missing([CELL]) == [CELL]


def test_what_was_half_written_is_cleared_and_never_counted(tmp_path):
    records = Records(tmp_path, "abc")
    (records.folder / ".x.partial").write_bytes(b"half")
    assert records.missing([CELL]) == [CELL]
    records.clear()
    assert not list(records.folder.iterdir())


def test_a_broken_record_names_itself_and_what_to_do(tmp_path):
    records = Records(tmp_path, "abc")
    records.write(record())
    (path,) = records.folder.glob("*.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ExperimentError, match="Delete it") as caught:
        records.read(CELL)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="cannot be written"):
        Records(tmp_path / "file", "abc")


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


def test_a_propensity_is_read(tmp_path):
    path = tmp_path / "siting.toml"
    path.write_text("slope = -2\nforest = -0.5\n")
    found = read_propensity(path)
    assert dict(found.coefficients) == {"slope": -2.0, "forest": -0.5}
    assert "siting.toml" in found.origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "roads = 1.0",
        'slope = "steep"',
        "slope = ",
        "slope = nan",
        "slope = true",
        pytest.param("slope = " + "1" * 5000, id="long"),
    ],
)
def test_no_propensity_is_refused(tmp_path, text):
    path = tmp_path / "siting.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_propensity(path)


def test_tables_are_written_beside_the_page(tmp_path):
    files = write_report(tmp_path / "out", "<html>", {"scores": pd.DataFrame({"a": [1.5]})})
    assert [file.name for file in files] == ["playground.html", "scores.parquet"]
    assert pd.read_parquet(files[1])["a"].tolist() == [1.5]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["playground.html", "scores.parquet"]
