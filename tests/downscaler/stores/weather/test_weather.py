"""The weather store: three products of one field agree, every habit that misleads is caught, days only ever grow."""

import datetime as dt
import json
import multiprocessing
import os
import stat
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import weather_files as making
import zarr
from hypothesis import given
from hypothesis import strategies as st

from downscaler import product
from downscaler.errors import PriorCoverageError, WeatherGapError, WeatherUnreadableError
from downscaler.ground.grid import Domain, Span, Window
from downscaler.sources.weather import SOURCES, open_weather_source
from downscaler.stores.weather import add_days, build_weather, describe, open_weather
from downscaler.stores.weather.layout import AIR_TEMPERATURE, PRECIPITATION
from downscaler.stores.weather.store import _pieces

DAY = making.DAY
DOMAIN = product.LITTLE_WASHITA
WHOLE = Window(rows=Span(start=0, stop=DOMAIN.shape().y), columns=Span(start=0, stop=DOMAIN.shape().x))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    build_weather(tmp_path / "weather", DOMAIN)
    return tmp_path / "weather"


def add(store: Path, kind: str, folder: Path, days: list[dt.date] | None = None) -> tuple[int, list[str]]:
    """How many days were written, and what was said of the others."""
    source, said = open_weather_source(kind, folder), []
    try:
        written = add_days(store, source, days or source.days, said=lambda _day, what: said.append(what))
    finally:
        source.close()
    return len(written), said


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nldas2")
    making.nldas2_hours(folder)
    return folder


def test_three_products_of_one_field_agree(tmp_path: Path, hours: Path) -> None:
    making.imerg_day(tmp_path / "imerg")
    making.nldas3_day(tmp_path / "nldas3")
    fields = {}
    for kind, folder in (("nldas2", hours), ("nldas3", tmp_path / "nldas3"), ("imerg", tmp_path / "imerg")):
        build_weather(tmp_path / f"store-{kind}", DOMAIN)
        assert add(tmp_path / f"store-{kind}", kind, folder) == (1, [])
        weather = open_weather(tmp_path / f"store-{kind}")
        fields[kind] = {n: weather.read(n, [DAY], DOMAIN, WHOLE)[0] for n in ("precipitation", "air_temperature")}
    lon, lat = np.linspace(-98.4, -97.8, 50), np.linspace(34.6, 35.1, 50)
    low, high = making.rain(lon, lat).min(), making.rain(lon, lat).max()
    for kind, field in fields.items():
        assert np.isfinite(field["precipitation"]).all(), kind
        assert low - 0.5 < field["precipitation"].min() <= field["precipitation"].max() < high + 0.5
        # a coarse cell's mean differs from a point by its own width; domain means hardly
        assert field["precipitation"].mean() == pytest.approx(fields["nldas3"]["precipitation"].mean(), abs=0.05)
        assert np.abs(field["precipitation"] - fields["nldas3"]["precipitation"]).max() < 0.6
    warm = fields["nldas2"]["air_temperature"] - fields["nldas3"]["air_temperature"]
    assert np.abs(warm).max() < 0.02
    assert np.isnan(fields["imerg"]["air_temperature"]).all()


def test_others_may_read_a_new_store_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        build_weather(tmp_path / "w", DOMAIN)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_packing_errs_by_half_a_step_and_keeps_gaps() -> None:
    values = np.array([0.0, 0.013, 3.777, 431.9, np.nan])
    assert np.nanmax(np.abs(PRECIPITATION.unpack(PRECIPITATION.pack(values)) - values)) <= 0.0101
    assert np.isnan(PRECIPITATION.unpack(PRECIPITATION.pack(values))[-1])
    kelvin = np.array([233.157, 301.994])
    assert np.abs(AIR_TEMPERATURE.unpack(AIR_TEMPERATURE.pack(kelvin)) - kelvin).max() <= 0.0051


