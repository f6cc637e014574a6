"""The analysis of a day: the best estimate of every coarse cell from SMAP's last passes, weather and climatology.

The state is the departure of a cell from its level in the prior's record, in the prior's climatology. Without SMAP it
is what the weather of the weeks before makes of it, or 0; the passes of the last ``WINDOW`` days correct it
(``space_time``). A day depends on nothing but its inputs: no state is carried from day to day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.geometry import Component
from downscaler.method.coarse.observation import Observation
from downscaler.method.coarse.sensor import Background, departures, find_scale, find_sensor
from downscaler.method.coarse.space_time import interpolate

WINDOW = 30  # days of SMAP that an analysis draws on, its own day included
FAST = Component(share=0.25, days=3.0, km=40.0)
SLOW = Component(share=0.50, days=30.0, km=300.0)
STANDING = Component(share=0.25, days=400.0, km=60.0)
# On the error where a footprint is found and weather is known: errors made over told on fifths of two seasons of the
# Upper Verde, without noise, were 1.32 and 1.24; without weather 1.11 and 0.97.
SMEARED = 1.28
_Z90 = 1.6448536269514722  # standard normal quantile of 0.95
_LARGEST = 100.0  # of any factor that a model may tell
_LIMITS = (-2.5, 4.0)  # spreads that the answer to weather is held within


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a prior's record says of how coarse soil moisture behaves, learned by ``learn.memory``.

    Attributes:
        amplitude: spread in time of a coarse cell over the mean spread of its 1 km cells.
        weights: answer to ``wetting``'s predictors in spreads of the cell; empty where no weather is known.
        centres: means of the predictors.
        unexplained: share of the variance that weather leaves, on folds of the record that it was not fitted on.
        inflation: factor on the estimate's error that made it the errors made, on such folds.
        stretch: standard errors from the 1 km value down and up to the ends of the 90 % interval, for SMAP cells drier
            than usual, usual and wetter (``following.CENTRES``), on such folds.
    """

    amplitude: float = 0.7
    weights: tuple[float, ...] = ()
    centres: tuple[float, ...] = ()
    unexplained: float = 1.0
    inflation: float = 1.0
    stretch: tuple[tuple[float, ...], tuple[float, ...]] = ((_Z90,) * 3, (_Z90,) * 3)

    @property
    def judged(self) -> bool:
        """Whether intervals were held against days of a record; not where it was too short for that."""
        return self.inflation != 1.0 or self.stretch != ((_Z90,) * 3, (_Z90,) * 3)

    def components(self, *, weather: bool) -> tuple[Component, ...]:
        """What is left to find out, as components of ``space_time``."""
        left = min(1.0, self.unexplained) if weather else 1.0
        return (replace(FAST, share=left * FAST.share), replace(SLOW, share=left * SLOW.share), STANDING)

    def answer(self, predictors: Floats, spread: Floats) -> Floats:
        """Departure [..., nyc, nxc] that the weather makes, m3 m-3, from predictors [..., nyc, nxc, k]."""
        sizes = (np.asarray(predictors) - np.asarray(self.centres)) @ np.asarray(self.weights)
        return np.asarray(np.clip(sizes, *_LIMITS) * spread)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "amplitude": self.amplitude,
            "weights": list(self.weights),
            "centres": list(self.centres),
            "unexplained": self.unexplained,
            "inflation": self.inflation,
            "stretch": [list(side) for side in self.stretch],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Memory:
        """The inverse of ``as_dict``; raises KeyError, TypeError or ValueError for what it is not."""
        memory = cls(
            amplitude=float(stored["amplitude"]),
            weights=tuple(map(float, stored["weights"])),
            centres=tuple(map(float, stored["centres"])),
            unexplained=float(stored["unexplained"]),
            inflation=float(stored["inflation"]),
            **_stretch(stored),
        )
        below, above = memory.stretch
        factors = (memory.amplitude, memory.inflation, *below, *above)
        known = all(0.0 < factor <= _LARGEST for factor in factors) and 0.0 <= memory.unexplained <= _LARGEST
        if not known or len(memory.weights) != len(memory.centres):
            raise ValueError(f"no memory: {dict(stored)}")
        if not np.isfinite([*memory.weights, *memory.centres]).all():
            raise ValueError(f"no memory: {dict(stored)}")
        return memory


def _stretch(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Of a stored memory; models trained before it was learned have none."""
    if "stretch" not in stored:
        return {}
    below, above = (tuple(map(float, side)) for side in stored["stretch"])
    return {"stretch": (below, above)}


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """A day's coarse field and what it rests on, [nyc, nxc].

    ``value`` and its standard ``error`` are m3 m-3, ``slow`` is the running mean of the departure from the level
    (``response.running_mean``) with its standard error, ``joint`` the covariance of the two errors (m6 m-6), ``smap``
    the share of the variance that SMAP took away (0 to 1).
    ``observation`` is what SMAP was found to be, ``footprint`` the share of the footprint's effect on the level in it,
    ``scale`` how much larger than usual departures were found to be.
    """

    value: Floats
    error: Floats
    slow: Floats
    slow_error: Floats
    joint: Floats
    smap: Floats
    observation: Observation
    footprint: float
    scale: float


def analyse(
    seen: Floats, ages: NDArray[np.floating], background: Background, memory: Memory, cell_km: float
) -> Analysed:
    """The coarse field of a day.

    Args:
        seen: retrievals in the prior's climatology [n, nyc, nxc], m3 m-3, NaN where none is used.
        ages: of the passes, days [n].
        background: what is known without them.
        memory: learned from the prior's record.
        cell_km: edge of a coarse cell.
    """
    components = memory.components(weather=background.weather)
    sensor, observation = find_sensor(seen, ages, background, components, cell_km)
    passes = departures(seen, ages, background, sensor, cell_km)
    scale = 1.0  # weather tells of a drought itself: there scales of their own made it worse by up to 1 %
    if background.model or not background.weather:
        scale = find_scale(seen, ages, background, components, (sensor, observation), cell_km)
    spread = scale * background.spread
    found = interpolate(passes, spread, components, observation, cell_km)
    usual = sum(component.share for component in components) * spread**2
    with np.errstate(invalid="ignore", divide="ignore"):
        smap = np.clip(1.0 - found.error**2 / usual, 0.0, 1.0)
    factor = memory.inflation * (SMEARED if background.weather and sensor.width else 1.0)
    return Analysed(
        value=background.level + background.day + found.anomaly,
        error=factor * found.error,
        slow=background.slow + found.slow,
        slow_error=factor * found.slow_error,
        joint=factor**2 * found.joint,
        smap=np.where(np.isfinite(background.spread), smap, np.nan),
        observation=observation,
        footprint=sensor.level,
        scale=scale,
    )
