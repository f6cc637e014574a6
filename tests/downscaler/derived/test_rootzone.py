"""Carrying the surface down: filters against a slow twin, learned states on layers that are known, real layers."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from downscaler.derived.composite import ErrorMemory
from downscaler.derived.profile import Profile, available_water, carry_down, learn_profile
from downscaler.derived.rootzone import (
    SCALES,
    WINDOW,
    best_filter,
    calendar,
    exponential_filter,
    filters,
    learn,
    rescaled,
    score,
    stretches,
    thickness_mean,
)

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "parflow"


@given(seed=st.integers(0, 10_000), scale=st.sampled_from(SCALES), window=st.integers(1, 30))
def test_the_filter_is_a_weighted_mean_of_the_past(seed: int, scale: float, window: int) -> None:
    rng = np.random.default_rng(seed)
    surface = rng.uniform(0.05, 0.4, (25, 1))
    surface[rng.random(surface.shape) < 0.3] = np.nan
    found = exponential_filter(surface, scale, window)
    for day in range(25):
        days = range(max(0, day - window + 1), day + 1)
        past = [(np.exp(-(day - t) / scale), surface[t, 0]) for t in days if np.isfinite(surface[t, 0])]
        if not past:
            assert np.isnan(found[day, 0])
            continue
        assert found[day, 0] == pytest.approx(sum(w * v for w, v in past) / sum(w for w, _ in past), rel=1e-6)


def world(noise: float, days: int = 400, cells: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Surfaces of random rain, and a layer that is a bucket filled from above, with its own noise."""
    rng = np.random.default_rng(9)
    rain = np.where(rng.random((days, cells)) < 0.15, rng.exponential(0.1, (days, cells)), 0.0)
    surface, layer = np.empty((days, cells)), np.empty((days, cells))
    top, below = np.full(cells, 0.2), np.full(cells, 0.25)
    pace = rng.uniform(6.0, 40.0, cells)
    for day in range(days):
        top = 0.1 + (top - 0.1) * 0.85 + rain[day] * 0.5
        below = below + (top - below + 0.05) / pace
        surface[day], layer[day] = top, below
    return surface, layer + noise * rng.standard_normal(layer.shape)


def test_a_learned_state_beats_its_baselines_and_holds_its_interval() -> None:
    surface, layer = world(noise=0.004)
    indices, angles, told = filters(surface), 2 * np.pi * np.arange(400) / 365.25, []
    for train, held in stretches(400):
        state = learn(indices, layer, train)
        made = state.carry(indices)
        bounds = state.interval(made)
        told.append(
            [
                score(made[held], layer[held], tuple(bound[held] for bound in bounds)),
                score(best_filter(indices, layer, train)[held], layer[held]),
                score(rescaled(surface, layer, train)[held], layer[held]),
                score(calendar(layer, angles, train)[held], layer[held]),
            ]
        )
    learned, single, scaled, seasonal = (np.mean([fold[n].rmse for fold in told[1:]]) for n in range(4))
    assert learned < single < scaled
    assert learned < seasonal
    assert learned < 0.008
    assert np.mean([fold[0].coverage for fold in told[1:]]) > 0.9, "wide here, where no season differs from another"
    assert min(fold[0].r for fold in told) > 0.9


def test_folds_keep_their_distance_and_layers_are_weighed_by_thickness() -> None:
    for train, held in stretches(100, 5, gap=14):
        assert not (train & held).any()
        assert min(abs(a - b) for a in np.flatnonzero(train) for b in np.flatnonzero(held)) == 15
    assert thickness_mean([np.array([0.1]), np.array([0.2]), np.array([0.3])], [0.1, 0.3, 0.6])[0] == pytest.approx(
        0.25
    )


def test_perfect_scores() -> None:
    truth = np.random.default_rng(1).uniform(0.1, 0.4, (20, 3))
    found = score(truth, truth, (truth - 0.01, truth + 0.01))
    assert (found.rmse, found.coverage) == (0.0, 1.0)
    assert found.r == pytest.approx(1.0)


