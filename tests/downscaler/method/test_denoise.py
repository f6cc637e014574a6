"""Telling retrieval noise from weather."""

import numpy as np
import pytest

from downscaler.ground.blocks import block_mean, spread_blocks
from downscaler.method.conserve import noise_gain, noise_surface, smooth_surface
from downscaler.method.denoise import local_departure, noise_part, roughness


def test_local_departure_is_the_value_less_the_mean_of_its_known_neighbours():
    field = np.arange(12.0).reshape(3, 4) ** 2
    field[0, 0] = np.nan
    found = local_departure(field)
    assert np.isnan(found[0, 0])
    assert found[1, 1] == pytest.approx(field[1, 1] - np.nanmean(field[:3, :3]))
    assert found[2, 3] == pytest.approx(field[2, 3] - field[1:, 2:].mean())


def test_an_exact_retrieval_has_no_noise_and_a_smooth_record_takes_every_departure_for_noise():
    field = np.random.default_rng(0).uniform(0.1, 0.4, (6, 6))
    level = np.full((6, 6), 0.2)
    assert (noise_part(field, level, np.zeros((6, 6)), 1e-4) == 0).all()
    noise = noise_part(field, level, np.full((6, 6), 0.04), 0.0)
    np.testing.assert_allclose(noise, local_departure(field - level))


def test_the_split_brings_a_noisy_field_nearer_to_the_truth():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:30, 0:30] / 6.0
    truths = np.stack([0.2 + 0.05 * np.sin(y + phase) * np.cos(x) for phase in range(6)])
    rough = roughness(truths)
    noisy = truths[0] + rng.normal(0, 0.04, truths[0].shape)
    signal = noisy - noise_part(noisy, np.zeros_like(noisy), np.full(noisy.shape, 0.04), rough)
    error = [np.sqrt(np.mean((f - truths[0]) ** 2)) for f in (noisy, signal)]
    assert error[1] < 0.5 * error[0]


def test_roughness_of_nothing_is_zero():
    assert roughness(np.full((2, 3, 3), np.nan)) == 0.0


def test_ramps_carry_less_noise_into_blocks_than_a_smooth_surface_and_leave_a_third_of_the_step():
    noise = np.random.default_rng(2).normal(0, 0.04, (30, 30))
    active = np.ones((270, 270), bool)
    edge = np.arange(1, 270) % 9 == 0
    inside, step = {}, {}
    surfaces = {"smooth": smooth_surface, "ramp": noise_surface, "flat": lambda n, _, ratio: spread_blocks(n, ratio)}
    for name, surface in surfaces.items():
        field = surface(noise, active, 9)
        field = field + spread_blocks(noise - block_mean(field, active, 9), 9)
        inside[name] = np.sqrt(np.mean((field - spread_blocks(noise, 9)) ** 2))
        step[name] = np.abs(np.diff(field, axis=1))[:, edge].mean()
    assert inside["ramp"] < 0.7 * inside["smooth"]
    assert step["ramp"] < 0.34 * step["flat"]
    assert step["ramp"] < 1.2 * step["smooth"]


@pytest.mark.parametrize("ratio", [4, 9])
def test_noise_gain_is_the_spread_of_surfaces_through_white_noise(ratio):
    rng = np.random.default_rng(4)
    active = np.ones((20 * ratio, 20 * ratio), bool)
    squares = np.zeros((ratio, ratio))
    for _ in range(60):
        noise = rng.normal(0, 1, (20, 20))
        field = noise_surface(noise, active, ratio)
        field = field + spread_blocks(noise - block_mean(field, active, ratio), ratio)
        blocks = field.reshape(20, ratio, 20, ratio)[4:16, :, 4:16]
        squares += np.mean(blocks**2, axis=(0, 2))
    gain = noise_gain(ratio)
    np.testing.assert_allclose(gain, np.sqrt(squares / 60), rtol=0.05)
    np.testing.assert_allclose(gain, gain[::-1, ::-1], atol=1e-9)
    assert gain[0, 0] < 1.0 < gain[ratio // 2, ratio // 2]
    assert 1.0 < np.mean(gain**2) < 1.31


def test_the_noise_surface_is_flat_in_the_middle_of_a_block():
    noise = np.zeros((3, 3))
    noise[1, 1] = 0.1
    surface = noise_surface(noise, np.ones((27, 27), bool), 9, iterations=0)
    np.testing.assert_allclose(surface[11:16, 11:16], 0.1)
    assert surface[9, 13] < 0.1
    assert surface[4, 4] == 0.0
