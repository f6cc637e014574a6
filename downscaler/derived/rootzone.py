"""The soil below the surface, carried down from the surface series by what a model with deeper layers knows.

Each layer of a cell is a weighted sum of exponential filters of the surface with several time scales: how fast water
moves down is learned from ParFlow-CLM's own layers, cell by cell. Baselines are the calendar, the surface brought to
the layer's mean and variance, and the best single filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from downscaler import product
from downscaler.ground.blocks import Floats

SCALES = (1.0, 3.0, 8.0, 20.0, 50.0)
"""Time scales of the filters, days."""
WINDOW = 120
"""Days that a filter looks back on, today's among them: a day's root zone hangs on these alone."""
THICKNESSES = (0.1, 0.3, 0.6)  # m, of the surface and of the two layers below
STIFFNESS = 0.02  # of the ridge, as a share of the filters' variance: they are much alike
PARTS = 5
# Held-out errors of five stretches stand behind a state: its 90 % interval is that of Student's t with four degrees.
_WIDER = float(student.ppf(0.5 + product.INTERVAL / 2, PARTS - 1) / norm.ppf(0.5 + product.INTERVAL / 2))
Days = NDArray[np.bool_]


def exponential_filter(surface: Floats, scale: float, window: int = WINDOW) -> Floats:
    """The soil water index: past surface values, weighted by exp(-age / scale), on every day.

    Args:
        surface: [day, ...] without gaps in days, m3 m-3; NaN where a day has no value.
        scale: time scale, days.
        window: days that count, today's among them.

    Returns:
        [day, ...]; NaN where no day of the window has a value.

    Source: Wagner et al. (1999, doi:10.1016/S0034-4257(99)00036-X); the same as the recursion of Albergel et al.
    (2008, doi:10.5194/hess-12-1323-2008) but for the window's end.
    """
    fade, known = np.exp(-1.0 / scale), np.isfinite(surface)
    values, found = np.where(known, surface, 0.0), np.empty(surface.shape)
    total, weight = np.zeros(surface.shape[1:]), np.zeros(surface.shape[1:])
    count = np.zeros(surface.shape[1:], np.intp)
    for number in range(len(surface)):
        total, weight = total * fade + values[number], weight * fade + known[number]
        count += known[number]
        if (gone := number - window) >= 0:
            total, weight = total - values[gone] * fade**window, weight - known[gone] * fade**window
            count -= known[gone]
        found[number] = np.where(count > 0, total / np.where(weight > 0, weight, 1.0), np.nan)
    return found


def filters(surface: Floats, window: int = WINDOW) -> Floats:
    """The filters of all ``SCALES``, [scale, day, ...]."""
    return np.stack([exponential_filter(surface, scale, window) for scale in SCALES])


@dataclass(frozen=True, kw_only=True)
class LayerState:
    """What was learned of one layer: weights of the filters and a constant [1 + scale, cell], error [cell].

    ``error`` is the standard deviation of held-out errors, stretched so that the 90 % interval held 90 % of them.
    """

    weights: Floats
    error: Floats

    def carry(self, indices: Floats) -> Floats:
        """The layer from the filters [scale, day, cell]: [day, cell], within 0 and 1 m3 m-3."""
        made = self.weights[0] + np.einsum("sdc,sc->dc", indices, self.weights[1:])
        return np.asarray(np.clip(made, product.THETA_MIN, product.THETA_MAX))

    def interval(self, made: Floats) -> tuple[Floats, Floats]:
        """Lower and upper end of the 90 % interval about ``carry``."""
        reach = norm.ppf(0.5 + product.INTERVAL / 2) * self.error
        return np.clip(made - reach, 0.0, 1.0), np.clip(made + reach, 0.0, 1.0)


def learn(indices: Floats, layer: Floats, train: Days) -> LayerState:
    """Fit one layer on some days; its error comes from stretches of those days that a fit without them had not seen.

    Args:
        indices: filters of the surface [scale, day, cell].
        layer: the layer's own values [day, cell], m3 m-3.
        train: which days may be used [day].
    """
    days = np.flatnonzero(train & np.isfinite(layer).all(axis=1) & np.isfinite(indices).all(axis=(0, 2)))
    return LayerState(weights=fit(indices, layer, days), error=error_of(held_out(indices, layer, days)))


def held_out(indices: Floats, layer: Floats, days: NDArray[np.intp]) -> Floats:
    """Errors on days [n, cell], each by a fit that had not seen its stretch nor the two weeks beside it."""
    return np.concatenate(
        [
            layer[held]
            - LayerState(weights=fit(indices, layer, _apart(days, held)), error=np.zeros(1)).carry(indices[:, held])
            for held in np.array_split(days, PARTS)
        ]
    )


def error_of(errors: Floats) -> Floats:
    """Standard error of each cell, such that a normal interval of it holds 90 % with what five stretches can tell."""
    deviation = np.sqrt((errors**2).mean(axis=0))
    met = np.quantile(np.abs(errors) / np.maximum(deviation, 1e-6), product.INTERVAL)
    stretch = met / norm.ppf(0.5 + product.INTERVAL / 2)
    return np.asarray(np.maximum(deviation * stretch * _WIDER, 1e-4))


def _apart(days: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Days more than two weeks from a held-out stretch: deep layers remember."""
    apart: NDArray[np.intp] = days[(days < held[0] - 14) | (days > held[-1] + 14)]
    return apart


