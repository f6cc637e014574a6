"""How reliable the probabilities of drought and wet classes are where the true percentile is known.

``python -m tests.benchmarks.bench_classes [PIXELS]`` simulates PIXELS (20,000 by default) places whose moisture has
a known, skewed distribution and a memory of some 15 days. Analyses are best estimates with a standard error of half the
truth's spread, the prior is of three years, too dry and too even. For archives of 0, 1, 3 and 10 years it prints Brier
scores against always telling the class's frequency, with 95 % intervals over pixels, the reliability diagram of D1 or
worse, and the coverage of the percentile's 90 % interval.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import norm

from downscaler.derived.drought import reliability
from downscaler.derived.percentile import DROUGHT, SEASON, WET, join, standing

DAYS, PRIOR_YEARS, FADE = 2 * SEASON + 1, 3, np.exp(-1 / 7.5)
EVENTS = {"D0 or worse": 0.30, "D1 or worse": 0.20, "D2 or worse": 0.10, "D3 or worse": 0.05, "D4": 0.02}


def season(rng: np.random.Generator, pixels: int, days: int = DAYS) -> np.ndarray:
    """Standard normal values [day, pixel] with a memory."""
    found = [rng.standard_normal(pixels)]
    for _ in range(days - 1):
        found.append(FADE * found[-1] + np.sqrt(1 - FADE**2) * rng.standard_normal(pixels))
    return np.stack(found)


def theta(z: np.ndarray) -> np.ndarray:
    """Soil moisture of a standard normal value: skewed, as most of a season is dry."""
    return np.asarray(0.06 + 0.34 * norm.cdf(0.8 * z - 0.4))


def seasons(rng: np.random.Generator, years: int, pixels: int) -> np.ndarray:
    return np.concatenate([np.empty((0, pixels)), *(season(rng, pixels) for _ in range(years))])


def brier(probability: np.ndarray, happened: np.ndarray, rng: np.random.Generator) -> str:
    """Skill over the frequency, 1 - Brier / climatology, with its interval over pixels."""
    draws = [rng.integers(0, happened.size, happened.size) for _ in range(200)]
    skills = [reliability(probability[d], happened[d]).skill for d in draws]
    low, high = np.quantile(skills, (0.025, 0.975))
    found = reliability(probability, happened)
    return f"{found.brier:.4f} against {found.climatology:.4f}, skill {found.skill:.3f} [{low:.3f}, {high:.3f}]"


def main(pixels: int) -> None:
    """Simulate and print."""
    spread = float(theta(np.random.default_rng(1).standard_normal(400_000)).std())
    mean, noise = float(theta(np.random.default_rng(1).standard_normal(400_000)).mean()), 0.5 * spread
    share = spread**2 / (spread**2 + noise**2)
    for years in (0, 1, 3, 10):
        rng = np.random.default_rng(years)

        def estimate(truth: np.ndarray, rng: np.random.Generator = rng) -> np.ndarray:
            return np.asarray(mean + share * (truth - mean + noise * rng.standard_normal(truth.shape)))

        archive, prior = estimate(theta(seasons(rng, years, pixels))), seasons(rng, PRIOR_YEARS, pixels)
        sigma = np.sqrt(share) * noise
        dry_prior = 0.02 + 0.7 * theta(prior) if years else theta(prior)  # without an archive nothing brings it level
        reference = join(archive, np.full(archive.shape, sigma), years, dry_prior, PRIOR_YEARS)
        z = rng.standard_normal(pixels)
        found = standing(estimate(theta(z)), np.full(pixels, sigma), reference)
        true = norm.cdf(z)
        inside = float(((true >= found.lower) & (true <= found.upper)).mean())
        print(f"{years} years of archive: {inside:.3f} of the true percentiles inside the 90 % interval")
        for name, most in EVENTS.items():
            told = sum(p for c, p in found.classes.items() if c in DROUGHT and DROUGHT[c][1] <= most)
            print(f"  {name}: Brier {brier(np.asarray(told), true <= most, rng)}")
        wet = sum(p for c, p in found.classes.items() if c in WET and WET[c][0] >= 0.80)
        print(f"  W1 or wetter: Brier {brier(np.asarray(wet), true >= 0.80, rng)}")
        dry = np.asarray(sum(p for c, p in found.classes.items() if c in DROUGHT and DROUGHT[c][1] <= 0.20))
        diagram = reliability(dry, true <= 0.20)
        pairs = zip(diagram.forecast, diagram.observed, strict=True)
        print("  D1 or worse, told and happened:", ", ".join(f"{100 * f:.0f} {100 * o:.0f}" for f, o in pairs))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20_000)
