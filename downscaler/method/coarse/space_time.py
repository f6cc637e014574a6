"""Space-time interpolation of coarse anomalies: what SMAP's last passes say of a day, block by block.

Anomalies from the climatological level are taken for a sum of components, each with a share of the variance, a memory
in days and a reach in kilometres (a Gaussian process with covariance v exp(-|t|/days) exp(-d/km)). A day's estimate is
the best linear one from the passes of a window of days (Gandin 1963; Bretherton et al. 1976,
doi:10.1016/0011-7471(76)90001-2) with errors that are smooth within a pass. It is worked out for one block of cells
after the other, from the block's own cells and the means of the blocks around, so that cost grows with area.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import get_lapack_funcs

from downscaler.ground.blocks import Floats
from downscaler.method.coarse.geometry import REACH, Component, Geometry, Related, around, geometry_of, usual_variances
from downscaler.method.coarse.observation import Observation

BLOCK = 4  # coarse cells along one edge of a block
MOST_PASSES = 16  # newest passes of a window that a block is estimated from
_FLOOR = 1e-6  # m6 m-6, added to every retrieval's error variance
_LEAST_SHARE = 0.25  # of a neighbouring block that must be seen for its mean to count
# m6 m-6, of a cell's own error, from which on single precision does: there values differ by less than 1e-5 m3 m-3.
_SINGLE = 1e-4


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
    single = observation.white_variance >= _SINGLE
    geometry = geometry_of(components, observation, cell_km, block, single=single)
    groups = _Groups(values, deviation, block)
    made = np.full((5, *deviation.shape), np.nan)
    for row, column in np.ndindex(rows, columns):
        inside = _block(row + REACH, block), _block(column + REACH, block)
        if np.isfinite(deviation[inside]).any():
            data = groups.of(row + REACH, column + REACH)
            made[(slice(None), *inside)] = _solve(data, passes.ages, geometry, observation)
    within = slice(margin, margin + shape[0]), slice(margin, margin + shape[1])
    anomaly, error, slow, slow_error, joint = np.where(np.isfinite(spread), made[(slice(None), *within)], np.nan)
    return Interpolated(anomaly=anomaly, error=error, slow=slow, slow_error=slow_error, joint=joint)


def log_likelihoods(
    passes: Passes,
    spread: Floats,
    components: Sequence[Component],
    observations: Sequence[Observation],
    cell_km: float,
    *,
    block: int = BLOCK,
) -> list[float]:
    """Log-likelihood of what a block and its surroundings saw, for each of some sensors; 0 without passes.

    ``passes`` and ``spread`` are arrays of just these blocks. Sensors that differ in their error alone share the work.
    """
    data = _Groups(passes.values, np.asarray(spread, np.float64), block).of(REACH, REACH)
    use, chosen = _used(data, passes.ages)
    if not use.any():
        return [0.0] * len(observations)
    found: list[float] = []
    made: tuple[Geometry | None, NDArray[np.floating]] = None, np.empty(0)
    for observation in observations:
        geometry = geometry_of(components, observation, cell_km, block)
        if made[0] is not geometry:
            made = geometry, _signal(data, use, geometry.between(chosen))
        factor = _factor(_with_errors(made[1].copy(), data, use, geometry, observation))
        fit = _forward(factor, data.values[use][None])[0]
        found.append(-0.5 * float(fit @ fit) - float(np.log(np.diag(factor)).sum()))
    return found


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
        self.block, self.values, self.deviation, self._around = block, values, deviation, around()
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
        rows, columns = (slice(place - REACH, place + REACH + 1) for place in (row, column))
        own = self.values[(slice(None), *inside)].reshape(len(self.values), size * size)
        deviation = self.deviation[inside]

        def beside(fields: Floats) -> Floats:
            near = fields[..., rows, columns]
            return np.asarray(near.reshape(*near.shape[:-2], near.shape[-1] * near.shape[-2])[..., self._around])

        return _Data(
            values=np.concatenate([own, beside(self.mean)], axis=1),
            count=np.concatenate([np.isfinite(own).astype(np.float64), beside(self.count)], axis=1),
            spread=np.concatenate([np.nan_to_num(deviation.ravel()), beside(self.spread)]),
            own=deviation,
        )


def _block(number: int, block: int) -> slice:
    return slice(number * block, (number + 1) * block)


def _blocks(values: Floats, block: int) -> Floats:
    *lead, ny, nx = values.shape
    return np.asarray(values.reshape(*lead, ny // block, block, nx // block, block).sum(axis=(-3, -1)))


def _used(data: _Data, ages: NDArray[np.floating]) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Which groups [n, g] of which passes count, and the ages of the passes of which any does."""
    use = np.isfinite(data.values)
    seen = np.flatnonzero(use.any(axis=1))
    if len(seen) > MOST_PASSES:
        use[seen[np.argsort(ages[seen], kind="stable")][MOST_PASSES:]] = False
        seen = np.flatnonzero(use.any(axis=1))
    return use, tuple(ages[seen].tolist())


