"""Several days read side by side: whole windows, some cells of them, and more files than the system allows at first."""

import datetime as dt
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from publishing import PLACE, publish_day

from catalog.reading.stack import open_stack, stacked_days, windows
from catalog.store.base import open_store
from downscaler.errors import CatalogError

DAYS = [dt.date(2024, 5, 20), dt.date(2024, 5, 21)]
NAMES = ("soil_moisture", "quality_flag")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stack")
    for day in DAYS:
        publish_day(root, day)
    return root


def test_some_cells_are_those_of_the_whole_window(root: Path) -> None:
    days = stacked_days(root, PLACE, DAYS, NAMES)
    with open_stack(open_store(root), PLACE, days, NAMES) as read:
        for window in windows(PLACE, 40):
            whole = read(window)
            cells = np.random.default_rng(1).random(whole["soil_moisture"].shape[1:]) < 0.3
            part = read(window, cells)
            for name in NAMES:
                np.testing.assert_array_equal(part[name], whole[name][:, cells])
                assert part[name].dtype == whole[name].dtype


def test_a_cut_raster_is_named(root: Path, tmp_path: Path) -> None:
    own = shutil.copytree(root, tmp_path / "own")
    days = stacked_days(own, PLACE, DAYS, NAMES)
    key = days[1].keys["soil_moisture"]
    (own / key).write_bytes((own / key).read_bytes()[:3000])
    with (
        pytest.raises(CatalogError, match=f"{key}.*--force"),
        open_stack(open_store(own), PLACE, days, NAMES) as read,
    ):
        read(next(windows(PLACE)))


def test_more_files_are_opened_than_the_system_allows_at_first(root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 64
    days = stacked_days(root, PLACE, DAYS, NAMES) * 40
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (held + 60, hard))
        with open_stack(open_store(root), PLACE, days, NAMES) as read:
            found = read(next(windows(PLACE)))["soil_moisture"]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(found) == 80
    np.testing.assert_array_equal(found[0], found[2])