def test_a_missing_hour_is_named_and_the_day_left_out(store: Path, tmp_path: Path) -> None:
    making.nldas2_hours(tmp_path / "h", hours=range(22))
    written, (said,) = add(store, "nldas2", tmp_path / "h")
    assert written == 0
    assert "2200, 2300 (2 of 24)" in said
    assert open_weather(store).best == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shift": 24}, "another time than its name"),
        ({"shift": 1}, "another time than its name"),
        ({"units": "kg m-2 s-1"}, "another unit"),
        ({"units": ""}, "another unit"),
        ({"times": -1}, "not plausible as a daily sum"),
        ({"times": 3600}, "not plausible as a daily sum"),
    ],
)
def test_wrong_times_units_and_values_of_nldas2(
    change: dict[str, object], words: str, store: Path, tmp_path: Path
) -> None:
    making.nldas2_hours(tmp_path / "h", **change)
    written, (said,) = add(store, "nldas2", tmp_path / "h")
    assert written == 0
    assert words in said


@pytest.mark.parametrize(("change", "words"), [({"shift": 1}, "another time"), ({"units": "mm/hr"}, "another unit")])
def test_wrong_times_and_units_of_imerg(change: dict[str, object], words: str, store: Path, tmp_path: Path) -> None:
    making.imerg_day(tmp_path / "i", **change)
    assert words in add(store, "imerg", tmp_path / "i")[1][0]


def test_reference_files_that_are_a_day_late_are_refused(store: Path, tmp_path: Path) -> None:
    making.nldas3_day(tmp_path / "n", shift=-1)
    assert "another time than its name" in add(store, "nldas3", tmp_path / "n")[1][0]


def test_no_estimate_is_a_gap_and_not_dry(store: Path, tmp_path: Path) -> None:
    making.imerg_day(tmp_path / "i", empty=slice(800, 820))  # 100 to 98 W: the west of the domain
    assert add(store, "imerg", tmp_path / "i") == (1, [])
    rain = open_weather(store).read("precipitation", [DAY], DOMAIN, WHOLE)[0]
    assert np.isnan(rain[:, :30]).all()
    assert np.isfinite(rain[:, -5:]).all()
    assert not (rain == 0).any()
    making.imerg_day(tmp_path / "none", empty=slice(800, 900))
    written, (said,) = add(store, "imerg", tmp_path / "none")
    assert written == 0
    assert "no precipitation in the domain" in said


def test_fills_are_gaps(store: Path, tmp_path: Path) -> None:
    making.nldas2_hours(tmp_path / "h", hole=True)
    add(store, "nldas2", tmp_path / "h")
    source = open_weather_source("nldas2", tmp_path / "h")
    day = source.read(DAY, source.lattice.window)
    assert np.isnan(day.precipitation[:, 300:310]).all()
    assert np.isfinite(day.precipitation[:, :300]).all()


def test_another_grid_a_cut_file_and_no_file(store: Path, tmp_path: Path) -> None:
    paths = making.nldas2_hours(tmp_path / "h")
    with netCDF4.Dataset(paths[3], "a") as data:
        data["lat"][:] = data["lat"][:] + 1
    assert "another grid" in add(store, "nldas2", tmp_path / "h")[1][0]
    paths[3].write_bytes(paths[4].read_bytes()[:5000])
    assert "cannot be read" in add(store, "nldas2", tmp_path / "h")[1][0]
    with pytest.raises(WeatherUnreadableError, match="No weather file"):
        open_weather_source("imerg", tmp_path / "nothing")
    with pytest.raises(WeatherUnreadableError, match="No file of IMERG"):
        open_weather_source("imerg", tmp_path / "h")


def test_a_newer_version_replaces_and_readers_keep_what_they_opened(store: Path, tmp_path: Path) -> None:
    making.imerg_day(tmp_path / "i")
    assert add(store, "imerg", tmp_path / "i") == (1, [])
    before = open_weather(store)
    first = before.read("precipitation", [DAY], DOMAIN, WHOLE)
    assert add(store, "imerg", tmp_path / "i") == (0, [])  # the same again
    newer = making.imerg_day(tmp_path / "i", release="V07C")
    with netCDF4.Dataset(newer, "a") as data:
        data["precipitation"][0] = data["precipitation"][0] + 1
    assert add(store, "imerg", tmp_path / "i") == (1, [])
    after = open_weather(store)
    assert after.best[DAY].version == "V07C"
    assert np.allclose(after.read("precipitation", [DAY], DOMAIN, WHOLE), first + 1, atol=0.03)
    assert np.array_equal(before.read("precipitation", [DAY], DOMAIN, WHOLE), first)
    assert before.record([DAY]).sha256 != after.record([DAY]).sha256


