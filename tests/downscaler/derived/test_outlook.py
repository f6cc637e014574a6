"""The outlook: fading that is known is found, leads that beat nothing are not given, intervals grow and hold."""

import datetime as dt

import numpy as np
import pytest

from downscaler.derived.outlook import LEADS, Fading, angles_of, learn_fading, look_ahead, outlook_rasters, season_share
from downscaler.product import Flag


def record(keep: float, days: int = 1500, cells: int = 4, spread: float = 0.05, seed: int = 0) -> np.ndarray:
    """Departures that fade by ``keep`` a day about a mean of their own."""
    rng, theta = np.random.default_rng(seed), np.empty((days, cells))
    state = spread * rng.standard_normal(cells)
    for day in range(days):
        state = keep * state + spread * np.sqrt(1.0 - keep**2) * rng.standard_normal(cells)
        theta[day] = state
    return 0.25 + theta


def angles(days: int) -> np.ndarray:
    return angles_of(np.arange(days) % 365 + 1)


def test_a_known_fading_is_found_and_its_interval_holds() -> None:
    keep, theta = 0.9, record(0.9)
    fading = learn_fading(theta, angles(len(theta)))
    expected = keep ** np.asarray(LEADS, float)
    np.testing.assert_allclose(fading.left.mean(axis=1), expected, atol=0.08)
    np.testing.assert_allclose(fading.errors.mean(axis=1), 0.05 * np.sqrt(1 - expected**2), rtol=0.45)
    assert fading.given.all()
    later = record(keep, seed=1)
    inside, steps = [], []
    for start in range(0, len(later) - 10, 7):
        made, error = look_ahead(later[start], np.zeros(4), dt.date(2023, 5, 1), fading)
        steps.append(np.diff(error, axis=0))
        inside.append(np.abs(made - later[start + 1 : start + 11]) <= 1.645 * error)
    assert (np.stack(steps) >= 0).all(), "an interval that grows"
    assert 0.88 < np.mean(inside) < 0.99


def test_leads_that_beat_nothing_are_not_given() -> None:
    walk = record(0.9999, spread=0.5)
    assert not learn_fading(walk - walk.mean() + 0.25, angles(len(walk))).given.any(), "what persists persists"
    fast = learn_fading(record(0.4, spread=0.06), angles(1500)).given[:, 0]
    assert fast[0] == 1.0
    assert fast[-1] == 0.0, "after ten days nothing is left but climatology"


def test_an_outlook_is_the_faded_departure() -> None:
    rng, shape = np.random.default_rng(3), (len(LEADS), 2, 3)
    fading = Fading(
        level=rng.uniform(0.2, 0.3, shape[1:]),
        wave=rng.uniform(-0.02, 0.02, (2, *shape[1:])),
        left=np.sort(rng.uniform(0, 1, shape), axis=0)[::-1],
        errors=np.sort(rng.uniform(0.01, 0.04, shape), axis=0),
        given=np.ones(shape),
    )
    fading.given[4:, 1, 1] = 0.0
    theta, sigma, date = rng.uniform(0.1, 0.4, shape[1:]), np.full(shape[1:], 0.03), dt.date(2024, 12, 28)
    theta[0, 2] = np.nan
    values, errors = look_ahead(theta, sigma, date, fading)
    for place in np.ndindex(2, 3):
        largest = 0.0
        for number, days in enumerate(LEADS):

            def usual(day: dt.date, at: tuple[int, ...] = place) -> float:
                turn = 2 * np.pi * day.timetuple().tm_yday / 365.25
                return fading.level[at] + fading.wave[0][at] * np.cos(turn) + fading.wave[1][at] * np.sin(turn)

            made = usual(date + dt.timedelta(days=days)) + fading.left[number][place] * (theta[place] - usual(date))
            largest = max(largest, np.hypot(fading.errors[number][place], fading.left[number][place] * 0.03))
            if fading.given[number][place] and np.isfinite(theta[place]):
                assert values[number][place] == pytest.approx(made)
                assert errors[number][place] == pytest.approx(largest)
            else:
                assert np.isnan(values[number][place])
                assert np.isnan(errors[number][place])
    rasters = outlook_rasters(values, errors, np.zeros((2, 3), np.uint16))
    assert rasters["quality_flag"][0, 2] == Flag.FILL
    assert rasters["quality_flag"][1, 1] == 0
    assert np.isnan(rasters["soil_moisture_day5"][1, 1])


def test_a_season_counts_from_three_years_on() -> None:
    assert (season_share(2.9), season_share(3.0)) == (0.0, 0.75)
    days = 4 * 365
    turn = angles(days)[:, None]
    theta = 0.25 + 0.08 * np.cos(turn) + 0.2 * (record(0.9, days) - 0.25)
    fading = learn_fading(theta, turn[:, 0])
    np.testing.assert_allclose(fading.wave[0], 0.8 * 0.08, atol=0.01)
    with pytest.raises(ValueError, match="200 or more"):
        learn_fading(theta[:150], turn[:150, 0])
