"""Files that HDF5's library never comes back from end a guarded child; NetCDF is read as by its own library."""

import os
import signal
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import psutil
import pytest
import xarray as xr

from downscaler.errors import ConfigError, PriorUnreadableError
from downscaler.sources import hdf5
from downscaler.sources.parflow.cf import open_dataset


def filled(path, **form):
    """A NetCDF file of numbers, packed numbers, texts, times and a mask."""
    with netCDF4.Dataset(path, "w", **form) as file:
        for name, size in (("time", None), ("y", 3), ("x", 4), ("letters", 5)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",)).setncatts(
            {"units": "days since 2024-05-01", "calendar": "standard"}
        )
        file["time"][:] = [0.0, 1.0]
        for name, size in (("y", 3), ("x", 4)):
            file.createVariable(name, "f8", (name,))[:] = np.arange(size)
        theta = file.createVariable("theta", "f4", ("time", "y", "x"), fill_value=-9999.0)
        theta[:] = np.ma.masked_less(np.arange(24.0).reshape(2, 3, 4), 3.0)
        theta.setncatts({"units": "m3 m-3", "valid_range": np.array([0.0, 30.0], "f4"), "coordinates": "label"})
        packed = file.createVariable("packed", "i2", ("y", "x"), fill_value=-1)
        packed.setncatts({"scale_factor": 0.5, "add_offset": 10.0})
        packed[:] = np.arange(12.0).reshape(3, 4) + 10.0
        file.createVariable("label", "S1", ("y", "letters"))[:] = np.full((3, 5), b"a")
        file.createVariable("crs", "i4").setncatts({"grid_mapping_name": "latitude_longitude"})
        file.setncatts({"title": "A run", "numbers": np.array([1, 2], "i4"), "one": np.float64(3.5)})
    return path


