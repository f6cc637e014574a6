"""What is known of the truth, and what the simulated sensor and stations make of it."""

import numpy as np
import pytest

from downscaler.errors import TrainingError
from downscaler.ground.blocks import block_mean
from downscaler.playground.sensor import Sensor, look, read_stations, smeared, swath
from downscaler.playground.world import GAP_DAYS, learning_and_judged, make_world
from downscaler.simulation.noise import Stream

from .conftest import by_slope, prior_data

EXACT = Sensor(own=1.0, noise=0.0, revisit=False, reading_noise=0.0, gaps=0.0)


def stream(seed: int = 0) -> Stream:
    return Stream(seed=seed, name="test")


@pytest.mark.parametrize("count", [24, 34, 35, 56, 90, 235, 400])
def test_judged_days_are_a_week_away_from_all_that_is_learned(count):
    learn, judge = learning_and_judged(np.arange(count))
    assert len(learn) >= (14 if count >= 35 else 10)
    assert len(judge) >= 7
    assert np.abs(learn[:, None] - judge).min() > GAP_DAYS


def test_a_short_record_is_refused():
    with pytest.raises(TrainingError, match="23 days"):
        learning_and_judged(np.arange(23))


def test_statistics_and_predictors_know_nothing_of_judged_days(structured):
    spoilt = prior_data(by_slope)
    learned = structured.positions
    others = np.setdiff1d(np.arange(60), learned)
    spoilt["soil_moisture"][others] = 0.5
    again = make_world(spoilt, learning_days=25, judged_days=7)
    np.testing.assert_array_equal(structured.ground.level, again.ground.level)
    np.testing.assert_array_equal(structured.statics, again.statics)
    assert not any("soil_moisture" in name for name in structured.static_names)


def test_an_exact_sensor_gives_block_means(structured):
    scene = look(structured, EXACT, stream())
    ground = structured.ground
    for day in (0, 20):
        mean = block_mean(structured.field(structured.theta[day]), ground.active, ground.ratio)
        np.testing.assert_allclose(scene.coarse[day], mean, atol=1e-6)
    assert scene.seen.all()


def test_the_footprint_smears_and_keeps_what_is_uniform():
    flat = np.full((12, 12), 0.2)
    flat[:3] = np.nan
    np.testing.assert_allclose(smeared(flat, 36.0)[3:], 0.2)
    assert np.isnan(smeared(flat, 36.0)[:3]).all()
    spot = np.zeros((25, 25))
    spot[12, 12] = 1.0
    seen = smeared(spot, 36.0)
    assert seen[12, 12] == seen.max()
    assert seen[12, 14] == pytest.approx(seen[12, 12] / 2, rel=0.02)  # half the gain half the footprint away


def test_noise_has_its_size_and_its_seed(structured):
    noisy, same, other = (look(structured, Sensor(own=1.0, noise=0.03, revisit=False), stream(s)) for s in (0, 0, 1))
    exact = look(structured, EXACT, stream())
    np.testing.assert_array_equal(noisy.coarse, same.coarse)
    assert (noisy.coarse != other.coarse).any()
    assert np.std(noisy.coarse - exact.coarse) == pytest.approx(0.03, rel=0.15)


def test_what_no_swath_covers_is_not_seen(structured):
    scene = look(structured, Sensor(), stream())
    for day, date in enumerate(structured.dates):
        missing = ~swath(date, structured.coarse_lonlat)
        assert np.isnan(scene.coarse[day][missing]).all()
    assert 0.3 < scene.seen.mean() < 1.0  # AM and PM together see a point two days of three or so


def test_stations_read_the_truth_on_learning_days_alone(structured):
    scene = look(structured, EXACT, stream())
    readings = read_stations(scene, np.array([5, 99]), EXACT, stream())
    assert np.isin(readings.day, structured.learning).all()
    np.testing.assert_allclose(readings.value, structured.theta[readings.day, readings.cell], atol=1e-6)
    assert len(readings.value) == 2 * len(structured.learning)


def test_readings_have_noise_and_gaps_and_do_not_depend_on_the_neighbours(structured):
    sensor = Sensor(own=1.0, noise=0.0, revisit=False, reading_noise=0.02, gaps=0.25)
    scene = look(structured, sensor, stream())
    cells = np.arange(0, 5000, 10)
    readings = read_stations(scene, cells, sensor, stream())
    error = readings.value - structured.theta[readings.day, readings.cell]
    assert error.std() == pytest.approx(0.02, rel=0.05)
    assert len(error) / (len(cells) * len(structured.learning)) == pytest.approx(0.78, abs=0.04)
    alone = read_stations(scene, cells[7:8], sensor, stream())
    np.testing.assert_array_equal(alone.value, readings.value[readings.cell == cells[7]])
