"""Rain of another source made like the forcing that the prior ran on: wet days and amounts, by month and region.

Satellite and reanalysis rain fall on other days and in other amounts than the rain that a model was trained with: too
many days of drizzle above all. Rain below a threshold is taken for none, such that as many days are wet as in the
prior's record, and the rest is scaled so that a month's rain is the prior's. Both are found where both records exist.

Source: Schmidli et al. (2006, doi:10.1002/joc.1287), local intensity scaling; the ratio is shrunk here to that of the
region's year, and that to the domain's, since a month of few days tells little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.ground.grid import M01

REGION = 4 * M01.per_m36  # product cells along one edge of a region: 144 km
WET = 0.1  # mm a day, from which a day of the prior is wet
LEAST_DAYS = 15  # days of a month that both records have to have
SHRINKAGE = 20.0  # days that the ratio of the larger whole counts for
RATIOS = (1.0 / 3.0, 3.0)
_STEP, _BINS = 0.02, 101  # mm; thresholds of 0 to 2 mm are tried
Floats = NDArray[np.floating]
Figures = NDArray[np.float64]


class RainTally:
    """Counts of both records over days that both have, from which a matching is fitted.

    Args:
        shape: product cells (ny, nx) of the fields.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        rows, columns = (-(-size // REGION) for size in shape)
        self.shape, self._grid = shape, (rows, columns)
        y, x = (np.arange(size) // REGION for size in shape)
        self._region = y[:, None] * columns + x[None]
        count = rows * columns
        self._fallen = np.zeros((12, count, _BINS))  # cells by the source's rain, and that rain, mm
        self._amount = np.zeros((12, count, _BINS))
        self._wet, self._total, self._cells = (np.zeros((12, count)) for _ in range(3))
        self._days = np.zeros((12, count))

    def add(self, month: int, source: Floats, prior: Floats) -> None:
        """A day of a month (1 to 12): rain of the source and of the prior, mm, [ny, nx]; NaN counts in neither."""
        use = np.isfinite(source) & np.isfinite(prior)
        region, fallen, own = self._region[use], np.maximum(source[use], 0.0), prior[use]
        count, at = self._cells.shape[1], month - 1
        place = region * _BINS + np.minimum(fallen / _STEP + 1e-4, _BINS - 1).astype(np.intp)
        for counted, weights in ((self._fallen, None), (self._amount, fallen)):
            counted[at] += np.bincount(place, weights, count * _BINS).reshape(count, _BINS)
        for summed, weights in ((self._cells, None), (self._wet, own >= WET - 1e-4), (self._total, own)):
            summed[at] += np.bincount(region, weights, count)
        self._days[at] += np.bincount(region, minlength=count) > 0

    def fit(self) -> RainMatching:
        """Threshold and ratio of each month and region; NaN where fewer than ``LEAST_DAYS`` days are in both."""
        exceed, above = (np.cumsum(t[..., ::-1], axis=-1)[..., ::-1] for t in (self._fallen, self._amount))
        bins = np.abs(exceed - self._wet[..., None]).argmin(axis=-1)
        drizzly = exceed[..., round(WET / _STEP)] > self._wet  # else no day has to be taken away
        bins = np.where(drizzly, bins, 0)
        kept = np.take_along_axis(above, bins[..., None], axis=-1)[..., 0]
        enough = self._days >= LEAST_DAYS
        total, kept = np.where(enough, self._total, 0.0), np.where(enough, kept, 0.0)
        ratio = np.where(enough, _shrunk(total, kept, np.where(enough, self._cells, 0.0), self._days), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            wet = np.stack([self._wet, exceed[..., round(WET / _STEP)]]) / self._cells
        whole = (12, *self._grid)
        return RainMatching(
            shape=self.shape,
            threshold=np.where(enough, bins * _STEP, np.nan).reshape(whole),
            ratio=ratio.reshape(whole),
            days=self._days.reshape(whole),
            wet_prior=wet[0].reshape(whole),
            wet_source=wet[1].reshape(whole),
        )


def _shrunk(total: Figures, kept: Figures, cells: Figures, days: Figures) -> Figures:
    """Ratios of the prior's rain to the source's [month, region], each with ``SHRINKAGE`` days of the larger whole."""
    mean = kept.sum() / max(cells.sum(), 1.0)  # mm a day and cell
    domain = total.sum() / kept.sum() if kept.sum() > 0 else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.nan_to_num(SHRINKAGE * mean * cells / days)  # rain of so many days over the region
        year = weight.max(axis=0)
        region = (total.sum(axis=0) + year * domain) / (kept.sum(axis=0) + year)
        ratio = (total + weight * region) / (kept + weight)
    return np.asarray(np.clip(np.nan_to_num(ratio, nan=1.0), *RATIOS))


@dataclass(frozen=True, kw_only=True)
class RainMatching:
    """What makes rain like the prior's: threshold (mm) and ratio (1) by [month, region row, region column].

    NaN is unmatched. ``days`` are those that both records had; ``wet_prior`` and ``wet_source`` the shares of wet days
    before anything was done.
    """

    shape: tuple[int, int]
    threshold: Figures
    ratio: Figures
    days: Figures
    wet_prior: Figures
    wet_source: Figures

    def covers(self, month: int) -> bool:
        """Whether any region is matched in a month (1 to 12)."""
        return bool(np.isfinite(self.ratio[month - 1]).any())

    def apply(self, rain: Floats, month: int) -> NDArray[np.float32]:
        """Matched rain of a day, mm, [ny, nx]; regions that are unmatched keep theirs.

        Between the centres of regions threshold and ratio are interpolated, so that no seam shows.
        """
        threshold, ratio = (self._field(field[month - 1]) for field in (self.threshold, self.ratio))
        with np.errstate(invalid="ignore"):
            matched = np.where(rain < threshold - 1e-4, 0.0, rain * ratio)
        made = np.where(np.isfinite(ratio) & np.isfinite(rain), matched, rain)
        return np.asarray(made, dtype=np.float32)

    def figures(self) -> dict[str, Any]:
        """As plain lists, for a file; NaN is None."""
        names = ("threshold", "ratio", "days", "wet_prior", "wet_source")
        plain = {}
        for name in names:
            rounded = np.round(getattr(self, name), 4)
            listed = rounded.astype(object)
            listed[np.isnan(rounded)] = None
            plain[name] = listed.tolist()
        return {"shape": list(self.shape), **plain}

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> RainMatching:
        """From what ``figures`` gave; raises KeyError, TypeError or ValueError for anything else."""
        names = ("threshold", "ratio", "days", "wet_prior", "wet_source")
        arrays = {name: np.asarray(figures[name], dtype=np.float64) for name in names}
        ny, nx = (int(size) for size in figures["shape"])
        return cls(shape=(ny, nx), **arrays)

    def _field(self, coarse: Figures) -> Figures:
        """A figure of regions on the cells [ny, nx]: linear between the known centres, NaN in unmatched regions."""
        known = np.isfinite(coarse)
        rows, columns = (_weights(size, regions) for size, regions in zip(self.shape, coarse.shape, strict=True))
        with np.errstate(invalid="ignore", divide="ignore"):
            field = rows @ np.where(known, coarse, 0.0) @ columns.T / (rows @ known @ columns.T)
        y, x = (np.arange(size) // REGION for size in self.shape)
        return np.asarray(np.where(known[y[:, None], x[None]], field, np.nan))


def _weights(size: int, regions: int) -> Figures:
    """Linear weights [cell, region] of the region centres around each cell."""
    place = np.clip((np.arange(size) + 0.5) / REGION - 0.5, 0.0, regions - 1.0)
    return np.asarray(np.maximum(1.0 - np.abs(place[:, None] - np.arange(regions)[None]), 0.0))
