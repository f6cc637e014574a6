"""Weather's answer against a slow twin; the footprint and the error of SMAP found in its own passes."""

from dataclasses import replace

import numpy as np
import pytest

from downscaler.method.coarse.analysis import Memory, analyse
from downscaler.method.coarse.observation import Observation, seen_through, smeared
from downscaler.method.coarse.sensor import FOOTPRINT, Background
from downscaler.method.coarse.space_time import Passes, interpolate
from downscaler.method.coarse.wetting import DECAYS, MELT, WARMTH_DAYS, fit_answer, thaw, wetting

SHAPE = (12, 12)


def test_predictors_are_the_indices_written_out() -> None:
    rng = np.random.default_rng(1)
    rain, warmth = rng.gamma(0.3, 8.0, (40, 2)), rng.normal(285, 2, (40, 2))  # too warm for snow
    level, usual = np.array([2.0, 3.0]), np.array([284.0, 286.0])
    made = wetting(rain, warmth, level, usual)
    for number, keep in enumerate(DECAYS):
        for place in (0, 1):
            index = 1.0
            for day in range(40):
                lost = np.log(1 / keep) * 2.0 ** ((warmth[day, place] - usual[place]) / 10.0)
                index = index * np.exp(-lost) + (1 - keep) * rain[day, place] / level[place]
            assert made[-1, place, number] == pytest.approx(np.sqrt(index))
    np.testing.assert_allclose(made[-1, :, -1], (warmth[-WARMTH_DAYS:].mean(axis=0) - usual) / 10.0)
    np.testing.assert_allclose(made[2, :, -1], (warmth[:3].mean(axis=0) - usual) / 10.0)


def liquid(fallen: np.ndarray, air: np.ndarray) -> np.ndarray:
    pack, made = np.zeros(fallen.shape[1:]), []
    for amount, warmth in zip(fallen, air, strict=True):
        today, pack = thaw(amount, warmth, pack)
        made.append(today)
    assert (pack >= 0.0).all()
    return np.stack(made)


def test_snow_waits_for_warmth_and_no_water_is_lost() -> None:
    fallen, air = np.full((30, 1), 4.0), np.r_[np.full(10, 265.0), np.full(20, 278.15)][:, None]
    fallen[10:] = 0.0
    made = liquid(fallen, air)[:, 0]
    assert (made[:10] == 0.0).all()
    np.testing.assert_allclose(made[10:14], MELT * 5.0)  # 40 mm, 10 mm a day
    assert made[14:].sum() == pytest.approx(0.0)
    rng = np.random.default_rng(5)
    rain, air = rng.gamma(0.3, 8.0, (60, 3)), np.r_[rng.normal(272, 4, (45, 3)), np.full((15, 3), 300.0)]
    np.testing.assert_allclose(liquid(rain, air).sum(axis=0), rain.sum(axis=0))
    np.testing.assert_allclose(liquid(rain, np.full(rain.shape, np.nan)), rain)  # unknown is taken for mild
    storm, air = np.zeros((20, 1)), np.r_[np.full(12, 268.0), np.full(8, 280.0)][:, None]
    storm[5] = 20.0
    index = wetting(storm, air, np.array([2.0]), np.array([274.0]))[:, 0, 0]
    assert (np.diff(index[:12]) < 0.0).all()  # the snow lies
    assert index[12] > index[11]


def test_usual_weather_and_unknown_weather_are_the_same() -> None:
    level = np.array([2.5])
    np.testing.assert_allclose(wetting(np.full((9, 1), np.nan), None, level, None)[..., :-1], 1.0)
    np.testing.assert_allclose(wetting(np.full((9, 1), 2.5), None, level, None)[..., :-1], 1.0)


def test_an_answer_is_found_again() -> None:
    x = np.random.default_rng(2).normal(0, 1, (4000, 3))
    weights, centre = fit_answer(x + 5.0, x @ [0.5, -0.2, 0.0])
    np.testing.assert_allclose(weights, [0.5, -0.2, 0.0], atol=0.01)
    np.testing.assert_allclose(centre, 5.0, atol=0.1)


