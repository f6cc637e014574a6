"""Files that declare far more than they hold: refused, or read in pieces of bounded size."""

import zlib

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from downscaler.errors import ClimatologyError, PriorUnreadableError
from downscaler.sources import hdf5
from downscaler.sources.hdf5 import blocks
from downscaler.sources.parflow import describe
from downscaler.sources.parflow.cf import open_dataset
from downscaler.sources.parflow.gridded import _steps_with_data
from downscaler.stores.climatology import load_statistics


def written(path, shape, *, chunks=True, fill=False):
    """An HDF5 file of some kB with a variable of a shape, of which nothing, or one chunk, was written."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("theta", shape=shape, dtype="f4", chunks=chunks)
        if fill:
            data[(0,) * len(shape)] = 0.25
    return path


@pytest.mark.parametrize(("fill", "held"), [(False, "0"), (True, "40,000")])
def test_a_variable_of_a_few_bytes_may_not_declare_ten_gigabytes(tmp_path, fill, held):
    path = written(tmp_path / "empty.nc", (60, 20_000, 20_000), chunks=(1, 100, 100), fill=fill)
    assert path.stat().st_size < 400_000
    told = f"declares 96,000,000,000 bytes.*holds {held}"
    for look in (hdf5.check, open_dataset, describe):
        with pytest.raises((hdf5.RefusedFileError, PriorUnreadableError), match=told):
            look(path)
    hdf5.check(written(tmp_path / "small.nc", (30, 5_000, 5_000), chunks=(1, 100, 100)))


def test_a_file_that_is_read_whole_holds_what_it_declares(tmp_path):
    path = written(tmp_path / "climatology.nc", (366, 400, 400))
    hdf5.check(path)
    with pytest.raises(hdf5.RefusedFileError, match="declares 234,240,000 bytes"):
        hdf5.check(path, whole=True)
    with pytest.raises(ClimatologyError, match="declares 234,240,000 bytes"):
        load_statistics(path)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.integers(1, 80), st.randoms(use_true_random=False))
def test_steps_with_data_are_the_same_whatever_is_read_at_a_time(steps, height, width, most, chance):
    values = np.full((steps, height, width), -3.4e38, np.float32)
    for _ in range(chance.randrange(5)):
        at = tuple(chance.randrange(size) for size in values.shape)
        values[at] = chance.choice([0.3, np.nan, -3.4e38])
    data = xr.DataArray(values, dims=("time", "y", "x"))
    expected = [bool((np.abs(field) < 1e30).any()) for field in values]
    assert _steps_with_data(data.transpose("y", "x", "time"), most).tolist() == expected


def packed(path, block, *, deflates=1):
    """An HDF5 file of one variable of 4 kB, whose only block holds these deflated bytes."""
    with h5py.File(path, "w") as file:
        space, known = h5py.h5s.create_simple((1024,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        known.set_chunk((1024,))
        for _ in range(deflates):
            known.set_deflate(4)
        data = h5py.h5d.create(file.id, b"theta", h5py.h5t.IEEE_F32LE, space, known)
        data.write_direct_chunk((0,), block)
    return path


def test_a_block_may_not_unpack_to_more_than_it_declares(tmp_path):
    many = zlib.compressobj(9)
    block = b"".join(many.compress(bytes(1 << 24)) for _ in range(40)) + many.flush()
    with pytest.raises(hdf5.RefusedFileError, match="theta declares 4,096 bytes and unpacks to 1,048,576 or more"):
        hdf5.check(packed(tmp_path / "bomb.nc", block))
    with pytest.raises(hdf5.RefusedFileError, match="theta is deflated more than once"):
        hdf5.check(packed(tmp_path / "twice.nc", zlib.compress(zlib.compress(bytes(4096))), deflates=2))
    hdf5.check(packed(tmp_path / "plain.nc", zlib.compress(bytes(4096))))


def test_long_blocks_that_are_honest_pass(tmp_path):
    values = np.random.default_rng(3).integers(0, 256, (2, 1 << 20), np.uint8)
    with h5py.File(tmp_path / "long.nc", "w") as file:
        file.create_dataset("theta", data=values, chunks=(1, 1 << 20), compression="gzip", fletcher32=True)
    hdf5.check(tmp_path / "long.nc")


def test_of_a_record_of_years_no_more_is_unpacked_than_a_file_may_take(tmp_path, monkeypatch):
    """Whole days as blocks, three variables: each unpacked whole would outlast the guarded child."""
    values = np.random.default_rng(3).integers(0, 256, (4, 1 << 20), np.uint8)
    with h5py.File(tmp_path / "years.nc", "w") as file:
        for name in ("theta", "rain"):
            file.create_dataset(name, data=values, chunks=(1, 1 << 20), compression="gzip")
    with h5py.File(tmp_path / "years.nc") as file:
        left = blocks.require_honest("theta", file["theta"], 3 << 20)
        assert left == 0
        monkeypatch.setattr(blocks, "_require_within", None)  # not asked any more
        assert blocks.require_honest("rain", file["rain"], left) == 0


def test_a_variable_is_not_filled_up_to_a_far_longer_dimension(tmp_path):
    """h5netcdf makes the whole of it, here 8 GB, whatever part is read."""
    path = tmp_path / "unlimited.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": None, "y": 10, "x": 10}
        file.create_variable("theta", ("time", "y", "x"), "f4", chunks=(1, 10, 10))
        file.create_variable("rain", ("time",), "f4", chunks=(1000,))
        file.resize_dimension("time", 2)
        file["theta"][:] = np.float32(0.2)
    with hdf5.dataset(path) as data:
        assert data["theta"].shape == (2, 10, 10)
    with h5py.File(path, "r+") as file:
        file["rain"].resize((19_000_000,))
    with pytest.raises(
        hdf5.RefusedFileError, match=r"theta holds \(2, 10, 10\) and has dimensions of \(19000000, 10, 10\)"
    ):
        hdf5.dataset(path)
