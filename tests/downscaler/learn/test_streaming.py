"""Training tile by tile: one in memory, killed at any moment it goes on to the same bytes."""

import errno
import gc
import shutil
import weakref
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from downscaler.errors import BusyError, StorageFullError
from downscaler.ground.grid import M09
from downscaler.learn.boosting import Kind, Options
from downscaler.learn.samples import Part, TileRecord, record_statistics
from downscaler.learn.tiles import Tiles, days_with_data
from downscaler.learn.training import Trial, fit_branch, train
from downscaler.method.pattern import pattern_statistics
from downscaler.parts import Parts, alone, resumed
from downscaler.sources.parflow import open_source
from downscaler.stores.model import save_model
from downscaler.stores.prior import build_prior

FEW = Options(rows=6000, rounds=6, days_per_tile=12, learning_rate=0.2)


def tiles(chain, folder: Path) -> Tiles:
    """The chain's domain cut into tiles of one SMAP cell of 36 km."""
    return Tiles(chain.prior, M09, days_with_data(chain.prior), Parts(folder), tile=1)


def test_one_tile_is_in_memory_at_a_time(chain, tmp_path):
    cut = tiles(chain, tmp_path)
    assert len(cut) > 3
    seen = []
    for record in cut:
        seen.append(weakref.ref(record))
        assert record is cut[len(seen) - 1]
        del record
        gc.collect()
        assert sum(ref() is not None for ref in seen) == 1
    assert {"soil_moisture_climatology", "harmonic"}.isdisjoint(cut[0].data.variables)
    with pytest.raises(IndexError):
        cut[len(cut)]


def test_statistics_in_strips_are_those_of_the_whole(chain):
    window = chain.domain.window()
    data = chain.prior.window(chain.domain, window.relative_to(window)).load()
    days = days_with_data(chain.prior)
    strips = record_statistics(data, days)
    theta, active = data["soil_moisture"].values[days], data["active"].values.astype(bool)
    for name, field in pattern_statistics(theta, active).items():
        assert np.array_equal(strips[name], field, equal_nan=True), name
    assert np.allclose(strips["wetness"], np.nanmean(np.where(active, theta, np.nan), axis=(1, 2)), atol=1e-6)


def test_days_with_data_are_those_of_a_look_at_the_whole(chain):
    whole = np.isfinite(chain.prior.data["soil_moisture"].values).any(axis=(1, 2))
    assert np.array_equal(days_with_data(chain.prior), np.flatnonzero(whole))


class Stopped(Exception):
    """The kill."""


@pytest.mark.integration
def test_a_training_killed_at_any_moment_goes_on_to_the_same_bytes(chain, tmp_path):
    def saved(work: Path, out: Path, stop: int | None = None) -> dict[str, bytes]:
        told = 0

        def progress(what: str, done: int, total: int) -> None:
            nonlocal told
            told += 1
            if told == stop:
                raise Stopped

        save_model(train(chain.prior, grids=[M09], options=FEW, progress=progress, work=work), out)
        return {file.name: file.read_bytes() for file in out.iterdir() if file.suffix in (".ubj", ".npz")}

    whole = saved(tmp_path / "whole", tmp_path / "model")
    for stop in (1, 3, 5):
        with pytest.raises(Stopped):
            saved(tmp_path / "killed", tmp_path / "never", stop)
    rows = sorted((tmp_path / "killed").rglob("rows/*/*.npy"))
    before = {file: file.stat().st_mtime_ns for file in rows}
    (rows[0].parent.parent / ".00007.partial").mkdir()  # what a kill leaves
    assert saved(tmp_path / "killed", tmp_path / "again") == whole
    assert {file: file.stat().st_mtime_ns for file in rows} == before  # nothing finished was made again
    assert rows
    train(chain.prior, grids=[M09], options=Options(rows=5000, rounds=6), work=tmp_path / "killed")
    assert not any(file.stat().st_mtime_ns == before.get(file) for file in (tmp_path / "killed").rglob("*.npy"))


def test_cut_into_tiles_it_learns_as_well(chain, tmp_path):
    """The same ground as one tile and as several: the held-out error is the same within what the draw makes of it."""
    days = days_with_data(chain.prior)
    trial = Trial(train=Part(days=days[:90]), held=Part(days=days[97:]))
    window = chain.domain.window()
    data = chain.prior.window(chain.domain, window.relative_to(window)).load()
    kind, options = Kind(grid=M09, forcing=False), Options(rows=20_000, rounds=40, days_per_tile=40, learning_rate=0.15)
    whole = [TileRecord(data, M09, days[:90])]
    cut = Tiles(chain.prior, M09, days[:90], Parts(tmp_path), tile=2)
    errors = [fit_branch(kind, records, [trial], options)[1]["rmse"]["hybrid"] for records in (whole, cut)]
    assert errors[1] < 1.15 * errors[0], errors


def test_a_part_is_whole_or_not_there(tmp_path):
    parts = resumed(tmp_path / "work", {"rows": 1})

    def full(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(StorageFullError):
        parts.under("a").part("b", full)
    assert not any(path.is_file() for path in (tmp_path / "work" / "a").rglob("*"))
    made = parts.part("c", lambda folder: (folder / "x").write_text("1"))
    again = resumed(tmp_path / "work", {"rows": 1}).part("c", lambda folder: pytest.fail("made twice"))
    assert again == made
    assert not (resumed(tmp_path / "work", {"rows": 2}).folder / "c").exists()
    shutil.rmtree(tmp_path / "work")


def test_two_processes_never_write_one_output(chain, tmp_path):
    """A lock that another open file holds stands for the other process: flock tells them apart alike."""
    native = chain.sample / "prior"
    run = open_source("netcdf", native / "daily.nc", native / "static.nc")
    with closing(run) as source, alone(tmp_path / "prior"):
        with pytest.raises(BusyError, match="Another process is writing this output") as told:
            build_prior(source, chain.domain, tmp_path / "prior")
        assert told.value.exit_code == 95
        assert not (tmp_path / ".prior.building").exists()
    with alone(tmp_path / "work"), pytest.raises(BusyError):
        train(chain.prior, grids=[M09], options=FEW, work=tmp_path / "work")
    assert not list(tmp_path.iterdir())
    with alone(tmp_path / "work"):
        pass  # let go, so it can be taken again
