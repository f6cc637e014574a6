"""``vadose info`` knows every form that another command reads, by what it holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from netCDF4 import Dataset

from downscaler.ground.grid import M01, M09
from downscaler.product import DEMO

WINDOW = DEMO.window(M09)
X = M09.transform.c + (np.arange(WINDOW.columns.start, WINDOW.columns.stop) + 0.5) * M09.transform.a
Y = M09.transform.f + (np.arange(WINDOW.rows.start, WINDOW.rows.stop) + 0.5) * M09.transform.e
FIELD = np.full((Y.size, X.size), 0.2, np.float32)
AM = "Soil_Moisture_Retrieval_Data_AM_"


def flat_granule(folder: Path) -> Path:
    path = folder / "SMAP_L3_SM_P_E_20240520_R19240_001.nc4"
    with h5py.File(path, "w") as file:
        file[f"{AM}soil_moisture"], file[f"{AM}retrieval_qual_flag"] = FIELD, np.zeros(FIELD.shape, np.uint16)
        file["x"], file["y"] = X, Y
    return path


def stack(folder: Path) -> Path:
    path = folder / "SPL3SMP_E.006_9km_aid0001.nc"
    with Dataset(path, "w") as file:
        for name, size in (("time", None), ("ydim", Y.size), ("xdim", X.size)):
            file.createDimension(name, size)
        time = file.createVariable("time", "i4", ("time",))
        time.units, time.calendar = "days since 2000-01-01 00:00:00", "julian"
        time[:] = [8906, 8907]
        for name, axis in (("ydim", Y), ("xdim", X)):
            file.createVariable(name, "f8", (name,))[:] = axis
        for name, kind in (("soil_moisture", "f4"), ("retrieval_qual_flag", "u2")):
            values = np.broadcast_to(FIELD if kind == "f4" else 0, (2, *FIELD.shape))
            file.createVariable(AM + name, kind, ("time", "ydim", "xdim"))[:] = values
    return path


def level4(folder: Path) -> Path:
    for number in range(7):
        moment = dt.datetime(2024, 5, 20, 1, 30, tzinfo=dt.UTC) + dt.timedelta(hours=3 * number)
        with h5py.File(folder / f"SMAP_L4_SM_gph_{moment:%Y%m%dT%H%M%S}_Vv7032_001.h5", "w") as file:
            file["Geophysical_Data/sm_surface"], file["x"], file["y"] = FIELD, X, Y
    return folder


def sme2(folder: Path) -> Path:
    name = "NISAR_L3_PR_SME2_028_005_A_020_4005_DHDH_A_20240502T125218_20240502T125253_P05023_N_F_J_001.h5"
    with h5py.File(folder / name, "w") as file:
        grids = file.create_group("science/LSAR/SME2/grids")
        grids["soilMoisture"], grids["xCoordinates"], grids["yCoordinates"] = FIELD, X, Y
    return folder / name


def overpasses(folder: Path) -> Path:
    path = folder / "NSIDC-0779_EASE2_G1km_SMAP_SM_DS_20240503.tif"
    transform = Affine(M01.cell, 0.0, X[0], 0.0, -M01.cell, Y[0])
    shape = {"height": 3, "width": 3, "count": 2, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:6933", transform=transform, **shape) as file:
        file.write(np.full((2, 3, 3), 0.2, np.float32))
    return folder


def parflow(folder: Path) -> Path:
    (folder / "prior.toml").write_text(
        '[grid]\nlattice = "CONUS2"\nij_bounds = [2200, 1150, 2205, 1156]\n[time]\nstart = "2005-10-01T00:00:00Z"\n'
        'step = "1h"\n'
    )
    with Dataset(folder / "r.out.00000.nc", "w") as file:
        for name, size in (("x", 5), ("y", 6), ("z", 3), ("time", None)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = [0.0]
        for name in ("saturation", "porosity"):
            file.createVariable(name, "f8", ("time", "z", "y", "x"))[:] = np.full((1, 3, 6, 5), 0.5)
    return folder


def ameriflux(folder: Path) -> Path:
    (folder / "sites.csv").write_text("site,lat,lon,utc_offset,variable,depth\nUS-ARM,36.6,-97.5,-6,SWC_1,0.05\n")
    path = folder / "AMF_US-ARM_BASE_HH_11-5.csv"
    path.write_text("# Site: US-ARM\nTIMESTAMP_START,TIMESTAMP_END,SWC_1\n201501010000,201501010030,20\n")
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (flat_granule, {"kind": "granule", "short_name": "SPL3SMP_E", "date": "2024-05-20"}),
        (stack, {"kind": "granule", "short_name": "SPL3SMP_E", "days": 2, "last": "2024-05-21"}),
        (level4, {"kind": "product", "product": "SPL4SMGP", "files": 7, "incomplete_days": ["2024-05-20"]}),
        (sme2, {"kind": "product", "product": "SME2", "period": ["2024-05-02", "2024-05-02"]}),
        (overpasses, {"kind": "product", "product": "GeoTIFF", "period": ["2024-05-03", "2024-05-03"]}),
        (parflow, {"kind": "parflow-netcdf", "lattice": "CONUS2", "period": ["2005-10-01", "2005-10-01"]}),
        (ameriflux, {"kind": "station-archive", "stations": 1, "networks": ["AmeriFlux"]}),
    ],
)
def test_info_knows_it(make: Callable[[Path], Path], expected: dict[str, Any], vadose: Any, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    ended = vadose("info", make(folder), "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert {key: facts[key] for key in expected} == expected
