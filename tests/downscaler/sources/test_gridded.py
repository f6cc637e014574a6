"""Other products as xarray opens them: places, days, units and coordinate systems."""

import datetime as dt

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from affine import Affine
from pyproj import Transformer

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


@pytest.mark.parametrize(("units", "factor"), [("m", 1.0), ("metres", 1.0), ("km", 1e-3), ("kilometers", 1e-3)])
def test_axes_in_kilometres_are_the_same_place(tmp_path, units, factor):
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(-94.3, 34.6)
    data = xr.Dataset(
        {"sm": (("time", "y", "x"), np.arange(9.0).reshape(1, 3, 3) / 100, {"crs": "EPSG:6933"})},
        coords={
            "time": [np.datetime64("2024-05-01", "ns")],
            "y": ("y", (y + np.array([1000, 0, -1000])) * factor, {"units": units}),
            "x": ("x", (x + np.array([-1000, 0, 1000])) * factor, {"units": units}),
        },
    )
    data.to_netcdf(tmp_path / "p.nc")
    assert product_at(str(tmp_path / "p.nc"), DATES, *PLACES)[0, 0] == pytest.approx(0.04)
    data["x"].attrs["units"] = "feet"
    data.to_netcdf(tmp_path / "feet.nc")
    with pytest.raises(ComparisonError, match="no length on a map"):
        product_at(str(tmp_path / "feet.nc"), DATES, *PLACES)


def test_a_named_variable_and_projected_metres(tmp_path):
    from pyproj import CRS

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
        (lambda d: d.assign(sm=d.sm * 100), "not a volume fraction"),
        (lambda d: d.assign(sm=d.sm.assign_attrs(units="kg m-2")), "not a volume fraction"),
        (lambda d: d.isel(time=0, drop=True), "lacks coordinates"),
        (lambda d: d.rename(lat="y", lon="x"), "coordinate reference system"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, said):
    change(make()).to_netcdf(tmp_path / "p.nc")
    with pytest.raises(ComparisonError, match=said):
        product_at(str(tmp_path / "p.nc"), DATES, *PLACES)


def test_what_is_not_there_or_no_grid_is_refused(tmp_path):
    with pytest.raises(ComparisonError, match="is missing"):
        product_at(str(tmp_path / "x.nc"), DATES, *PLACES)
    (tmp_path / "x.nc").write_text("no grid")
    with pytest.raises(ComparisonError, match="neither NetCDF nor HDF5"):
        product_at(str(tmp_path / "x.nc"), DATES, *PLACES)


CELL = {"EPSG:4326": 0.25, "EPSG:6933": 1000.0}


