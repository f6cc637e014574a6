"""Daymet as a run's weather: files in its documented layout, fetched by the real client, named in prior and model."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from downscaler.errors import (
    AbsentDataError,
    PriorCoverageError,
    PriorSchemaError,
    PriorUnreadableError,
    WeatherGapError,
    WeatherUnreadableError,
)
from downscaler.ground.grid import M36
from downscaler.learn.boosting import Options
from downscaler.learn.training import train
from downscaler.sources.covariates import WithWeather, open_daymet
from downscaler.sources.covariates.weather import bilinear
from downscaler.sources.parflow import open_source
from downscaler.sources.weather import open_weather_source
from downscaler.stores.prior import open_prior

LCC = CRS.from_proj4("+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +ellps=WGS84 +units=m +no_defs")
UNITS = {"prcp": "mm/day", "tmax": "degrees C", "tmin": "degrees C"}
BOX = (-96.0, 33.4, -93.4, 35.4)  # around the sample


def plane(variable: str, x: Any, y: Any, day: Any) -> Any:
    """Weather that is linear in space: interpolation between cells must give it back."""
    rain = 4.0 + 1e-6 * x - 2e-6 * y + 0.01 * day
    return {"prcp": rain, "tmax": 20.0 + 1e-6 * x + 0.02 * day, "tmin": 8.0 - 1e-6 * y}[variable]


def write(folder: Path, variable: str, year: int = 2024, box: tuple[float, ...] = BOX, **attributes: str) -> Path:
    """A cut of a Daymet file: noon of 365 days, rows from the north, a CF grid mapping."""
    to_metres = Transformer.from_crs("EPSG:4326", LCC, always_xy=True)
    lon, lat = np.meshgrid(np.linspace(box[0], box[2], 30), np.linspace(box[1], box[3], 30))
    px, py = to_metres.transform(lon, lat)
    x = np.arange(np.floor(px.min() / 1000), np.ceil(px.max() / 1000)) * 1000.0 + 250.0
    y = np.arange(np.floor(py.min() / 1000), np.ceil(py.max() / 1000))[::-1] * 1000.0
    time = np.datetime64(f"{year}-01-01T12:00", "ns") + np.arange(365) * np.timedelta64(1, "D")
    values = plane(variable, x[None, None, :], y[None, :, None], np.arange(1.0, 366.0)[:, None, None])
    values = np.broadcast_to(values, (365, y.size, x.size)).astype(np.float32)
    data = xr.Dataset(
        {
            variable: (("time", "y", "x"), values, {"units": UNITS[variable], "grid_mapping": "lcc"} | attributes),
            "lcc": ((), np.int16(0), LCC.to_cf()),
        },
        coords={"time": time, "y": ("y", y, {"units": "m"}), "x": ("x", x, {"units": "m"})},
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"daymet_v4_daily_na_{variable}_{year}.nc"
    data.to_netcdf(path, encoding={variable: {"zlib": True, "complevel": 1, "_FillValue": -9999.0}})
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("daymet")
    for variable in UNITS:
        for year in (2023, 2024):
            write(folder, variable, year)
    return folder


@pytest.fixture
def run(made: Path) -> Any:
    native = made / "sample" / "prior"
    return open_source("netcdf", native / "daily.nc", native / "static.nc")


def test_weather_is_brought_onto_the_runs_cells(files: Path, run: Any) -> None:
    source = WithWeather(run, open_daymet(files, {day.year for day in run.days}))
    window = run.lattice.window
    x, y = np.meshgrid(run.lattice.x, run.lattice.y)
    px, py = Transformer.from_crs(run.lattice.crs, LCC, always_xy=True).transform(x, y)
    n = next(n for n, day in enumerate(run.days) if day == dt.date(2024, 3, 1))
    doy = 61.0
    rain = source.read_days("precipitation", slice(n, n + 2), window)
    assert np.allclose(rain[0], plane("prcp", px, py, doy), atol=1e-4)
    assert np.allclose(rain[1], plane("prcp", px, py, doy + 1), atol=1e-4)
    mean = (plane("tmax", px, py, doy) + plane("tmin", px, py, doy)) / 2 + 273.15
    assert np.allclose(source.read_days("air_temperature", slice(n, n + 1), window)[0], mean, atol=1e-3)
    assert source.days == run.days
    assert np.array_equal(
        source.read_days("soil_moisture", slice(0, 1), window),
        run.read_days("soil_moisture", slice(0, 1), window),
        equal_nan=True,
    )
    assert sum("daymet" in entry["name"] for entry in source.info.inputs) == 3
    source.close()


def test_axes_in_kilometres_are_the_same_weather(tmp_path: Path) -> None:
    """As the subset service writes them."""
    for variable in UNITS:
        file = write(tmp_path / "m", variable, 2023, box=(-95.0, 34.0, -94.9, 34.1))
        with xr.open_dataset(file) as data:
            axes = {axis: (axis, data[axis].values / 1000.0, {"units": "km"}) for axis in ("x", "y")}
            (tmp_path / "km").mkdir(exist_ok=True)
            data.load().assign_coords(axes).to_netcdf(tmp_path / "km" / file.name)
    days, found = [dt.date(2023, 7, 1), dt.date(2023, 7, 2)], []
    for folder in ("m", "km"):
        weather = open_daymet(tmp_path / folder, [2023])
        found.append((weather.lattice.x, weather.lattice.y, weather.precipitation(days, weather.lattice.window)))
        weather.close()
    for metres, kilometres in zip(*found, strict=True):
        np.testing.assert_allclose(kilometres, metres, rtol=1e-6)
    assert np.isfinite(found[0][2]).all()


def test_the_last_day_of_a_leap_year_is_missing(files: Path) -> None:
    weather = open_daymet(files, [2023, 2024])
    days = [dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 12, 31)]
    rain = weather.precipitation(days, weather.lattice.window)
    assert np.isfinite(rain).all(axis=(1, 2)).tolist() == [True, True, True, False]
    with pytest.raises(AbsentDataError, match="2022"):
        weather.precipitation([dt.date(2022, 5, 1)], weather.lattice.window)
    weather.close()


def test_whole_years_are_a_source_of_weather(files: Path, tmp_path: Path) -> None:
    source = open_weather_source("daymet", files)
    assert len(source.days) == 730
    assert dt.date(2024, 12, 31) not in source.days  # Daymet's leap years end on the 30th
    window = source.lattice.window
    x, y = np.meshgrid(source.lattice.x, source.lattice.y)
    read = source.read(dt.date(2024, 3, 1), window)
    assert np.allclose(read.precipitation, plane("prcp", x, y, 61.0), atol=1e-4)
    assert read.air_temperature is not None
    mean = (plane("tmax", x, y, 61.0) + plane("tmin", x, y, 61.0)) / 2 + 273.15
    assert np.allclose(read.air_temperature, mean, atol=1e-3)
    assert sorted(entry["name"][-12:] for entry in read.inputs) == ["prcp_2024.nc", "tmax_2024.nc", "tmin_2024.nc"]
    for day in (dt.date(2024, 12, 31), dt.date(2022, 5, 1)):
        with pytest.raises(WeatherGapError):
            source.read(day, window)
    source.close()
    shutil.copy(files / "daymet_v4_daily_na_prcp_2024.nc", tmp_path)
    with pytest.raises(WeatherUnreadableError, match="No year of Daymet"):
        open_weather_source("daymet", tmp_path)


def test_interpolation_leaves_unknown_cells_out() -> None:
    field = np.array([[1.0, 3.0], [np.nan, 5.0]])
    j, i = np.array([[0.5, 0.0]]), np.array([[0.5, 0.25]])
    assert np.allclose(bilinear(field, j, i), [[3.0, 1.5]])
    assert np.isnan(bilinear(np.full((2, 2), np.nan), j, i)).all()


def test_other_files_are_refused(tmp_path: Path, run: Any, files: Path) -> None:
    with pytest.raises(PriorUnreadableError, match="tmin_2024"):
        open_daymet(tmp_path, [2024])
    for variable in UNITS:
        write(tmp_path / "units", variable, units="kg m-2 s-1")
    with pytest.raises(PriorSchemaError, match="not what Daymet's prcp is"):
        open_daymet(tmp_path / "units", [2024])
    for variable in UNITS:
        for year in (2023, 2024):
            write(tmp_path / "small", variable, year, box=(-95.0, 34.4, -94.9, 34.5))
    with pytest.raises(PriorCoverageError, match="does not cover"):
        WithWeather(run, open_daymet(tmp_path / "small", [2023, 2024])).read_days(
            "precipitation", slice(0, 1), run.lattice.window
        )
    for variable in UNITS:
        path = write(tmp_path / "turned", variable)
        with xr.open_dataset(path) as data:
            turned = data.isel(time=np.roll(np.arange(365), 100)).load()
        turned.to_netcdf(path)
    with pytest.raises(PriorSchemaError, match="out of order"):
        open_daymet(tmp_path / "turned", [2024])
    broken = tmp_path / "broken" / "daymet_v4_daily_na_prcp_2024.nc"
    write(broken.parent, "tmax")
    write(broken.parent, "tmin")
    broken.write_bytes((files / broken.name).read_bytes()[:2000])
    with pytest.raises(PriorUnreadableError):
        open_daymet(broken.parent, [2024])


def test_missing_files_are_fetched_and_the_model_names_them(
    vadose: Any, earthdata: Any, pointed: Callable[..., None], made: Path, files: Path, tmp_path: Path
) -> None:
    for file in files.iterdir():
        year = int(file.stem[-4:])
        earthdata.hold(file, short_name="Daymet_Daily_V4R1_2129", version="4.1", day=dt.date(year, 6, 1))
        earthdata.hold(files / file.name, name=file.name.replace("_na_", "_hi_"), short_name="Daymet_Daily_V4R1_2129",
                       day=dt.date(year, 6, 1), content=b"Hawaii")  # fmt: skip
    native = made / "sample" / "prior"
    source = ("--source", "netcdf", native / "daily.nc", "--statics", native / "static.nc")
    line = ("prior", "build", "--domain=-94.9,34.3,-94.4,34.6", *source, "--daymet", "daymet", "--out", "prior")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EARTHDATA_TOKEN")
        assert vadose(*line).code == 21
    own = "daymet_v4_daily_na_prcp_2024.nc"
    (tmp_path / "daymet").mkdir()
    shutil.copy(files / own, tmp_path / "daymet")
    pointed(cache_limit=1e-9)  # is SMAP's: these files are needed at once, and none is evicted
    ended = vadose(*line)
    assert ended.code == 0, ended.err
    fetched = {file.name: earthdata.seen[file.name] for file in files.iterdir() if earthdata.seen[file.name]}
    assert fetched == {own.replace("prcp", name): 1 for name in ("tmax", "tmin")}  # one year, not what is there
    told = json.loads(vadose("info", "prior", "--json").out)
    assert any("Daymet V4 R1" in note for note in told["notes"])
    card = train(open_prior(tmp_path / "prior"), grids=[M36], options=Options(rows=5000, rounds=3)).card
    assert any("Daymet V4 R1" in note for note in card["prior"]["notes"])
    assert any("daymet_v4_daily_na_prcp_2024.nc" in entry["name"] for entry in card["prior"]["sources"])