def scene(seed: int) -> tuple[np.ndarray, Background]:
    """A 1 km level with contrast at all scales, and the background made of it."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0.2, 0.05, SHAPE)
    fine = np.repeat(np.repeat(coarse, 9, 0), 9, 1)
    active = np.ones(fine.shape, bool)
    nothing = np.zeros((6, *SHAPE))
    level = seen_through(fine, active, 9, 0.0)
    seen = seen_through(fine, active, 9, FOOTPRINT)
    spread = np.full(SHAPE, 0.02)
    return fine, Background(level=level, seen=seen, spread=spread, day=nothing[0], slow=nothing[0], passes=nothing)


@pytest.mark.parametrize(("width", "share"), [(0.0, 0.0), (FOOTPRINT, 1.0)])
@pytest.mark.parametrize("error", [0.01, 0.04])
def test_footprint_and_error_are_found_in_the_passes(width: float, share: float, error: float) -> None:
    fine, background = scene(3)
    rng, model = np.random.default_rng(4), Observation(footprint=width, error=error)
    once = model.coarse(fine, np.ones(fine.shape, bool), 9)
    ages = np.array([0.0, 2.0, 5.0, 7.0, 10.0, 12.0])
    seen = np.stack([once + model.errors(SHAPE, 9.0, rng) for _ in ages])
    made = analyse(seen, ages, background, Memory(), 9.0)
    assert made.footprint == pytest.approx(share, abs=0.15)
    assert made.observation.error == pytest.approx(error, rel=0.55)
    if width:
        worse = np.abs(np.nanmean(seen, axis=0) - background.level).mean()
        assert np.abs(made.value - background.level).mean() < 0.6 * worse
    assert ((made.smap >= 0) & (made.smap <= 1)).all()


@pytest.mark.parametrize("share", [0.0, 2.0 / 3.0])
def test_how_much_of_the_error_is_smooth_is_found(share: float) -> None:
    fine, background = scene(3)
    rng, model = np.random.default_rng(12), Observation(error=0.04, smooth_share=share)
    once = model.coarse(fine, np.ones(fine.shape, bool), 9)
    seen = np.stack([once + model.errors(SHAPE, 9.0, rng) for _ in range(6)])
    made = analyse(seen, np.array([0.0, 2.0, 5.0, 7.0, 10.0, 12.0]), background, Memory(), 9.0)
    assert (made.observation.error, made.observation.smooth_share) == (0.04, pytest.approx(share))


def test_a_sensor_that_smears_is_expected_to_smear_what_weather_made() -> None:
    fine, background = scene(3)
    rng, ages = np.random.default_rng(11), np.array([0.0, 2.0, 5.0, 7.0, 10.0, 12.0])
    wet = rng.normal(0.0, 0.04, (6, *SHAPE))
    model = Observation(footprint=FOOTPRINT, error=0.005)
    whole, usual = np.ones(fine.shape, bool), np.kron(background.level, np.ones((9, 9)))
    clean = [model.coarse(usual + np.kron(day, np.ones((9, 9))), whole, 9) for day in wet]
    seen = np.stack([day + model.errors(SHAPE, 9.0, rng) for day in clean])
    level_seen = model.coarse(usual, whole, 9)
    made = analyse(
        seen, ages, replace(background, seen=level_seen, day=wet[0], passes=wet, weather=True), Memory(), 9.0
    )
    assert made.observation.footprint == FOOTPRINT
    away = np.abs(made.value - background.level - wet[0]).mean()
    assert away < 0.15 * np.abs(wet[0] - smeared(wet[:1], np.ones(SHAPE, bool), 9.0, FOOTPRINT)[0]).mean()


def test_smeared_retrievals_that_are_matched_are_told_from_both_others() -> None:
    fine, background = scene(7)
    rng, model = np.random.default_rng(8), Observation(footprint=FOOTPRINT, error=0.01)
    ages, whole = np.array([0.0, 2.0, 5.0, 7.0, 10.0, 12.0]), np.ones(fine.shape, bool)
    footprints = [model.coarse(fine + np.kron(rng.normal(0, 0.02, SHAPE), np.ones((9, 9))), whole, 9) for _ in ages]
    seen = np.stack([day + background.level - background.seen + model.errors(SHAPE, 9.0, rng) for day in footprints])
    made = analyse(seen, ages, background, Memory(), 9.0)
    assert (made.footprint, made.observation.footprint) == (0.0, FOOTPRINT)
    passes = Passes(values=seen - background.level, ages=ages)
    usual = made.scale * background.spread
    plain = interpolate(passes, usual, Memory().components(weather=False), made.observation, 9.0)
    np.testing.assert_allclose(made.value, background.level + plain.anomaly)
    np.testing.assert_allclose(made.error, plain.error)


def test_too_few_retrievals_show_no_footprint_and_have_the_nominal_error() -> None:
    _, background = scene(5)
    seen = np.full((6, *SHAPE), np.nan)
    seen[0, 0, :3] = 0.2
    made = analyse(seen, np.arange(6.0), background, Memory(), 9.0)
    assert made.footprint == 0.0
    assert made.observation == Observation()
    assert made.scale == 1.0


def test_where_smap_saw_nothing_the_background_stands() -> None:
    _, background = scene(6)
    made = analyse(np.full((6, *SHAPE), np.nan), np.arange(6.0), background, Memory(inflation=1.2), 9.0)
    np.testing.assert_allclose(made.value, background.level)
    np.testing.assert_allclose(made.error, 1.2 * background.spread)
    np.testing.assert_allclose(made.smap, 0.0, atol=1e-12)
    assert (made.slow_error < made.error).all()
    assert (np.abs(made.joint) <= made.error * made.slow_error + 1e-12).all()


def test_memory_survives_json() -> None:
    memory = Memory(
        amplitude=0.8,
        weights=(0.1, 0.2),
        centres=(1.0, 1.0),
        unexplained=0.6,
        inflation=1.1,
        stretch=((1, 2, 3), (2, 2, 1)),
    )
    assert Memory.from_dict(memory.as_dict()) == memory
    with_weather = sum(c.share for c in memory.components(weather=True))
    assert with_weather == pytest.approx(0.25 + 0.6 * 0.75)
