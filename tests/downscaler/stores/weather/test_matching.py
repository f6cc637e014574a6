"""Rain of a store matched to a prior: fitted on the days of both, kept, told, and used for the days to come."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from downscaler.errors import WeatherUnreadableError
from downscaler.ground.grid import M01, Span, Window
from downscaler.method.weather.rain_matching import WET
from downscaler.sources.weather import open_weather_source
from downscaler.stores.weather import (
    add_days,
    build_weather,
    fit_matching,
    is_own_forcing,
    kept_matching,
    open_weather,
)
from downscaler.stores.weather.layout import OWN, UNMATCHED


def write(path: Path, first: dt.date, rain: np.ndarray) -> Path:
    """Days of even rain on half degrees around the small domain."""
    with netCDF4.Dataset(path, "w") as data:
        for name, values in (("lat", 30.25 + 0.5 * np.arange(20)), ("lon", -102.75 + 0.5 * np.arange(40))):
            data.createDimension(name, values.size)
            data.createVariable(name, "f8", (name,))[:] = values
        data.createDimension("time", len(rain))
        time = data.createVariable("time", "f8", ("time",))
        time.units = f"days since {first}"
        time[:] = np.arange(len(rain))
        variable = data.createVariable("pr", "f4", ("time", "lat", "lon"))
        variable.units = "mm day-1"
        variable[:] = rain[:, None, None]
    return path


@pytest.fixture(scope="module")
def drizzle(chain: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A source that has half of the prior's mean rain and 0.3 mm on every other day, ten days longer than the prior."""
    own = chain.prior.data["precipitation"].values
    mean = np.nanmean(own, axis=(1, 2))
    rain = np.concatenate([0.3 + 0.5 * mean, np.full(5, 0.3), np.full(5, 4.3)])
    first = chain.prior.data["time"].values[0].astype("datetime64[D]").item()
    return write(tmp_path_factory.mktemp("drizzle") / "d.nc", first, rain), own


def test_wet_days_and_amounts_become_the_priors(chain: Any, drizzle: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, own = drizzle
    build_weather(tmp_path / "w", chain.domain)
    source = open_weather_source("netcdf", path)
    kept = fit_matching(tmp_path / "w", source, chain.prior)
    assert kept is not None
    assert kept_matching(tmp_path / "w", "netcdf") is not None
    add_days(tmp_path / "w", source, source.days)
    source.close()
    weather = open_weather(tmp_path / "w")
    shape = chain.domain.shape(M01)
    whole = Window(rows=Span(start=0, stop=shape.y), columns=Span(start=0, stop=shape.x))
    days = [d.astype("datetime64[D]").item() for d in chain.prior.data["time"].values]
    matched = [day for day in days if weather.best[day].matching != UNMATCHED]
    assert len(matched) >= 90
    made = weather.read("precipitation", matched, chain.domain, whole)
    at = [days.index(day) for day in matched]
    active = np.isfinite(own[at[0]])
    theirs = own[at][:, active]
    assert (made[:, active] >= WET).mean() == pytest.approx((theirs >= WET - 1e-4).mean(), abs=0.06)
    assert made[:, active].mean() == pytest.approx(theirs.mean(), rel=0.15)
    later = [day for day in weather.best if day > days[-1]]
    assert len(later) == 10
    record = weather.record(matched[-1:])
    assert "wet days and amounts of" in record.attributes["matching"][0]
    in_month = [day for day in later if kept.rain.covers(day.month)]
    for day in in_month:  # rain alone is left of the days to come, and more of it
        fallen = weather.read("precipitation", [day], chain.domain, whole)[0]
        assert (fallen == 0).all() if later.index(day) < 5 else (fallen > 4.3).all()
    assert in_month


def test_without_days_in_both_nothing_is_kept_and_the_record_says_so(chain: Any, tmp_path: Path) -> None:
    build_weather(tmp_path / "w", chain.domain)
    source = open_weather_source("netcdf", write(tmp_path / "d.nc", dt.date(2031, 1, 1), np.full(40, 2.0)))
    assert fit_matching(tmp_path / "w", source, chain.prior) is None
    assert kept_matching(tmp_path / "w", "netcdf") is None
    (record,) = add_days(tmp_path / "w", source, source.days[:1])
    assert record.matching == UNMATCHED
    assert not is_own_forcing(source, chain.prior)
    (record,) = add_days(tmp_path / "w", source, source.days[1:2], own=True)
    assert record.matching == OWN
    source.close()


def test_a_damaged_matching_is_told(chain: Any, tmp_path: Path) -> None:
    build_weather(tmp_path / "w", chain.domain)
    (tmp_path / "w" / "matching").mkdir()
    (tmp_path / "w" / "matching" / "netcdf.json").write_text(json.dumps({"prior": "x"}))
    with pytest.raises(WeatherUnreadableError, match="matching of rain is damaged"):
        kept_matching(tmp_path / "w", "netcdf")
