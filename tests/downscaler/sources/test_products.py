"""Products to compare with as their archives deliver them: SMAP L4, NISAR SME2, NSIDC-0779, three-hourly rasters."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from pyproj import Transformer

from downscaler.errors import ComparisonError
from downscaler.ground.grid import M01, M09
from downscaler.sources.gridded import product_at, sample_product
from downscaler.sources.products import UNVERIFIED

DATES = [dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2024, 5, 3)]
LON, LAT = np.array([-94.3, -94.31, 10.0]), np.array([34.6, 34.9, 34.0])
X, Y = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(LON[:2], LAT[:2])


def around(cell: float, grid: Affine, margin: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the grid's columns and rows about the places."""
    columns, rows = ~grid @ (np.array([min(X), max(X)]), np.array([max(Y), min(Y)]))
    x = grid.c + (np.arange(int(columns[0]) - margin, int(columns[1]) + margin) + 0.5) * cell
    y = grid.f - (np.arange(int(rows[0]) - margin, int(rows[1]) + margin) + 0.5) * cell
    return x, y


def at_places(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[float]:
    """The cell that holds each place, by distance."""
    return [
        float(field[int(np.abs(y - north).argmin()), int(np.abs(x - east).argmin())])
        for east, north in zip(X, Y, strict=True)
    ]


def level4(path: Path, moment: dt.datetime, field: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    with h5py.File(path / f"SMAP_L4_SM_gph_{moment:%Y%m%dT%H%M%S}_Vv7032_001.h5", "w") as file:
        file["Geophysical_Data/sm_surface"] = field.astype(np.float32)
        file["Geophysical_Data/sm_surface"].attrs.update(units="m3 m-3", _FillValue=np.float32(-9999.0))
        file["x"], file["y"] = x, y


def test_smap_l4_is_the_mean_of_a_whole_day_only(tmp_path: Path) -> None:
    x, y = around(M09.cell, M09.transform)
    rng = np.random.default_rng(0)
    fields = rng.uniform(0.1, 0.4, (2, 8, y.size, x.size))
    for day in range(2):
        for number in range(8 if day == 0 else 7):
            moment = dt.datetime(2024, 5, 1 + day, 1, 30, tzinfo=dt.UTC) + dt.timedelta(hours=3 * number)
            level4(tmp_path, moment, fields[day, number], x, y)
    (tmp_path / "README.txt").write_text("of no interest")
    found = sample_product(str(tmp_path), DATES, LON, LAT)
    np.testing.assert_allclose(found.theta[:2, 0], at_places(fields[0].mean(axis=0), x, y), rtol=1e-6)
    assert np.isnan(found.theta[:, 1:]).all()
    assert np.isnan(found.theta[2]).all()
    assert "1 days" in found.notes[0]
    assert "fewer than 8 fields" in found.notes[0]


def sme2(path: Path, field: np.ndarray, x: np.ndarray, y: np.ndarray, *, units: str = "meter^3/meter^3") -> None:
    with h5py.File(path, "w") as file:
        grids = file.create_group("science/LSAR/SME2/grids")
        grids["soilMoisture"] = field.astype(np.float32)
        grids["soilMoisture"].attrs.update(units=units, _FillValue=np.float32(-9999.0), grid_mapping="projection")
        flag = np.zeros(field.shape, np.int16)
        flag[0, 0] = 1
        grids["retrievalQualityFlag"] = flag
        grids["xCoordinates"], grids["yCoordinates"] = x, y
        file["science/LSAR/identification/zeroDopplerStartTime"] = np.bytes_("2024-05-02T12:52:18.000000000")


NISAR = "NISAR_L3_PR_SME2_028_005_A_020_4005_DHDH_A_20240502T125218_20240502T125253_P05023_N_F_J_001.h5"


def test_nisar_is_read_where_it_is_recommended_and_said_to_be_unverified(tmp_path: Path) -> None:
    transform = Affine(200.0, 0.0, M01.transform.c, 0.0, -200.0, M01.transform.f)
    x, y = around(200.0, transform)
    field = np.random.default_rng(1).uniform(0.05, 0.5, (y.size, x.size))
    field[:, -1] = -9999.0
    sme2(tmp_path / NISAR, field, x, y)
    sme2(tmp_path / NISAR.replace("P05023", "P05010"), field * 0 + 0.9, x, y)  # an older release of the same scene
    found = sample_product(str(tmp_path), DATES, LON, LAT)
    np.testing.assert_allclose(found.theta[:2, 1], at_places(field, x, y), rtol=1e-6)
    assert np.isnan(found.theta[:, [0, 2]]).all()
    assert found.notes == (UNVERIFIED,)
    corner = Transformer.from_crs("EPSG:6933", "EPSG:4326", always_xy=True).transform(x[[0]], y[[0]])
    assert np.isnan(product_at(str(tmp_path / NISAR), DATES, *corner)).all()


def test_nisar_in_another_unit_or_without_its_field_is_refused(tmp_path: Path) -> None:
    x, y = around(200.0, Affine(200.0, 0.0, M01.transform.c, 0.0, -200.0, M01.transform.f))
    field = np.full((y.size, x.size), 0.2)
    sme2(tmp_path / NISAR, field, x, y, units="percent")
    with pytest.raises(ComparisonError, match="no volume fraction"):
        product_at(str(tmp_path), DATES, LON, LAT)
    with h5py.File(tmp_path / NISAR, "r+") as file:
        del file["science/LSAR/SME2/grids/soilMoisture"]
    with pytest.raises(ComparisonError, match="cannot be read"):
        product_at(str(tmp_path), DATES, LON, LAT)


def raster(path: Path, *bands: np.ndarray, x: np.ndarray, y: np.ndarray, cell: float = M01.cell) -> None:
    transform = Affine(cell, 0.0, x[0] - cell / 2, 0.0, -cell, y[0] + cell / 2)
    shape = {"height": y.size, "width": x.size, "count": len(bands), "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:6933", transform=transform, nodata=np.nan, **shape) as file:
        file.write(np.stack(bands).astype(np.float32))


@pytest.mark.parametrize("ending", ["", "_CONUS", "_clipped"])
def test_nsidc_0779_has_a_band_for_each_overpass(tmp_path: Path, ending: str) -> None:
    x, y = around(M01.cell, M01.transform)
    morning, evening = np.random.default_rng(2).uniform(0.05, 0.5, (2, y.size, x.size))
    evening[:, : x.size // 2] = np.nan
    raster(tmp_path / f"NSIDC-0779_EASE2_G1km_SMAP_SM_DS_20240503{ending}.tif", morning, evening, x=x, y=y)
    found = product_at(str(tmp_path), DATES, LON, LAT)
    both = np.nanmean(np.stack([morning, evening]), axis=0)
    np.testing.assert_allclose(found[:2, 2], at_places(both, x, y), rtol=1e-5)


@pytest.mark.parametrize(
    "pattern",
    ["STF_SSM_{0:%Y%m%d}_{0:%H%M}.tif", "ssm_doy{0:%Y%j%H%M%S}_aid0001.tif", "sm.{0:%Y-%m-%d}T{0:%H:%M}Z.tif"],
)
def test_three_hourly_rasters_make_the_mean_of_a_whole_day(tmp_path: Path, pattern: str) -> None:
    x, y = around(M01.cell, M01.transform)
    fields = np.random.default_rng(3).uniform(0.05, 0.5, (8, y.size, x.size))
    for day in (1, 2):
        for number in range(8 if day == 1 else 5):
            moment = dt.datetime(2024, 5, day, 3 * number, 30, tzinfo=dt.UTC)
            raster(tmp_path / pattern.format(moment), fields[number], x=x, y=y)
    found = sample_product(str(tmp_path), DATES, LON, LAT)
    np.testing.assert_allclose(found.theta[:2, 0], at_places(fields.mean(axis=0), x, y), rtol=1e-5)
    assert np.isnan(found.theta[:, 1:]).all()
    assert "fewer than 8 fields" in found.notes[0]


def test_days_of_the_year_are_dates_and_cell_sizes_are_not(tmp_path: Path) -> None:
    x, y = around(M01.cell, M01.transform)
    raster(tmp_path / "sm_2024122.tif", np.full((y.size, x.size), 0.2), x=x, y=y)  # the first of May
    assert product_at(str(tmp_path), DATES, LON, LAT)[0, 0] == pytest.approx(0.2)
    raster(tmp_path / "sm_2024_122m.tif", np.full((y.size, x.size), 0.3), x=x, y=y)
    with pytest.raises(ComparisonError, match="does not state its dates"):
        product_at(str(tmp_path / "sm_2024_122m.tif"), DATES, LON, LAT)


def test_two_rasters_of_one_half_hour_are_refused(tmp_path: Path) -> None:
    x, y = around(M01.cell, M01.transform)
    for name in ("a_20240501_0130.tif", "b_20240501T0130.tif"):
        raster(tmp_path / name, np.full((y.size, x.size), 0.2), x=x, y=y)
    with pytest.raises(ComparisonError, match="Two GeoTIFFs"):
        product_at(str(tmp_path), DATES, LON, LAT)


def month(path: Path, days: list[str], value: float) -> None:
    lat, lon = np.arange(36.0, 33.0, -0.25), np.arange(-96.0, -92.0, 0.25)
    values = np.full((len(days), lat.size, lon.size), value)
    data = xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
        coords={"time": np.array(days, "datetime64[ns]"), "lat": lat, "lon": lon},
    )
    data.to_netcdf(path)


def test_a_folder_of_netcdf_is_one_product_with_each_time_once(tmp_path: Path) -> None:
    month(tmp_path / "a.nc", ["2024-05-01"], 0.1)
    month(tmp_path / "b.nc", ["2024-05-02", "2024-05-03"], 0.2)
    np.testing.assert_allclose(product_at(str(tmp_path), DATES, LON, LAT)[0], [0.1, 0.2, 0.2])
    month(tmp_path / "b (1).nc", ["2024-05-03"], 0.4)
    with pytest.raises(ComparisonError, match="of one time"):
        product_at(str(tmp_path), DATES, LON, LAT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match="no file of a product"):
        product_at(str(tmp_path / "empty"), DATES, LON, LAT)
