"""Carrying the surface down: filters against a slow twin, learned states on layers that are known, real layers."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from downscaler.derived.rootzone import (
    SCALES,
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


@given(seed=st.integers(0, 10_000), scale=st.sampled_from(SCALES))
def test_the_filter_is_a_weighted_mean_of_the_past(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    surface = rng.uniform(0.05, 0.4, (25, 1))
    surface[rng.random(surface.shape) < 0.3] = np.nan
    found = exponential_filter(surface, scale)
    for day in range(25):
        past = [(np.exp(-(day - t) / scale), surface[t, 0]) for t in range(day + 1) if np.isfinite(surface[t, 0])]
        if not past:
            assert np.isnan(found[day, 0])
            continue
        assert found[day, 0] == pytest.approx(sum(w * v for w, v in past) / sum(w for w, _ in past))


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
    assert 0.85 < np.mean([fold[0].coverage for fold in told[1:]]) < 0.98
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
