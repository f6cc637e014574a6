"""A lost machine: from the store alone, with prior and model built again, the schedule goes on; no day is made anew."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.check.check import check

pytestmark = pytest.mark.integration
WHERE = "-94.9,34.3,-94.4,34.6"
LAST = "2024-05-27"


def settings(folder: Path, made: Path) -> None:
    (folder / "vadose.toml").write_text(
        f'domain = "{WHERE}"\nprior = "prior"\nmodel = "model"\ngranules = "granules"\ncatalog = "published"\n'
        f'look_back = 5\ncache = "cache"\nmetrics_file = "metrics/vadose.prom"\nstations = ["{made}/sample/stations"]\n'
    )


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the catalogue with its content and the time of its last change."""
    files = [path for path in (folder / "published").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_nothing_but_the_store_is_needed(
    vadose: Any, command: Callable[..., str], made: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    lost, new = tmp_path / "lost", tmp_path / "new"
    for folder in (lost, new):
        folder.mkdir()
    for name in ("prior", "model"):
        shutil.copytree(made / name, lost / name)
    shutil.copytree(made / "sample" / "granules", lost / "granules")
    (late,) = (lost / "granules").glob("*20240526*.h5")
    kept = late.rename(tmp_path / late.name)
    settings(lost, made)
    monkeypatch.chdir(lost)
    assert vadose("run", "--until", LAST).code == 0
    before = state_of(lost)
    assert sum(name.endswith(".tif") for name in before) > 5

    (lost / "published").rename(new / "published")
    shutil.rmtree(lost)
    native = made / "sample" / "prior"  # what is no product: the sources of prior and granules
    source = ("--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc")
    command("prior", "build", f"--domain={WHERE}", *source, "--out", "prior", cwd=new)
    command("train", "--prior", "prior", "--out", "model", cwd=new)
    shutil.copytree(made / "sample" / "granules", new / "granules")
    assert (new / "granules" / kept.name).exists()  # it came meanwhile
    settings(new, made)
    monkeypatch.chdir(new)
    ended = vadose("run", "--until", LAST)
    assert ended.code == 0, ended.err
    made_now = [line for line in ended.out.splitlines() if "published" in line and line.startswith("2024")]
    assert [line[:10] for line in made_now] == ["2024-05-26"], ended.out

    after = state_of(new)
    days = {name for name in before if "/r0" in name or (name.endswith(".json") and "_2024" in name)}
    assert days
    assert {name: after[name] for name in days} == {name: before[name] for name in days}, "a day was made anew"
    assert check(new / "published", min_age=dt.timedelta(0)).findings == []
    assert [path.name for path in (new / "metrics").iterdir()] == ["vadose.prom"]
