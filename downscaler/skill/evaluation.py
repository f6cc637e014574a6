"""Skill against a known 1 km truth: each figure with a 95 % interval from a block bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.blocks import Bools, Floats, block_mean, block_sum, spread_blocks
from downscaler.product import CONSERVATION_TOLERANCE
from downscaler.skill.interval import Interval, interval

BOOTSTRAPS, BLOCK_DAYS = 1000, 7
FIGURES: dict[str, str] = {
    "rmse": "root mean square error over cells and days, m3 m-3",
    "ubrmsd": "mean over cells of the standard deviation in time of the error, m3 m-3",
    "bias": "mean error, m3 m-3",
    "r": "correlation over cells and days",
    "within_block_r": "mean over SMAP cells and days of the spatial correlation inside the cell",
    "seam_index": "jump across SMAP cell edges / jump inside, over that of the truth; 1 is seamless",
    "coverage_90": "share of the truth inside the 90 % interval",
    "beyond_bounds": "share of values below the residual water content or above porosity, by more than 1e-6 m3 m-3",
    "conservation": "largest |block mean - coarse value|, m3 m-3",
}


def seam_index(theta: Floats, ratio: int) -> float:
    """Mean |jump| across block edges over mean |jump| inside blocks (design 4); NaN where either is unknown."""
    edges, insides = [], []
    for axis in (0, 1):
        jump = np.abs(np.diff(theta, axis=axis))
        at_edge = np.arange(1, theta.shape[axis]) % ratio == 0
        edges.append(np.compress(at_edge, jump, axis=axis).ravel())
        insides.append(np.compress(~at_edge, jump, axis=axis).ravel())
    across, inside = np.concatenate(edges), np.concatenate(insides)
    across, inside = across[np.isfinite(across)], inside[np.isfinite(inside)]
    return float(across.mean() / inside.mean()) if across.size and inside.size and inside.mean() > 0 else np.nan


def block_r(theta: Floats, truth: Floats, ratio: int, least: int = 10) -> Floats:
    """Pearson's R of two fields inside each block [nyc, nxc]; NaN with fewer than ``least`` cells or no variance."""
    both = np.isfinite(theta) & np.isfinite(truth)
    x, y = (np.where(both, f, 0.0) for f in (theta, truth))
    x, y = (np.where(both, f - np.nan_to_num(spread_blocks(block_mean(f, both, ratio), ratio)), 0.0) for f in (x, y))
    cov, vx, vy = (np.nan_to_num(block_mean(f, both, ratio)) for f in (x * y, x * x, y * y))
    good = (block_sum(both.astype(np.float64), ratio) >= least) & (vx > 1e-12) & (vy > 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = np.where(good, cov / np.sqrt(vx * vy), np.nan)
    return r


def within_block_r(theta: Floats, truth: Floats, ratio: int, least: int = 10) -> float:
    """Mean over blocks of ``block_r``; NaN when no block has one."""
    r = block_r(theta, truth, ratio, least)
    return float(np.nanmean(r)) if np.isfinite(r).any() else np.nan


@dataclass
class _Record:
    """What one method did, per day and coarse cell, for resampling without going back to the fields."""

    sums: list[Floats] = field(default_factory=list)  # [10, nyc, nxc]: n, e, e2, x, y, x2, y2, xy, inside, beyond
    within: list[Floats] = field(default_factory=list)  # [nyc, nxc]
    seam: list[float] = field(default_factory=list)
    misfit: list[float] = field(default_factory=list)
    errors: list[NDArray[np.float32]] = field(default_factory=list)  # [active cells]
    bounded: bool = False


class Evaluation:
    """Gathers days of several methods against the truth and gives all figures with intervals.

    Args:
        active: cells that count [ny, nx].
        ratio: product cells along one edge of a coarse cell.
        units: labels of the coarse cells [nyc, nxc] that are resampled together (spatial blocks); None resamples
            runs of consecutive days.
        limits: residual water content and porosity [ny, nx], m3 m-3, that values are counted against; None counts none.
    """

    def __init__(
        self,
        active: Bools,
        ratio: int,
        units: NDArray[np.intp] | None = None,
        limits: tuple[Floats, Floats] | None = None,
    ) -> None:
        self.active, self.ratio, self.units, self.limits = active, ratio, units, limits
        self._records: dict[str, _Record] = {}

    def add(
        self,
        truth: Floats,
        coarse: Floats,
        methods: Mapping[str, Floats],
        intervals: Mapping[str, tuple[Floats, Floats]] | None = None,
    ) -> None:
        """Count one day.

        Cells are compared where truth and every method have a value, so that all are judged on the same ground.

        Args:
            truth: [ny, nx], m3 m-3.
            coarse: the values that block means should keep [nyc, nxc].
            methods: fields by method name [ny, nx].
            intervals: lower and upper bounds by method name.
        """
        use = self.active & np.isfinite(truth)
        for values in methods.values():
            use &= np.isfinite(values)
        if not use.any():
            return
        shown_truth = np.where(use, truth, np.nan)
        true_seam = seam_index(shown_truth, self.ratio)
        for name, values in methods.items():
            shown = np.where(use, values, np.nan)
            bounds = (intervals or {}).get(name)
            record = self._records.setdefault(name, _Record(bounded=bounds is not None))
            inside = (bounds[0] <= truth) & (truth <= bounds[1]) if bounds else np.zeros(use.shape, bool)
            e, beyond = shown - shown_truth, self._beyond(shown)
            squares = (shown**2, shown_truth**2, shown * shown_truth)
            terms = (e * 0 + 1, e, e * e, shown, shown_truth, *squares, inside, beyond)
            record.sums.append(np.stack([block_sum(np.where(use, term, 0.0), self.ratio) for term in terms]))
            record.within.append(block_r(shown, shown_truth, self.ratio))
            record.seam.append(seam_index(shown, self.ratio) / true_seam)
            mean = block_mean(np.nan_to_num(shown), use, self.ratio)
            record.misfit.append(float(np.nanmax(np.abs(mean - coarse))))
            record.errors.append(e[self.active].astype(np.float32))

    def _beyond(self, values: Floats) -> Bools:
        if self.limits is None:
            return np.zeros(values.shape, bool)
        lowest, highest = self.limits
        # beyond rounding, and beyond the bounds' own float32
        beyond: Bools = (values < lowest - CONSERVATION_TOLERANCE) | (values > highest + CONSERVATION_TOLERANCE)
        return beyond

    def figures(self, *, block_days: int | None = None, seed: int = 0) -> dict[str, dict[str, Interval]]:
        """All figures of all methods; the same draws for every method, so that differences can be read.

        ``block_days`` is a week by default, less where that would leave fewer than eight blocks of days.
        """
        days = max((len(r.sums) for r in self._records.values()), default=0)
        if not days:
            return {}
        label = np.arange(days) // (block_days or min(BLOCK_DAYS, max(1, days // 8)))
        runs = _draws(int(label.max()) + 1, seed)
        return {name: self._of(record, label, runs, seed) for name, record in self._records.items()}

    def _of(
        self, record: _Record, label: NDArray[np.intp], runs: NDArray[np.float64], seed: int
    ) -> dict[str, Interval]:
        sums, within = np.stack(record.sums), np.stack(record.within)
        r = np.stack([np.nan_to_num(within), np.isfinite(within)], axis=1)
        if self.units is None:
            weights, place = runs, label
            per_unit = [_by_unit(part.sum(axis=(2, 3)), place) for part in (sums, r)]
            ubrmsd = _ubrmsd_of_days(np.stack(record.errors), place, weights)
        else:
            weights, place = _draws(int(self.units.max()) + 1, seed), self.units.ravel()
            per_unit = [_by_unit(part.sum(axis=0).reshape(part.shape[1], -1).T, place) for part in (sums, r)]
            ubrmsd = self._ubrmsd_of_blocks(np.stack(record.errors), weights)
        (n, e, e2, x, y, x2, y2, xy, inside, beyond), (total, count) = ((weights @ part).T for part in per_unit)
        with np.errstate(invalid="ignore", divide="ignore"):
            samples = {
                "rmse": np.sqrt(e2 / n),
                "ubrmsd": ubrmsd,
                "bias": e / n,
                "r": (xy / n - x * y / n**2) / np.sqrt((x2 / n - (x / n) ** 2) * (y2 / n - (y / n) ** 2)),
                "within_block_r": total / count,
                "seam_index": _mean_of_days(np.array(record.seam), label, runs),
                "coverage_90": inside / n if record.bounded else np.array([np.nan]),
                "beyond_bounds": beyond / n if self.limits is not None else np.array([np.nan]),
            }
        # the seam is of whole days, whatever else is drawn
        units = {name: (runs if name == "seam_index" else weights).shape[1] for name in samples}
        found = {name: interval(values, units[name]) for name, values in samples.items() if np.isfinite(values[0])}
        worst = max(record.misfit)
        return found | {"conservation": Interval(value=worst, low=worst, high=worst)}

    def _ubrmsd_of_blocks(self, errors: NDArray[np.float32], weights: NDArray[np.float64]) -> Floats:
        assert self.units is not None
        deviation = _deviation(*(part[None] for part in _moments(errors)))[0]
        known = np.isfinite(deviation)
        place = np.asarray(spread_blocks(self.units, self.ratio))[self.active][known]
        per_unit = _by_unit(np.stack([deviation[known], np.ones(known.sum())], axis=1), place, weights.shape[1])
        total, count = (weights @ per_unit).T
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Floats = total / count
        return mean


def _draws(units: int, seed: int) -> NDArray[np.float64]:
    """Weights of the units [1 + BOOTSTRAPS, units]: all once, then as often as they were drawn."""
    draws = np.random.default_rng(seed).multinomial(units, np.full(units, 1.0 / units), size=BOOTSTRAPS)
    return np.vstack([np.ones(units), draws]).astype(np.float64)


def _by_unit(values: Floats, place: NDArray[np.intp], units: int | None = None) -> Floats:
    """Sums [units, columns] of rows by their unit."""
    sums = np.zeros((units or int(place.max()) + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def _moments(errors: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
    known = np.isfinite(errors)
    e = np.where(known, errors, 0.0).astype(np.float64)
    return known.sum(axis=0).astype(np.float64), e.sum(axis=0), (e * e).sum(axis=0)


def _deviation(n: Floats, s: Floats, s2: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation: Floats = np.where(n >= 2, np.sqrt(np.maximum(s2 / n - (s / n) ** 2, 0.0)), np.nan)
    return deviation


def _ubrmsd_of_days(errors: NDArray[np.float32], label: NDArray[np.intp], weights: NDArray[np.float64]) -> Floats:
    """Mean over cells of the error's standard deviation in time; a cell needs two days."""
    parts = [_moments(errors[label == run]) for run in range(weights.shape[1])]
    n, s, s2 = (weights @ np.stack(column) for column in zip(*parts, strict=True))
    deviation = _deviation(n, s, s2)
    known = np.isfinite(deviation)
    mean: Floats = np.where(known, deviation, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known.any(axis=1), mean, np.nan)


def _mean_of_days(values: Floats, label: NDArray[np.intp], weights: NDArray[np.float64]) -> Floats:
    known = np.isfinite(values)
    total, count = (weights @ _by_unit(np.stack([np.where(known, values, 0.0), known], axis=1), label)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = total / count
    return mean


def as_table(figures: Mapping[str, Mapping[str, Interval]], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, a method each: its name and the named figures as ``value [low, high]``."""
    return [
        [method, *(f"{f.value:.4f} [{f.low:.4f}, {f.high:.4f}]" if (f := row.get(n)) else "–" for n in names)]
        for method, row in figures.items()
    ]
