"""Weather on SMAP's cells: block means of the days, read once and kept, and read anew where their numbers changed."""

import datetime as dt
from pathlib import Path

import numpy as np

from downscaler.ground.blocks import block_mean
from downscaler.ground.grid import M09
from downscaler.method.tile.weather import DaysOfWeather
from downscaler.method.weather.coarse import coarse_weather
from downscaler.stores.prior.kept import KeptDays

FIRST = dt.date(2031, 1, 1)
DAYS = tuple(FIRST + dt.timedelta(days=n) for n in range(4))
FACTOR = {"precipitation": 1.0, "air_temperature": 280.0}


class Told:
    """Days of weather whose numbers are known, and which of them were read."""

    def __init__(self, domain, versions=None) -> None:
        self.domain, self.read_days = domain, []
        self.days = DaysOfWeather(DAYS, self.read, versions=versions or {day: f"{n}a" for n, day in enumerate(DAYS)})

    def field(self, name, day):
        shape = self.domain.shape()
        y, x = np.indices((shape.y, shape.x))
        return (FACTOR[name] + (day - FIRST).days + np.sin(y / 7.0) + np.cos(x / 5.0)).astype(np.float32)

    def read(self, name, dates, _domain, window):
        self.read_days += [(name, day) for day in dates]
        return np.stack([self.field(name, day)[window.index] for day in dates])


def means(chain, weather, shelf=None, dates=DAYS):
    return coarse_weather(chain.prior, chain.domain, M09, dates, weather.days, shelf)


def test_days_are_block_means_over_active_cells_kept_or_not(chain, tmp_path: Path) -> None:
    weather, shelf = Told(chain.domain), KeptDays(tmp_path / "days")
    plain, first = means(chain, weather), means(chain, weather, shelf)
    weather.read_days.clear()
    again = means(chain, weather, shelf)
    assert not weather.read_days
    active = chain.prior.active(chain.domain)
    for made, name in zip(plain, FACTOR, strict=True):
        wanted = np.stack([block_mean(weather.field(name, day), active, 9) for day in DAYS])
        np.testing.assert_allclose(made, wanted, rtol=1e-6)
    for one, two, three in zip(plain, first, again, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_only_a_day_whose_numbers_changed_is_read_again(chain, tmp_path: Path) -> None:
    shelf = KeptDays(tmp_path / "days")
    means(chain, Told(chain.domain), shelf)
    revised = Told(chain.domain, {day: f"{n}{'b' if n == 2 else 'a'}" for n, day in enumerate(DAYS)})
    means(chain, revised, shelf)
    assert {day for _, day in revised.read_days} == {DAYS[2]}


def test_damage_is_read_again_and_days_without_weather_are_unknown(chain, tmp_path: Path, caplog) -> None:
    shelf, weather = KeptDays(tmp_path / "days"), Told(chain.domain)
    wanted = means(chain, weather, shelf)
    for file in (tmp_path / "days").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-40])
    weather.read_days.clear()
    found = means(chain, weather, shelf, [*DAYS, DAYS[-1] + dt.timedelta(days=1)])
    assert len(weather.read_days) == 2 * len(DAYS)
    assert "damaged" in caplog.text
    for made, before in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(made[:-1], before)
        assert np.isnan(made[-1]).all()


def test_the_days_that_were_kept_first_go(tmp_path: Path) -> None:
    shelf = KeptDays(tmp_path, most=3)
    for number in range(5):
        shelf.put(f"day-{number}", {"x": np.array([number])})
    assert sorted(file.stem for file in tmp_path.glob("*.npz")) == ["day-2", "day-3", "day-4"]
    assert shelf.find("day-0") is None
    found = shelf.find("day-4")
    assert found is not None
    assert found["x"].tolist() == [4]
