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
from downscaler.method.coarse.geometry import REACH, Component, Geometry, Related, geometry_of, usual_variances
from downscaler.method.coarse.groups import Data, Groups, block_slice, used
from downscaler.method.coarse.observation import Observation, smeared

BLOCK = 4  # coarse cells along one edge of a block
_FLOOR = 1e-6  # m6 m-6, added to every retrieval's error variance
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
    deviation, seen = (
        np.pad(part, frame[1:], constant_values=np.nan) for part in (spread, _seen_spread(spread, observation, cell_km))
    )
    single = observation.white_variance >= _SINGLE
    geometry = geometry_of(components, observation, cell_km, block, single=single)
    groups = Groups(values, deviation, seen, block)
    made = np.full((5, *deviation.shape), np.nan)
    for row, column in np.ndindex(rows, columns):
        inside = block_slice(row + REACH, block), block_slice(column + REACH, block)
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
    found: list[float] = []
    for _, alike in itertools.groupby(observations, key=lambda o: (o.footprint, o.smooth_km)):
        sensors = list(alike)
        seen = _seen_spread(spread, sensors[0], cell_km)
        data = Groups(passes.values, np.asarray(spread, np.float64), seen, block).of(REACH, REACH)
        use, chosen = used(data, passes.ages)
        if not use.any():
            return [0.0] * len(observations)
        geometry = geometry_of(components, sensors[0], cell_km, block)
        signal = _signal(data, use, geometry.between(chosen))
        smooth = np.zeros_like(signal)
        _add_smooth(smooth, use, geometry.smooth)
        for sensor in sensors:
            total = signal + signal.dtype.type(sensor.smooth_variance) * smooth
            factor = _factor(_add_white(total, data.count[use], sensor))
            fit = _forward(factor, data.values[use][None])[0]
            found.append(-0.5 * float(fit @ fit) - float(np.log(np.diag(factor)).sum()))
    return found


def _seen_spread(spread: Floats, observation: Observation, cell_km: float) -> Floats:
    """Spread [nyc, nxc] of what a cell's retrievals see: the mean over the footprint, as its gain weighs cells."""
    if not observation.footprint:
        return np.asarray(spread, np.float64)
    land = np.isfinite(spread)
    return np.where(
        land, smeared(np.asarray(spread, np.float64)[None], land, cell_km, observation.footprint)[0], np.nan
    )


def _signal(data: Data, use: NDArray[np.bool_], related: Related) -> NDArray[np.floating]:
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
    data: Data,
    use: NDArray[np.bool_],
    geometry: Geometry,
    observation: Observation,
) -> NDArray[np.floating]:
    """``total`` with SMAP's errors added in its place."""
    _add_smooth(total, use, total.dtype.type(observation.smooth_variance) * geometry.smooth)
    return _add_white(total, data.count[use], observation)


def _add_smooth(total: NDArray[np.floating], use: NDArray[np.bool_], smooth: NDArray[np.floating]) -> None:
    """Add the covariance [g, g] of smooth errors, which are independent from pass to pass."""
    last, made = 0, {}
    for seen in use:
        first, last = last, last + int(np.count_nonzero(seen))
        if last > first:
            key = seen.tobytes()  # most passes see the same of a block
            if key not in made:
                of = np.flatnonzero(seen)
                made[key] = smooth[of[:, None], of]
            total[first:last, first:last] += made[key]


def _add_white(total: NDArray[np.floating], count: Floats, observation: Observation) -> NDArray[np.floating]:
    """``total`` with the variance of independent errors, of means of ``count`` [m] cells, added in its place."""
    total.reshape(-1)[:: len(total) + 1] += (observation.white_variance / count + _FLOOR).astype(total.dtype)
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


def _solve(data: Data, ages: NDArray[np.floating], geometry: Geometry, observation: Observation) -> Floats:
    """One block's own cells [5, block, block]: the fields of ``Interpolated`` in their order."""
    cells = data.own.size
    variance = usual_variances(geometry.components)[:, None] * data.own.ravel()[None] ** 2  # of today, slow, both
    values = np.zeros((2, cells))
    use, chosen = used(data, ages)
    if use.any():
        related = geometry.between(chosen)
        there = use[use.any(axis=1)].ravel()
        spread = data.spread[np.nonzero(use)[1]]
        own = np.where(np.isfinite(data.own), data.own, 0.0).ravel()
        cross = related.cross[:, :, there] * (own[:, None] * spread)
        factor = _factor(_with_errors(_signal(data, use, related), data, use, geometry, observation))
        solved = _forward(factor, np.concatenate([cross.reshape(2 * cells, -1), data.values[use][None]]))
        solved = solved.astype(np.float64)
        today, late = solved[:cells], solved[cells : 2 * cells]
        values = np.stack([today @ solved[-1], late @ solved[-1]])
        for k, (one, other) in enumerate(((today, today), (late, late), (today, late))):
            variance[k] -= (one * other).sum(axis=1)
    today_error, slow_error = np.sqrt(np.maximum(variance[:2], _FLOOR))
    return np.stack([values[0], today_error, values[1], slow_error, variance[2]]).reshape(5, *data.own.shape)
