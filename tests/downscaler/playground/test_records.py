"""Records survive what interrupts them; propensities are read or refused with the reason."""

import numpy as np
import pandas as pd
import pytest

from downscaler.errors import ConfigError, ExperimentError
from downscaler.playground.experiment import Cell, Record
from downscaler.playground.records import Records, read_propensity, write_report

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
