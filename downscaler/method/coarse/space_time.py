"""Space-time interpolation of coarse anomalies: what SMAP's last passes say of a day, block by block.

Anomalies from the climatological level are taken for a sum of components, each with a share of the variance, a memory
in days and a reach in kilometres (a Gaussian process with covariance v exp(-|t|/days) exp(-d/km)). A day's estimate is
the best linear one from the passes of a window of days (Gandin 1963; Bretherton et al. 1976,
doi:10.1016/0011-7471(76)90001-2) with errors that are smooth within a pass. It is worked out for one block of cells
after the other, from the block's own cells and the means of the blocks around, so that cost grows with area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.observation import Observation, smear
from downscaler.method.coarse.response import slow_weights

BLOCK = 4  # coarse cells along one edge of a block
REACH = 2  # blocks on either side whose means are used
MOST_PASSES = 16  # newest passes of a window that a block is estimated from
_KEPT = 4  # sets of passes whose correlations are kept, 4 MB each
_PAST = 150  # days that the running mean looks back
_FLOOR = 1e-6  # m6 m-6, added to every retrieval's error variance
_LEAST_SHARE = 0.25  # of a neighbouring block that must be seen for its mean to count


@dataclass(frozen=True, kw_only=True)
class Component:
    """One part of the coarse anomalies: its share of their variance, memory (e-folding, days) and reach (km)."""

    share: float
    days: float
    km: float


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What SMAP saw: anomalies ``values`` [n, nyc, nxc] of ``ages`` [n] days, m3 m-3, NaN where nothing is used."""

    values: Floats
    ages: NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Interpolated:
    """A day's anomaly and the standard deviation of its error, m3 m-3, both [nyc, nxc].

    ``slow`` and ``slow_error`` are those of the anomaly's running mean (``response.running_mean``), ``joint`` is the
    covariance of the two errors, m6 m-6.
    """

    anomaly: Floats
    error: Floats
    slow: Floats
    slow_error: Floats
    joint: Floats


