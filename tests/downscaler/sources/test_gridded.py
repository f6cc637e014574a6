"""Other products as xarray opens them: places, days, units and coordinate systems."""

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from downscaler.errors import ComparisonError
from downscaler.sources.gridded import product_at

DATES = [dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2024, 5, 3)]
LAT, LON = np.arange(36.0, 33.0, -0.25), np.arange(-96.0, -92.0, 0.25)
PLACES = np.array([-94.3, -93.01, 10.0]), np.array([34.6, 35.02, 34.0])


def make(lon=LON, **attrs):
    rng = np.random.default_rng(0)
    times = np.array(["2024-05-01T06", "2024-05-01T18", "2024-05-03T00"], "datetime64[ns]")
    values = rng.uniform(0.1, 0.4, (3, LAT.size, LON.size))
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"} | attrs)},
        coords={"time": times, "lat": LAT, "lon": lon},
    )


def twin(data):
    """The nearest cell by distance, one place and day at a time; the mean of the day."""
    result = np.full((3, 3), np.nan)
    for site, (lon, lat) in enumerate(zip(*PLACES, strict=True)):
        if lon > 0:
            continue
        own = data.sm.isel(lat=int(np.abs(LAT - lat).argmin()), lon=int(np.abs(LON - lon).argmin()))
        for day, date in enumerate(DATES):
            of_day = own.where(own.time.dt.date == date, drop=True)
            result[site, day] = of_day.mean() if of_day.size else np.nan
    return result


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "east"])
def test_latitude_and_longitude(tmp_path, kind):
    data = make()
    path = tmp_path / ("product.zarr" if kind == "zarr" else "product.nc")
    if kind == "zarr":
        data.to_zarr(path, consolidated=False, zarr_format=3)
    else:
        (data.assign_coords(lon=LON + 360) if kind == "east" else data).to_netcdf(path)
    np.testing.assert_allclose(product_at(str(path), DATES, *PLACES), twin(data))


def test_a_named_variable_and_projected_metres(tmp_path):
    from pyproj import CRS, Transformer

    x, y = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(-94.3, 34.6)
    data = xr.Dataset(
        {
            "wet": (("time", "y", "x"), np.arange(9.0).reshape(1, 3, 3) / 100, {"grid_mapping": "crs"}),
            "crs": ((), 0, CRS.from_epsg(6933).to_cf()),
        },
        coords={
            "time": [np.datetime64("2024-05-01", "ns")],
            "y": y + np.array([1000, 0, -1000]),
            "x": x + np.array([-1000, 0, 1000]),
        },
    )
    data.to_netcdf(tmp_path / "p.nc")
    found = product_at(f"{tmp_path / 'p.nc'}::wet", DATES, *PLACES)
    assert found[0, 0] == pytest.approx(0.04)
    assert np.isnan(found[1:]).all()
    with pytest.raises(ComparisonError, match="PATH::VARIABLE"):
        product_at(str(tmp_path / "p.nc"), DATES, *PLACES)
    with pytest.raises(ComparisonError, match="no such variable"):
        product_at(f"{tmp_path / 'p.nc'}::dry", DATES, *PLACES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.assign(sm=d.sm * 100), "no volume fraction"),
        (lambda d: d.assign(sm=d.sm.assign_attrs(units="kg m-2")), "no volume fraction"),
        (lambda d: d.isel(time=0, drop=True), "lacks coordinates"),
        (lambda d: d.rename(lat="y", lon="x"), "coordinate reference system"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, said):
    change(make()).to_netcdf(tmp_path / "p.nc")
    with pytest.raises(ComparisonError, match=said):
        product_at(str(tmp_path / "p.nc"), DATES, *PLACES)


def test_what_is_not_there_or_no_grid_is_refused(tmp_path):
    with pytest.raises(ComparisonError, match="not there"):
        product_at(str(tmp_path / "x.nc"), DATES, *PLACES)
    (tmp_path / "x.nc").write_text("no grid")
    with pytest.raises(ComparisonError, match="cannot open"):
        product_at(str(tmp_path / "x.nc"), DATES, *PLACES)