def _signal(data: _Data, use: NDArray[np.bool_], related: Related) -> NDArray[np.floating]:
    """Covariance of the anomalies that were seen, in the precision of ``related``."""
    there = np.flatnonzero(use[use.any(axis=1)])
    seen = related.seen
    if len(there) < len(seen):
        seen = np.take(np.take(seen, there, axis=0), there, axis=1)
    spread = data.spread[np.nonzero(use)[1]].astype(seen.dtype)
    total = seen * spread
    total *= spread[:, None]
    return total


def _with_errors(
    total: NDArray[np.floating],
    data: _Data,
    use: NDArray[np.bool_],
    geometry: Geometry,
    observation: Observation,
) -> NDArray[np.floating]:
    """``total`` with SMAP's errors added in its place."""
    pass_, group = np.nonzero(use)
    smooth = total.dtype.type(observation.smooth_variance) * geometry.smooth
    bounds = np.flatnonzero(np.diff(pass_, prepend=-1, append=len(use)))
    for first, last in itertools.pairwise(bounds):  # errors are independent from pass to pass
        of = group[first:last]
        total[first:last, first:last] += smooth if len(of) == len(smooth) else smooth[of[:, None], of]
    total.reshape(-1)[:: len(total) + 1] += (observation.white_variance / data.count[use] + _FLOOR).astype(total.dtype)
    return total


def _factor(covariance: NDArray[np.floating]) -> NDArray[np.floating]:
    """Cholesky factor, lower, in Fortran's order, in the place of a symmetric matrix; raises LinAlgError."""
    (potrf,) = get_lapack_funcs(("potrf",), (covariance,))
    factor, info = potrf(covariance.T, lower=True, clean=False, overwrite_a=True)
    if info:
        raise np.linalg.LinAlgError(f"the covariance of what SMAP saw is not positive definite (order {info})")
    return np.asarray(factor)


def _forward(factor: NDArray[np.floating], rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows [k, n] through the inverse of the factor: products of what comes out are those of the inverse matrix."""
    (trtrs,) = get_lapack_funcs(("trtrs",), (factor,))
    solved, _ = trtrs(factor, np.ascontiguousarray(rows, factor.dtype).T, lower=True)
    return np.asarray(solved.T)


def _solve(data: _Data, ages: NDArray[np.floating], geometry: Geometry, observation: Observation) -> Floats:
    """One block's own cells [5, block, block]: the fields of ``Interpolated`` in their order."""
    cells = data.own.size
    variance = usual_variances(geometry.components)[:, None] * data.own.ravel()[None] ** 2  # of today, slow, both
    values = np.zeros((2, cells))
    use, chosen = _used(data, ages)
    if use.any():
        related = geometry.between(chosen)
        there = use[use.any(axis=1)].ravel()
        spread = data.spread[np.nonzero(use)[1]]
        cross = related.cross[:, :, there] * (np.nan_to_num(data.own).ravel()[:, None] * spread)
        factor = _factor(_with_errors(_signal(data, use, related), data, use, geometry, observation))
        solved = _forward(factor, np.concatenate([cross.reshape(2 * cells, -1), data.values[use][None]]))
        solved = solved.astype(np.float64)
        today, late = solved[:cells], solved[cells : 2 * cells]
        values = np.stack([today @ solved[-1], late @ solved[-1]])
        for k, (one, other) in enumerate(((today, today), (late, late), (today, late))):
            variance[k] -= (one * other).sum(axis=1)
    today_error, slow_error = np.sqrt(np.maximum(variance[:2], _FLOOR))
    return np.stack([values[0], today_error, values[1], slow_error, variance[2]]).reshape(5, *data.own.shape)
