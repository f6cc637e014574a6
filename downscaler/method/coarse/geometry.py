"""How what SMAP sees in and around a block of cells goes together, in space and from pass to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from downscaler.method.coarse.observation import Observation, smear
from downscaler.method.coarse.response import slow_weights

REACH = 2  # blocks on either side whose means are used
_KEPT = 16  # sets of passes whose correlations are kept, 1 or 2 MB each
_PAST = 150  # days that the running mean looks back


@dataclass(frozen=True, kw_only=True)
class Component:
    """One part of the coarse anomalies: its share of their variance, memory (e-folding, days) and reach (km)."""

    share: float
    days: float
    km: float


@dataclass(frozen=True, kw_only=True)
class Related:
    """Correlations of what n passes see in g groups, pass after pass.

    ``seen`` [n g, n g] is of the anomalies among themselves, ``cross`` [2, cells, n g] of a cell's anomaly today and
    of its running mean with them.
    """

    seen: NDArray[np.floating]
    cross: NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Correlations of one block and its surroundings: groups g are its own cells and its neighbours' means.

    ``seen`` [k, g, g] is of what is seen of each of ``components``, ``cross`` [k, cells, g] of cells with it,
    ``smooth`` [g, g] of the errors.
    """

    components: tuple[Component, ...]
    seen: NDArray[np.float64]
    cross: NDArray[np.float64]
    smooth: NDArray[np.floating]
    _made: dict[tuple[float, ...], Related] = field(default_factory=dict)

    def between(self, ages: tuple[float, ...]) -> Related:
        """Correlations of passes of some ages; most blocks have the same passes."""
        found = self._made.pop(ages, None) or self._related(ages)
        while len(self._made) >= _KEPT:
            self._made.pop(next(iter(self._made)))
        self._made[ages] = found
        return found

    def _related(self, ages: tuple[float, ...]) -> Related:
        """The same for the first time, in the precision of ``smooth``."""
        count, groups = len(ages), len(self.smooth)
        lags, place = np.unique(np.abs(np.subtract.outer(ages, ages)), return_inverse=True)
        of_lag = np.zeros((len(lags), groups, groups))
        cross = np.zeros((2, self.cross.shape[1], count, groups))
        for component, seen, near in zip(self.components, self.seen, self.cross, strict=True):
            of_lag += component.share * np.exp(-lags / component.days)[:, None, None] * seen
            today = np.exp(-np.asarray(ages) / component.days)
            late = lagged(component.days, np.asarray(ages))
            for made, kept in zip(cross, (today, late), strict=True):
                made += component.share * kept[:, None] * near[:, None]
        kind = self.smooth.dtype
        whole = of_lag.astype(kind)[place.reshape(count, count)].transpose(0, 2, 1, 3)
        return Related(
            seen=whole.reshape(count * groups, count * groups),
            cross=cross.reshape(2, -1, count * groups).astype(kind),
        )


def usual_variances(components: Sequence[Component]) -> NDArray[np.float64]:
    """Variances in units of the spread: of today's anomaly, of its running mean, and of both together [3]."""
    return np.array([sum(part.share * _memory(part.days)[k] for part in components) for k in range(3)])


@lru_cache(maxsize=64)
def _memory(days: float) -> tuple[float, float, float]:
    """The same of an anomaly of memory ``days`` and unit size."""
    weights = slow_weights(_PAST)
    lags = np.exp(-np.arange(_PAST) / days)
    apart = np.abs(np.arange(_PAST)[:, None] - np.arange(_PAST))
    return 1.0, float(weights @ lags[apart] @ weights), float(weights @ lags)


def lagged(days: float, age: NDArray[np.floating]) -> NDArray[np.float64]:
    """Covariance of the running mean with the anomaly of ``age`` days ago, memory ``days`` and unit size."""
    distinct, place = np.unique(age, return_inverse=True)
    apart = np.abs(distinct[:, None] - np.arange(_PAST))
    return np.asarray(np.exp(-apart / days) @ slow_weights(_PAST))[place]


@lru_cache(maxsize=64)
def _geometry(
    components: tuple[Component, ...],
    footprint: float,
    smooth_km: float,
    cell_km: float,
    block: int,
    single: bool,
) -> Geometry:
    """That of blocks of ``block`` x ``block`` cells seen through a footprint, errors correlated over ``smooth_km``.

    ``single`` is the precision that correlations of passes are given in.
    """
    blocks = 2 * REACH + 1
    size = blocks * block
    y, x = (axis.ravel() for axis in np.mgrid[:size, :size])
    distance = np.hypot(y[:, None] - y, x[:, None] - x) * cell_km
    own = (y // block == REACH) & (x // block == REACH)
    number = (y // block) * blocks + x // block
    means = [np.where(number == k, 1.0 / block**2, 0.0) for k in around()]
    pick = np.concatenate([np.eye(size * size)[own], np.stack(means)])
    through = pick @ smear(np.zeros((size, size)), cell_km, footprint) if footprint else pick
    seen, cross = [], []
    for component in components:
        correlation = np.exp(-distance / component.km)
        seen.append(through @ correlation @ through.T)
        cross.append(correlation[own] @ through.T)
    errors = pick @ np.exp(-distance / smooth_km) @ pick.T
    return Geometry(
        components=components,
        seen=np.stack(seen),
        cross=np.stack(cross),
        smooth=errors.astype(np.float32 if single else np.float64),
    )


def around() -> NDArray[np.intp]:
    """Places of the neighbours among the blocks within ``REACH``, counted row by row without the block itself."""
    blocks = 2 * REACH + 1
    return np.delete(np.arange(blocks**2), REACH * blocks + REACH)


def geometry_of(
    components: Sequence[Component], observation: Observation, cell_km: float, block: int, *, single: bool = False
) -> Geometry:
    """The geometry for a sensor; observations that differ in their error alone share it."""
    return _geometry(tuple(components), observation.footprint, observation.smooth_km, cell_km, block, single)
