"""Weather of a day: the prior's own first, the store's beyond it, and a gap is never a dry day."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from downscaler.method.features import API_DECAY, FORCING_DAYS, FORCING_MINIMUM
from downscaler.method.forcing import borrowed, forcing_until, index_change, own_days, run_of_days

LAST = dt.date(2020, 6, 30)
SHAPE = (4, 5)


def prior(days: Sequence[dt.date], *, temperature: bool = True) -> xr.Dataset:
    """A tile whose rain is the ordinal of the day, and temperature 280 K."""
    rain = np.array([day.toordinal() % 100 for day in days], np.float32)[:, None, None] * np.ones(
        (1, *SHAPE), np.float32
    )
    fields = {"precipitation": (("time", "y", "x"), rain), "active": (("y", "x"), np.ones(SHAPE, np.uint8))}
    if temperature:
        fields["air_temperature"] = (("time", "y", "x"), np.full_like(rain, 280.0))
    return xr.Dataset(fields, coords={"time": np.array(days, dtype="datetime64[ns]")})


def days_to(last: dt.date, number: int) -> list[dt.date]:
    return [last - dt.timedelta(days=n) for n in range(number - 1, -1, -1)]


def held(value: float = 7.0, warmth: float | None = 290.0):
    def read(name: str, dates: Sequence[dt.date]) -> np.ndarray:
        fill = value if name == "precipitation" else (np.nan if warmth is None else warmth)
        return np.full((len(dates), *SHAPE), fill, np.float32)

    return read


def test_the_priors_own_days_need_nothing_else_and_win() -> None:
    data = prior(days_to(LAST, 80))
    alone = forcing_until(data, LAST)
    beside = forcing_until(data, LAST, held(99.0), days_to(LAST, 80))
    assert alone is not None
    assert beside is not None
    assert alone["precipitation"].shape[0] == FORCING_DAYS
    assert np.array_equal(alone["precipitation"], beside["precipitation"])


def test_days_beyond_the_record_come_from_beside_it_in_their_order() -> None:
    data = prior(days_to(LAST, 80))
    later = [LAST + dt.timedelta(days=n) for n in range(1, 11)]
    found = forcing_until(data, later[-1], held(), later)
    assert found is not None
    assert found["precipitation"].shape[0] == FORCING_DAYS
    assert (found["precipitation"][-10:] == 7.0).all()
    assert (found["air_temperature"][-10:] == 290.0).all()
    assert found["precipitation"][-11, 0, 0] == LAST.toordinal() % 100
    assert borrowed(later[-1], own_days(data), later) == later
    assert forcing_until(data, later[-1]) is None


@given(missing=st.integers(0, FORCING_DAYS - 1))
def test_a_gap_ends_the_run(missing: int) -> None:
    """Twin: walk back day by day until one is not there."""
    days = [day for day in days_to(LAST, 90) if day != LAST - dt.timedelta(days=missing)]
    run = run_of_days(LAST, np.array([], "datetime64[D]"), days)
    assert run == (days_to(LAST, missing) if missing >= FORCING_MINIMUM else [])


def test_missing_temperature_takes_the_months_mean_and_missing_rain_nothing() -> None:
    data = prior(days_to(LAST, 80))
    later = [LAST + dt.timedelta(days=n) for n in range(1, 4)]
    found = forcing_until(data, later[-1], held(warmth=None), later)
    assert found is None  # no July in the record: nothing can stand in
    data = prior([*days_to(dt.date(2019, 7, 31), 31), *days_to(LAST, 80)])
    found = forcing_until(data, later[-1], held(warmth=None), later)
    assert found is not None
    assert (found["air_temperature"][-3:] == 280.0).all()
    assert forcing_until(data, later[-1], held(value=np.nan), later) is None


def test_few_holes_take_the_others_mean_and_many_are_a_gap() -> None:
    data, later = prior(days_to(LAST, 80)), [LAST + dt.timedelta(days=1)]

    def with_hole(cells: int):
        def read(name: str, dates: Sequence[dt.date]) -> np.ndarray:
            made = held()(name, dates)
            made.reshape(len(dates), -1)[:, :cells] = np.nan
            return made

        return read

    found = forcing_until(data, later[-1], with_hole(1), later)
    assert found is not None
    assert (found["precipitation"][-1] == 7.0).all()
    assert forcing_until(data, later[-1], with_hole(9), later) is None


def test_a_prior_without_weather_lives_on_the_store() -> None:
    data = prior(days_to(LAST, 80)).drop_vars(["precipitation", "air_temperature"])
    assert forcing_until(data, LAST) is None
    found = forcing_until(data, LAST, held(), days_to(LAST, 40))
    assert found is not None
    assert found["precipitation"].shape[0] == 40
    assert (found["air_temperature"] == 290.0).all()


def test_change_of_the_index_against_its_sum() -> None:
    before = np.zeros((3, 72, 72), np.float32)
    after = before.copy()
    after[1, :36, :36] = 10.0
    after[2, 36:, 36:] = 4.0
    ages = [5, 2, 0]
    assert index_change(before, after, ages, 36) == pytest.approx(max(10 * API_DECAY**2, 4.0))
    assert index_change(before, before, ages, 36) == 0.0
