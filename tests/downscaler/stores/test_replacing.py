"""A file that is written whole or not at all: what stood before stays, and what hinders it is told."""

import errno
from pathlib import Path

import pytest

from downscaler.errors import OutputError, StorageFullError
from downscaler.parts import replacing


def test_a_whole_file_takes_the_place_and_a_failed_one_leaves_the_older(tmp_path: Path) -> None:
    out = tmp_path / "new" / "a.nc"
    with replacing(out, "numbers") as partial:
        partial.write_text("one")
        assert not out.exists()
    assert out.read_text() == "one"
    for error, raised in ((ValueError("half way"), ValueError), (OSError(errno.ENOSPC, "full"), StorageFullError)):
        with pytest.raises(raised, match=r"half way|while writing numbers"):
            _fail(out, error)
    assert out.read_text() == "one"
    assert [path.name for path in out.parent.iterdir()] == ["a.nc"]


def _fail(out: Path, error: Exception) -> None:
    with replacing(out, "numbers") as partial:
        partial.write_text("tw")
        raise error


def test_an_output_that_cannot_be_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, told in (
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "a.nc", "cannot be written"),
        (Path("/proc/a.nc"), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=told), replacing(out, "numbers"):
            pytest.fail("the work began")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
