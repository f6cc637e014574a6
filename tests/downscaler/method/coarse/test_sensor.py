"""What one pass tells of its own error, and a window of how large departures are: drawn from what is to be found."""

from dataclasses import replace

import numpy as np
import pytest

from downscaler.method.coarse.analysis import FAST, SLOW, STANDING, Memory
from downscaler.method.coarse.geometry import Component
from downscaler.method.coarse.observation import Observation, seen_through, smear, smeared
from downscaler.method.coarse.sensor import (
    FOOTPRINT,
    SENSORS,
    Background,
    find_scale,
    find_sensor,
    pass_error,
    smearing,
)

SHAPE, KM = (16, 16), 9.0
COMPONENTS = Memory().components(weather=False)


def scene(passes: int) -> tuple[np.ndarray, Background]:
    rng = np.random.default_rng(3)
    fine = np.kron(rng.normal(0.2, 0.05, SHAPE), np.ones((9, 9)))
    active, nothing = np.ones(fine.shape, bool), np.zeros((passes, *SHAPE))
    level, seen = (seen_through(fine, active, 9, width) for width in (0.0, FOOTPRINT))
    spread = np.full(SHAPE, 0.02)
    return fine, Background(level=level, seen=seen, spread=spread, day=nothing[0], slow=nothing[0], passes=nothing)


def departures(ages: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Drawn from the covariance that the analysis takes departures to have."""
    y, x = (axis.ravel() * KM for axis in np.mgrid[: SHAPE[0], : SHAPE[1]])
    distance, lag = np.hypot(y[:, None] - y, x[:, None] - x), np.abs(ages[:, None] - ages)
    rng, made = np.random.default_rng(seed), np.zeros((len(ages), len(y)))
    for part in (FAST, SLOW, STANDING):
        space, time = (
            np.linalg.cholesky(k + 1e-9 * np.eye(len(k)))
            for k in (np.exp(-distance / part.km), np.exp(-lag / part.days))
        )
        made += np.sqrt(part.share) * size * (time @ rng.standard_normal(made.shape) @ space.T)
    return made.reshape(-1, *SHAPE)


@pytest.mark.parametrize("error", [0.005, 0.02, 0.04])
def test_one_pass_tells_the_size_of_its_error(error: float) -> None:
    _, background = scene(1)
    rng, model = np.random.default_rng(4), Observation(error=error)
    seen = background.level + departures(np.zeros(1), 0.02, 5)[0] + model.errors(SHAPE, KM, rng)
    found = pass_error(seen, background, COMPONENTS, KM)
    told = found.error
    assert found.found
    assert found.observation.error == pytest.approx(error, rel=0.55)
    assert told.shape == SHAPE
    assert np.ptp(told) == 0.0
    assert told[0, 0] == pytest.approx(error, rel=0.55)


def test_a_footprint_s_effect_on_the_level_is_part_of_the_error() -> None:
    fine, background = scene(1)
    seen = Observation(footprint=FOOTPRINT, error=0.0).coarse(fine, np.ones(fine.shape, bool), 9)
    found = pass_error(seen, background, COMPONENTS, KM)
    told = found.error
    assert found.sensor.width == FOOTPRINT
    away = np.abs(background.seen - background.level)
    assert (told >= away).all()
    assert np.sqrt((told**2).mean()) < 1.2 * np.sqrt((away**2).mean()) + 0.01


def test_few_retrievals_have_the_nominal_error() -> None:
    _, background = scene(1)
    seen = np.full(SHAPE, np.nan)
    seen[:4, :5] = 0.2
    told = pass_error(seen, background, COMPONENTS, KM)
    assert not told.found
    np.testing.assert_allclose(told.error, Observation().error)


def test_what_a_footprint_takes_is_known_where_cells_are_independent_and_where_they_are_one() -> None:
    def of(km: float) -> float:
        return smearing((Component(share=1.0, days=1.0, km=km),), FOOTPRINT, KM)

    weights = smear(np.zeros((13, 13)), KM, FOOTPRINT)[13**2 // 2]
    white = np.sqrt((weights**2).sum() - 2 * weights.max() + 1)
    assert of(1e-3) == pytest.approx(white)
    assert of(1e7) < 0.01
    assert smearing(COMPONENTS, 0.0, KM) == 0.0


@pytest.mark.parametrize(("size", "low", "high"), [(0.02, 0.8, 1.25), (0.05, 1.6, 2.9)])
def test_a_window_tells_how_large_departures_are(size: float, low: float, high: float) -> None:
    ages = np.array([0.0, 3.0, 5.0, 8.0, 10.0, 13.0])
    _, background = scene(len(ages))
    rng, model = np.random.default_rng(6), Observation()
    errors = np.stack([model.errors(SHAPE, KM, rng) for _ in ages])
    seen = background.level + departures(ages, size, 7) + errors
    found = SENSORS[0], model
    assert low < find_scale(seen, ages, background, COMPONENTS, found, KM) < high
    nothing = np.full(seen.shape, np.nan)
    assert find_scale(nothing, ages, background, COMPONENTS, found, KM) == 1.0
    gap = replace(background, spread=np.where(np.arange(16) < 8, background.spread, np.nan))
    assert low * 0.8 < find_scale(seen, ages, gap, COMPONENTS, found, KM) < high * 1.2


def test_a_single_pass_tells_that_departures_are_larger() -> None:
    ages = np.zeros(1)
    _, background = scene(1)
    seen = background.level + departures(ages, 0.08, 7)
    found = SENSORS[0], Observation()
    for land in (background, replace(background, model=True)):
        assert find_scale(seen, ages, land, COMPONENTS, found, KM) > 1.2


def test_one_pass_is_the_same_sensor_to_the_analysis_and_to_its_own_day() -> None:
    """A catalogue's first analyses have but a pass or two: they do not take SMAP for what is nominal."""
    ages = np.zeros(1)
    _, background = scene(1)
    field = background.level + departures(ages, 0.05, 3)
    seen = smeared(field, np.ones(SHAPE, bool), KM, FOOTPRINT) + np.random.default_rng(1).normal(0.0, 0.01, field.shape)
    sensor, observation = find_sensor(seen, ages, background, COMPONENTS, KM)
    alone = pass_error(seen[0], background, COMPONENTS, KM)
    assert (sensor, observation) == (alone.sensor, alone.observation)
    assert sensor.width > 0
    assert observation.error < 0.03
    assert find_sensor(np.full(seen.shape, np.nan), ages, background, COMPONENTS, KM) == (SENSORS[0], Observation())