FORMS = ("NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("decoding", [{}, {"decode_times": False}, {"decode_coords": "all"}, {"decode_cf": False}])
def test_values_and_attributes_are_those_of_netcdfs_own_library(tmp_path, form, decoding):
    path = filled(tmp_path / "run.nc", format=form)
    with hdf5.dataset(path, **decoding) as ours, xr.open_dataset(path, engine="netcdf4", **decoding) as theirs:
        xr.testing.assert_identical(ours.load(), theirs.load())


def test_texts_and_groups_of_netcdf_4_are_those_of_netcdfs_own_library(tmp_path):
    path = filled(tmp_path / "run.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("names", str, ("y",))[:] = np.array(["a", "", "λ"], object)
        file.createGroup("more").createVariable("x", "f4", ("x",))
        file["names"].note = "ü"
    with hdf5.dataset(path) as ours, xr.open_dataset(path, engine="netcdf4") as theirs:
        xr.testing.assert_identical(ours.load(), theirs.load())


def test_the_64_bit_data_form_and_other_files_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(PriorUnreadableError, match=r"64-bit data form.*nccopy"):
        open_dataset(filled(tmp_path / "run.nc", format="NETCDF3_64BIT_DATA"))
    (tmp_path / "run.nc").write_bytes(b"GRIB" + bytes(100))
    with pytest.raises(PriorUnreadableError, match="neither NetCDF nor HDF5"):
        open_dataset(tmp_path / "run.nc")


def test_a_classic_header_that_declares_more_than_there_is_is_refused(tmp_path):
    path = filled(tmp_path / "run.nc", format="NETCDF3_CLASSIC")
    sound = path.read_bytes()
    for name in (b"theta", b"title", b"letters"):
        changed = bytearray(sound)
        after = sound.index(name) + 8
        changed[after : after + 8] = b"\x7f" * 8
        path.write_bytes(changed)
        with pytest.raises(hdf5.RefusedFileError, match=r"does not come back|header is damaged"):
            hdf5.dataset(path)


def test_dimensions_without_a_scale_are_numbered(tmp_path):
    path = filled(tmp_path / "run.nc")
    with h5py.File(path, "r+") as file:
        del file["letters"], file["label"], file["packed"]
        file["odd"] = np.ones((2, 2))
        del file["theta"].attrs["DIMENSION_LIST"]
    with hdf5.dataset(path) as data:
        assert data["theta"].shape == (2, 3, 4)
        assert float(data["theta"].max()) == 23.0


def test_texts_whose_list_leads_into_itself_come_back_in_time(tmp_path, monkeypatch):
    monkeypatch.setenv("VADOSE_READ_SECONDS", "1")
    path = tmp_path / "texts.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("season", data=["DJF", "MAM", "JJA", "SON"], dtype=h5py.string_dtype())
    sound = path.read_bytes()
    heap = sound.index(b"GCOL") + 16  # the first text's number, uses and size
    started = time.monotonic()
    for at, value in [(0, 0), (8, 0), (15, 255)]:  # HDF5 2.0 never comes back from the second
        changed = bytearray(sound)
        changed[heap + at] = value
        path.write_bytes(changed)
        try:
            with hdf5.opened(path) as file:
                list(file["season"])
        except (hdf5.RefusedFileError, OSError):
            continue
    assert time.monotonic() - started < 40.0


@pytest.mark.parametrize("value", [np.arange(3), 5, h5py.Empty("f4")])
def test_dimensions_by_which_hdf5_ends_are_refused(tmp_path, value):
    """HDF5 2.0 takes whatever stands there for a list of references."""
    path = filled(tmp_path / "run.nc")
    with h5py.File(path, "r+") as file:
        file["theta"].attrs["DIMENSION_LIST"] = value
    with pytest.raises(hdf5.RefusedFileError, match="DIMENSION_LIST has a form"):
        hdf5.dataset(path)
    with suppress(hdf5.RefusedFileError), hdf5.opened(path) as file:  # no NetCDF: the child tells that it was ended
        assert file["theta"].shape == (2, 3, 4)


def written(path, texts=1):
    with h5py.File(path, "w") as file:
        file["theta"] = np.ones(4)
        file.create_dataset("names", data=["x" * 10_000] * texts, dtype=h5py.string_dtype())
    return path


def test_a_file_that_takes_more_than_it_may_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "x.h5", texts=20_000)
    monkeypatch.setenv("VADOSE_READ_MEMORY", "1e8")
    with pytest.raises(hdf5.RefusedFileError, match="does not come back"), hdf5.opened(path):
        pass
    monkeypatch.setenv("VADOSE_READ_MEMORY", "1e9")
    with hdf5.opened(path) as file:
        assert file["names"].shape == (20_000,)
    os.utime(path, (0, 0))
    for odd in ("soon", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("VADOSE_READ_SECONDS", odd)
        with pytest.raises(ConfigError, match=f"VADOSE_READ_SECONDS.*{odd}"), hdf5.opened(path):
            pass


def guards():
    alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in alive if "downscaler.sources.hdf5.guarded" in one.cmdline()]


def test_a_guard_that_is_ended_is_started_again_and_asked_once_for_a_file(tmp_path):
    paths = [written(tmp_path / f"{number}.h5") for number in range(2)]
    with hdf5.opened(paths[0]):
        assert len(guards()) == 1
    os.kill(guards()[0].pid, signal.SIGKILL)
    while guards():
        time.sleep(0.01)
    with hdf5.opened(paths[0]):  # known
        assert not guards()
    with hdf5.opened(paths[1]):
        assert len(guards()) == 1
    paths[0].write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(hdf5.RefusedFileError, match="cut short"), hdf5.opened(paths[0]):
        pass


def test_threads_and_forks_are_each_told_of_their_own_file(tmp_path):
    sound = [written(tmp_path / f"{number}.h5") for number in range(6)]
    cut = []
    for number, path in enumerate(sound):
        cut.append(tmp_path / f"cut{number}.h5")
        cut[-1].write_bytes(path.read_bytes()[: 200 + number])
    told: dict[Path, bool] = {}

    def look(path):
        try:
            with hdf5.opened(path) as file:
                told[path] = file["theta"].shape == (4,)
        except hdf5.RefusedFileError:
            told[path] = False

    threads = [threading.Thread(target=look, args=(path,)) for path in sound + cut]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert told == dict.fromkeys(sound, True) | dict.fromkeys(cut, False)
    fresh = written(tmp_path / "fresh.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns where other tests left threads
        child = os.fork()
    if child == 0:
        look(fresh)
        os._exit(0 if told[fresh] else 1)
    assert os.waitpid(child, 0)[1] == 0
    look(written(tmp_path / "more.h5"))
    assert told[tmp_path / "more.h5"]
