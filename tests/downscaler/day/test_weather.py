"""Late, revised and missing weather: told in a day's record, and a reason to make it again only when it matters."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler import product
from downscaler.day.weather import (
    ANALYSIS_DAYS,
    NO_WEATHER,
    change_of_weather,
    used_days,
    weather_caveats,
    weather_lateness,
    weather_record,
)
from downscaler.ground.grid import Domain
from downscaler.ground.prior import Prior
from downscaler.method.coarse.wetting import DECAYS
from downscaler.method.forcing import MATTERS
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import Weather, add_days, build_weather, open_weather
from downscaler.stores.weather.layout import slots_of, slots_text


def daily(path: Path, first: dt.date, rain: list[float]) -> Path:
    """A CF file of days of even rain on half degrees around the small domain of the chain."""
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 30.25 + 0.5 * np.arange(20)), ("lon", -102.75 + 0.5 * np.arange(40))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", len(rain))
        time = data.createVariable("time", "f8", ("time",))
        time.units = f"days since {first}"
        time[:] = np.arange(len(rain))
        for name, units, values in (("pr", "mm day-1", rain), ("tas", "K", [290.0] * len(rain))):
            variable = data.createVariable(name, "f4", ("time", "lat", "lon"))
            variable.units = units
            variable[:] = np.asarray(values)[:, None, None]
    return path


@pytest.fixture
def beyond(chain, tmp_path: Path) -> tuple[Path, Prior, Domain, dt.date]:
    """A store of ten days that begin where the chain's record ends."""
    first = chain.prior.period[1] + dt.timedelta(days=1)
    build_weather(tmp_path / "w", chain.domain)
    add(tmp_path, first, [2.0] * 10)
    return tmp_path / "w", chain.prior, chain.domain, first + dt.timedelta(days=9)


def add(folder: Path, first: dt.date, rain: list[float]) -> Weather:
    source = open_weather_source("netcdf", daily(folder / "days.nc", first, rain))
    add_days(folder / "w", source, source.days)
    source.close()
    return open_weather(folder / "w")


def test_what_a_day_used_is_in_its_record(beyond) -> None:
    path, prior, _, last = beyond
    record = weather_record(last, open_weather(path), prior)
    assert record is not None
    assert record.kind == "weather"
    assert len(slots_of(record.version)) == len(used_days(last, open_weather(path), prior)) == 10
    assert weather_record(prior.period[1], open_weather(path), prior) is None  # the prior's own day


def test_only_rain_that_matters_makes_a_day_stale(beyond, tmp_path: Path) -> None:
    path, prior, domain, last = beyond
    record = weather_record(last, open_weather(path), prior)
    assert record is not None

    def moved(day: dt.date = last) -> float:
        return change_of_weather(record.version, day, open_weather(path), prior, domain)

    assert moved() == 0.0
    add(tmp_path, last - dt.timedelta(days=9), [2.5, *[2.0] * 9])  # half a millimetre nine days ago
    assert 0.1 < moved() < MATTERS
    add(tmp_path, last, [12.0])
    assert moved() == pytest.approx(10.0 + 0.5 * 0.9**9, abs=0.05)
    assert change_of_weather("", last, open_weather(path), prior, domain) == float("inf")  # came after the day was made


def test_caveats_tell_what_is_lacking(beyond, chain) -> None:
    path, prior, _, last = beyond
    assert weather_caveats(last, None, prior, chain.model) == (NO_WEATHER,)
    weather = open_weather(path)
    assert weather_caveats(prior.period[1], weather, prior, chain.model) == ()
    assert NO_WEATHER in weather_caveats(last + dt.timedelta(days=3), weather, prior, chain.model)
    early = tuple(replace(r, latency="preliminary", notes=("No temperature.",)) for r in weather.records)
    told = weather_caveats(last, replace(weather, records=early), prior, chain.model)
    unlike = "Rain of CF NetCDF is not matched to the climate of the prior."
    assert told == ("Rain of 10 of the last 10 days is preliminary (CF NetCDF).", unlike, "No temperature.")
    matched = tuple(replace(r, matching="wet days and amounts of the run", notes=()) for r in weather.records)
    assert weather_caveats(last, replace(weather, records=matched), prior, chain.model) == ()


