"""Storms have the water their formula says; windows share one sky; an analysis errs but not wildly."""

import datetime as dt

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from downscaler.simulation.weather import Sky, Storm, day_weather, potential_evaporation, storm_rain, under, warm_season

DAY = dt.date(2024, 7, 3)
Y, X = np.arange(-500.0, -400.0), np.arange(100.0, 220.0)


def weather(y, x, sky, date=DAY):
    flat = np.full((y.size, x.size), 250.0, np.float32)
    return day_weather(date, y, x, elevation=flat, latitude=np.full_like(flat, 34.7), sky=sky)


@settings(max_examples=examples(30))
@given(
    heading=st.floats(-3.1, 3.1),
    speed=st.floats(8.0, 30.0),
    hours=st.floats(0.8, 3.2),
    along=st.floats(2.2, 11.0),
    round_=st.floats(0.65, 1.0),
)
def test_a_storm_drops_its_water(heading, speed, hours, along, round_):
    storm = Storm(
        y=-450.3,
        x=160.2,
        heading=heading,
        speed=speed,
        hours=hours,
        along=along,
        across=along * round_,
        peak=20.0,
        step=3,
    )
    y, x = np.arange(-650.0, -250.0), np.arange(-40.0, 360.0)
    rows, columns = under(storm, y, x)
    amount = storm_rain(storm, y[rows], x[columns])
    assert amount.shape == (y[rows].size, x[columns].size)
    # volume of a Gaussian rain field: 2 pi a b P, for as long as it rains
    assert amount.sum() == pytest.approx(2 * np.pi * along**2 * round_ * 20.0 * hours, rel=0.02)
    assert (amount >= 0).all()


def test_slow_twin_of_the_moving_storm():
    storm = Storm(y=0.0, x=0.0, heading=0.6, speed=20.0, hours=2.0, along=5.0, across=3.0, peak=30.0, step=0)
    y = x = np.arange(-60.0, 80.0)
    rows, columns = under(storm, y, x)
    amount = storm_rain(storm, y[rows], x[columns])
    yy, xx = np.meshgrid(y[rows], x[columns], indexing="ij")
    slow, pace = np.zeros_like(amount), 0.002
    for t in np.arange(pace / 2, 2.0, pace):
        dy, dx = yy - 20.0 * t * np.sin(0.6), xx - 20.0 * t * np.cos(0.6)
        s, c = dy * np.sin(0.6) + dx * np.cos(0.6), dy * np.cos(0.6) - dx * np.sin(0.6)
        slow += 30.0 * pace * np.exp(-0.5 * (s / 5.0) ** 2 - 0.5 * (c / 3.0) ** 2)
    np.testing.assert_allclose(amount, slow, atol=1e-3)


def test_windows_share_one_sky():
    sky = Sky(seed=1, name="nature")
    whole, part = weather(Y, X, sky), weather(Y[20:], X[30:90], sky)
    np.testing.assert_allclose(part.rain, whole.rain[:, 20:, 30:90], atol=0.06)
    np.testing.assert_allclose(part.temperature, whole.temperature[20:, 30:90], atol=0.1)


def test_an_analysis_sees_the_same_season_but_other_storms():
    nature, prior = Sky(seed=1, name="nature"), Sky(seed=1, name="prior", shift=4.0, missed=0.1, spread=0.35)
    days = [DAY + dt.timedelta(days=n) for n in range(25)]
    true, seen = (np.stack([weather(Y, X, sky, d).rain.sum(axis=0) for d in days]) for sky in (nature, prior))
    assert 0.6 < seen.mean() / true.mean() < 1.5
    assert 0.4 < np.corrcoef(true.ravel(), seen.ravel())[0, 1] < 0.97


def test_rain_varies_inside_a_smap_cell_and_leaves_dry_ground():
    rain = np.stack(
        [weather(Y, X, Sky(seed=2, name="n"), DAY + dt.timedelta(days=n)).rain.sum(axis=0) for n in range(20)]
    )
    blocks = rain[:, :99, :117].reshape(20, 11, 9, 13, 9)
    mean, spread = blocks.mean(axis=(2, 4)), blocks.std(axis=(2, 4))
    rainy = mean > 2
    assert np.median(spread[rainy] / mean[rainy]) > 0.2
    assert 0.05 < (rain > 1).mean() < 0.6


def test_evaporation_follows_oudin():
    latitude = np.array([[45.0]], np.float32)
    dry = np.zeros((1, 1), np.float32)
    # FAO-56: Ra = 32.2 MJ m-2 d-1 at 20 degrees south on 3 September
    south = potential_evaporation(dt.date(2015, 9, 3), np.array([[-20.0]], np.float32), dry + 293.15, dry)
    assert south[0, 0] == pytest.approx(32.2 / 2.45 * 25.0 / 100.0, rel=0.01)
    assert potential_evaporation(DAY, latitude, dry + 260.0, dry)[0, 0] == 0.0
    assert potential_evaporation(DAY, latitude, dry + 293.0, dry + 20.0)[0, 0] < potential_evaporation(
        DAY, latitude, dry + 293.0, dry
    )


def test_seasons_and_lapse_rate():
    assert warm_season(dt.date(2024, 7, 20)) > 0.97
    assert warm_season(dt.date(2024, 1, 20)) < 0.03
    high = np.full((Y.size, X.size), 1250.0, np.float32)
    latitude = np.full_like(high, 34.7)
    sky = Sky(seed=1, name="nature")
    cold = day_weather(DAY, Y, X, elevation=high, latitude=latitude, sky=sky).temperature
    np.testing.assert_allclose(weather(Y, X, sky).temperature - cold, 6.5, atol=0.01)
    winter = weather(Y, X, sky, dt.date(2024, 1, 10)).temperature.mean()
    assert weather(Y, X, sky).temperature.mean() - winter > 12.0
