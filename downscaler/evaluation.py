"""Skill against a known 1 km truth: each figure with a 95 % interval from a block bootstrap over days."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from downscaler.blocks import Bools, Floats, block_mean, spread_blocks

BOOTSTRAPS, BLOCK_DAYS = 1000, 7
FIGURES: dict[str, str] = {
    "rmse": "root mean square error over cells and days, m3 m-3",
    "ubrmsd": "mean over cells of the standard deviation in time of the error, m3 m-3",
    "bias": "mean error, m3 m-3",
    "r": "correlation over cells and days",
    "within_block_r": "mean over SMAP cells and days of the spatial correlation inside the cell",
    "seam_index": "jump across SMAP cell edges / jump inside, over that of the truth; 1 is seamless",
    "coverage_90": "share of the truth inside the 90 % interval",
    "conservation": "largest |block mean - coarse value|, m3 m-3",
}


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


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


def within_block_r(theta: Floats, truth: Floats, ratio: int, least: int = 10) -> float:
    """Mean over blocks of Pearson's R between two fields inside the block, of blocks with at least ``least`` cells."""
    both = np.isfinite(theta) & np.isfinite(truth)
    x, y = (np.where(both, f, 0.0) for f in (theta, truth))
    x, y = (np.where(both, f - np.nan_to_num(spread_blocks(block_mean(f, both, ratio), ratio)), 0.0) for f in (x, y))
    cov, vx, vy = (block_mean(f, both, ratio) for f in (x * y, x * x, y * y))
    count = block_mean(np.ones(x.shape), both, ratio) * _counts(both, ratio)
    good = (np.nan_to_num(count) >= least) & (np.nan_to_num(vx) > 1e-12) & (np.nan_to_num(vy) > 1e-12)
    return float(np.mean(cov[good] / np.sqrt(vx[good] * vy[good]))) if good.any() else np.nan


def _counts(mask: Bools, ratio: int) -> Floats:
    counts: Floats = mask.reshape(mask.shape[0] // ratio, ratio, -1, ratio).sum(axis=(1, 3)).astype(np.float64)
    return counts


@dataclass
class _Record:
    """What one method did: errors and products per day, for resampling without going back to the fields."""

    sums: list[NDArray[np.float64]] = field(default_factory=list)  # n, e, e2, x, y, x2, y2, xy
    errors: list[NDArray[np.float32]] = field(default_factory=list)
    per_day: list[tuple[float, float, float, float]] = field(default_factory=list)  # within r, seam, coverage, conserv.


class Evaluation:
    """Gathers days of several methods against the truth and gives all figures with intervals.

    Args:
        active: cells that count [ny, nx].
        ratio: product cells along one edge of a coarse cell.
    """

    def __init__(self, active: Bools, ratio: int) -> None:
        self.active, self.ratio = active, ratio
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
        true_seam = seam_index(np.where(use, truth, np.nan), self.ratio)
        for name, values in methods.items():
            record = self._records.setdefault(name, _Record())
            x, y = values[use].astype(np.float64), truth[use].astype(np.float64)
            e = x - y
            terms = (np.ones_like(e), e, e * e, x, y, x * x, y * y, x * y)
            record.sums.append(np.array([term.sum() for term in terms]))
            record.errors.append(np.where(use, values - truth, np.nan)[self.active].astype(np.float32))
            shown = np.where(use, values, np.nan)
            bounds = (intervals or {}).get(name)
            inside = (bounds[0][use] <= y) & (y <= bounds[1][use]) if bounds else None
            record.per_day.append(
                (
                    within_block_r(shown, np.where(use, truth, np.nan), self.ratio),
                    seam_index(shown, self.ratio) / true_seam,
                    float(inside.mean()) if inside is not None else np.nan,
                    float(np.nanmax(np.abs(block_mean(np.nan_to_num(shown), use, self.ratio) - coarse))),
                )
            )

    def figures(self, *, block_days: int | None = None, seed: int = 0) -> dict[str, dict[str, Interval]]:
        """All figures of all methods: resampled in blocks of consecutive days, the same blocks for every method.

        ``block_days`` is a week by default, less where that would leave fewer than eight blocks.
        """
        days = max((len(r.sums) for r in self._records.values()), default=0)
        block_days = block_days or min(BLOCK_DAYS, max(1, days // 8))
        label = np.arange(days) // block_days
        blocks = int(label.max(initial=-1)) + 1
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=BOOTSTRAPS) if blocks else np.zeros((0, 0))
        weights = np.vstack([np.ones(blocks), draws]).astype(np.float64)
        return {name: _figures(record, label, weights) for name, record in self._records.items()}


def _figures(record: _Record, label: NDArray[np.intp], weights: NDArray[np.float64]) -> dict[str, Interval]:
    def gather(values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Weighted sums over blocks of days [draws, ...]; NaN counts nothing."""
        blocks = np.zeros((weights.shape[1], *values.shape[1:]))
        np.add.at(blocks, label, np.nan_to_num(values))
        return np.tensordot(weights, blocks, axes=1)

    n, e, e2, x, y, x2, y2, xy = gather(np.stack(record.sums)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = {
            "rmse": np.sqrt(e2 / n),
            "bias": e / n,
            "r": (xy / n - x * y / n**2) / np.sqrt((x2 / n - (x / n) ** 2) * (y2 / n - (y / n) ** 2)),
            "ubrmsd": _ubrmsd(np.stack(record.errors), gather),
        }
        per_day = np.array(record.per_day)
        total, count = gather(per_day), gather(np.isfinite(per_day).astype(np.float64))
        for column, name in enumerate(("within_block_r", "seam_index", "coverage_90")):
            samples[name] = total[:, column] / count[:, column]
    found = {name: _interval(values) for name, values in samples.items() if np.isfinite(values[0])}
    worst = float(np.nanmax(per_day[:, 3]))
    found["conservation"] = Interval(value=worst, low=worst, high=worst)
    return {name: found[name] for name in FIGURES if name in found}


def _ubrmsd(
    errors: NDArray[np.float32], gather: Callable[[NDArray[np.floating]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Mean over cells of the error's standard deviation in time; NaN with fewer than two days in a cell."""
    n, s, s2 = gather(np.isfinite(errors).astype(np.float64)), gather(errors), gather(errors.astype(np.float64) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(np.maximum(s2 / n - (s / n) ** 2, 0.0))
    enough = n >= 2
    cells = enough.sum(axis=1)
    return np.where(cells > 0, np.where(enough, deviation, 0.0).sum(axis=1) / np.maximum(cells, 1), np.nan)


def _interval(samples: NDArray[np.float64]) -> Interval:
    """The figure itself (first sample) and the 2.5 % and 97.5 % points of the others."""
    known = samples[1:][np.isfinite(samples[1:])]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (samples[0], samples[0])
    return Interval(value=float(samples[0]), low=float(low), high=float(high))


def as_table(figures: Mapping[str, Mapping[str, Interval]], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, a method each: its name and the named figures as ``value [low, high]``."""
    return [
        [method, *(f"{f.value:.4f} [{f.low:.4f}, {f.high:.4f}]" if (f := row.get(n)) else "–" for n in names)]
        for method, row in figures.items()
    ]
