"""Late, revised and missing weather: told in a day's record, and a reason to make it again only when it matters."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downscaler.day.weather import NO_WEATHER, change_of_weather, used_days, weather_caveats, weather_record
from downscaler.ground.grid import Domain
from downscaler.ground.prior import Prior
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
    assert told == ("Rain of 10 of the last 10 days is preliminary (CF NetCDF).", "No temperature.")


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=60))
def test_slots_are_written_short_and_read_back(slots: list[int]) -> None:
    last = dt.date(2026, 2, 5)
    days = [last - dt.timedelta(days=len(slots) - 1 - n) for n in range(len(slots))]
    assert slots_of(slots_text(slots, last)) == dict(zip(days, slots, strict=True))
    assert slots_of("1") == {}