def fit(indices: Floats, layer: Floats, days: NDArray[np.intp]) -> Floats:
    """Ridge regression of the layer on the filters, each cell by itself: [1 + scale, cell]."""
    x, y = indices[:, days], layer[days]
    mean, level = x.mean(axis=1), y.mean(axis=0)
    x = x - mean[:, None]
    square = np.einsum("sdc,tdc->cst", x, x)
    stiff = STIFFNESS * np.trace(square, axis1=1, axis2=2) / len(SCALES) + 1e-9
    square += stiff[:, None, None] * np.eye(len(SCALES))
    slopes = np.linalg.solve(square, np.einsum("sdc,dc->cs", x, y - level)[..., None])[..., 0].T
    return np.concatenate([(level - (slopes * mean).sum(axis=0))[None], slopes])


def calendar(layer: Floats, angles: Floats, train: Days) -> Floats:
    """The layer's mean and one wave of the year, each cell by itself, on all days; ``angles`` [day] in radians."""
    waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    days = train & np.isfinite(layer).all(axis=1)
    return np.asarray(waves @ np.linalg.lstsq(waves[days], layer[days], rcond=None)[0])


def rescaled(surface: Floats, layer: Floats, train: Days) -> Floats:
    """The surface brought to the layer's mean and standard deviation, each cell by itself, on all days."""
    days = train & np.isfinite(layer).all(axis=1) & np.isfinite(surface).all(axis=1)
    ratio = layer[days].std(axis=0) / np.maximum(surface[days].std(axis=0), 1e-6)
    return np.asarray(layer[days].mean(axis=0) + ratio * (surface - surface[days].mean(axis=0)))


def best_filter(indices: Floats, layer: Floats, train: Days) -> Floats:
    """The single filter that is nearest to the layer after a straight line, its time scale chosen by cell."""
    days = train & np.isfinite(layer).all(axis=1) & np.isfinite(indices).all(axis=(0, 2))
    y = layer[days] - layer[days].mean(axis=0)
    made, errors = [], []
    for index in indices:
        x = index - index[days].mean(axis=0)
        slope = (x[days] * y).sum(axis=0) / np.maximum((x[days] ** 2).sum(axis=0), 1e-9)
        made.append(layer[days].mean(axis=0) + slope * x)
        errors.append(((y - slope * x[days]) ** 2).sum(axis=0))
    chosen = np.argmin(errors, axis=0)
    return np.asarray(np.take_along_axis(np.stack(made), chosen[None, None], axis=0)[0])


@dataclass(frozen=True, kw_only=True)
class Score:
    """Root mean square error over cells and days (m3 m-3), median over cells of R, and share inside the interval."""

    rmse: float
    r: float
    coverage: float = float("nan")


def score(made: Floats, truth: Floats, bounds: tuple[Floats, Floats] | None = None) -> Score:
    """How near a carried layer is to the truth [day, cell]."""
    known = np.isfinite(truth).all(axis=1) & np.isfinite(made).all(axis=1)
    a, b = made[known], truth[known]
    da, db = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.sqrt((da**2).sum(axis=0) * (db**2).sum(axis=0))
    r = np.where(norms > 1e-12, (da * db).sum(axis=0) / np.maximum(norms, 1e-12), np.nan)
    inside = float("nan")
    if bounds is not None:
        inside = float(((b >= bounds[0][known]) & (b <= bounds[1][known])).mean())
    return Score(rmse=float(np.sqrt(((a - b) ** 2).mean())), r=float(np.nanmedian(r)), coverage=inside)


def stretches(days: int, parts: int = PARTS, gap: int = 14) -> list[tuple[Days, Days]]:
    """Contiguous folds: for each, which days may be learned from (more than ``gap`` days away) and which are held."""
    found = []
    for held in np.array_split(np.arange(days), parts):
        number = np.arange(days)
        away = (number < held[0] - gap) | (number > held[-1] + gap)
        found.append((away, np.isin(number, held)))
    return found


def thickness_mean(layers: Sequence[Floats], thicknesses: Sequence[float]) -> Floats:
    """Mean over layers weighted by their thickness, such as 0-100 cm from 0.1, 0.3 and 0.6 m."""
    return np.asarray(sum(t * layer for t, layer in zip(thicknesses, layers, strict=True)) / sum(thicknesses))
