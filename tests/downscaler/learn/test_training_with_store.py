"""A prior without weather of its own trains with a store's, as it would with the same weather of its own."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from downscaler.errors import TrainingError
from downscaler.ground.grid import M36
from downscaler.ground.prior import Prior
from downscaler.learn.boosting import Options
from downscaler.learn.samples import View
from downscaler.learn.tiles import Tiles
from downscaler.learn.training import days_with_data, train, with_weather
from downscaler.parts import scratch
from downscaler.sources.parflow import open_source
from downscaler.sources.weather import open_weather_source
from downscaler.stores.prior import build_prior
from downscaler.stores.weather import Weather, add_days, build_weather, open_weather

SMALL = Options(rows=3000, rounds=4, days_per_tile=12)


@pytest.fixture(scope="module")
def dry(chain: Any, little: Prior, tmp_path_factory: pytest.TempPathFactory) -> Prior:
    """The little prior without its weather."""
    folder = tmp_path_factory.mktemp("dry")
    native = chain.sample / "prior"
    with xr.open_dataset(native / "daily.nc") as daily:
        cut = daily.isel(time=slice(-56, None)).drop_vars(["precipitation", "air_temperature"])
        cut.to_netcdf(folder / "daily.nc")
    source = open_source("netcdf", folder / "daily.nc", native / "static.nc")
    made = build_prior(source, little.domain, folder / "prior")
    source.close()
    return made


@pytest.fixture(scope="module")
def weather(chain: Any, little: Prior, tmp_path_factory: pytest.TempPathFactory) -> Weather:
    """A store of the run's own weather, of the same days."""
    path = tmp_path_factory.mktemp("weather") / "store"
    build_weather(path, little.domain)
    source = open_weather_source("netcdf", chain.sample / "prior" / "daily.nc")
    add_days(path, source, source.days[-56:])
    source.close()
    return open_weather(path)


def test_predictors_are_those_of_the_priors_own_weather(dry: Prior, little: Prior, weather: Weather) -> None:
    last = little.period[1]
    known = np.arange(56, dtype=np.intp)
    with scratch() as parts:
        (lent,) = Tiles(dry, M36, known, parts.under("lent"), weather=weather.upto(last))
        (own,) = Tiles(little, M36, known, parts.under("own"))
        for position in (10, 40, 55):
            theirs, ours = (record.day(position, View(forcing=True)).fields for record in (own, lent))
            for name in ("precipitation_7d", "precipitation_index", "air_temperature_7d"):
                # the two are brought to 1 km with other numbers of samples in a cell
                assert np.allclose(ours[name], theirs[name], atol=0.5, rtol=0.02, equal_nan=True), name
                assert np.isfinite(ours[name]).any() == np.isfinite(theirs[name]).any()
    days = days_with_data(dry)
    assert np.array_equal(with_weather(dry.data, days, weather.upto(last).days), with_weather(little.data, days))
    assert with_weather(dry.data, days).size == 0


def test_the_branch_with_weather_is_trained_and_named(dry: Prior, weather: Weather) -> None:
    alone = train(dry, grids=[M36], options=SMALL)
    assert set(alone.branches) == {("M36", False)}
    assert "weather" not in alone.card
    made = train(dry, grids=[M36], options=SMALL, weather=weather.upto(dry.period[1]))
    assert set(made.branches) == {("M36", False), ("M36", True)}
    assert {"precipitation_7d", "air_temperature_7d"} <= set(made.branches["M36", True].features)
    assert made.card["weather"]["name"] == "store"
    assert made.card["weather"]["sources"] == ["CF NetCDF"]
    assert 0 < made.card["skill"]["m36-forcing"]["rmse"]["hybrid"] < 0.1


def test_a_store_of_another_time_is_told(dry: Prior, weather: Weather) -> None:
    early = weather.upto(dry.period[0])
    with pytest.raises(TrainingError, match="weather store holds too little"):
        train(dry, grids=[M36], options=SMALL, weather=early)
