"""Antecedent weather that a store keeps is what its days say, after late and revised days too, and nothing else."""

import datetime as dt
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler import product
from downscaler.method.features import API_DAYS, FORCING_DAYS, FORCING_MINIMUM, WARMTH_DAYS, antecedent
from downscaler.method.forcing import RAIN, WARMTH, all_beside
from downscaler.method.tile.weather import DaysOfWeather, tile_weather
from downscaler.method.weather.antecedent import Antecedent
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import add_days, build_weather, open_weather
from downscaler.stores.weather.antecedent import INDEX_STEP, Numbers, from_day_before, from_days, unpacked
from downscaler.stores.weather.layout import AIR_TEMPERATURE, MISSING, PRECIPITATION

CELL = product.domain("-98.0,37.0,-97.99,37.01")
WHOLE = CELL.window().relative_to(CELL.window())
ALL = np.ones((WHOLE.shape.y, WHOLE.shape.x), bool)
LAST = dt.date(2024, 5, 31)
SHAPE = (2, 3)
LOSS = 0.5 * INDEX_STEP / (1 - 0.9) + 1e-9  # mm, of an index that was carried on


def back(days: int) -> dt.date:
    return LAST - dt.timedelta(days=days)


def numbers(seed: int, day: dt.date, missing: float, name: str) -> Numbers:
    """Made-up packed weather of a day; the first cell has none, others now and then."""
    rng = np.random.default_rng([seed, day.toordinal(), name == RAIN])
    made = (
        rng.integers(0, 3000, SHAPE) * (rng.random(SHAPE) < 0.5)
        if name == RAIN
        else 28_000 + rng.integers(0, 99, SHAPE)
    )
    made = np.where(rng.random(SHAPE) < missing, MISSING, made)
    made[0, 0] = MISSING
    return made.astype(np.uint16)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), length=st.integers(FORCING_MINIMUM, 70), missing=st.sampled_from([0.0, 0.02, 0.5]))
def test_carried_on_from_day_to_day_it_is_the_sum_over_its_days(seed: int, length: int, missing: float) -> None:
    """Twin: the predictors of training, from the days themselves."""

    def read(name: str, day: dt.date) -> Numbers:
        return numbers(seed, day, missing, name)

    days = [back(n) for n in range(length)][::-1]
    begun = days[:FORCING_MINIMUM]
    planes = from_days(begun, read)
    for day in days[FORCING_MINIMUM:]:
        before = [d for d in days if d < day][-FORCING_DAYS:]
        planes = from_day_before(planes, before[0], day, read)
    run = days[-FORCING_DAYS:]
    ways = [unpacked(made, len(run)) for made in (planes, from_days(run, read))]
    rain = np.stack([PRECIPITATION.unpack(read(RAIN, day)) for day in run])
    warmth = np.stack([AIR_TEMPERATURE.unpack(read(WARMTH, day)) for day in run[-WARMTH_DAYS:]])
    expected = antecedent({RAIN: rain, WARMTH: np.nan_to_num(warmth)})
    gaps = {RAIN: np.isnan(rain).sum(axis=0), WARMTH: np.isnan(warmth).sum(axis=0)}
    for found in ways:
        fields = {**found[RAIN].fields, **found[WARMTH].fields}
        assert list(fields) == list(expected)
        for name, field in fields.items():
            np.testing.assert_allclose(field, expected[name], rtol=2e-7, atol=LOSS if "index" in name else 0.0)
        for name, count in (RAIN, len(run)), (WARMTH, WARMTH_DAYS):
            np.testing.assert_array_equal(found[name].known, gaps[name] == 0)
            np.testing.assert_array_equal(found[name].partly, (gaps[name] > 0) & (gaps[name] < count))
    assert np.isnan(fields["precipitation_index"]).all() == (len(run) < API_DAYS)
    assert np.isnan(fields["precipitation_30d"]).all() == (len(run) < 30)


class File:
    """A real file of daily weather whose days can be revised."""

    def __init__(self, path: Path, days: int, *, warmth: bool = True) -> None:
        self.path, self.rain = path, np.random.default_rng(3).gamma(0.3, 12.0, (days, 6, 6)).astype(np.float32)
        self._warmth = warmth

    def write(self) -> None:
        count = len(self.rain)
        with netCDF4.Dataset(self.path, "w") as data:
            for name, first in (("lat", 37.0), ("lon", -98.0)):
                data.createDimension(name, 6)
                data.createVariable(name, "f8", (name,))[:] = first + 0.25 * np.arange(-3, 3)
            data.createDimension("time", count)
            when = data.createVariable("time", "f8", ("time",))
            when.units = f"days since {back(count - 1)}"
            when[:] = np.arange(count)
            fields = [("pr", "mm day-1", self.rain)]
            fields += (
                [("tas", "K", 285 + np.arange(count)[:, None, None] % 9 + np.zeros((6, 6)))] if self._warmth else []
            )
            for name, units, values in fields:
                variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
                variable.units = units
                variable[:] = values

    def add(self, store: Path, days: Sequence[dt.date]) -> int:
        source = open_weather_source("netcdf", self.path)
        try:
            return len(add_days(store, source, days))
        finally:
            source.close()


