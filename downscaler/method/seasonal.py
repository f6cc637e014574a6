"""Climatology of a coarse record: count, mean, spread and quantiles by cell and season."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downscaler.errors import ClimatologyError
from downscaler.ground.grid import Domain, EaseGrid

Floats = NDArray[np.floating]
SEASONS = ("DJF", "MAM", "JJA", "SON")
CENTRES = (15.5, 106.0, 198.0, 289.5)  # day of year (1-366) of each season's middle
PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_MONTHS = np.arange(1, 13) % 12 // 3  # season of January, February, ...


def season_of(dates: Sequence[dt.date] | NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Index into ``SEASONS`` of each date."""
    months = np.asarray(dates, dtype="datetime64[M]").astype(np.int64) % 12
    return np.asarray(_MONTHS[months], dtype=np.intp)


def quantiles(values: Floats, probabilities: Sequence[float]) -> Floats:
    """Median-unbiased quantiles (type 8 of Hyndman & Fan 1996, doi:10.2307/2684934) along axis 0, NaN left out.

    Args:
        values: [n, ...].
        probabilities: increasing, within (0, 1).

    Returns:
        [len(probabilities), ...]; NaN where all values are.
    """
    shape = (len(probabilities), *values.shape[1:])
    if len(values) == 0:
        return np.full(shape, np.nan)
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=0)  # NaN goes last
    count = np.isfinite(ordered).sum(axis=0)
    p = np.asarray(probabilities).reshape(-1, *([1] * count.ndim))
    position = np.clip((count + 1.0 / 3.0) * p - 2.0 / 3.0, 0.0, np.maximum(count - 1, 0))
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, index, axis=0) for index in (below, above))
    return np.asarray(low + (position - below) * (high - low))


@dataclass(frozen=True, kw_only=True)
class CoarseStatistics:
    """What a record says of each coarse cell by season; arrays [4, nyc, nxc] in the order of ``SEASONS``.

    ``days`` [4] are those with a value anywhere and ``count`` each cell's own; ``mean`` and ``std`` (of single days
    about the season's mean; NaN below two days) are m3 m-3, ``quantiles`` [4, len(probabilities), nyc, nxc] likewise.
    ``period`` are the first and last day with a value; ``inputs`` how many files it is from and ``digest`` the SHA-256
    over their checksums; ``notes`` what a user has to know of it.
    """

    days: NDArray[np.int32]
    count: NDArray[np.int32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    grid: EaseGrid
    domain: Domain
    title: str
    period: tuple[dt.date, dt.date] | None = None
    probabilities: tuple[float, ...] = PROBABILITIES
    inputs: int = 0
    digest: str = ""
    simulated: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.domain.shape(self.grid)
        if self.days.shape != (4,):
            raise ClimatologyError("A coarse climatology counts days by season", value=self.days.shape, allowed="(4,)")
        layers = {"count": (4,), "mean": (4,), "std": (4,), "quantiles": (4, len(self.probabilities))}
        for name, lead in layers.items():
            if getattr(self, name).shape != (*lead, shape.y, shape.x):
                raise ClimatologyError(
                    f"The {name} of a coarse climatology is not on its domain's {self.grid.name} grid",
                    value=getattr(self, name).shape,
                    allowed=(*lead, shape.y, shape.x),
                )

    @classmethod
    def from_record(
        cls,
        values: Floats,
        dates: Sequence[dt.date] | NDArray[np.datetime64],
        grid: EaseGrid,
        domain: Domain,
        title: str,
        *,
        probabilities: tuple[float, ...] = PROBABILITIES,
    ) -> CoarseStatistics:
        """Statistics of daily coarse values [time, nyc, nxc], m3 m-3, NaN missing; worked out row by row.

        ``values`` may be a memory map: memory is that of one row of cells. Raises ClimatologyError when the shapes
        do not fit.
        """
        shape = domain.shape(grid)
        if values.shape != (len(dates), shape.y, shape.x):
            raise ClimatologyError(
                "A coarse record does not match its dates and domain",
                value=values.shape,
                allowed=(len(dates), shape.y, shape.x),
            )
        seasons = season_of(dates)
        rows = [_of_row(np.asarray(values[:, y]), seasons, probabilities) for y in range(shape.y)]
        arrays: dict[str, Any] = {name: np.stack([row[name] for row in rows], axis=-2) for name in rows[0]}
        known = np.flatnonzero([bool(np.isfinite(day).any()) for day in values])
        days = np.asarray(dates, dtype="datetime64[D]")[known]
        period = (days.min().item(), days.max().item()) if len(days) else None
        by_season = np.bincount(season_of(days), minlength=len(SEASONS)).astype(np.int32)
        return cls(
            days=by_season, **arrays, grid=grid, domain=domain, title=title, period=period, probabilities=probabilities
        )

    def on(self, domain: Domain) -> CoarseStatistics:
        """The same on a domain within; raises ClimatologyError when it is not."""
        if not self.domain.holds(domain):
            raise ClimatologyError(
                f"The climatology {self.title!r} does not cover the domain {domain.name!r}",
                value=self.domain.m36,
                allowed=f"one that holds {domain.m36}",
                remedy=f"Build one with: vadose climatology build --domain {domain.name} ...",
            )
        cut = domain.window(self.grid).relative_to(self.domain.window(self.grid))
        window = (..., cut.rows.slice, cut.columns.slice)
        return replace(
            self,
            count=self.count[window],
            mean=self.mean[window],
            std=self.std[window],
            quantiles=self.quantiles[window],
            domain=domain,
        )


def _of_row(
    values: Floats, seasons: NDArray[np.intp], probabilities: tuple[float, ...]
) -> dict[str, NDArray[np.generic]]:
    """Statistics by season of one row of cells [time, nxc]."""
    result: dict[str, list[NDArray[np.generic]]] = {"count": [], "mean": [], "std": [], "quantiles": []}
    for season in range(len(SEASONS)):
        days = values[seasons == season].astype(np.float64)
        count = np.isfinite(days).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count > 0, np.nansum(days, axis=0) / count, np.nan)
            variance = np.where(count > 1, np.nansum((days - mean) ** 2, axis=0) / (count - 1), np.nan)
        result["count"].append(count.astype(np.int32))
        result["mean"].append(mean.astype(np.float32))
        result["std"].append(np.sqrt(variance).astype(np.float32))
        result["quantiles"].append(quantiles(days, probabilities).astype(np.float32))
    return {name: np.stack(layers) for name, layers in result.items()}