def write_tif(path, crs, values, *, tags=(), units=None, cog=False, **profile):
    """Bands of a GeoTIFF whose middle cell holds the first of the places, at its eastern edge."""
    lon, lat = PLACES[0][0], PLACES[1][0]
    x, y = Transformer.from_crs("EPSG:4326", crs or "EPSG:4326", always_xy=True).transform(lon, lat)
    bands, height, width = values.shape
    cell = CELL.get(crs, 0.25)
    corner = (cell, 0.0, x - (width // 2 + 0.999) * cell, 0.0, -cell, y + (height // 2 + 0.5) * cell)
    given = {"count": bands, "height": height, "width": width, "dtype": values.dtype, "transform": Affine(*corner)}
    draft = path.with_suffix(".draft") if cog else path
    with rasterio.open(draft, "w", driver="GTiff", **given | ({"crs": crs} if crs else {}) | profile) as file:
        file.write(values)
        for number, text in enumerate(tags, start=1):
            file.set_band_description(number, text)
        if units:
            file.units = [units] * bands
    if cog:
        rasterio.shutil.copy(draft, path, driver="COG")
        draft.unlink()
    return path


@pytest.mark.parametrize("crs", list(CELL))
@pytest.mark.parametrize("cog", [False, True])
def test_geotiffs_of_a_folder_are_of_the_date_in_their_names(tmp_path, crs, cog):
    for number, day in enumerate(("20240501", "2024-05-03", "20230501")):
        values = np.full((1, 5, 7), 0.9, np.float32)
        values[0, 2, 3] = 0.1 * (number + 1)
        values[0, 2, 2] = np.nan
        write_tif(tmp_path / f"sm_{day}.tif", crs, values, cog=cog, nodata=np.nan, units="m3 m-3")
    (tmp_path / "README.txt").write_text("of no interest")
    found = product_at(str(tmp_path), DATES, *PLACES)
    np.testing.assert_allclose(found[0], [0.1, np.nan, 0.2], rtol=1e-6)
    assert np.isnan(found[2]).all()
    alone = product_at(str(tmp_path / "sm_2024-05-03.tif"), DATES, *PLACES)
    np.testing.assert_allclose(alone[0], [np.nan, np.nan, 0.2], rtol=1e-6)


def test_bands_of_a_geotiff_are_of_the_dates_that_describe_them(tmp_path):
    values = np.full((3, 3, 3), -99, np.int16)
    values[:, 1, 1] = 12, 34, -99
    days = ["sm 2024-05-03", "sm 2024-05-01", "sm 2024-05-02"]
    path = write_tif(tmp_path / "stack.tif", "EPSG:4326", values, tags=days, nodata=-99)
    with rasterio.open(path, "r+") as file:
        file.scales = (0.01,) * 3
    np.testing.assert_allclose(product_at(str(path), DATES, *PLACES)[0], [0.34, np.nan, 0.12], rtol=1e-6)


WET = np.full((1, 3, 3), 0.2, np.float32)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"sm.tif": {"values": WET}}, "does not state its dates"),
        ({"sm_20240501.tif": {"values": np.repeat(WET, 2, axis=0)}}, "does not state its dates"),
        ({"sm_20240501_20240508.tif": {"values": WET}}, "does not state its dates"),
        ({"sm_20200501.tif": {"values": WET}}, "of the validated days"),
        ({"sm_20240501.tif": {"values": WET, "crs": None}}, "coordinate reference system"),
        ({"sm_20240501.tif": {"values": 100 * WET}}, "not a volume fraction"),
        ({"sm_20240501.tif": {"values": 0 * WET - 9999}}, "declare its missing value"),
        ({"sm_20240501.tif": {"values": WET, "units": "mm"}}, "not a volume fraction"),
        ({f"{name}_20240501.tif": {"values": WET} for name in ("lower", "upper")}, "FOLDER::PART"),
        ({"sm_20240501.tif": None}, "cannot be opened"),
    ],
)
def test_geotiffs_that_do_not_fit_are_refused(tmp_path, files, said):
    for name, made in files.items():
        if made is None:
            (tmp_path / name).write_bytes(b"II*\0 cut")
        else:
            write_tif(tmp_path / name, made.pop("crs", "EPSG:4326"), made.pop("values"), **made)
    with pytest.raises(ComparisonError, match=said):
        product_at(str(tmp_path), DATES, *PLACES)


def test_a_part_of_the_names_chooses_among_the_variables_of_a_folder(tmp_path):
    for name, value in (("mean", 0.2), ("spread", 0.9)):
        write_tif(tmp_path / f"{name}_20240501.tif", "EPSG:6933", np.full((1, 3, 3), value, np.float32))
    assert product_at(f"{tmp_path}::mean", DATES, *PLACES)[0, 0] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["product_20240501.tif", "product.nc"])
def test_a_list_of_other_files_is_no_product(tmp_path, name):
    (tmp_path / name).write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><SourceFilename>/etc/passwd</SourceFilename>'
    )
    with pytest.raises(ComparisonError, match=r"not a GeoTIFF|neither NetCDF nor HDF5"):
        product_at(str(tmp_path / name), DATES, *PLACES)