def test_an_analysis_names_every_day_that_it_reads(beyond, tmp_path: Path) -> None:
    path, prior, domain, _ = beyond
    begin = prior.period[1] + dt.timedelta(days=1)
    add(tmp_path, begin, [2.0] * 100)
    last = begin + dt.timedelta(days=99)
    weather = open_weather(path)
    assert len(used_days(last, weather, prior)) == 60
    days = used_days(last, weather, prior, analysis=True)
    assert days == [last - dt.timedelta(days=n) for n in range(ANALYSIS_DAYS - 1, -1, -1)]
    record = weather_record(last, weather, prior, analysis=True)
    assert record is not None
    assert list(slots_of(record.version)) == days
    first = begin + dt.timedelta(days=4)  # the trees' run of ten days reaches into the prior, the analysis' further
    assert used_days(first, weather, prior, analysis=True) == [begin + dt.timedelta(days=n) for n in range(5)]
    assert used_days(prior.period[1], weather, prior, analysis=True) == []  # the prior's own days stand

    old = last - dt.timedelta(days=75)
    assert old not in used_days(last, weather, prior)
    add(tmp_path, old, [302.0])  # a storm that was overlooked, too long ago for the trees
    now = open_weather(path)
    analysis = product.analysis_of(domain)
    told = weather_record(last, weather, prior)
    assert told is not None
    assert change_of_weather(told.version, last, now, prior, domain) == 0.0
    moved = change_of_weather(record.version, last, now, prior, analysis)
    slowest = max(DECAYS)
    assert moved == pytest.approx(300 * slowest**75 * (1 - slowest) / 0.1, rel=1e-3)
    assert moved > MATTERS


def test_an_analysis_outlives_a_gap_that_ends_the_trees_run(beyond, tmp_path: Path) -> None:
    path, prior, domain, last = beyond
    day, analysis = last + dt.timedelta(days=2), product.analysis_of(domain)
    add(tmp_path, day, [5.0])  # the day before is missing
    weather = open_weather(path)
    assert used_days(day, weather, prior) == []
    days = used_days(day, weather, prior, analysis=True)
    assert days == [*(last - dt.timedelta(days=n) for n in range(9, -1, -1)), day]
    record = weather_record(day, weather, prior, analysis=True)
    assert record is not None
    assert change_of_weather(record.version, day, weather, prior, analysis) == 0.0
    add(tmp_path, last + dt.timedelta(days=1), [0.0])  # dry, but now the trees take the branch with rain
    assert change_of_weather(record.version, day, open_weather(path), prior, analysis) == float("inf")


def test_lateness_by_last_days_and_gaps(beyond, tmp_path: Path) -> None:
    path, _, _, last = beyond
    today = last + dt.timedelta(days=4)
    assert str(weather_lateness(open_weather(path), today)) == f"weather until {last}, 4 days ago"
    add(tmp_path, last + dt.timedelta(days=2), [1.0])
    weather = open_weather(path)
    late = weather_lateness(weather, today)
    assert (late.last, late.days, late.gaps) == (last + dt.timedelta(days=2), 2, (last + dt.timedelta(days=1),))
    early = tuple(replace(r, latency="preliminary") if r.date > last else r for r in weather.records)
    assert f"final until {last}; 1 days missing" in str(weather_lateness(replace(weather, records=early), today))
    assert "empty" in str(weather_lateness(replace(weather, records=()), today))


@given(st.dictionaries(st.integers(0, 99), st.integers(0, 9999), max_size=60))
def test_slots_are_written_short_and_read_back(slots: dict[int, int]) -> None:
    days = {dt.date(2026, 2, 5) + dt.timedelta(days=n): slot for n, slot in sorted(slots.items())}
    assert slots_of(slots_text(days)) == days
    assert slots_of("1") == {}


def test_slots_of_runs_and_gaps() -> None:
    days = {dt.date(2026, 2, n): slot for n, slot in ((1, 7), (2, 8), (3, 9), (6, 3), (7, 12))}
    assert slots_text(days) == "2026-02-07:7-9,x2,3,12"