def test_final_goes_before_preliminary(store: Path, tmp_path: Path, hours: Path) -> None:
    making.imerg_day(tmp_path / "i")
    add(store, "imerg", tmp_path / "i")
    assert open_weather(store).best[DAY].source == "imerg"
    assert describe(store)["preliminary"] == [str(DAY)]
    add(store, "nldas2", hours)
    weather = open_weather(store)
    assert weather.best[DAY].source == "nldas2"
    assert weather.record([DAY, DAY + dt.timedelta(days=1)]).attributes["missing"] == ["2026-02-06"]
    assert weather.order == tuple(SOURCES)


@pytest.mark.parametrize("order", [None, "nldas2", [["nldas2"], "imerg"], [1]])
def test_an_order_of_sources_that_is_none_is_told(store: Path, order: object) -> None:
    told = json.loads((store / "zarr.json").read_text())
    told["attributes"]["order"] = order
    (store / "zarr.json").write_text(json.dumps(told))
    with pytest.raises(WeatherUnreadableError, match="order of its sources"):
        open_weather(store)


def test_damage_is_told_by_day(store: Path, hours: Path) -> None:
    add(store, "nldas2", hours)
    assert open_weather(store).damaged() == []
    group = zarr.open_group(store, mode="r+")
    group["precipitation"][0, 3, 4] = 7  # type: ignore[index]
    assert open_weather(store).damaged() == [f"{DAY} nldas2 precipitation"]
    record = next((store / "days").glob("*.json"))
    record.write_text(record.read_text()[:30])
    with pytest.raises(WeatherUnreadableError, match="record of a day is damaged"):
        open_weather(store)


