"""The root zone of a day: what was learned of every layer, and the layers carried down from the analyses before it.

The uncertainty of a layer has two parts: what the carrying down gets wrong, known from held-out stretches of the record
of the model, and what is not known of the surface, whose errors last from day to day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler import product
from downscaler.derived.composite import ErrorMemory, error_variance
from downscaler.derived.rootzone import SCALES, THICKNESSES, error_of, fit, held_out, thickness_mean
from downscaler.ground.blocks import Floats
from downscaler.sources.parflow.retention import Field, saturation

LAYERS = ("layer2", "layer3")
LEAST_DAYS = 200
"""Days of a record that a profile can be learned from: most of the seasons."""
FIELD_CAPACITY, WILTING_POINT = -3.3, -150.0  # m of pressure head: 33 kPa and 1500 kPa
_DEPTH = 1000.0 * sum(THICKNESSES)  # mm


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What was learned of some cells.

    ``weights`` is [layer, 1 + scale, ...], a constant and the filters' weights. ``errors`` [layer, ...] and ``root``
    [...] are standard deviations of what the carrying down gets wrong of the layers and of 0 to 1 m.
    """

    weights: Floats
    errors: Floats
    root: Floats


def learn_profile(indices: Floats, surface: Floats, layers: Sequence[Floats]) -> Profile:
    """Fit all layers of some cells on a whole record.

    Args:
        indices: filters of the surface [scale, day, cell].
        surface: the model's own surface [day, cell], m3 m-3.
        layers: the layers below it, from above [day, cell].

    Raises:
        ValueError: too few days to hold stretches of them out.
    """
    known = np.isfinite(surface).all(axis=1) & np.isfinite(indices).all(axis=(0, 2))
    known &= np.logical_and.reduce([np.isfinite(layer).all(axis=1) for layer in layers])
    days = np.flatnonzero(known)
    if len(days) < LEAST_DAYS:
        raise ValueError(f"{len(days)} days with all layers; {LEAST_DAYS} or more are needed")
    missed = [held_out(indices, layer, days) for layer in layers]
    root = thickness_mean([np.zeros_like(missed[0]), *missed], THICKNESSES)
    return Profile(
        weights=np.stack([fit(indices, layer, days) for layer in layers]),
        errors=np.stack([error_of(error) for error in missed]),
        root=error_of(root),
    )


@dataclass(frozen=True, kw_only=True)
class Below:
    """Soil moisture below the surface and its standard uncertainty, [...] m3 m-3: layers from above, and 0 to 1 m."""

    layers: list[Floats]
    sigmas: list[Floats]
    root: Floats
    root_sigma: Floats


def carry_down(theta: Floats, sigma: Floats, times: Sequence[int], profile: Profile, memory: ErrorMemory) -> Below:
    """The layers of the last day from the analyses up to it.

    Args:
        theta: analyses [day, ...], the last of the day itself; NaN where a day has no value.
        sigma: their standard uncertainty.
        times: number of each day, rising; days that lack are left out.
        profile: of the same cells.
        memory: autocorrelation of the analyses' errors.

    Returns:
        NaN where the last day, or all others, or the profile have no value.
    """
    known, ages = np.isfinite(theta), times[-1] - np.asarray(times)
    fades = np.exp(-ages[None] / np.asarray(SCALES)[:, None])  # [scale, day]
    norms = np.tensordot(fades, known.astype(np.float64), axes=(1, 0))  # [scale, ...]
    norms = np.where(norms > 0, norms, np.nan)
    values, errors = np.where(known, theta, 0.0), np.where(known, np.nan_to_num(sigma), 0.0)
    made, daily = [], []
    for weights in profile.weights:
        share = np.tensordot(fades.T, weights[1:] / norms, axes=(1, 0)) * known  # [day, ...]
        made.append(weights[0] + (share * values).sum(axis=0))
        daily.append(share)
    surface = np.zeros_like(values)
    surface[-1] = known[-1]
    whole = thickness_mean([surface, *daily], THICKNESSES)
    root = thickness_mean([theta[-1], *made], THICKNESSES)

    def spread(share: Floats, own: Floats) -> Floats:
        return np.sqrt(error_variance(share * errors, times, memory) + own**2)

    blank = np.where(np.isfinite(root), 0.0, np.nan)
    layers = [np.clip(layer, product.THETA_MIN, product.THETA_MAX) + blank for layer in made]
    sigmas = [spread(share, own) + blank for share, own in zip(daily, profile.errors, strict=True)]
    root_sigma = np.minimum(spread(whole, profile.root), product.THETA_MAX)
    return Below(
        layers=layers,
        sigmas=[np.minimum(one, product.THETA_MAX) for one in sigmas],
        root=np.clip(root, product.THETA_MIN, product.THETA_MAX),
        root_sigma=root_sigma + blank,
    )


def available_water(root: Field, porosity: Field, residual: Field, alpha: Field, n: Field) -> tuple[Field, Field]:
    """Water that plants can take from 0 to 1 m, mm, and as a share of what the soil can hold for them, 0 to 1.

    Between the wilting point (1500 kPa) and field capacity (33 kPa) of van Genuchten's curve; what is above field
    capacity drains and does not count.

    Args:
        root: mean soil moisture of 0 to 1 m [...], m3 m-3.
        porosity: m3 m-3.
        residual: residual water content, m3 m-3.
        alpha: van Genuchten alpha, m-1.
        n: van Genuchten n.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        least = residual / porosity
        wilting, capacity = (
            porosity * saturation(np.full(root.shape, head), alpha, n, least)
            for head in (WILTING_POINT, FIELD_CAPACITY)
        )
        room = capacity - wilting
        held = np.clip(root - wilting, 0.0, room)
        return _DEPTH * held, np.where(room > 0, held / room, np.nan)


def rasters(below: Below, water: Floats, share: Floats, flags: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
    """All rasters of a root zone by name; a cell without a value bears FILL.

    Args:
        below: layers and 0 to 1 m [y, x].
        water: plant-available water, mm, and
        share: its share of what the soil can hold, 0 to 1.
        flags: of the day's analysis.
    """
    reach = NormalDist().inv_cdf(0.5 + product.INTERVAL / 2) * below.root_sigma
    fields: dict[str, NDArray[Any]] = {
        "soil_moisture": below.root,
        "uncertainty": below.root_sigma,
        "lower": np.clip(below.root - reach, product.THETA_MIN, product.THETA_MAX),
        "upper": np.clip(below.root + reach, product.THETA_MIN, product.THETA_MAX),
        "available_water": water,
        "available_share": 100.0 * share,
        "quality_flag": np.where(np.isfinite(below.root), flags, np.uint16(product.Flag.FILL)),
    }
    for name, layer, sigma in zip(LAYERS, below.layers, below.sigmas, strict=True):
        fields |= {name: layer, f"{name}_uncertainty": sigma}
    return fields
