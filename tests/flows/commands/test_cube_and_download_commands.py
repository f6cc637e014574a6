"""`vadose cube` and `vadose download` as their user meets them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NAME = "vadose-sm-1km_box_m94.9_34.3_m94.4_34.6"


@pytest.fixture(scope="module")
def published(made: Path, command: Callable[..., str]) -> Path:
    """A catalogue with one day of the chain's domain."""
    where = "--domain=-94.9,34.3,-94.4,34.6"
    options = ("--granules", "sample/granules", "--prior", "prior", "--model", "model", "--out", "for-access")
    command("run", "2024-05-23", where, *options, cwd=made)
    return made / "for-access"


def test_cube_is_built_updated_and_left_alone(vadose: Any, published: Path, tmp_path: Path) -> None:
    root = shutil.copytree(published, tmp_path / "catalog")
    ended = vadose("cube", "update", root)
    assert ended.code == 90
    assert "vadose cube build" in ended.err
    assert not (root / "cubes").exists()
    ended = vadose("cube", "build", root)
    assert (ended.code, ended.out) == (
        0,
        f"{NAME}: 1 days written (2024-05-23 to 2024-05-23); 1 days in the cube\n",
    )
    assert "nothing to do" in vadose("cube", "update", root).out
    (told,) = json.loads(vadose("cube", "build", root, "--json").out)
    assert (told["collection"], told["written"], told["days"]) == (NAME, [], 1)


def test_cube_of_nothing(vadose: Any, published: Path, tmp_path: Path) -> None:
    ended = vadose("cube", "build", tmp_path / "absent")
    assert ended.code == 90
    assert "vadose run" in ended.err
    ended = vadose("cube", "build", published, "--collection", "other")
    assert ended.code == 90
    assert NAME in ended.err
    assert not (published / "cubes").exists()


def test_download_into_a_catalogue_that_other_commands_read(vadose: Any, published: Path, tmp_path: Path) -> None:
    line = ("download", published, "--out", tmp_path / "days", "--bbox", "-94.8", "34.4", "-94.7", "34.5")
    ended = vadose(*line, "--start", "2024-05-23", "--end", "2024-05-24")
    assert ended.code == 0
    assert "1 item; 8 files downloaded" in ended.out
    assert "8 already present" in vadose(*line).out
    (item,) = (tmp_path / "days").rglob("*20240523.json")
    told = json.loads(vadose("info", item, "--json").out)
    assert told["checksums_ok"]
    assert vadose("cube", "build", tmp_path / "days").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--bbox", "-94", "34", "-95", "35"], 3, "reversed"),
        (["--bbox", "34", "-95", "35", "-94"], 3, "Longitude comes first"),
        (["--bbox", "-94", "34", "-93"], 2, "Error"),
        (["--start", "2024-06-01", "--end", "2024-05-01"], 6, "ends before"),
        (["--start", "2025-01-01"], 94, "No published day"),
        (["--asset", "soilmoisture"], 3, "soil_moisture"),
    ],
)
def test_download_refuses(
    vadose: Any, published: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    ended = vadose("download", published, "--out", tmp_path / "days", *arguments)
    assert ended.code == code
    assert said in ended.err
    assert not (tmp_path / "days").exists()


def test_download_from_where_no_catalogue_is(vadose: Any, tmp_path: Path) -> None:
    ended = vadose("download", "http://127.0.0.1:9/", "--out", tmp_path / "days")
    assert ended.code == 92
    assert "does not answer" in ended.err
    assert vadose("download", tmp_path, "--out", tmp_path / "days").code == 92
