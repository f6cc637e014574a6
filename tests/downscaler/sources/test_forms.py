"""NetCDF files of odd forms, which NetCDF's own library would crash on or walk without end, are refused by name."""

import h5py
import netCDF4
import numpy as np
import pytest

from downscaler.sources import hdf5


@pytest.fixture
def sound(tmp_path):
    """A NetCDF-4 file with dimensions, a mask, a text and a list of fields."""
    path = tmp_path / "sound.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("y", 3), ("x", 4)):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(size or 2)
        theta = file.createVariable("theta", "f4", ("time", "y", "x"), fill_value=np.nan, zlib=True)
        theta[:] = np.ones((2, 3, 4))
        theta.setncatts({"units": "m3 m-3", "valid_range": np.array([0.0, 1.0]), "flag_meanings": "a b"})
        file.createVariable("crs", "i4").grid_mapping_name = "latitude_longitude"
        file.createVariable("names", str, ("y",))[0] = "a"
        file.createGroup("more").createVariable("theta", "i1", ("x",))
    return path


def half(file):
    file["theta"].attrs["scale"] = np.float16(1)


def half_values(file):
    file["odd"] = np.ones(3, "f2")


def complex_values(file):
    file["odd"] = np.ones(3, "c8")


def text_for_dimensions(file):
    file["theta"].attrs["DIMENSION_LIST"] = "xy"


def too_few_dimensions(file):
    attribute = file["theta"].attrs["DIMENSION_LIST"][:1]
    del file["theta"].attrs["DIMENSION_LIST"]
    file["theta"].attrs.create("DIMENSION_LIST", attribute, dtype=h5py.vlen_dtype(h5py.ref_dtype))


def lost_dimension(file):
    del file["x"]


def odd_number(file):
    file["theta"].attrs["_Netcdf4Dimid"] = np.int32(2**30)


def ring(file):
    file["more/again"] = file["/"]


def soft_ring(file):
    file["more/again"] = h5py.SoftLink("/")


def soft_link(file):
    file["other"] = h5py.SoftLink("/theta")


FORMS = [
    *(half, half_values, complex_values, text_for_dimensions, too_few_dimensions, lost_dimension),
    *(odd_number, ring, soft_ring, soft_link),
]


def test_a_sound_file_is_read(sound):
    hdf5.check(sound)
    with netCDF4.Dataset(sound) as file:
        assert file["theta"][:].sum() == 24


@pytest.mark.parametrize("change", FORMS)
def test_an_odd_form_is_refused_by_name(sound, change):
    with h5py.File(sound, "r+") as file:
        change(file)
    told = "theta|odd|other|more/again"
    with pytest.raises(hdf5.RefusedFileError, match=told):
        hdf5.check(sound)