def test_a_kill_between_numbers_and_record_leaves_no_day(
    store: Path, hours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def child() -> None:
        from downscaler.stores.weather import build

        build.sync = lambda _path: __import__("os")._exit(9)  # type: ignore[assignment]
        add(store, "nldas2", hours)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 9
    assert open_weather(store).best == {}
    assert add(store, "nldas2", hours) == (1, [])
    assert open_weather(store).damaged() == []


def test_elevation_moves_temperature_and_stores_are_told_apart(tmp_path: Path, hours: Path) -> None:
    shape = DOMAIN.shape()
    height = 300.0 + 200.0 * np.random.default_rng(0).random((shape.y, shape.x))
    build_weather(tmp_path / "w", DOMAIN)
    source = open_weather_source("nldas2", hours)
    (record,) = add_days(tmp_path / "w", source, [DAY], elevation=lambda _domain: height)
    assert record.notes == ()
    warm = open_weather(tmp_path / "w").read("air_temperature", [DAY], DOMAIN, WHOLE)[0]
    assert np.corrcoef(warm.ravel(), height.ravel())[0, 1] < -0.9
    with pytest.raises(WeatherUnreadableError, match="another domain"):
        build_weather(tmp_path / "w", product.UPPER_VERDE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    with pytest.raises(WeatherUnreadableError, match="not a weather store"):
        build_weather(tmp_path / "other", DOMAIN)
    with pytest.raises(PriorCoverageError):
        open_weather(tmp_path / "w").require(product.UPPER_VERDE)


def test_a_small_window_is_the_whole_ones_cut_and_days_without_are_gaps(store: Path, hours: Path) -> None:
    add(store, "nldas2", hours)
    weather = open_weather(store)
    inner = Domain(
        name="inner",
        title="inner",
        m36=Window(
            rows=Span(start=DOMAIN.m36.rows.start, stop=DOMAIN.m36.rows.start + 1),
            columns=Span(start=DOMAIN.m36.columns.stop - 1, stop=DOMAIN.m36.columns.stop),
        ),
    )
    cut = Window(rows=Span(start=3, stop=9), columns=Span(start=5, stop=8))
    dates = [DAY - dt.timedelta(days=1), DAY]
    part = weather.read("precipitation", dates, inner, cut)
    offset = DOMAIN.shape().x - 36
    whole = weather.read("precipitation", [DAY], DOMAIN, WHOLE)[0]
    assert np.isnan(part[0]).all()
    assert np.array_equal(part[1], whole[3:9, offset + 5 : offset + 8])


@given(st.lists(st.none() | st.integers(0, 9), max_size=12))
def test_slots_are_read_in_pieces_each_once_and_in_order(slots: list[int | None]) -> None:
    """Twin: day by day."""
    found: list[int | None] = [None] * len(slots)
    for days, piece in _pieces(slots):
        assert len(range(days.start, days.stop)) == len(range(piece.start, piece.stop))
        for day, slot in zip(range(days.start, days.stop), range(piece.start, piece.stop), strict=True):
            assert found[day] is None
            found[day] = slot
    assert found == slots


def test_the_runs_own_file_is_a_source(shared: Path, tmp_path: Path) -> None:
    path = shared / "parflow" / "little_washita" / "daily_surface_sm.nc"
    with netCDF4.Dataset(path) as data:
        names = set(data.variables)
    if not names & {"precipitation", "precip", "apcp"}:
        path = shared / "parflow" / "upper_verde" / "daily.nc"
    domain = product.UPPER_VERDE if "verde" in str(path) else DOMAIN
    source = open_weather_source("netcdf", path)
    build_weather(tmp_path / "w", domain)
    days = source.days[10:13]
    assert len(add_days(tmp_path / "w", source, days)) == 3
    record = open_weather(tmp_path / "w").best[days[0]]
    assert record.mean["precipitation"] >= 0
    assert 250 < record.mean["air_temperature"] < 310
    source.close()


def test_gridded_steps_are_summed_by_their_unit(tmp_path: Path) -> None:
    path = tmp_path / "three-hourly.nc"
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 35.5 - 0.25 * np.arange(8)), ("lon", -99.0 + 0.25 * np.arange(8))):
            data.createDimension(name, 8)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", 16)
        time = data.createVariable("time", "f8", ("time",))
        time.units = "hours since 2026-02-05"
        time[:] = 3 * np.arange(16)
        rate = data.createVariable("pr", "f4", ("time", "lat", "lon"))
        rate.units = "kg m-2 s-1"
        rate[:] = np.repeat([12.0, 24.0], 8)[:, None, None] / 86_400
        air = data.createVariable("tas", "f4", ("time", "lat", "lon"))
        air.units = "degC"
        air[:] = 10.0
    source = open_weather_source("netcdf", path)
    for day, total in ((DAY, 12.0), (DAY + dt.timedelta(days=1), 24.0)):
        read = source.read(day, source.lattice.window)
        assert np.allclose(read.precipitation, total, rtol=1e-5)
        assert read.air_temperature is not None
        assert np.allclose(read.air_temperature, 283.15)
    with pytest.raises(WeatherGapError):
        source.read(dt.date(2026, 3, 1), source.lattice.window)
    source.close()
    with netCDF4.Dataset(path, "a") as data:
        data["time"][15] = 48
    cut = open_weather_source("netcdf", path)
    with pytest.raises(WeatherGapError, match="7 of 8"):
        cut.read(DAY + dt.timedelta(days=1), cut.lattice.window)
    cut.close()
    with netCDF4.Dataset(path, "a") as data:
        data["pr"].units = "m"
    with pytest.raises(WeatherUnreadableError, match="another unit"):
        open_weather_source("netcdf", path).read(DAY, cut.lattice.window)


def test_record_is_plain_json(store: Path, hours: Path) -> None:
    add(store, "nldas2", hours)
    told = json.loads(next((store / "days").glob("*.json")).read_text())
    assert told["date"] == str(DAY)
    assert len(told["inputs"]) == 24
    assert {"name", "sha256", "size"} <= set(told["inputs"][0])