@dataclass(frozen=True, kw_only=True)
class _Geometry:
    """Correlations of one block and its surroundings: groups g are its own cells and its neighbours' means.

    ``seen`` [k, g, g] of what is seen of each component, ``cross`` [k, cells, g] of cells with it, ``smooth`` [g, g]
    of the errors.
    """

    seen: NDArray[np.float64]
    cross: NDArray[np.float64]
    smooth: NDArray[np.float64]
    _made: dict[tuple[float, ...], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)

    def between(
        self, ages: tuple[float, ...], components: tuple[Component, ...]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Correlations [n g, n g] of what n passes see, anomalies and smooth errors; most blocks have the same passes.

        ``components`` are those that the geometry was made of.
        """
        if ages not in self._made:
            while len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            lag = np.abs(np.subtract.outer(ages, ages))
            size = len(ages) * len(self.smooth)
            anomalies = np.zeros((size, size))
            for component, space in zip(components, self.seen, strict=True):
                anomalies += np.kron(component.share * np.exp(-lag / component.days), space)
            self._made[ages] = anomalies, np.kron((lag == 0).astype(np.float64), self.smooth)
        return self._made[ages]


def interpolate(
    passes: Passes,
    spread: Floats,
    components: Sequence[Component],
    observation: Observation,
    cell_km: float,
    *,
    block: int = BLOCK,
) -> Interpolated:
    """The day's anomalies and their errors.

    Args:
        passes: of the window; the day itself has age 0.
        spread: standard deviation of the anomalies [nyc, nxc], m3 m-3, NaN where there is no land.
        components: how anomalies go together in time and space; shares may add up to less or more than 1.
        observation: SMAP's footprint and errors.
        cell_km: edge of a coarse cell.
        block: cells along one edge of a block.

    Returns:
        Everywhere where ``spread`` is known; without any pass near, 0 and the spread itself.
    """
    shape = spread.shape
    rows, columns = (-(-n // block) for n in shape)
    margin = REACH * block
    frame = [(0, 0), *((margin, block * count - n + margin) for n, count in zip(shape, (rows, columns), strict=True))]
    values = np.pad(passes.values, frame, constant_values=np.nan)
    deviation = np.pad(np.asarray(spread, np.float64), frame[1:], constant_values=np.nan)
    geometry = _geometry(tuple(components), observation, cell_km, block)
    groups = _Groups(values, deviation, block)
    made = np.full((5, *deviation.shape), np.nan)
    for row, column in np.ndindex(rows, columns):
        inside = _block(row + REACH, block), _block(column + REACH, block)
        if np.isfinite(deviation[inside]).any():
            data = groups.of(row + REACH, column + REACH)
            made[(slice(None), *inside)] = _solve(data, passes.ages, geometry, components, observation)
    within = slice(margin, margin + shape[0]), slice(margin, margin + shape[1])
    anomaly, error, slow, slow_error, joint = np.where(np.isfinite(spread), made[(slice(None), *within)], np.nan)
    return Interpolated(anomaly=anomaly, error=error, slow=slow, slow_error=slow_error, joint=joint)


def log_likelihood(
    passes: Passes,
    spread: Floats,
    components: Sequence[Component],
    observation: Observation,
    cell_km: float,
    *,
    block: int = BLOCK,
) -> float:
    """Log-likelihood of what a block and its surroundings saw, in arrays of just these blocks; 0 without passes."""
    geometry = _geometry(tuple(components), observation, cell_km, block)
    data = _Groups(passes.values, np.asarray(spread, np.float64), block).of(REACH, REACH)
    use, _ = _used(data, passes.ages)
    if not use.any():
        return 0.0
    covariance = _covariance(data, use, passes.ages, geometry, components, observation)
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    seen = data.values[use]
    fit = float(seen @ cho_solve(factor, seen, check_finite=False))
    return -0.5 * fit - float(np.log(np.diag(factor[0])).sum())


@dataclass(frozen=True, kw_only=True)
class _Data:
    """One block's groups: ``values`` [n, g] and ``count`` [n, g] of cells behind each, ``spread`` [g]; own first."""

    values: Floats
    count: Floats
    spread: Floats
    own: Floats


class _Groups:
    """Blocks' own cells and block means of padded arrays."""

    def __init__(self, values: Floats, deviation: Floats, block: int) -> None:
        self.block, self.values, self.deviation = block, values, deviation
        known = np.isfinite(values)
        count = _blocks(known.astype(np.float64), block)
        total = _blocks(np.where(known, values, 0.0), block)
        enough = count >= _LEAST_SHARE * block**2
        self.count = np.where(enough, count, 0.0)
        self.mean = np.where(enough, total / np.maximum(count, 1.0), np.nan)
        land = np.isfinite(deviation)
        cells = _blocks(land.astype(np.float64), block)
        self.spread = _blocks(np.where(land, deviation, 0.0), block) / np.maximum(cells, 1.0)

    def of(self, row: int, column: int) -> _Data:
        """The groups around one block, counted in the padded frame."""
        size = self.block
        inside = _block(row, size), _block(column, size)
        near = range(-REACH, REACH + 1)
        around = [(row + down, column + across) for down in near for across in near if down or across]
        own = self.values[(slice(None), *inside)].reshape(len(self.values), size * size)
        deviation = self.deviation[inside].ravel()
        return _Data(
            values=np.concatenate([own, np.stack([self.mean[:, i, j] for i, j in around], axis=1)], axis=1),
            count=np.concatenate(
                [np.isfinite(own).astype(np.float64), np.stack([self.count[:, i, j] for i, j in around], axis=1)],
                axis=1,
            ),
            spread=np.concatenate([np.nan_to_num(deviation), np.array([self.spread[i, j] for i, j in around])]),
            own=deviation.reshape(size, size),
        )


def _block(number: int, block: int) -> slice:
    return slice(number * block, (number + 1) * block)


def _blocks(values: Floats, block: int) -> Floats:
    *lead, ny, nx = values.shape
    return np.asarray(values.reshape(*lead, ny // block, block, nx // block, block).sum(axis=(-3, -1)))


def _used(data: _Data, ages: NDArray[np.floating]) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Which groups [n, g] of which passes count, and the age of each that does."""
    use = np.isfinite(data.values)
    seen = np.flatnonzero(use.any(axis=1))
    newest = seen[np.argsort(ages[seen], kind="stable")][:MOST_PASSES]
    chosen = np.zeros(len(ages), bool)
    chosen[newest] = True
    use &= chosen[:, None]
    return use, np.repeat(ages[:, None], use.shape[1], axis=1)[use]


def _covariance(
    data: _Data,
    use: NDArray[np.bool_],
    ages: NDArray[np.floating],
    geometry: _Geometry,
    components: Sequence[Component],
    observation: Observation,
) -> NDArray[np.float64]:
    """Covariance of what was seen: anomalies and errors; ``ages`` are those of the passes [n]."""
    passes, group = use.any(axis=1), np.nonzero(use)[1]
    anomalies, errors = geometry.between(tuple(ages[passes].tolist()), tuple(components))
    there = use[passes].ravel()
    if not there.all():
        at = np.flatnonzero(there)
        anomalies, errors = (np.take(np.take(part, at, axis=0), at, axis=1) for part in (anomalies, errors))
    spread = data.spread[group]
    total: NDArray[np.float64] = anomalies * spread
    total *= spread[:, None]
    total += observation.smooth_variance * errors
    total[np.diag_indices_from(total)] += observation.white_variance / data.count[use] + _FLOOR
    return total


def _solve(
    data: _Data,
    ages: NDArray[np.floating],
    geometry: _Geometry,
    components: Sequence[Component],
    observation: Observation,
) -> NDArray[np.float64]:
    """One block's own cells [5, block, block]: the fields of ``Interpolated`` in their order."""
    parts = [(component.share, *_memory(component.days)) for component in components]
    usual = np.array([sum(share * each[k] for share, *each in parts) for k in range(3)])  # of today, slow, both
    variance = usual[:, None] * data.own.ravel()[None] ** 2
    values = np.zeros((2, data.own.size))
    use, age = _used(data, ages)
    if use.any():
        group = np.nonzero(use)[1]
        size = np.nan_to_num(data.own).ravel()[:, None] * data.spread[group]
        cross = np.zeros((2, *size.shape))
        for component, space in zip(components, geometry.cross, strict=True):
            near = component.share * space[:, group] * size
            cross[0] += np.exp(-age / component.days) * near
            cross[1] += _lagged(component.days, age) * near
        factor = cho_factor(
            _covariance(data, use, ages, geometry, components, observation),
            lower=True,
            overwrite_a=True,
            check_finite=False,
        )
        weights = cho_solve(factor, cross.reshape(-1, len(group)).T, check_finite=False).T.reshape(cross.shape)
        values = weights @ data.values[use]
        for k, (one, other) in enumerate(((0, 0), (1, 1), (0, 1))):
            variance[k] -= (cross[one] * weights[other]).sum(axis=1)
    today, late = np.sqrt(np.maximum(variance[:2], _FLOOR))
    return np.stack([values[0], today, values[1], late, variance[2]]).reshape(5, *data.own.shape)


@lru_cache(maxsize=64)
def _memory(days: float) -> tuple[float, float, float]:
    """Variances of an anomaly of memory ``days`` and unit size: today's, its running mean's, and of both together."""
    weights = slow_weights(_PAST)
    lags = np.exp(-np.arange(_PAST) / days)
    apart = np.abs(np.arange(_PAST)[:, None] - np.arange(_PAST))
    return 1.0, float(weights @ lags[apart] @ weights), float(weights @ lags)


def _lagged(days: float, age: NDArray[np.floating]) -> NDArray[np.float64]:
    """Covariance of the running mean with the anomaly of ``age`` days ago, memory ``days`` and unit size."""
    distinct, place = np.unique(age, return_inverse=True)
    apart = np.abs(distinct[:, None] - np.arange(_PAST))
    return np.asarray(np.exp(-apart / days) @ slow_weights(_PAST))[place]


@lru_cache(maxsize=32)
def _geometry(components: tuple[Component, ...], observation: Observation, cell_km: float, block: int) -> _Geometry:
    blocks = 2 * REACH + 1
    size = blocks * block
    y, x = (axis.ravel() for axis in np.mgrid[:size, :size])
    distance = np.hypot(y[:, None] - y, x[:, None] - x) * cell_km
    own = (y // block == REACH) & (x // block == REACH)
    number = (y // block) * blocks + x // block
    centre = REACH * blocks + REACH
    means = [np.where(number == k, 1.0 / block**2, 0.0) for k in range(blocks**2) if k != centre]
    pick = np.concatenate([np.eye(size * size)[own], np.stack(means)])
    through = pick @ smear(np.zeros((size, size)), cell_km, observation.footprint) if observation.footprint else pick
    seen, cross = [], []
    for component in components:
        correlation = np.exp(-distance / component.km)
        seen.append(through @ correlation @ through.T)
        cross.append(correlation[own] @ through.T)
    errors = np.exp(-distance / observation.smooth_km)
    return _Geometry(seen=np.stack(seen), cross=np.stack(cross), smooth=pick @ errors @ pick.T)