def soil(**more: float) -> xr.Dataset:
    """A prior's tile whose record ended long ago, all of it active."""
    active = np.ones((WHOLE.shape.y, WHOLE.shape.x), np.uint8)
    fields = {"active": (("y", "x"), active)} | {
        n: (("time", "y", "x"), np.full((1, *active.shape), f)) for n, f in more.items()
    }
    return xr.Dataset(fields, coords={"time": np.array(["2006-05-31"], dtype="datetime64[ns]")})


def both(store: Path, date: dt.date, data: xr.Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weather of a tile as what is kept gives it, and as the days give it."""
    weather = open_weather(store).upto(date)
    assert weather.antecedent is not None
    on = weather.on(CELL, WHOLE)
    return tuple(  # type: ignore[return-value]
        tile_weather(data, ALL, date, 9, on, weather.days, kept)
        for kept in (weather.kept_on(CELL, WHOLE), lambda: None)
    )


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    assert list(found.get("names", ())) == list(expected.get("names", ()))
    for name in found.keys() - {"names"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6, atol=LOSS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of seventy days, added in two pieces, the later one first."""
    folder = tmp_path_factory.mktemp("whole")
    build_weather(folder / "w", CELL)
    file = File(folder / "days.nc", 70)
    file.write()
    assert file.add(folder / "w", [back(n) for n in range(30)]) == 30
    assert file.add(folder / "w", [back(n) for n in range(30, 70)]) == 40
    return folder


def reads(weather: DaysOfWeather, data: xr.Dataset, date: dt.date) -> list[tuple[str, int]]:
    """Which variable of how many days is read for a tile."""
    told: list[tuple[str, int]] = []

    def on(name: str, dates: Sequence[dt.date]) -> np.ndarray:
        told.append((name, len(dates)))
        return weather.read(name, dates, CELL, WHOLE)

    tile_weather(data, ALL, date, 9, on, weather.days, weather.kept_on(CELL, WHOLE))
    return told


def test_days_that_came_late_and_before_others_are_kept_as_they_are_read(whole: Path) -> None:
    for age in (0, 1, 29, 30, 45, 63):
        assert_same(*both(whole / "w", back(age), soil()))
    weather = open_weather(whole / "w")
    assert weather.kept(back(64)) is None  # fewer than seven days
    assert reads(weather.upto(LAST), soil(), LAST) == []
    assert weather.damaged() == []


def test_revised_rain_makes_sixty_days_anew_and_no_others(whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "w"
    shutil.copytree(whole / "w", store)
    file = File(tmp_path / "days.nc", 70)
    file.rain[3] += 25.0  # the day 66 days back
    file.write()
    opened = open_weather(store).upto(back(40))
    before = {age: open_weather(store).kept(back(age)) for age in range(70)}
    assert file.add(store, [back(66)]) == 1
    after = {age: open_weather(store).kept(back(age)) for age in range(70)}
    assert [age for age in range(70) if after[age] != before[age]] == list(range(7, 64))
    for age in (6, 7, 40, 63):
        assert_same(*both(store, back(age), soil()))
    assert opened.antecedent is not None
    assert tile_weather(soil(), ALL, back(40), 9, opened.on(CELL, WHOLE), opened.days, opened.kept_on(CELL, WHOLE))
    old = before[40]
    assert old is not None
    assert not (store / "antecedent" / "c" / str(old.slot)).exists()
    known = opened.antecedent(CELL, WHOLE)
    assert known is not None
    assert known[RAIN].partly.all()  # what is gone is never taken for values: a reader of before reads its days
    with_days = tile_weather(soil(), ALL, back(40), 9, opened.on(CELL, WHOLE), opened.days, opened.kept_on(CELL, WHOLE))
    now = open_weather(store).upto(back(40))
    fine = tile_weather(soil(), ALL, back(40), 9, now.on(CELL, WHOLE), now.days, now.kept_on(CELL, WHOLE))["fine"]
    assert (fine[4] - with_days["fine"][4]).min() == pytest.approx(25.0 * 0.9**26, rel=0.05)


def test_a_store_of_before_is_read_by_its_days_and_gains_what_is_kept(whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "w"
    shutil.copytree(whole / "w", store)
    expected = both(store, LAST, soil())[0]
    shutil.rmtree(store / "antecedent")
    shutil.rmtree(store / "antecedent_days")
    weather = open_weather(store).upto(LAST)
    assert weather.antecedent is None
    assert reads(weather, soil(), LAST) == [(RAIN, 60), (WARMTH, 7)]
    found = tile_weather(soil(), ALL, LAST, 9, weather.on(CELL, WHOLE), weather.days, weather.kept_on(CELL, WHOLE))
    assert_same(found, expected)
    file = File(tmp_path / "days.nc", 71)
    file.write()
    assert file.add(store, [LAST, back(20)]) == 2
    assert_same(*both(store, LAST, soil()))
    assert [age for age in range(65) if open_weather(store).kept(back(age)) is not None] == list(range(21))


def test_damage_is_told_and_the_days_are_read(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = tmp_path / "w"
    shutil.copytree(whole / "w", store)
    kept = open_weather(store).kept(LAST)
    assert kept is not None
    (shard,) = [path for path in (store / "antecedent" / "c" / str(kept.slot)).rglob("*") if path.is_file()]
    damaged = bytearray(shard.read_bytes())
    damaged[40] ^= 1
    shard.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        found, expected = both(store, LAST, soil())
    assert "damaged" in caplog.text
    assert_same(found, expected)
    assert open_weather(store).damaged() == [f"{LAST} antecedent"]
    shard.unlink()
    assert_same(*both(store, LAST, soil()))
    assert open_weather(store).damaged() == [f"{LAST} antecedent"]
    record = store / "antecedent_days" / f"{back(1)}.json"
    record.write_text(record.read_text()[:9])
    assert open_weather(store).kept(back(1)) is None


def test_days_without_temperature_take_the_priors_month_and_the_rain_that_is_kept(tmp_path: Path) -> None:
    build_weather(tmp_path / "w", CELL)
    file = File(tmp_path / "days.nc", 20, warmth=False)
    file.write()
    assert file.add(tmp_path / "w", [back(n) for n in range(20)]) == 20
    warm = soil(precipitation=1.0, air_temperature=290.0)
    assert_same(*both(tmp_path / "w", LAST, warm))
    assert reads(open_weather(tmp_path / "w").upto(LAST), warm, LAST) == [(WARMTH, 7)]
    found, expected = both(tmp_path / "w", LAST, soil())
    assert_same(found, expected)
    assert "air_temperature_7d" not in found["names"]


@pytest.mark.parametrize("cells", [3, 300])
def test_cells_that_never_have_weather_take_the_others_mean_if_they_are_few(whole: Path, cells: int) -> None:
    """And cells that lack some days alone are left to the days."""
    weather = open_weather(whole / "w").upto(LAST)
    hole = np.zeros((WHOLE.shape.y, WHOLE.shape.x), bool)
    hole.flat[:cells] = True

    def on(name: str, dates: Sequence[dt.date]) -> np.ndarray:
        return np.where(hole, np.nan, weather.read(name, dates, CELL, WHOLE))

    def kept(*, partly: bool) -> Callable[[], dict[str, Antecedent]]:
        made = weather.kept_on(CELL, WHOLE)()
        assert made is not None
        return lambda: {name: replace(each, known=~hole, partly=hole & partly) for name, each in made.items()}

    by_days = tile_weather(soil(), ALL, LAST, 9, on, weather.days)
    assert bool(by_days) == (cells < 0.05 * hole.size)
    for partly in (False, True):
        assert_same(tile_weather(soil(), ALL, LAST, 9, on, weather.days, kept(partly=partly)), by_days)


def test_what_is_kept_is_not_asked_where_the_prior_has_days_of_the_run(whole: Path) -> None:
    days = open_weather(whole / "w").upto(LAST).days
    own = soil(precipitation=1.0)
    assert all_beside(own, LAST, days)
    assert not all_beside(own.assign_coords(time=[np.datetime64(back(50), "ns")]), LAST, days)
    assert all_beside(own.assign_coords(time=[np.datetime64(back(60), "ns")]), LAST, days)
    assert not all_beside(own, LAST + dt.timedelta(days=1), days)


def test_a_kill_before_the_record_leaves_nothing_that_counts(whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "w"
    shutil.copytree(whole / "w", store)
    file = File(tmp_path / "days.nc", 70)
    file.rain[-1] += 25.0
    file.write()
    if (child := os.fork()) == 0:
        from downscaler.stores.weather import antecedent_days

        antecedent_days._put = lambda *_: os._exit(9)
        file.add(store, [LAST])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert open_weather(store).kept(LAST) is None
    weather = open_weather(store).upto(LAST)
    assert tile_weather(soil(), ALL, LAST, 9, weather.on(CELL, WHOLE), weather.days, weather.kept_on(CELL, WHOLE))
    assert file.add(store, [LAST]) == 0  # the day is there; what is kept of it is made now
    assert_same(*both(store, LAST, soil()))
