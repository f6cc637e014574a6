"""A light stand-in for ParFlow-CLM: two soil layers, gravity drainage, capillary rise, evaporation, lateral flow.

It is no solver of Richards' equation. Each six-hour step, per cell: rain infiltrates up to conductivity and room; both
layers drain under gravity with Brooks-Corey conductivity K = Ks S^c (solved exactly, so any step is stable); dry soil
draws water up from wet soil below; evaporation and transpiration take water until stress stops them; a share of
the drainage runs to the D8 neighbour downslope; the rest recharges ground water, which comes up again in valleys in
proportion to the area that drains to them. Snow is not modelled.

Source: Brooks and Corey (1964) with c = 3 + 2/(n - 1) for van Genuchten's n (van Genuchten 1980,
doi:10.2136/sssaj1980.03615995004400050002x); Beven and Kirkby (1979, doi:10.1080/02626667909491834) for discharge by
upslope area; Feddes et al. (1978) for stress.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from downscaler.simulation.landscape import Landscape
from downscaler.simulation.noise import Field, Stream, fractal
from downscaler.simulation.weather import STEPS, Weather

TOP, ROOT = 0.1, 0.9  # m, thickness of the surface layer and of the root zone
_HOURS = 24.0 / STEPS
_DAYTIME = (0.10, 0.0, 0.40, 0.50)  # share of the day's evaporation in each step from 00 UTC, over North America
_FIELD_CAPACITY_FLUX = 1e-4  # m h-1: drained soil is where gravity drainage falls to this


@dataclass(frozen=True, kw_only=True)
class Soil:
    """What the hydrology needs of each cell, [y, x]: a run's own view of the landscape."""

    porosity: Field
    residual: Field
    top_pores: Field  # m of water that the drainable pores of the surface layer hold
    root_pores: Field
    conductivity: Field  # m h-1
    exponent: Field
    drained: Field  # saturation at field capacity
    canopy: Field
    downslope: Field  # share of the root zone's drainage that runs to the neighbour
    discharge: Field  # share of passing ground water that comes up
    upslope: Field
    receiver: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run differs from another: ``seed`` and ``name`` of its error fields, and their size."""

    seed: int
    name: str
    conductivity_spread: float = 0.0  # standard deviation of ln Ks
    porosity_spread: float = 0.0  # relative
    canopy_spread: float = 0.0
    evaporation_factor: float = 1.0
    capillary_days: float = 1.5


@dataclass(kw_only=True)
class State:
    """Saturation of the drainable pore space, 0 to 1, of both layers, and the ground water recharge in m day-1."""

    top: Field
    root: Field
    recharge: Field

    def moisture(self, soil: Soil) -> Field:
        """Volumetric water content of the surface layer, m3 m-3."""
        return np.asarray(soil.residual + self.top * (soil.porosity - soil.residual), np.float32)


def make_soil(landscape: Landscape, y: NDArray[np.float64], x: NDArray[np.float64], run: Run) -> Soil:
    """A run's soil: the landscape's, with the run's own small-scale errors or details."""
    stream = Stream(seed=run.seed, name=f"run/{run.name}")
    ks = landscape.permeability * np.exp(
        run.conductivity_spread * fractal(y, x, 12.0, stream.child("conductivity"), octaves=4, gain=0.7)
    )
    wide = 1.0 + run.porosity_spread * fractal(y, x, 6.0, stream.child("porosity"), octaves=3, gain=0.8)
    canopy = landscape.vegetation + run.canopy_spread * fractal(y, x, 9.0, stream.child("canopy"), octaves=3)
    exponent = np.minimum(3.0 + 2.0 / (landscape.van_genuchten_n - 1.0), 16.0)
    slope = landscape.drainage.drop.reshape(landscape.shape)
    porosity = np.asarray(landscape.porosity * np.clip(wide, 0.8, 1.2), np.float32)
    pores = porosity - landscape.residual
    return Soil(
        porosity=porosity,
        residual=landscape.residual,
        top_pores=pores * np.float32(TOP),
        root_pores=pores * np.float32(ROOT),
        conductivity=np.asarray(ks, np.float32),
        exponent=np.asarray(exponent, np.float32),
        drained=np.asarray(np.clip((_FIELD_CAPACITY_FLUX / ks) ** (1.0 / exponent), 0.05, 0.95), np.float32),
        canopy=np.asarray(np.clip(canopy, 0.0, 0.98), np.float32),
        downslope=np.asarray(0.25 + 0.65 * np.clip(slope / 0.02, 0.0, 1.0), np.float32),
        discharge=np.asarray(np.clip((landscape.wetness - 13.8) / 5.0, 0.0, 1.0) ** 1.5, np.float32),
        upslope=landscape.upslope,
        receiver=landscape.drainage.receiver,
    )


def initial_state(soil: Soil) -> State:
    """Both layers somewhat below field capacity, valleys wetter; a spin-up has to follow."""
    start = np.clip(0.85 * soil.drained + 0.3 * soil.discharge, 0.05, 0.98).astype(np.float32)
    return State(top=start.copy(), root=start, recharge=np.full(start.shape, 2e-4, np.float32))