def test_a_profile_carries_analyses_down_as_a_slow_sum_does() -> None:
    """Value and uncertainty of each layer of one cell, day by day and pair by pair; days lack, one is unknown."""
    rng, memory = np.random.default_rng(4), ErrorMemory(lasting=0.8, days=4.0)
    times = sorted(rng.choice(np.arange(738000, 738060), 40, replace=False).tolist())
    theta, sigma = rng.uniform(0.1, 0.4, (40, 1)), rng.uniform(0.02, 0.06, (40, 1))
    theta[3] = np.nan
    weights = rng.normal(0, 0.4, (2, 1 + len(SCALES), 1))
    profile = Profile(weights=weights, errors=np.array([[0.01], [0.02]]), root=np.array([0.015]))
    found = carry_down(theta, sigma, times, profile, memory)
    shares = np.zeros((3, 40))
    shares[0, -1] = 1.0
    for layer in range(2):
        for scale, weight in zip(SCALES, weights[layer, 1:, 0], strict=True):
            fade = np.array([np.exp(-(times[-1] - t) / scale) if np.isfinite(v) else 0.0
                             for t, v in zip(times, theta[:, 0], strict=True)])  # fmt: skip
            shares[layer + 1] += weight * fade / fade.sum()
    shares = np.vstack([shares, [0.1, 0.3, 0.6] @ shares])
    values = shares @ np.nan_to_num(theta[:, 0]) + [0, *weights[:, 0, 0], [0.3, 0.6] @ weights[:, 0, 0]]
    own = [0.0, 0.01, 0.02, 0.015]
    for n, (value, spread) in enumerate(
        [(found.layers[0], found.sigmas[0]), (found.layers[1], found.sigmas[1]), (found.root, found.root_sigma)], 1
    ):
        part = shares[n] * sigma[:, 0]
        variance = sum(part[i] * part[j] * memory.rho(abs(times[i] - times[j])) for i in range(40) for j in range(40))
        assert value[0] == pytest.approx(np.clip(values[n], 0, 1))
        assert spread[0] == pytest.approx(np.sqrt(variance + own[n] ** 2))
    theta[-1] = np.nan
    assert np.isnan(carry_down(theta, sigma, times, profile, memory).root[0])


def test_a_learned_profile_knows_more_of_what_is_near() -> None:
    surface, layer = world(noise=0.002)
    deep = exponential_filter(layer, 30.0) + 0.01 * np.random.default_rng(2).standard_normal(layer.shape).cumsum(0) / 9
    profile = learn_profile(filters(surface), surface, [layer, deep])
    assert profile.weights.shape == (2, 1 + len(SCALES), 60)
    assert np.median(profile.errors[0]) < np.median(profile.root) < np.median(profile.errors[1])
    found = carry_down(surface[-WINDOW:], np.full((WINDOW, 60), 1e-9), range(WINDOW), profile, ErrorMemory.of(""))
    assert np.sqrt(((found.layers[0] - layer[-1]) ** 2).mean()) < 0.01
    np.testing.assert_allclose(found.root_sigma, profile.root, rtol=1e-3)
    with pytest.raises(ValueError, match="199 days"):
        learn_profile(filters(surface)[:, :199], surface[:199], [layer[:199], deep[:199]])


def test_available_water_lies_between_wilting_point_and_field_capacity() -> None:
    porosity, residual, alpha, n = (np.full(3, v) for v in (0.45, 0.05, 1.5, 1.6))
    wilting, capacity = (0.05 + 0.40 / (1 + (h * 1.5) ** 1.6) ** (1 - 1 / 1.6) for h in (150.0, 3.3))
    water, share = available_water(np.array([0.04, (wilting + capacity) / 2, 0.44]), porosity, residual, alpha, n)
    np.testing.assert_allclose(water, [0.0, 500 * (capacity - wilting), 1000 * (capacity - wilting)], atol=1e-9)
    np.testing.assert_allclose(share, [0.0, 0.5, 1.0], atol=1e-9)
    assert np.isnan(available_water(np.array([0.2]), *(np.array([v]) for v in (0.45, 0.05, np.nan, np.nan)))[0][0])


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "upper_verde_year").is_dir(), reason="needs ../shared/data/parflow/upper_verde_year")
def test_genuine_layers() -> None:
    """A tenth of the Upper Verde's cells: the learned state is nearest to every layer down to a metre."""
    with xr.open_dataset(DATA / "upper_verde_year" / "daily.nc") as file:
        names = ("soil_moisture", "soil_moisture_layer2", "soil_moisture_layer3")
        fields = {name: file[name].values.reshape(file.sizes["time"], -1)[:, ::10].astype(float) for name in names}
    active = np.isfinite(fields["soil_moisture"]).all(axis=0)
    surface = fields.pop("soil_moisture")[:, active]
    indices = filters(surface)
    train, held = stretches(len(surface))[2]
    for values in fields.values():
        layer = values[:, active]
        made = learn(indices, layer, train).carry(indices)
        learned = score(made[held], layer[held]).rmse
        assert learned < score(best_filter(indices, layer, train)[held], layer[held]).rmse
        assert learned < score(rescaled(surface, layer, train)[held], layer[held]).rmse
