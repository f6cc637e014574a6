"""NLDAS-2, NLDAS-3 and CW3E made from one field give one field; what is wrong in a file is caught."""

import datetime as dt
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import weather_files as making
from pyproj import Transformer

from downscaler import product
from downscaler.errors import WeatherGapError, WeatherUnreadableError, WeatherValueError
from downscaler.ground.grid import CRS, Domain, Span, Window
from downscaler.sources.weather import WeatherDay, WeatherSource, open_weather_source
from downscaler.stores.weather import add_days, build_weather, open_weather
from downscaler.stores.weather.layout import PRECIPITATION

DAY = making.DAY
DOMAIN = product.LITTLE_WASHITA
SHAPE = DOMAIN.shape()
WHOLE = Window(rows=Span(start=0, stop=SHAPE.y), columns=Span(start=0, stop=SHAPE.x))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One field in three layouts."""
    folder = tmp_path_factory.mktemp("one-field")
    making.nldas2_hours(folder / "nldas2", field=making.patches)
    making.nldas3_day(folder / "nldas3", field=making.patches)
    making.cw3e_days(folder / "parflow", days=2)
    return folder


def stored(store: Path, kind: str, folder: Path, domain: Domain = DOMAIN) -> tuple[np.ndarray, list[str]]:
    """Rain of the day as a store gives it back, and what was said of days left out."""
    build_weather(store, domain)
    source, said = open_weather_source(kind, folder), []
    add_days(store, source, [DAY], said=lambda _day, what: said.append(what))
    source.close()
    return open_weather(store).read("precipitation", [DAY], domain, WHOLE)[0], said


def inside_of_patches(margin: float) -> np.ndarray:
    """Product cells that lie whole inside a half degree, ``margin`` degrees from its edge."""
    box = DOMAIN.geobox().affine
    x, y = (box.c + box.a * (np.arange(SHAPE.x) + 0.5)), (box.f + box.e * (np.arange(SHAPE.y) + 0.5))
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    away = [np.abs(place * 2 - np.round(place * 2)) / 2 for place in (lon, lat)]
    return np.asarray(np.minimum(*away) > margin)


def test_one_field_in_three_layouts_is_one_field(files: Path, tmp_path: Path) -> None:
    made = {}
    for kind in ("nldas2", "nldas3", "parflow"):
        made[kind], said = stored(tmp_path / kind, kind, files / kind)
        assert said == []
    rounding = PRECIPITATION.scale + 1e-4
    # the half degrees are whole cells of both NLDAS: equal everywhere, on their edges too
    assert np.abs(made["nldas2"] - made["nldas3"]).max() <= rounding
    inside = inside_of_patches(0.025)  # CONUS2's cells lie across the edges
    assert 0.6 < inside.mean() < 1.0
    assert np.abs(made["parflow"] - made["nldas2"])[inside].max() <= rounding
    assert abs(made["parflow"].mean() - made["nldas2"].mean()) < 0.05
    lon, lat = np.arange(-99.75, -96.0, 0.5), np.arange(33.25, 36.5, 0.5)
    assert set(np.round(made["nldas3"][inside])) <= set(making.patches(lon, lat).ravel())


def test_the_rain_of_a_day_is_that_of_its_own_hours(files: Path, tmp_path: Path) -> None:
    source = open_weather_source("parflow", files / "parflow")
    assert source.days == (DAY, DAY + dt.timedelta(days=1))
    window = source.lattice.window
    lon, lat = source.lattice.lonlat()
    for day in source.days:
        read = source.read(day, window)
        known = np.isfinite(read.precipitation)
        assert not known[5, 7]  # ParFlow's fill is no rain
        assert known.sum() == known.size - 1
        assert np.allclose(read.precipitation[known], making.patch(lon, lat)[known], atol=1e-3)
        assert read.air_temperature is not None
        assert np.allclose(read.air_temperature, making.warmth(lon[0], lat[:, 0]), atol=1e-3)
    assert source.forcing == "CW3E"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"late": 6}, WeatherGapError, "18 of 24 planes"),  # the file begins at the seventh hour
        ({"times": 86_400}, WeatherValueError, "not plausible as a daily sum"),  # in mm a day
        ({"units": '[units]\nprecipitation = "inch"'}, WeatherUnreadableError, "another unit"),
        ({"units": '[units]\nair_temperature = "degC"'}, WeatherValueError, "not plausible in kelvin"),
        ({"turned": True}, WeatherUnreadableError, "different lattices"),
        ({"fill": -9999.0}, WeatherValueError, "not plausible as a daily sum"),
    ],
)
def test_wrong_hours_units_transpositions_and_fills_of_parflow(
    change: dict[str, object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    making.cw3e_days(tmp_path / "f", **change)
    with pytest.raises(error, match=words):
        stored_day(open_weather_source("parflow", tmp_path / "f"))


def test_a_forcing_folder_says_where_it_lies_and_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(WeatherUnreadableError, match=r"no weather\.toml"):
        open_weather_source("parflow", tmp_path)
    (rain, *_) = making.cw3e_days(tmp_path)
    about = tmp_path / "weather.toml"
    about.write_text(about.read_text().replace("2141, 1154", "2142, 1154"))
    with pytest.raises(WeatherUnreadableError, match="do not match the shape"):
        _ = open_weather_source("parflow", tmp_path).lattice
    rain.write_bytes(rain.read_bytes()[:-8])
    with pytest.raises(WeatherUnreadableError, match=r"not a complete \.pfb"):
        open_weather_source("parflow", tmp_path)
    rain.unlink()
    with pytest.raises(WeatherUnreadableError, match="No file of precipitation"):
        open_weather_source("parflow", tmp_path)


def stored_day(source: WeatherSource) -> WeatherDay:
    """The whole day of a source."""
    return source.read(DAY, source.lattice.window)


def rewrite(path: Path, name: str, dims: tuple[str, ...], values: np.ndarray, fill: float | None) -> None:
    """A variable of a file anew, in another layout."""
    with netCDF4.Dataset(path, "a") as data:
        data.renameVariable(name, f"{name}_old")
        variable = data.createVariable(name, "f4", dims, fill_value=fill)
        variable.units = "kg m-2"
        variable[:] = values


def test_transposed_fields_are_turned_by_their_dimensions_or_refused(files: Path, tmp_path: Path) -> None:
    right, _ = stored(tmp_path / "right", "nldas2", files / "nldas2")
    folder = shutil.copytree(files / "nldas2", tmp_path / "turned")
    field = making.patches(making.LON, making.LAT) / 24
    for path in sorted(folder.iterdir()):
        rewrite(path, "Rainf", ("time", "lon", "lat"), field.T[None], -9999.0)
    turned, said = stored(tmp_path / "w", "nldas2", folder)
    assert said == []
    assert np.array_equal(turned, right)
    wrong = sorted(folder.iterdir())[5]
    wrong.unlink()
    with netCDF4.Dataset(wrong, "w") as data:  # axes that are named the wrong way round
        for name, size in (("lat", making.LON.size), ("lon", making.LAT.size)):
            data.createDimension(name, size)
        for name, units, values in (("Rainf", "kg m-2", field.T), ("Tair", "K", 280.0 + 0 * field.T)):
            variable = data.createVariable(name, "f4", ("lat", "lon"))
            variable.units = units
            variable[:] = values
    _, (told,) = stored(tmp_path / "v", "nldas2", folder)
    assert "another grid" in told


@pytest.mark.parametrize("fill", [-9999.0, 1e20, 9.96921e36])
def test_fills_that_a_file_does_not_declare_are_gaps(fill: float, files: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(files / "nldas2", tmp_path / "f")
    field = making.patches(making.LON, making.LAT) / 24
    field[60:80, 200:214] = fill  # up to 98.25 W: the west of the domain
    rewrite(sorted(folder.iterdir())[7], "Rainf", ("time", "lat", "lon"), field[None], None)
    rain, said = stored(tmp_path / "w", "nldas2", folder)
    assert said == []
    right, _ = stored(tmp_path / "right", "nldas2", files / "nldas2")
    gone = np.isnan(rain)
    assert 0 < gone.mean() < 1
    assert np.array_equal(rain[~gone], right[~gone])


def test_a_day_twice_with_other_values_is_refused_and_the_same_twice_is_not(files: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(files / "nldas2", tmp_path / "f")
    (folder / "again").mkdir()
    twin = folder / "again" / sorted(folder.glob("*.nc"))[3].name
    shutil.copy(folder / twin.name, twin)
    assert stored(tmp_path / "w", "nldas2", folder)[1] == []
    with netCDF4.Dataset(twin, "a") as data:
        data["Rainf"][0] = 1.0
    _, (told,) = stored(tmp_path / "v", "nldas2", folder)
    assert "more than once, with other values" in told
    assert "again" in told


def test_a_day_without_a_drop_over_half_a_continent_is_no_weather(tmp_path: Path) -> None:
    making.nldas2_hours(tmp_path / "h", times=0)
    large = product.domain("-110,33,-97,42")
    shape = large.shape()
    assert shape.x * shape.y > 1_000_000
    build_weather(tmp_path / "w", large)
    source, said = open_weather_source("nldas2", tmp_path / "h"), []
    assert add_days(tmp_path / "w", source, [DAY], said=lambda _day, what: said.append(what)) == []
    assert "has no drop of rain" in said[0]
    rain, said = stored(tmp_path / "small", "nldas2", tmp_path / "h")  # a small place may well be dry
    assert said == []
    assert (rain == 0).all()