def simulate_day(state: State, soil: Soil, weather: Weather, greenness: float, run: Run) -> list[Field]:
    """Advances the state by one day, in place.

    Args:
        state: at 00 UTC, changed to 24 UTC.
        soil: of the run.
        weather: of the day.
        greenness: share of the full summer canopy, 0 to 1.
        run: gives the evaporation factor and capillary time.

    Returns:
        Surface soil moisture in m3 m-3 at the end of each step.
    """
    ground = gaussian_filter(state.recharge, 12.0, mode="nearest", truncate=2.5) * soil.upslope / STEPS
    canopy = soil.canopy * (0.35 + 0.65 * greenness)
    moisture, drained = [], np.zeros_like(state.root)
    for step in range(STEPS):
        demand = weather.evaporation * np.float32(1e-3 * _DAYTIME[step] * run.evaporation_factor)
        _infiltrate(state, soil, weather.rain[step] * np.float32(1e-3))
        _evaporate(state, soil, demand, canopy)
        drained += _drain(state, soil)
        _rise(state, soil, ground, run.capillary_days)
        moisture.append(state.moisture(soil))
    state.recharge += np.float32(1.0 / 30.0) * (drained - state.recharge)
    return moisture


def saturation(moisture: Field, root: Field, soil: Soil) -> Field:
    """Saturation on the five layers, [z, y, x] bottom first, from two: the deepest is ground water."""
    top = moisture / soil.porosity
    below = (soil.residual + root * (soil.porosity - soil.residual)) / soil.porosity
    drained = (soil.residual + soil.drained * (soil.porosity - soil.residual)) / soil.porosity
    return np.stack([np.ones_like(top), 0.5 * (below + drained), below, 0.35 * top + 0.65 * below, top])


def _gravity(saturation: Field, soil: Soil, pores: Field) -> Field:
    """Saturation after a step of dS/dt = -k S^c, exact: (S^(1-c) + (c - 1) k t)^(1/(1-c))."""
    c = soil.exponent
    k = soil.conductivity * np.float32(_HOURS) / pores
    base = np.maximum(saturation, np.float32(0.02))
    after = (base ** (1 - c) + (c - 1) * k) ** (1 / (1 - c))
    return np.asarray(np.minimum(after, saturation), np.float32)


def _infiltrate(state: State, soil: Soil, rain: Field) -> None:
    """Rain enters the surface layer, and what finds no room there the root zone; the rest runs off."""
    water = np.minimum(rain, soil.conductivity * np.float32(_HOURS) + soil.top_pores * (1 - state.top))
    for name, pores in (("top", soil.top_pores), ("root", soil.root_pores)):
        saturation = getattr(state, name)
        taken = np.minimum(water, (1 - saturation) * pores)
        setattr(state, name, saturation + taken / pores)
        water = water - taken


def _evaporate(state: State, soil: Soil, demand: Field, canopy: Field) -> None:
    wet_top, wet_root = (np.clip(s / soil.drained, 0.0, 1.0) for s in (state.top, state.root))
    bare = demand * (1 - 0.6 * canopy) * wet_top**1.5
    roots = demand * canopy
    stress_top, stress_root = (np.clip((w - 0.25) / 0.5, 0.0, 1.0) for w in (wet_top, wet_root))
    top = state.top - (bare + 0.45 * roots * stress_top) / soil.top_pores
    root = state.root - 0.55 * roots * stress_root / soil.root_pores
    state.top, state.root = np.maximum(top, 0.01), np.maximum(root, 0.01)


def _drain(state: State, soil: Soil) -> Field:
    """Gravity drainage of both layers; returns what leaves the root zone downward, m."""
    top = _gravity(state.top, soil, soil.top_pores)
    root = state.root + (state.top - top) * soil.top_pores / soil.root_pores
    state.top = top + np.maximum(root - 1, 0) * soil.root_pores / soil.top_pores
    root = np.minimum(root, 1)
    after = _gravity(root, soil, soil.root_pores)
    lost = (root - after) * soil.root_pores
    aside = lost * soil.downslope
    inflow = np.bincount(soil.receiver, weights=aside.ravel(), minlength=aside.size).reshape(aside.shape)
    state.root = np.minimum(after + inflow.astype(np.float32) / soil.root_pores, 1)
    state.top = np.minimum(state.top, 1)
    return np.asarray(lost - aside, np.float32)


def _rise(state: State, soil: Soil, ground: Field, days: float) -> None:
    """Ground water comes up in valleys, and a dry surface draws on a wetter root zone."""
    wanted = np.float32(1 - np.exp(-_HOURS / 12.0)) * (1 - state.root) * soil.root_pores
    state.root = state.root + np.minimum(soil.discharge * ground, wanted) / soil.root_pores
    share = np.float32(1 - np.exp(-_HOURS / (24.0 * days)))
    wetter = np.clip(state.root - np.maximum(state.top, soil.drained), 0, None)
    up = share * (4 * wetter + 0.15 * np.clip(state.root - state.top, 0, None)) * soil.top_pores
    state.top = state.top + up / soil.top_pores
    state.root = np.maximum(state.root - up / soil.root_pores, 0.01)
